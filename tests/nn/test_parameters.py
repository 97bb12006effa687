import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from nn.ops import get_ops
from nn.parameters import FlatBuffer, Parameters
from tests.support.tools import in_float64

SHAPES = st.lists(st.lists(st.integers(1, 7), max_size=4).map(tuple), max_size=6)


@given(SHAPES, st.sampled_from(["float32", "float64"]))
def test_views_are_named_aligned_disjoint_and_in_one_zeroed_vector(shapes, dtype):
    shapes = {f"{i}.W": shape for i, shape in enumerate(shapes)}
    buffer = FlatBuffer(shapes, get_ops(), dtype)
    assert buffer.flat.ndim == 1 and buffer.flat.flags.c_contiguous and buffer.flat.dtype == dtype
    assert not buffer.flat.any()
    for i, (name, view) in enumerate(buffer.items()):
        assert view is buffer[name] and view.shape == shapes[name] and view.dtype == dtype
        assert view.flags.c_contiguous and view.ctypes.data % 64 == 0
        assert not view.any()  # not overlapping another view
        view[...] = i + 1
    assert all((view == i + 1).all() for i, view in enumerate(buffer.views.values()))
    size = sum(view.size for view in buffer.views.values())
    assert np.count_nonzero(buffer.flat) == size <= buffer.flat.size < size + 16 * (len(shapes) + 1)


def test_a_network_without_parameters_has_empty_buffers():
    parameters = Parameters({}, {}, get_ops(), "float32")
    assert (
        parameters.value.flat.shape
        == parameters.grad.flat.shape
        == parameters.statistics.flat.shape
        == (0,)
    )
    net = nn.Sequential(nn.ReLU()).build()
    nn.Adam(net).step()
    assert net.n_parameters == 0


def test_names_are_paths_through_the_network():
    net = nn.Sequential(
        nn.Dense(3, 2), nn.Sequential(nn.ReLU(), nn.BatchNorm(2)), nn.Dense(2, 1)
    ).build(seed=0)
    names = ["0.W", "0.b", "1.1.W", "1.1.b", "2.W", "2.b"]
    assert (
        list(dict(net.parameters.value.items())) == list(dict(net.parameters.grad.items())) == names
    )
    assert list(dict(net.parameters.statistics.items())) == ["1.1.running_mean", "1.1.running_var"]
    assert net.parameters.value["1.1.W"] is net[1][1].W and net.parameters.grad["2.b"] is net[2].db
    assert net.n_parameters == 6 + 2 + 2 + 2 + 2 + 1


def test_padding_stays_zero_through_training():
    net = in_float64(nn.Sequential(nn.Dense(3, 3), nn.BatchNorm(3), nn.Dense(3, 1)))
    padding = np.ones(net.parameters.value.flat.shape, bool)
    for view in net.parameters.value.views.values():
        start = (view.ctypes.data - net.parameters.value.flat.ctypes.data) // 8
        padding[start : start + view.size] = False
    assert padding.any()
    cache = net.cache()
    for make in (nn.Adam, nn.SGD, nn.RMSProp):
        optimizer = make(net)
        net.backward(net.forward(np.arange(12.0).reshape(4, 3), cache, train=True), cache)
        optimizer.step()
    for buffer in (net.parameters.value, net.parameters.grad):
        assert not buffer.flat[padding].any() and np.isfinite(buffer.flat).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_buffers_have_the_networks_dtype(dtype):
    parameters = nn.Sequential(nn.BatchNorm(2)).build(dtype=dtype).parameters
    assert {
        b.flat.dtype.name for b in (parameters.value, parameters.grad, parameters.statistics)
    } == {dtype}
