"""Settings become plain numbers, so that any layer can be printed, saved and copied."""

import copy
import dataclasses
import inspect
import json
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest

import nn
from nn.layers.config import LAYERS
from tests.nn.layers.test_base import CASES
from tests.support.tools import Vector, normal

INTS = {"np.int64": np.int64, "np.uint8": np.uint8, "a 0-d array": np.array}
FLOATS = {
    "np.float64": np.float64,
    "np.float32": np.float32,
    "np.float16": np.float16,
    "a fraction": Fraction,
    "a 0-d array": lambda x: np.array(x, np.float32),
}
TUPLES = {
    "a list": list,
    "an array": np.array,
    "a tuple of NumPy's": lambda x: tuple(map(np.int16, x)),
}
PLAIN = int, float, bool, type(None)


def arguments(layer):
    """The constructor's arguments by name."""
    return {name: getattr(layer, name) for name in inspect.signature(type(layer)).parameters}


def as_given(value, number, real, several):
    """A setting in a form that a user may pass."""
    if isinstance(value, bool) or value is None or isinstance(value, nn.Layer) or callable(value):
        return value
    return (several if isinstance(value, tuple) else number if isinstance(value, int) else real)(
        value
    )


def assert_plain(value):
    if isinstance(value, tuple):
        assert all(type(item) is int for item in value), value
    elif not isinstance(value, nn.Layer):
        assert type(value) in PLAIN, (type(value), value)


@pytest.mark.parametrize(
    "number, real, several", [*zip([*INTS, *INTS], FLOATS, [*TUPLES, *TUPLES])]
)
def test_layer_made_from_numpy_numbers_is_printed_saved_and_copied(number, real, several, tmp_path):
    for name, (make, shape) in CASES.items():
        layer = make()
        if type(layer) in (nn.Sequential, Vector):
            continue
        given = {
            key: as_given(v, INTS[number], FLOATS[real], TUPLES[several])
            for key, v in arguments(layer).items()
        }
        again = type(layer)(**given)
        for value in arguments(again).values():
            assert_plain(value)
        assert repr(eval(repr(again), vars(nn))) == repr(again)  # noqa: S307
        assert json.loads(json.dumps(again.to_config()))["type"] == type(layer).__name__
        net = nn.Sequential(again, input_shape=TUPLES[several](shape[1:])).build(seed=0)
        assert net.input_shape == shape[1:] and all(
            type(size) is int for size in net.input_shape
        ), name
        nn.save_weights(tmp_path / "w.npz", {"net": net}, {})
        loaded = nn.load_weights(tmp_path / "w.npz")[0]["net"]
        assert repr(loaded) == repr(net)
        x = normal(*shape, dtype=np.float32)
        assert np.array_equal(loaded(x), net(x)) and np.array_equal(
            pickle.loads(pickle.dumps(net))(x), net(x)
        )


def test_every_layer_is_covered():
    covered = {type(make()) for make, _ in CASES.values()} | {nn.Embedding}
    assert covered >= set(LAYERS.values()) - {nn.Sequential}


@pytest.mark.parametrize("number", INTS)
def test_embedding_made_from_numpy_numbers(number):
    """Its input is numbers of classes, so its case is a network."""
    layer = nn.Embedding(*map(INTS[number], (3, 4)))
    for value in arguments(layer).values():
        assert_plain(value)
    assert repr(layer) == repr(nn.Embedding(3, 4))


@pytest.mark.parametrize("shape", [4, np.int64(4), np.array([4]), [4], (np.uint8(4),)])
def test_single_number_is_the_length_of_a_vector(shape):
    net = nn.Sequential(nn.Tanh(), input_shape=shape)
    assert net.input_shape == nn.Reshape(shape).shape == (4,)
    assert (
        repr(net) == "Sequential(\n    Tanh(),\n    input_shape=(4,),\n)"
        and repr(nn.Reshape(shape)) == "Reshape((4,))"
    )


