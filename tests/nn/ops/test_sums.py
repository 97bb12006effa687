"""Sums of millions of float32 numbers are accurate to five digits, in all primitives that sum."""

import numpy as np
import pytest

from nn.ops import NumpyOps
from tests.conftest import make_backend

MANY = 10_000_000
TENTH = np.float32(0.1)


@pytest.fixture(
    scope="module",
    params=["numpy", "numba", "emulated", pytest.param("cuda", marks=pytest.mark.gpu)],
)
def ops(request):
    return NumpyOps() if request.param == "numpy" else make_backend(request.param, request)


@pytest.fixture(scope="module")
def x(ops):
    return ops.asarray(np.full(MANY, TENTH))


@pytest.fixture(scope="module")
def room(ops):
    """Memory for results."""
    return ops.empty((MANY,), "float32")


def read(ops, x):
    return ops.to_host(x).astype(np.float64)


@pytest.mark.parametrize("columns", [1, 10, 1000])
def test_sums_over_rows(ops, x, room, columns):
    """As for a bias gradient and batch norm. Equal numbers have that mean and variance 0."""
    rows, exact = MANY // columns, float(TENTH) * (MANY // columns)
    x, y = x.reshape(rows, columns), room.reshape(rows, columns)
    out, mean, var, inv_std = (ops.zeros((columns,), "float32") for _ in range(4))
    np.testing.assert_allclose(read(ops, ops.sum_rows(x, out=out)), exact, rtol=1e-5)
    np.testing.assert_allclose(read(ops, ops.sum_rows(x, out=out, add=True)), 2 * exact, rtol=1e-5)
    ops.fill_(y, 1)
    np.testing.assert_allclose(read(ops, ops.sum_product_rows(x, y, out=out)), exact, rtol=1e-5)
    ops.normalize(x, 1e-5, out=y, mean=mean, var=var, inv_std=inv_std)
    assert (ops.to_host(mean) == TENTH).all()
    assert not ops.to_host(var).any()
    assert not ops.to_host(y).any()


@pytest.mark.parametrize(
    "name, numbers, output, exact",
    [
        ("mean", (1.0,), "dy", 0.1),
        ("squared_error", (0.0, 1.0), "dy", 0.01),
        ("hinge", (1.0, 1.0), "dy", 0.9),
        ("bce_with_logits", (0.0, 1.0), "dz", np.log1p(np.exp(0.1))),
        ("bce", (0.0, 1.0), "dp", -np.log1p(-0.1)),
    ],
)
def test_means_over_all(ops, x, room, name, numbers, output, exact):
    value = ops.zeros((1,), "float32")
    getattr(ops, name)(x, *numbers, **{output: room, "value": value})
    np.testing.assert_allclose(read(ops, value), exact, rtol=1e-5)


def test_other_means(ops, x, room):
    value = ops.zeros((1,), "float32")
    ops.mean_sigmoid(x, out=value)
    np.testing.assert_allclose(read(ops, value), 1 / (1 + np.exp(-0.1)), rtol=1e-5)
    one_row, rows = (x.reshape(shape) for shape in ((1, MANY), (MANY // 10, 10)))
    ops.norm_penalty(one_row, 0.0, 2.0, dg=room.reshape(one_row.shape), value=value)
    np.testing.assert_allclose(read(ops, value), MANY * 0.01, rtol=1e-5)
    ops.norm_penalty(rows[:1000], 0.0, 2.0, dg=room.reshape(rows.shape)[:1000], value=value)
    np.testing.assert_allclose(read(ops, value), 0.1, rtol=1e-5)
    classes = ops.zeros((MANY // 10,), "int64")
    ops.softmax_cross_entropy(rows, classes, 1.0, dz=room.reshape(rows.shape), value=value)
    np.testing.assert_allclose(read(ops, value), np.log(10), rtol=1e-5)
    vector = room
    ops.copy_(vector, x)
    ops.normalize_vector_(vector, 1e-12)
    np.testing.assert_allclose(ops.to_host(vector)[:3], MANY**-0.5, rtol=1e-5)
