import numpy as np
import pytest

import nn
from tests.oracles import load
from tests.support.tools import assert_close, in_float64, normal, set_parameters


def passes(layer, x, dy, **how):
    cache = layer.cache()
    return layer.forward(x, cache, train=True), layer.backward(dy, cache, **how)


def test_matches_pytorch():
    want, layer = load("blocks"), in_float64(nn.Embedding(5, 3))
    set_parameters(layer, W=want["embedding.W"])
    y, dx = passes(layer, want["embedding.x"], want["embedding.dy"])
    assert (y == want["embedding.y"]).all() and dx.shape == (3, 2) and not dx.any()
    assert_close(layer.dW, want["embedding.dW"], 1e-15)


@pytest.mark.gradcheck
def test_gradients_match_finite_differences():
    """Including `double_backward`."""
    net = nn.Sequential(nn.Embedding(5, 3), nn.Tanh(), nn.Flatten(), nn.Dense(6, 2))
    report = nn.gradcheck(net, np.array([[0, 4], [2, 0], [0, 1]]))
    assert report.ok, report


@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_it_is_a_product_with_one_hot_rows(device):
    layer = nn.Embedding(40, 7).build(seed=0, dtype="float64", device=device)
    x, dy = np.random.default_rng(1).integers(0, 40, 300).astype(float), normal(300, 7)
    one_hot = np.eye(40)[x.astype(int)]
    y, _ = passes(layer, x, dy)
    assert (y == one_hot @ layer.W).all()
    assert_close(layer.dW, one_hot.T @ dy, 1e-13)
    passes(layer, x, dy, grads="add")
    assert_close(layer.dW, 2 * one_hot.T @ dy, 1e-13)


def test_numbers_are_rounded_to_the_nearest_class():
    layer = nn.Embedding(3, 2).build(seed=0)
    assert (layer(np.array([0.9, 1.2, -0.4, 2.4], np.float32)) == layer.W[[1, 1, 0, 2]]).all()


def test_a_number_out_of_range_gives_nan_and_no_gradient():
    layer, x = nn.Embedding(3, 2).build(seed=0), np.array([3, 1, -1, np.nan, 1e30], np.float32)
    y, _ = passes(layer, x, np.ones((5, 2), np.float32))
    assert (np.isnan(y) == [[True], [False], [True], [True], [True]]).all()
    assert layer.dW.tolist() == [[0, 0], [1, 1], [0, 0]]


def test_first_values_are_standard_normal_or_those_of_init():
    W = nn.Embedding(300, 200).build(seed=0).W
    assert abs(W.mean()) < 0.02 and abs(W.std() - 1) < 0.02
    assert (nn.Embedding(3, 2, init=nn.Constant(0.5)).build().W == 0.5).all()


def test_sizes_below_1_and_integer_arrays_are_refused():
    with pytest.raises(nn.ShapeError, match="Embedding: expected n to be an integer of at least 1"):
        nn.Embedding(0, 4)
    with pytest.raises(nn.DtypeError, match=r"expected x of float32, got int64; convert it with x"):
        nn.Embedding(3, 4).build()(np.array([1]))
