"""The primitives of batch norm on matrices with joined rows, many blocks and rows left over."""

import numpy as np
import pytest

import nn
from nn.ops import NumpyOps
from tests.support.tools import assert_close, normal

SHAPES = [(5, 3), (1000, 3), (683, 3), (20_011, 7), (4099, 32), (300, 1500), (3, 5000), (40, 2048)]
each_shape = pytest.mark.parametrize("shape", SHAPES)


@each_shape
def test_normalize(shape):
    x, row = 2 + 3 * normal(*shape), shape[1:]
    out, mean, var, inv_std = (np.full(s, np.nan) for s in (shape, row, row, row))
    assert NumpyOps().normalize(x, 0.1, out=out, mean=mean, var=var, inv_std=inv_std) is out
    assert_close(mean, x.mean(axis=0), 1e-13)
    assert_close(var, x.var(axis=0), 1e-12)
    assert_close(inv_std, 1 / np.sqrt(x.var(axis=0) + 0.1), 1e-12)
    assert_close(out, (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 0.1), 1e-12)


@each_shape
def test_normalize_backward(shape):
    dy, xhat = normal(*shape), normal(*shape, seed=1)
    W, inv_std, dW, db = (normal(shape[1], seed=seed) for seed in (2, 3, 4, 5))
    out = np.full(shape, np.nan)
    NumpyOps().normalize_backward(dy, xhat, W, inv_std, dW, db, out=out)
    assert_close(out, W * inv_std * (dy - db / len(dy) - xhat * dW / len(dy)), 1e-13)


@each_shape
def test_scale_and_shift(shape):
    x, a, b, ops = normal(*shape), normal(shape[1], seed=1), normal(shape[1], seed=2), NumpyOps()
    assert (ops.scale_shift(x, a, b, out=np.empty(shape)) == x * a + b).all()
    assert (ops.shift_scale(x, a, b, out=np.empty(shape)) == (x - a) * b).all()


@each_shape
def test_sum_product_rows(shape):
    x, y = normal(*shape), normal(*shape, seed=1)
    out = np.full(shape[1], np.nan)
    NumpyOps().sum_product_rows(x, y, out=out)
    assert_close(out, (x * y).sum(axis=0), 1e-12)


def test_float32_is_accurate_over_fifty_thousand_rows():
    x = 3 + normal(50_176, 32, dtype=np.float32)
    mean, var, inv_std, total = (np.empty(32, np.float32) for _ in range(4))
    NumpyOps().normalize(x, 1e-5, out=np.empty_like(x), mean=mean, var=var, inv_std=inv_std)
    NumpyOps().sum_product_rows(x, x, out=total)
    exact = x.astype(np.float64)
    assert_close(mean, exact.mean(axis=0), 1e-6)
    assert_close(var, exact.var(axis=0), 1e-6)
    assert_close(total, (exact**2).sum(axis=0), 1e-6)


def normalized(ops, x):
    """(xhat, mean, var) of a backend, on the host."""
    x = ops.asarray(x)
    out = ops.empty(x.shape, "float32")
    mean, var, inv_std = (ops.empty(x.shape[1:], "float32") for _ in range(3))
    ops.normalize(x, 1e-5, out=out, mean=mean, var=var, inv_std=inv_std)
    return ops.to_host(out), ops.to_host(mean), ops.to_host(var)


@pytest.mark.parametrize("rows", [2, 100, 3137, 12_544])
def test_constant_columns_become_zeros(any_backend, rows):
    """However large: the rounding error of a mean would be divided by sqrt(eps)."""
    numbers = np.array([1000.1, -1000.1, 3.3e5, 7.7e30, 1e-30, 0.1, 0], np.float32)
    for x in (np.tile(numbers, (rows, 1)), np.tile(numbers[:1], (rows, 1))):
        out, mean, var = normalized(any_backend, x)
        assert not out.any() and not var.any() and (mean == x[0]).all()


def assert_normalized(ops, x, tolerance):
    """Compare with float64."""
    exact = x.astype(np.float64)
    out, mean, var = normalized(ops, x)
    center, std = exact.mean(axis=0), exact.std(axis=0)
    assert (np.abs(mean - center) <= 1e-5 * std + 1e-7 * np.abs(center)).all()
    np.testing.assert_allclose(var, std**2, rtol=tolerance)
    assert_close(out, (exact - center) / np.sqrt(std**2 + 1e-5), tolerance)


@pytest.mark.parametrize("offset, tolerance", [(0, 3e-6), (1e3, 1e-4), (1e5, 1e-2)])
def test_a_large_mean_costs_only_the_digits_of_the_input(any_backend, offset, tolerance):
    assert_normalized(any_backend, (offset + normal(12_544, 5)).astype(np.float32), tolerance)


@pytest.mark.parametrize("row", [0, 250])
def test_an_outlier_costs_the_other_rows_no_digits(any_backend, row):
    x = normal(500, 3, dtype=np.float32)
    x[row] = 1e4
    assert_normalized(any_backend, x, 1e-5)


@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_constant_images_through_the_layer(device):
    """In training they become b. In evaluation too, once they are the running mean."""
    layer = nn.BatchNorm(4, momentum=1.0).build(seed=0, device=device)
    x = np.full((64, 4, 14, 14), 1000.1, np.float32)
    assert not layer.forward(x, layer.cache(), train=True).any()
    assert (layer.running_mean == x[0, 0, 0, 0]).all()
    assert not layer.running_var.any()
    assert not layer(x).any()
