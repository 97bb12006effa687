import numpy as np
import pytest

import nn
from tests.oracles import load
from tests.support.tools import assert_close, in_float64, normal, one_pass, set_parameters


def plain_dense(x, W, b):
    y = np.zeros((len(x), W.shape[1]))
    for n in range(len(x)):
        for j in range(W.shape[1]):
            y[n, j] = b[j] + sum(x[n, i] * W[i, j] for i in range(W.shape[0]))
    return y


def test_forward_matches_plain_loops():
    layer, x = in_float64(nn.Dense(4, 3)), normal(5, 4)
    assert_close(layer(x), plain_dense(x, layer.W, layer.b), 1e-14)


@pytest.mark.gradcheck
def test_gradients_match_finite_differences():
    report = nn.gradcheck(nn.Dense(4, 3), normal(5, 4))
    assert report.ok and len(report.entries) == 3, report


def test_matches_pytorch():
    want, layer = load("layers"), in_float64(nn.Dense(4, 3))
    set_parameters(layer, W=want["dense.before.weight"].T, b=want["dense.before.bias"])
    y, dx = one_pass(layer, want["dense.x"], want["dense.dy"])
    assert_close(y, want["dense.y"], 1e-14)
    assert_close(dx, want["dense.dx"], 1e-14)
    assert_close(layer.dW, want["dense.d.weight"].T, 1e-14)
    assert_close(layer.db, want["dense.d.bias"], 1e-14)


def test_dw_uses_the_x_of_its_own_pass():
    layer = in_float64(nn.Dense(4, 3))
    first, second = normal(5, 4, seed=1), normal(5, 4, seed=2)
    caches, dy = (layer.cache(), layer.cache()), normal(5, 3, seed=3)
    layer.forward(first, caches[0], train=True)
    layer.forward(second, caches[1], train=True)
    layer.backward(dy.copy(), caches[0])
    assert_close(layer.dW, first.T @ dy, 1e-14)


def test_smaller_batch_fits_the_same_cache():
    layer = in_float64(nn.Dense(4, 3))
    cache = layer.cache()
    for n in (6, 2, 6):
        x, dy = normal(n, 4, seed=n), normal(n, 3, seed=n)
        assert_close(layer.forward(x, cache), plain_dense(x, layer.W, layer.b), 1e-14)
        assert_close(layer.backward(dy.copy(), cache), dy @ layer.W.T, 1e-14)
        assert_close(layer.db, dy.sum(axis=0), 1e-14)


@pytest.mark.parametrize("shape", [(64, 28, 28), (64, 783), (784,), ()])
def test_x_of_wrong_shape_is_an_error(shape):
    layer = nn.Sequential(nn.Dense(784, 2)).build(seed=0, name="D")
    with pytest.raises(nn.ShapeError) as error:
        layer(np.zeros(shape, np.float32))
    assert str(error.value) == f"Dense 'D.0': expected x of shape (N, 784), got {shape}"


def test_x_of_wrong_dtype_is_an_error():
    layer = nn.Dense(3, 2).build(seed=0, name="D")
    with pytest.raises(
        nn.DtypeError, match=r"Dense 'D': expected x of float32, got float64; .*astype\('float32'\)"
    ):
        layer(np.zeros((1, 3)))


@pytest.mark.parametrize("x", [[[1.0, 2.0, 3.0]], None, 1.0])
def test_x_that_is_not_an_array_is_an_error(x):
    with pytest.raises(
        nn.DtypeError, match=f"Dense 'net': expected x as an array on cpu.*, got {type(x).__name__}"
    ):
        nn.Dense(3, 2).build(seed=0)(x)


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (-3, 2), (4.0, 3), ("4", 3)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(
        nn.ShapeError, match="Dense: expected n_(in|out) to be an integer of at least 1, got"
    ):
        nn.Dense(*sizes)


def test_default_initialization_is_pytorchs_and_with_an_initializer_bias_is_zero():
    assert np.abs(nn.Dense(100, 50).build(seed=0).b).max() > 0.01
    drawn = nn.Dense(100, 50, init=nn.Normal(0.02)).build(seed=0)
    assert not drawn.b.any() and 0.018 < drawn.W.std() < 0.022
