"""The primitives of batch norm on matrices of every proportion: rows side by side, many blocks, what is left over."""

import numpy as np
import pytest

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
def test_rows_that_scale_and_shift(shape):
    x, a, b, ops = normal(*shape), normal(shape[1], seed=1), normal(shape[1], seed=2), NumpyOps()
    assert (ops.scale_shift(x, a, b, out=np.empty(shape)) == x * a + b).all()
    assert (ops.shift_scale(x, a, b, out=np.empty(shape)) == (x - a) * b).all()


@each_shape
def test_sum_product_rows(shape):
    x, y = normal(*shape), normal(*shape, seed=1)
    out = np.full(shape[1], np.nan)
    NumpyOps().sum_product_rows(x, y, out=out)
    assert_close(out, (x * y).sum(axis=0), 1e-12)


def test_float32_keeps_its_digits_over_fifty_thousand_rows():
    x = 3 + normal(50_176, 32, dtype=np.float32)
    mean, var, inv_std, total = (np.empty(32, np.float32) for _ in range(4))
    NumpyOps().normalize(x, 1e-5, out=np.empty_like(x), mean=mean, var=var, inv_std=inv_std)
    NumpyOps().sum_product_rows(x, x, out=total)
    exact = x.astype(np.float64)
    assert_close(mean, exact.mean(axis=0), 1e-6)
    assert_close(var, exact.var(axis=0), 1e-6)
    assert_close(total, (exact**2).sum(axis=0), 1e-6)
