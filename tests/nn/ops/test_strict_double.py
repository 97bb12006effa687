"""The strict double catches what a GPU would refuse or would have to wait for."""

import copy
import math
import operator
import pickle

import numpy as np
import pytest

from nn import BCE, BCEWithLogits, Dense, Layer, Sequential
from tests.support.strict import StrictError, StrictOps


@pytest.fixture
def ops():
    return StrictOps()


@pytest.fixture
def x(ops):
    return ops.asarray(np.arange(6.0).reshape(2, 3))


class Careless(Layer):
    """A layer whose forward is the given function of (x, cache)."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x, cache, *, train=False):
        return self.function(x, cache)


def restore(stream):
    stream.state = np.random.SFC64(0).state


def overlap(x, ops):
    ops.multiply(x[:1], x[:1], out=x.reshape(6)[1:4].reshape(1, 3))


MISTAKES = {
    "a NumPy function": lambda x, cache: np.exp(x),
    "a NumPy reduction": lambda x, cache: np.sum(x),
    "a NumPy function of shapes": lambda x, cache: np.concatenate([x, x]),
    "conversion": lambda x, cache: np.asarray(x),
    "a host array out of it": lambda x, cache: np.zeros((2, 3)) + x,
    "a host array into it": lambda x, cache: x + np.zeros((2, 3)),
    "arithmetic": lambda x, cache: 2 * x,
    "a method": lambda x, cache: x.mean(),
    "iteration": lambda x, cache: list(x),
    "membership": lambda x, cache: 1.0 in x,
    "comparison": lambda x, cache: x == 0,
    "branching": lambda x, cache: x if x[0, 0] else None,
    "float()": lambda x, cache: float(x[0, 0]),
    "int()": lambda x, cache: int(x[0, 0]),
    "a function of math": lambda x, cache: math.exp(x[0, 0]),
    "a loop until a value is small": lambda x, cache: next(i for i in range(3) if not x[0, 0]),
    "one value or another": lambda x, cache: x[0, 0] or 1.0,
    "the larger of two": lambda x, cache: max(x[0, 0], x[1, 0]),
    "a list of values": lambda x, cache: x.tolist(),
    "printing": lambda x, cache: str(x),
    "printing among words": lambda x, cache: f"x = {x}",
    "pickling": lambda x, cache: pickle.dumps(x),
    "in-place arithmetic": lambda x, cache: operator.iadd(x, 1),
    "a copy": lambda x, cache: copy.deepcopy(x),
    "a shallow copy": lambda x, cache: copy.copy(x),
    "a conversion of dtype": lambda x, cache: x.astype("float32"),
    "a new stream": lambda x, cache: cache.ops.stream(np.random.SeedSequence(0)),
    "a stream's state": lambda x, cache: cache.owner.stream.state,
    "a restored stream": lambda x, cache: restore(cache.owner.stream),
    "formatting": lambda x, cache: f"{x[0, 0]:.3f}",
    "assignment": lambda x, cache: x.__setitem__(0, 1.0),
    "a list of it": lambda x, cache: np.array([x]),
    "assignment into a host array": lambda x, cache: np.zeros((2, 3)).__setitem__(..., x),
    "the buffer protocol": lambda x, cache: memoryview(x),
    "fancy indexing": lambda x, cache: x[[0, 1]],
    "a mask": lambda x, cache: x[np.array([True, False])],
    "a reshape that copies": lambda x, cache: x.transpose(1, 0).reshape(6),
    "a fresh array": lambda x, cache: cache.ops.zeros((2, 3), "float32"),
    "an array from the host": lambda x, cache: cache.ops.asarray(np.zeros(3)),
    "a buffer of a new name": lambda x, cache: cache.buffer("new", (2, 3)),
    "to_host": lambda x, cache: cache.ops.to_host(x),
    "all_finite": lambda x, cache: cache.ops.all_finite(x),
    "a host array to a primitive": lambda x, cache: cache.ops.add_(x, np.zeros(3)),
    "a host array as out": lambda x, cache: cache.ops.sigmoid(x, out=np.zeros((2, 3))),
    "an output over its input": lambda x, cache: overlap(x, cache.ops),
    "a product into its factor": lambda x, cache: cache.ops.gemm(x[:, :2], x[:, :2], out=x[:, :2]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_of_a_layer_are_caught(ops, x, mistake):
    plain = Careless(MISTAKES[mistake]).build(0, dtype="float64")
    plain.forward(ops.to_host(x), plain.cache())  # no error on the CPU
    layer = Careless(MISTAKES[mistake]).build(0, device=ops, dtype="float64")
    cache = layer.cache()
    ops.freeze()
    with pytest.raises((TypeError, AttributeError)):
        layer.forward(x, cache)


HOST = r"a host array of shape \({}\) where a device array is expected"
REFUSALS = {  # operations for which Python or NumPy could raise an error of their own
    "float()": r"float\(\) of a device array, a host read, inside a training step",
    "int()": r"int\(\) of a device array, a host read, inside a training step",
    "branching": r"bool\(\) of a device array, a host read, inside a training step",
    "to_host": "to_host, a host read, inside a training step",
    "printing": r"str\(\) of a device array, a host read, inside a training step",
    "iteration": r"iteration of a device array of shape \(2, 3\)",
    "membership": "a search of a device array",
    "comparison": "comparison, outside the primitives, of a device array",
    "the larger of two": "comparison, outside the primitives, of a device array",
    "conversion": "implicit conversion to NumPy of a device array",
    "a list of it": "implicit conversion to NumPy of a device array",
    "a host array out of it": "a NumPy function of a device array",
    "a host array into it": "a NumPy function of a device array",
    "a host array to a primitive": "add_: " + HOST.format("3,"),
    "a host array as out": "sigmoid: " + HOST.format("2, 3"),
    "a fresh array": "a new array inside a training step",
    "an array from the host": "a new array inside a training step",
    "a buffer of a new name": "a new array inside a training step",
    "a reshape that copies": "reshape of .* copies",
    "fancy indexing": "a view is cut by numbers and slices",
}


@pytest.mark.parametrize("mistake", REFUSALS)
def test_a_refusal_says_what_was_refused(ops, x, mistake):
    """The error is the double's, not another one of the same type."""
    layer = Careless(MISTAKES[mistake]).build(0, device=ops, dtype="float64")
    cache = layer.cache()
    ops.freeze()
    with pytest.raises(StrictError, match=REFUSALS[mistake]):
        layer.forward(x, cache)


