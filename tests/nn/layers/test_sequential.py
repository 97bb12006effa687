import numpy as np
import pytest

import nn
from tests.oracles import load
from tests.support.tools import assert_close, in_float64, normal, one_pass, set_parameters


def generator():
    return nn.Sequential(nn.Dense(4, 6), nn.BatchNorm(6), nn.ReLU(), nn.Dense(6, 5), nn.Tanh())


def discriminator(*last):
    return nn.Sequential(
        nn.Dense(5, 6), nn.BatchNorm(6), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Dense(6, 1), *last
    )


def test_passes_run_through_the_layers_in_order():
    net, x, dy = in_float64(discriminator()[:3]), normal(7, 5), normal(7, 6, seed=1)
    y, dx = one_pass(net, x, dy)
    h, caches = x, [layer.cache() for layer in net]
    for layer, cache in zip(net, caches, strict=True):
        h = layer.forward(h, cache, train=True)
    assert (y == h).all()
    for layer, cache in zip(reversed(list(net)), reversed(caches), strict=True):
        dy = layer.backward(dy, cache)
    assert (dx == dy).all()


@pytest.mark.gradcheck
def test_gradients_of_a_nested_network_match_finite_differences():
    inner = nn.Sequential(nn.Dense(6, 8), nn.Tanh(), nn.Reshape((2, 4)))
    net = nn.Sequential(
        nn.Dense(4, 6), nn.BatchNorm(6), inner, nn.Flatten(), nn.Dense(8, 3), nn.Sigmoid()
    )
    report = nn.gradcheck(net, normal(5, 4))
    assert report.ok, report
    assert [entry.where for entry in report.entries] == [
        "Dense 'net.0' x",
        "Dense 'net.0' W",
        "Dense 'net.0' b",
        "BatchNorm 'net.1' x",
        "BatchNorm 'net.1' W",
        "BatchNorm 'net.1' b",
        "Dense 'net.2.0' x",
        "Dense 'net.2.0' W",
        "Dense 'net.2.0' b",
        "Tanh 'net.2.1' x",
        "Reshape 'net.2.2' x",
        "Flatten 'net.3' x",
        "Dense 'net.4' x",
        "Dense 'net.4' W",
        "Dense 'net.4' b",
        "Sigmoid 'net.5' x",
    ]


@pytest.mark.parametrize("target", [0, 0.9, 1])
@pytest.mark.parametrize("last, loss", [((), nn.BCEWithLogits()), ((nn.Sigmoid(),), nn.BCE())])
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.gradcheck
def test_gradients_of_the_whole_chain_match_finite_differences(last, loss, target, train):
    """loss(D(G(z))) with batch norm and dropout, for z and every parameter of G and D."""
    report = nn.gradcheck(
        [generator(), discriminator(*last)], normal(7, 4), loss=loss, target=target, train=train
    )
    assert report.ok and len(report.entries) == 10 + len(last) + 2 * 6 + 1, report


@pytest.mark.parametrize(
    "name, last, loss", [("logits", (), nn.BCEWithLogits()), ("sigmoid", (nn.Sigmoid(),), nn.BCE())]
)
def test_generator_gradient_through_a_frozen_discriminator_matches_pytorch(name, last, loss):
    """A frozen D's batch norm uses batch statistics and does not update the running ones."""
    want = load("chain")
    G = in_float64(generator())
    D = in_float64(
        nn.Sequential(nn.Dense(5, 6), nn.BatchNorm(6), nn.LeakyReLU(0.2), nn.Dense(6, 1), *last)
    )
    for net, key in ((G, "G"), (D, "D")):
        for i, leaf in enumerate(net):
            if leaf.parameter_shapes:
                set_parameters(
                    leaf, W=want[f"{name}.{key}.{i}.weight"].T, b=want[f"{name}.{key}.{i}.bias"]
                )
    D.parameters.grad.flat[...] = normal(*D.parameters.grad.flat.shape)
    before = D.parameters.grad.flat.tobytes(), D.parameters.statistics.flat.tobytes()
    g_cache, d_cache = G.cache(), D.cache(tracks_statistics=False)
    y = D.forward(G.forward(want["z"], g_cache, train=True), d_cache, train=True)
    assert_close(y, want[f"{name}.y"], 1e-13)
    value, dy = loss(y, 1, d_cache)
    assert_close(value[0], want[f"{name}.value"], 1e-13)
    dz = G.backward(D.backward(dy, d_cache, grads="skip"), g_cache)
    assert_close(dz, want[f"{name}.dz"], 1e-11)
    assert np.abs(dz - want[f"{name}.dz_evaluation"]).max() > 0.1 * np.abs(dz).max()
    for i, leaf in enumerate(G):
        if leaf.parameter_shapes:
            scale = np.abs(
                want[f"{name}.dG.3.weight"]
            ).max()  # 0.b feeds batch norm: its true gradient is zero
            assert np.abs(leaf.dW - want[f"{name}.dG.{i}.weight"].T).max() < 1e-12 * scale
            assert np.abs(leaf.db - want[f"{name}.dG.{i}.bias"]).max() < 1e-12 * scale
    assert (D.parameters.grad.flat.tobytes(), D.parameters.statistics.flat.tobytes()) == before


