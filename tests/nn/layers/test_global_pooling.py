import numpy as np
import pytest

import nn
from tests.nn.layers.test_conv import LAYOUTS
from tests.oracles import load
from tests.support.tools import assert_close, in_float64, normal, one_pass


@LAYOUTS
def test_matches_pytorch(memory):
    want, layer = load("blocks"), in_float64(nn.GlobalAvgPool2d())
    y, dx = one_pass(layer, memory(want["global_avg_pool.x"]), want["global_avg_pool.dy"])
    assert_close(y, want["global_avg_pool.y"], 1e-15)
    assert_close(dx, want["global_avg_pool.dx"], 1e-15)


@pytest.mark.gradcheck
def test_gradients_match_finite_differences():
    """Including `double_backward`."""
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.GlobalAvgPool2d(), nn.Dense(3, 2))
    report = nn.gradcheck(net, normal(3, 2, 5, 4))
    assert report.ok, report


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (32, 32)])
def test_y_is_the_mean_of_each_channel(size):
    x = normal(2, 3, *size)
    y, dx = one_pass(in_float64(nn.GlobalAvgPool2d()), x, np.ones((2, 3)))
    assert_close(y, x.mean(axis=(2, 3)), 1e-13)
    assert_close(dx, np.full(x.shape, 1 / np.prod(size)), 1e-15)


def test_other_shapes_are_refused():
    with pytest.raises(nn.ShapeError, match=r"expected x of shape \(N, C, H, W\), got \(2, 3\)"):
        nn.GlobalAvgPool2d().build()(np.ones((2, 3), np.float32))
    with pytest.raises(nn.ShapeError, match=r"expected samples of shape \(C, H, W\), got \(4,\)"):
        nn.Sequential(nn.Dense(3, 4), nn.GlobalAvgPool2d())
