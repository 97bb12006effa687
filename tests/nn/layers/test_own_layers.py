"""Layers of a user's own: mistakes are refused where they are made; files and copies work."""

import copy
import pickle

import numpy as np
import pytest

import nn
from nn.layers.torch_layout import TorchArray
from nn.serialization.torch_state import to_torch_state
from tests.support.tools import normal


class Scale(nn.Layer):
    """y = a x."""

    def __init__(self, n, start=1.0):
        super().__init__()
        self.n, self.start = n, start
        self.parameter_shapes = {"a": (n,)}

    def initialize(self, rng):
        self.a[...] = self.start

    def forward(self, x, cache, *, train=False):
        cache.x = x
        return x * self.a

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if grads != "skip":
            da = (dy * cache.x).sum(axis=0)
            self.da[...] = self.da + da if grads == "add" else da
        return dy * self.a if need_dx else None


class Bypass(nn.Sequential):
    """y = x + layers(x)."""

    def forward(self, x, cache, *, train=False):
        return x + super().forward(x, cache, train=train)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = super().backward(dy.copy(), cache, grads=grads, need_dx=need_dx)
        return dy + dx if need_dx else None


class Block(Bypass):
    """A residual block that is made from a number."""

    def __init__(self, n):
        super().__init__(nn.Dense(n, n), nn.Tanh())
        self.n = n


class Pair(nn.Sequential):
    """Chooses layers, and has the passes of a Sequential."""

    def __init__(self, n):
        super().__init__(nn.Dense(n, n), nn.ReLU())