def test_running_statistics_are_updated_once_in_a_step_of_three_passes():
    D = in_float64(discriminator())
    tracking, silent = D.cache(), D.cache(tracks_statistics=False)
    real, fake = normal(7, 5), normal(7, 5, seed=1)
    D.forward(real, tracking, train=True)
    once = D[1].running_mean.copy()
    D.forward(fake, silent, train=True)
    D.forward(fake, silent, train=True)
    assert (D[1].running_mean == once).all() and once.any()


class Counting(nn.Dense):
    """Records the arguments of each backward."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        calls.append((grads, need_dx))
        return super().backward(dy, cache, grads=grads, need_dx=need_dx)


calls = []


@pytest.mark.parametrize("grads", ["write", "add", "skip"])
def test_need_dx_reaches_the_first_layer_only(grads):
    net = in_float64(
        nn.Sequential(Counting(3, 3), nn.Sequential(nn.Tanh(), Counting(3, 3)), Counting(3, 2))
    )
    for need_dx in (True, False):
        calls.clear()
        _, dx = one_pass(net, normal(4, 3), normal(4, 2), grads=grads, need_dx=need_dx)
        if need_dx:
            assert calls == [(grads, True)] * 3 and dx.shape == (4, 3)
        else:  # nothing is needed, so nothing is computed
            assert (
                calls == ([] if grads == "skip" else [(grads, True), (grads, True), (grads, False)])
                and dx is None
            )


def test_layers_before_the_first_parameters_have_no_backward_pass():
    class Refusing(nn.Flatten):
        def backward(self, dy, cache, *, grads="write", need_dx=True):
            raise AssertionError("this gradient was not requested")

    net = in_float64(nn.Sequential(Refusing(), nn.Dense(6, 2)))
    assert one_pass(net, normal(4, 2, 3), normal(4, 2), need_dx=False)[1] is None


def test_unknown_value_of_grads_is_refused():
    net = in_float64(nn.Sequential(nn.Dense(3, 2), nn.Sequential(nn.ReLU())))
    cache = net.cache()
    y = net.forward(normal(4, 3), cache)
    with pytest.raises(
        nn.ShapeError,
        match="Sequential 'net': expected grads to be one of write, add, skip, got 'frozen'",
    ):
        net.backward(y, cache, grads="frozen")


def test_a_slice_is_a_network_on_the_same_parameters():
    D = in_float64(discriminator(nn.Sigmoid()))
    x, logits = normal(7, 5), D[:-1]
    assert len(logits) == 5 and logits[0] is D[0] and D[-1] is list(D)[-1]
    assert_close(1 / (1 + np.exp(-logits(x))), D(x), 1e-15)
    D[0].W[...] = 0.0
    D[4].W[...] = 0.0
    assert_close(logits(x), np.full((7, 1), D[4].b[0]), 1e-15)


def test_neighbours_that_do_not_fit_are_refused_at_construction():
    with pytest.raises(
        nn.ShapeError, match=r"Dense\(64, 1\): expected samples of shape \(64,\), got \(128,\)"
    ):
        nn.Sequential(nn.Dense(784, 128), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Dense(64, 1))
    with pytest.raises(
        nn.ShapeError,
        match=r"BatchNorm\(3\): expected samples of shape \(3,\) or \(3, H, W\), got \(4,\)",
    ):
        nn.Sequential(nn.Dense(2, 4), nn.BatchNorm(3))
    with pytest.raises(
        nn.ShapeError, match=r"Dense\(784, 1\): expected samples of shape \(784,\), got \(783,\)"
    ):
        nn.Sequential(nn.Flatten(), nn.Dense(784, 1), input_shape=(1, 27, 29))
    with pytest.raises(
        nn.ShapeError, match=r"Dense\(3, 1\): expected samples of shape \(3,\), got \(4,\)"
    ):
        nn.Sequential(nn.Dense(2, 4), nn.Sequential(nn.Dense(3, 1)))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nn.Sequential(), "expected one or more layers"),
        (lambda: nn.Sequential(nn.Dense(2, 2), "relu"), "expected layers, got 'relu'; pass"),
        (
            lambda: nn.Sequential([nn.Dense(2, 2)]),
            r"expected layers, got \[Dense\(2, 2\)\]; unpack it: Sequential\(\*layers\)",
        ),
        (
            lambda: nn.Sequential(nn.Dense(2, 2), nn.ReLU),
            r"expected layers, got <class .*ReLU'>; make one of this class: ReLU\(...\)",
        ),
        (
            lambda: nn.Sequential(*[nn.Dense(2, 2)] * 2),
            r"expected layers that are each a separate object, got Dense\(2, 2\) twice",
        ),
    ],
)
def test_arguments_that_make_no_network_are_refused(make, message):
    with pytest.raises(nn.ShapeError, match=f"Sequential: {message}"):
        make()


def test_repr_of_a_network_evaluates_to_it():
    net = nn.Sequential(
        nn.Flatten(),
        nn.Sequential(nn.Dense(6, 2, init=nn.HeNormal()), nn.ReLU()),
        input_shape=(2, 3),
    )
    assert repr(net) == (
        "Sequential(\n    Flatten(),\n"
        "    Sequential(\n        Dense(6, 2, init=HeNormal()),\n        ReLU(),\n    ),\n"
        "    input_shape=(2, 3),\n)"
    )
    assert repr(eval(repr(net), vars(nn))) == repr(net)  # noqa: S307


def test_summary_is_a_table_of_layers_shapes_and_counts():
    net = nn.Sequential(
        nn.Dense(100, 128),
        nn.BatchNorm(128),
        nn.Sequential(nn.LeakyReLU(0.2), nn.Dense(128, 784)),
        nn.Reshape((1, 28, 28)),
    )
    assert net.summary().splitlines() == [
        "layer                 output          parameters",
        "------------------------------------------------",
        "Dense(100, 128)       (N, 128)            12,928",
        "BatchNorm(128)        (N, 128)               256",
        "Sequential            (N, 784)           101,136",
        "Reshape((1, 28, 28))  (N, 1, 28, 28)           0",
        "------------------------------------------------",
        "total                                    114,320",
    ]


def test_summary_takes_an_input_shape_that_layers_do_not_fix():
    net = nn.Sequential(nn.Flatten(), nn.Tanh())
    assert "?" in net.summary() and "(N, 6)" in net.summary((2, 3))
    assert nn.Sequential(nn.Flatten(), input_shape=(2, 3)).summary() == nn.Sequential(
        nn.Flatten()
    ).summary((2, 3))
    with pytest.raises(nn.ShapeError, match="expected samples of shape"):
        nn.Sequential(nn.Flatten(), nn.Dense(7, 1)).summary((2, 3))


def test_cache_of_another_network_is_an_error():
    nets = [in_float64(nn.Sequential(*(nn.Tanh() for _ in range(n)))) for n in (2, 3)]
    with pytest.raises(nn.ShapeError, match="Sequential 'net': expected a cache of this network"):
        nets[1].forward(normal(2, 2), nets[0].cache())


def test_dy_that_does_not_fit_is_an_error():
    net = in_float64(nn.Sequential(nn.Dense(3, 2), nn.Tanh()))
    cache = net.cache()
    with pytest.raises(
        nn.ShapeError,
        match="Sequential 'net': expected a forward pass through this cache before backward",
    ):
        net.backward(normal(4, 2), cache)
    net.forward(normal(4, 3), cache)
    with pytest.raises(nn.ShapeError, match=r"expected dy of y's shape \(4, 2\), got \(4, 3\)"):
        net.backward(normal(4, 3), cache)
    with pytest.raises(nn.DtypeError, match="expected dy of float64, got float32"):
        net.backward(normal(4, 2, dtype=np.float32), cache)


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.Dropout(0.5), nn.Flatten()])
def test_x_of_wrong_type_is_an_error_at_the_first_layer(layer):
    net = nn.Sequential(layer).build(seed=0)
    with pytest.raises(nn.DtypeError, match="Sequential 'net': expected x of float32, got float64"):
        net(normal(4, 2))
    with pytest.raises(
        nn.DtypeError,
        match=f"{type(layer).__name__} 'net.0': expected x as an array on cpu.*, got list",
    ):
        layer([[1.0]])


def test_a_layer_in_two_nested_networks_is_refused():
    layer = nn.Dense(2, 2)
    with pytest.raises(nn.ShapeError, match=r"each a separate object, got Dense\(2, 2\) twice"):
        nn.Sequential(nn.Sequential(layer), nn.Sequential(layer))


@pytest.mark.parametrize("cache", [None, nn.Sequential(nn.Tanh()).build(seed=0).cache()])
def test_anything_but_a_cache_of_this_network_is_an_error(cache):
    net = nn.Sequential(nn.Tanh()).build(seed=0)
    with pytest.raises(
        nn.ShapeError, match="expected a cache of this network, made by its cache.., got"
    ):
        net.forward(normal(2, 2, dtype=np.float32), cache)
    with pytest.raises(
        nn.ShapeError, match="expected a cache of this network, made by its cache.., got"
    ):
        net.backward(normal(2, 2, dtype=np.float32), cache)