def test_a_device_value_is_neither_an_index_nor_hashable(ops):
    one = ops.asarray(np.array(1))
    with pytest.raises(StrictError, match="use as an index of a device array"):
        operator.getitem(["a", "b"], one)
    with pytest.raises(StrictError, match="use as an index of a device array"):
        range(one)
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_outside_a_step_reads_and_allocations_are_allowed(ops, x):
    assert float(x[1, 2]) == 5 and int(x[1, 2]) == 5 and not bool(x[0, 0]) and ops.all_finite(x)
    assert ops.to_host(ops.zeros((2,), "float32")).tolist() == [0, 0]


def test_a_loss_read_inside_a_step_is_caught(ops):
    net = Sequential(Dense(3, 1)).build(0, device=ops)
    cache, images = net.cache(), ops.zeros((4, 3), "float32")
    for loss in (BCE(), BCEWithLogits()):
        value, _ = loss(net.forward(images, cache), 1, cache)
        assert float(value[0]) > 0
        ops.freeze()
        with pytest.raises(StrictError, match=REFUSALS["float()"]):
            float(value[0])
        ops.thaw()


def test_two_dtypes_in_one_primitive_are_caught(ops, x):
    with pytest.raises(StrictError, match="sigmoid: arrays of float32 and float64"):
        ops.sigmoid(x, out=ops.zeros((2, 3), "float32"))


def test_reads_and_allocations_are_counted(ops, x):
    reads, allocations = ops.guard.reads, ops.guard.allocations
    float(x[0, 0])
    ops.to_host(x)
    ops.all_finite(x)
    ops.zeros((2,), "float32")
    copy.deepcopy(x)
    assert ops.stream(0).state  # one allocation, one read
    assert (ops.guard.reads - reads, ops.guard.allocations - allocations) == (4, 3)


def test_fresh_memory_is_not_zero(ops):
    assert np.isnan(ops.to_host(ops.empty((3,), "float32"))).all()


def test_arrays_have_what_layers_need(ops, x):
    assert (x.shape, x.ndim, x.size, len(x), x.nbytes, x.strides) == ((2, 3), 2, 6, 2, 48, (24, 8))
    assert x.dtype == "float64" and x.flags.c_contiguous and not x.T.flags.c_contiguous
    assert x[1, 1:].shape == (2,)
    assert x[:, None].shape == (2, 1, 3)
    assert x[..., 0].shape == (2,)
    assert x[0, 0].shape == ()
    assert x.reshape(3, 2).shape == x.reshape((3, -1)).shape == (3, 2)
    assert x.transpose(1, 0).shape == (3, 2)
    assert x.reshape(3, 2)[1:].reshape(-1).shape == (4,)
    ops.fill_(x[1:], 9)
    assert ops.to_host(x).tolist() == [[0, 1, 2], [9, 9, 9]]  # views share memory
    twin = copy.deepcopy(x)
    ops.fill_(twin, 0)
    assert float(x[1, 0]) == 9