class Stored(nn.Layer):
    """Keeps a constructor argument of any kind; y = x."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x, cache, *, train=False):
        return x

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return dy if need_dx else None


def scale_with(base=Scale, **attributes):
    """A Scale(3) of a class with these attributes besides."""
    return type("Own", (base,), attributes)(3)


def shapes(**attributes):
    """A layer whose __init__ sets these attributes."""

    def __init__(self, n=3):
        nn.Layer.__init__(self)
        self.n = n
        vars(self).update(attributes)

    return type("Own", (Stored,), {"__init__": __init__})()


def forgetful(base):
    def __init__(self, n=3):
        self.n, self.parameter_shapes = n, {"a": (n,)}

    return type("Own", (base,), {"__init__": __init__})()


# ---- mistakes in the description


def test_a_forgetful_init_is_reported_by_a_call_too():
    with pytest.raises(nn.ShapeError, match=r"Own: expected an __init__ that calls super\(\)\."):
        forgetful(nn.Layer)(np.zeros((2, 3), np.float32))


@pytest.mark.parametrize("use", [nn.Sequential, lambda layer: layer.build(seed=0)])
@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: forgetful(nn.Layer), r"Own: expected an __init__ that calls super\(\)\.__init__"),
        (lambda: forgetful(nn.Dense), r"Own: expected an __init__ that calls super\(\)\.__init__"),
        (lambda: forgetful(nn.Sequential), r"Own: expected an __init__ that calls super\(\)\."),
        (
            lambda: shapes(parameter_shapes={"W": 3}),
            r"parameter_shapes\['W'\] as a tuple of integers of at least 1, got 3; .* is \(3,\)",
        ),
        (lambda: shapes(parameter_shapes={"W": (3.0,)}), r"got \(3\.0,\)"),
        (lambda: shapes(parameter_shapes={"W": (-3,)}), r"got \(-3,\)"),
        (lambda: shapes(parameter_shapes={"W": (0,)}), r"got \(0,\)"),
        (lambda: shapes(parameter_shapes={"W": (True,)}), r"got \(True,\)"),
        (lambda: shapes(parameter_shapes={"W": [3]}), r"got \[3\]"),
        (lambda: shapes(parameter_shapes={"W": None}), "got None"),
        (lambda: shapes(statistic_shapes={"m": 3}), r"statistic_shapes\['m'\] as a tuple"),
        (lambda: shapes(parameter_shapes=["W"]), r"a dict of shapes by name, got \['W'\]; write"),
        (lambda: shapes(parameter_shapes={3: (3,)}), "names of attributes .* got 3; write"),
        (lambda: shapes(parameter_shapes={"a.b": (3,)}), "names of attributes .* got 'a.b'; write"),
        (lambda: shapes(parameter_shapes={"n": (3,)}), "got 'n', which is also an attribute"),
        (lambda: shapes(parameter_shapes={"path": (3,)}), "got 'path', .*; choose another name"),
        (lambda: shapes(parameter_shapes={"label": (3,)}), "got 'label', .*; choose another name"),
        (lambda: shapes(parameter_shapes={"W": (3,), "dW": (3,)}), "got 'dW', .* or a gradient"),
        (
            lambda: shapes(parameter_shapes={"W": (3,)}, statistic_shapes={"W": (3,)}),
            "got 'W', .*; choose another name",
        ),
        (
            lambda: scale_with(forward=lambda self, x, cache: x),
            r"Own: expected a method forward\(x, cache, \*, train=False\), .* got "
            r"forward\(self, x, cache\); give it these arguments",
        ),
        (
            lambda: scale_with(backward=lambda self, dy, cache, *, grads="write": dy),
            r"Own: expected a method backward\(.* got backward\(self, dy, cache, \*, grads",
        ),
    ],
)
def test_a_wrong_description_is_refused(use, make, message):
    with pytest.raises(nn.ShapeError, match=message):
        use(make())


def test_shapes_may_be_numpy_integers_and_scalars():
    layer = shapes(parameter_shapes={"W": (np.int64(3),), "b": ()}).build(seed=0)
    assert layer.W.shape == (3,) and layer.b.shape == ()


def test_a_description_stays_valid_when_it_is_built_again():
    net = nn.Sequential(Scale(3), shapes(parameter_shapes={"W": (3,)}, W=None)).build(seed=0)
    net.build(seed=1, dtype="float64")
    assert nn.Sequential(*net)[0] is net[0] and net[0].a.tolist() == [1, 1, 1]


def test_an_array_in_the_place_of_a_parameter_is_refused():
    def initialize(self, rng):
        self.a = np.ones(3, np.float32)

    with pytest.raises(nn.ShapeError, match=r"Own 'net.0': .* into a, got .* self.a\[...\] ="):
        nn.Sequential(scale_with(initialize=initialize)).build(seed=0)


def test_without_initialize_parameters_are_0():
    assert shapes(parameter_shapes={"W": (3,)}).build(seed=0).W.tolist() == [0, 0, 0]


# ---- mistakes in the passes


@pytest.mark.parametrize(
    "wrap", [lambda layer: layer, lambda layer: nn.Sequential(layer, nn.Tanh())]
)
@pytest.mark.parametrize(
    "forward, error, message",
    [
        (
            lambda self, x, cache, *, train=False: None,
            nn.DtypeError,
            "expected forward to return an array on cpu.*, got NoneType; end it with",
        ),
        (
            lambda self, x, cache, *, train=False: x * np.float64(2),
            nn.DtypeError,
            "expected y of float32, got float64; convert",
        ),
        (
            lambda self, x, cache, *, train=False: x[:, :2],
            nn.ShapeError,
            r"expected y of shape \(4, 3\), as its output_shape says, got \(4, 2\); correct",
        ),
    ],
)
def test_a_wrong_result_of_forward_is_refused(wrap, forward, error, message):
    net = wrap(scale_with(forward=forward)).build(seed=0)
    x = normal(4, 3, dtype=np.float32)
    with pytest.raises(error, match=r"Own 'net(\.0)?': " + message):
        net(x)
    if isinstance(net, nn.Sequential):
        with pytest.raises(error, match="Own 'net.0': " + message):
            net.forward(x, net.cache(), train=True)


@pytest.mark.parametrize(
    "shape, got", [(3, "3"), ([3], r"\[3\]"), (None, "None"), ((0,), r"\(0,\)")]
)
def test_a_wrong_result_of_output_shape_is_refused(shape, got):
    layer = scale_with(output_shape=lambda self, x_shape: shape)
    with pytest.raises(nn.ShapeError, match=f"output_shape to return a tuple .* got {got}; leave"):
        nn.Sequential(nn.Dense(3, 3), layer, nn.Dense(3, 1))


def test_backward_that_returns_nothing_is_refused():
    net = nn.Sequential(
        nn.Dense(3, 3), scale_with(backward=lambda self, dy, cache, *, grads=0, need_dx=0: None)
    ).build(seed=0)
    cache, x = net.cache(), normal(4, 3, dtype=np.float32)
    net.forward(x, cache, train=True)
    with pytest.raises(nn.ShapeError, match="Own 'net.1': expected backward to return dx, got No"):
        net.backward(x.copy(), cache, need_dx=False)


# ---- files and copies


NETWORKS = {
    "parameters": lambda: nn.Sequential(nn.Dense(3, 3), Scale(3, start=0.5)),
    "passes": lambda: nn.Sequential(nn.Dense(3, 3), Bypass(nn.Dense(3, 3), Scale(3))),
    "arguments": lambda: nn.Sequential(Block(3), nn.Dense(3, 3)),
    "values": lambda: nn.Sequential(
        nn.Dense(3, 3), Stored((1, 2.5, "a", None, (True, nn.ReLU()), {"k": (1,)})), Scale(3)
    ),
    "infinity": lambda: nn.Sequential(nn.Dense(3, 3), Stored(np.inf)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_saved_loaded_copied_and_pickled(tmp_path, name):
    net, x = NETWORKS[name]().build(seed=0, name="G"), normal(4, 3, dtype=np.float32)
    nn.save_weights(tmp_path / "w.npz", {"G": net})
    networks, _ = nn.load_weights(tmp_path / "w.npz", layers=[Scale, Bypass, Block, Stored])
    for other in (networks["G"], copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(other) == repr(net) and np.array_equal(other(x), net(x))
    assert nn.gradcheck(net, x).ok


def test_a_numpy_number_is_saved_as_a_number(tmp_path):
    net = nn.Sequential(nn.Dense(3, 3), Stored(np.float32(0.5))).build(seed=0)
    nn.save_weights(tmp_path / "w.npz", {"G": net})
    assert nn.load_weights(tmp_path / "w.npz", layers=[Stored])[0]["G"][1].value == 0.5


def test_a_sequential_that_only_chooses_layers_needs_no_class_to_load(tmp_path):
    nn.save_weights(tmp_path / "w.npz", {"G": Pair(3).build(seed=0)})
    assert type(nn.load_weights(tmp_path / "w.npz")[0]["G"]) is nn.Sequential


def test_a_file_names_the_class_that_it_needs(tmp_path):
    nn.save_weights(tmp_path / "w.npz", {"G": NETWORKS["passes"]().build(seed=0)})
    with pytest.raises(nn.WeightsError) as error:
        nn.load_weights(tmp_path / "w.npz", layers=[Bypass])
    assert str(error.value) == (
        f"{tmp_path / 'w.npz'}: expected layers of the package, got 'Scale'; "
        "if it is a class of your own, load the file in Python with layers=[Scale]"
    )


@pytest.mark.parametrize("kind", ["eval(1)", "", 3, None, "A" * 1000])
def test_a_name_that_is_no_class_is_not_repeated_as_advice(kind):
    with pytest.raises(nn.WeightsError) as error:
        nn.Layer.from_config({"type": kind})
    assert len(str(error.value)) < 300 and "layers=[e" not in str(error.value)


def test_two_classes_of_one_name_are_refused(tmp_path):
    other = type("Scale", (Scale,), {})
    with pytest.raises(nn.WeightsError, match="different names, got Scale twice; rename one"):
        nn.load_weights(tmp_path / "w.npz", layers=[Scale, other])


class Renamed(Stored):
    def __init__(self, slope):
        super().__init__(slope)


class Variadic(Stored):
    def __init__(self, *args):
        super().__init__(args)


@pytest.mark.parametrize(
    "layer, message",
    [
        (Renamed(0.2), "Renamed: expected its argument slope as an attribute, .* write self.slope"),
        (Variadic(1, 2), r"Variadic: expected a constructor with arguments .* got \*args; name"),
        (Stored(abs), "Stored: expected self.value as numbers, .* got builtin_function"),
        (Stored((1, np.ones(2))), "Stored: expected self.value as numbers, .* got ndarray; keep"),
        (Stored(np.ones(2)), "Stored: expected self.value as numbers, .* got ndarray; keep"),
        (Stored({"type": 3}), "Stored: expected self.value as numbers, .* got {'type': 3}"),
        (Stored({3: 3}), "Stored: expected self.value as numbers, .* got {3: 3}"),
    ],
)
def test_an_argument_that_a_file_cannot_hold_is_named_and_trains_all_the_same(
    tmp_path, layer, message
):
    net = nn.Sequential(nn.Dense(3, 3), layer).build(seed=0)
    assert type(layer).__name__ in repr(net) and type(layer).__name__ in net.summary()
    assert nn.gradcheck(copy.deepcopy(net), normal(4, 3)).ok
    with pytest.raises(nn.WeightsError, match=message):
        nn.save_weights(tmp_path / "w.npz", {"G": net})
    assert not (tmp_path / "w.npz").exists()


def test_the_pytorch_layout_names_what_is_not_declared():
    net = nn.Sequential(Scale(3)).build(seed=0)
    with pytest.raises(nn.WeightsError, match="Scale 'net.0': .* declares a, got none, .*; add"):
        to_torch_state(net)
    own = scale_with(torch_layout=(TorchArray("a", "weight", (0,)),))
    assert to_torch_state(nn.Sequential(own).build(seed=0))["0.weight"].tolist() == [1, 1, 1]