NO_INTS = [
    2.0,
    True,
    np.True_,
    "2",
    None,
    np.float32(2),
    np.array([2]),
    np.array([[1, 2]]),
    2j,
    0,
    np.nan,
    ...,
    [2, 2, 2],
]
NO_FLOATS = [
    "0.3",
    None,
    True,
    np.True_,
    math.nan,
    np.float32(np.nan),
    np.inf,
    -np.inf,
    10**400,
    0.3j,
    [0.3],
    np.array([0.3]),
]


def refused(make, wanted):
    with pytest.raises(nn.ShapeError) as error:
        make()
    assert wanted in str(error.value) and "got" in str(error.value)


@pytest.mark.parametrize("value", NO_INTS, ids=repr)
def test_values_that_are_not_integers_are_refused(value):
    for make, name in (
        (lambda v: nn.Dense(v, 2), "n_in"),
        (lambda v: nn.Dense(2, v), "n_out"),
        (lambda v: nn.BatchNorm(v), "n"),
        (lambda v: nn.Conv2d(v, 2, 3), "c_in"),
        (lambda v: nn.ConvTranspose2d(2, v, 3), "c_out"),
        (lambda v: nn.RandomShift(v), "reach"),
        (lambda v: nn.Cutout(v), "size"),
    ):
        refused(lambda make=make: make(value), f"expected {name} to be an integer of at least 1")


@pytest.mark.parametrize("value", [v for v in NO_INTS if v is not None], ids=repr)
def test_values_that_are_not_integers_or_pairs_are_refused(value):
    for make, name in (
        (lambda v: nn.Conv2d(1, 2, v), "kernel"),
        (lambda v: nn.Conv2d(1, 2, 3, stride=v), "stride"),
        (lambda v: nn.MaxPool2d(v), "kernel"),
        (lambda v: nn.AvgPool2d(2, v), "stride"),
        (lambda v: nn.Upsample(v), "factor"),
    ):
        refused(
            lambda make=make: make(value),
            f"expected {name} to be an integer of at least 1, or a pair",
        )
    for padding in (-1, np.array([1, -1]), 0.5):
        refused(
            lambda padding=padding: nn.Conv2d(1, 2, 3, padding=padding),
            "expected padding to be an integer of at least 0, or a pair",
        )
        refused(
            lambda padding=padding: nn.ConvTranspose2d(1, 2, 3, 2, output_padding=padding),
            "expected output_padding to be an integer",
        )


NO_SHAPES = [
    (),
    [],
    np.array([]),
    np.array([2.0]),
    (2, 0),
    "12",
    [[1, 2]],
    True,
    2.5,
    (None,),
    np.array([[2]]),
]


@pytest.mark.parametrize("value", NO_SHAPES, ids=repr)
def test_values_that_are_not_shapes_are_refused(value):
    refused(lambda: nn.Reshape(value), "Reshape: expected shape to be integers of at least 1")
    refused(
        lambda: nn.Sequential(nn.Tanh(), input_shape=value),
        "Sequential: expected input_shape to be integers",
    )


