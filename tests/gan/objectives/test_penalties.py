"""Penalties where the slope of D is 0, tiny or large: the gradients of the formula, never NaN."""

import numpy as np
import pytest

from gan.objectives.penalties import add_slope_penalty
from nn import Dense, LeakyReLU, ReLU, Sequential, ShapeError, Sigmoid, Tanh

SIZES = [1e-45, 1e-42, 1e-38, 1e-30, 1e-24, 1e-22, 1e-20, 1e-10, 1.0, 1e10, 1e16]


def penalty(ops, g, target, weight):
    """`norm_penalty` of a backend: (value, dg), on the host."""
    g = ops.asarray(g)
    dg, value = ops.empty(g.shape, g.dtype), ops.empty((1,), g.dtype)
    ops.norm_penalty(g, target, weight, dg=dg, value=value)
    return float(ops.to_host(value)[0]), ops.to_host(dg)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("target", [0.0, 1.0, 10.0])
def test_slopes_of_every_size_match_the_formula(any_backend, size, target):
    """In float32, against the formula in float64, where no square overflows or underflows."""
    g = (size * np.random.default_rng(0).uniform(0.5, 1, (64, 300))).astype(np.float32)
    value, dg = penalty(any_backend, g, target, 20.0)
    exact = g.astype(np.float64)
    norm = np.sqrt((exact**2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(value, 10 * ((norm - target) ** 2).mean(), rtol=1e-5, atol=1e-44)
    want = 20 / 64 * (norm - target) * (exact / norm)
    np.testing.assert_allclose(dg, want, rtol=1e-5, atol=1e-7 * np.abs(want).max() + 1e-44)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_slope_of_zero_has_no_direction_and_no_gradient(any_backend, dtype):
    g = np.zeros((4, 3), dtype)
    g[1] = 2.0
    value, dg = penalty(any_backend, g, 1.0, 1e6)
    assert (
        np.isclose(value, 1e6 / 8 * (3 + (12**0.5 - 1) ** 2))
        and not dg[[0, 2, 3]].any()
        and (dg[1] > 0).all()
    )


@pytest.mark.parametrize("size", SIZES[:8])
def test_the_gradient_of_a_slope_below_the_target_is_bounded_by_the_weight(any_backend, size):
    _, dg = penalty(any_backend, np.full((16, 4), size, np.float32), 1.0, 160.0)
    assert (np.sqrt((dg.astype(np.float64) ** 2).sum(axis=1)) <= 10 * (1 + 1e-6)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_slope_that_is_not_finite_gives_a_value_that_is_not(any_backend, bad):
    g = np.ones((3, 300), np.float32)
    g[1, 299] = bad
    with np.errstate(invalid="ignore"):
        value, dg = penalty(any_backend, g, 1.0, 10.0)
    assert not np.isfinite(value) and not np.isfinite(dg[1]).all() and np.isfinite(dg[[0, 2]]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n, weight", [(4, 20.0), (16, 160.0), (64, 20.0)])
def test_a_discriminator_whose_units_are_all_dead_gets_no_gradient(n, weight, dtype):
    D = Sequential(Dense(3, 4), ReLU(), Dense(4, 1)).build(0, dtype=dtype)
    D.layers[0].b[...] = -100
    cache, value = D.cache(double_backward=True), np.zeros(1, dtype)
    D.forward(np.ones((n, 3), dtype), cache, train=True)
    D.parameters.grad.flat[...] = 0
    add_slope_penalty(D, cache, 1.0, weight, toward=np.ones((n, 1), dtype), value=value)
    assert not D.parameters.grad.flat.any() and value[0] == weight / 2


def test_a_penalty_without_rows_is_refused():
    D = Dense(3, 1).build(0)
    D.forward(np.zeros((0, 3), np.float32), cache := D.cache(double_backward=True), train=True)
    with pytest.raises(ShapeError, match="penalty: expected at least one row"):
        add_slope_penalty(
            D, cache, 1.0, 20.0, toward=np.ones((0, 1), np.float32), value=np.zeros(1, np.float32)
        )


@pytest.mark.parametrize("last", [(), (Sigmoid,), (Tanh,)])
@pytest.mark.parametrize("scale", [1e-25, 1e-12, 1.0, 1e3])
def test_tiny_and_large_slopes_through_double_backward(last, scale):
    """float32 gradients of the penalty on a whole network are those of float64."""
    found = {}
    for dtype in ("float32", "float64"):
        D = Sequential(
            Dense(3, 8), LeakyReLU(0.2), Dense(8, 1), *[layer() for layer in last]
        ).build(0, dtype=dtype)
        D.layers[2].W[...] *= scale
        cache, value = D.cache(double_backward=True), np.zeros(1, dtype)
        D.forward(
            np.random.default_rng(1).standard_normal((16, 3)).astype(dtype) / max(scale, 1),
            cache,
            train=True,
        )
        D.parameters.grad.flat[...] = 0
        add_slope_penalty(D, cache, 1.0, 20.0, toward=np.ones((16, 1), dtype), value=value)
        found[dtype] = {name: dW.copy() for name, dW in D.parameters.grad.items()}
    for name, want in found["float64"].items():
        np.testing.assert_allclose(
            found["float32"][name],
            want,
            rtol=1e-3,
            atol=1e-4 * np.abs(want).max() + 1e-37,
            err_msg=name,
        )