REALS = {
    "LeakyReLU: expected slope in [0, 1)": lambda v, net: nn.LeakyReLU(v),
    "Dropout: expected p in [0, 1)": lambda v, net: nn.Dropout(v),
    "BatchNorm: expected eps above 0": lambda v, net: nn.BatchNorm(2, eps=v),
    "BatchNorm: expected momentum in (0, 1]": lambda v, net: nn.BatchNorm(2, momentum=v),
    "RandomShift: expected fill to be a finite number": lambda v, net: nn.RandomShift(1, v),
    "Cutout: expected fill to be a finite number": lambda v, net: nn.Cutout(1, v),
    "Constant: expected value to be a finite number": lambda v, net: nn.Constant(v),
    "Normal: expected std of at least 0": lambda v, net: nn.Normal(v),
    "GlorotNormal: expected gain of at least 0": lambda v, net: nn.GlorotNormal(v),
    "GlorotUniform: expected gain of at least 0": lambda v, net: nn.GlorotUniform(v),
    "SGD: expected learning_rate above 0": lambda v, net: nn.SGD(net, v),
    "SGD: expected momentum in [0, 1)": lambda v, net: nn.SGD(net, momentum=v),
    "RMSProp: expected decay in [0, 1)": lambda v, net: nn.RMSProp(net, decay=v),
    "RMSProp: expected eps above 0": lambda v, net: nn.RMSProp(net, eps=v),
    "Adam: expected beta1 in [0, 1)": lambda v, net: nn.Adam(net, beta1=v),
    "Adam: expected beta2 in [0, 1)": lambda v, net: nn.Adam(net, beta2=v),
    "Adam: expected eps above 0": lambda v, net: nn.Adam(net, eps=v),
    "Adam: expected weight_decay of at least 0": lambda v, net: nn.Adam(net, weight_decay=v),
    "Adam: expected learning_rate of at least 0": lambda v, net: setattr(
        nn.Adam(net), "learning_rate", v
    ),
}


@pytest.mark.parametrize("wanted", REALS)
def test_values_that_are_not_finite_numbers_are_refused(wanted):
    net = nn.Dense(2, 2).build(seed=0)
    for value in NO_FLOATS:
        refused(lambda value=value: REALS[wanted](value, net), wanted)


@pytest.mark.parametrize("make", FLOATS.values(), ids=FLOATS)
def test_optimizers_and_initializers_keep_plain_numbers(make):
    net = nn.Dense(2, 2).build(seed=0)
    half = make(0.5)
    for optimizer in (
        nn.SGD(net, half, momentum=half, nesterov=np.True_),
        nn.RMSProp(net, half, decay=half, eps=half),
        nn.Adam(net, half, beta1=half, beta2=half, eps=half, weight_decay=half),
    ):
        kept = {
            name: value
            for name, value in vars(optimizer).items()
            if isinstance(value, (float, bool, np.generic))
        }
        assert {type(value) for value in kept.values()} <= {float, bool} and len(kept) >= 3
        assert optimizer.learning_rate == 0.5 == float(optimizer.step_state[1])
        net.dW[...] = 1
        optimizer.step()
        assert copy.deepcopy(optimizer).learning_rate == 0.5
    for kind in (nn.Constant, nn.Normal, nn.GlorotNormal, nn.GlorotUniform):
        (value,) = dataclasses.astuple(kind(half))
        assert (
            type(value) is float
            and value == 0.5
            and kind(half) == kind(0.5)
            and hash(kind(half)) == hash(kind(0.5))
        )
        assert repr(nn.Dense(2, 2, init=kind(half))) == repr(nn.Dense(2, 2, init=kind(0.5)))


def test_step_is_the_same_with_numpy_and_python_numbers():
    """Settings are converted once, to Python floats, whatever their type."""
    values = []
    for make in (float, np.float64, np.array):
        net = nn.Dense(3, 2).build(seed=0)
        optimizer = nn.Adam(
            net,
            make(0.01),
            beta1=make(0.9),
            beta2=make(0.99),
            eps=make(1e-8),
            weight_decay=make(0.1),
        )
        net.dW[...] = normal(3, 2)
        optimizer.step()
        values.append(net.W.tobytes())
    assert values[0] == values[1] == values[2]


@pytest.mark.parametrize("value", [1, "yes", None, np.int64(1), np.array([True])])
def test_nesterov_that_is_not_a_bool_is_refused(value):
    refused(
        lambda: nn.SGD(nn.Dense(2, 2).build(), nesterov=value),
        "SGD: expected nesterov to be True or False",
    )


@pytest.mark.parametrize("init", ["he", 0.02, True, nn.HeNormal, [nn.HeNormal()]])
def test_init_that_is_not_an_initializer_is_refused(init):
    for make in (lambda: nn.Dense(2, 2, init=init), lambda: nn.Conv2d(1, 2, 3, init=init)):
        refused(make, "expected init to be an initializer, such as HeNormal(), or None")
