import math

import numpy as np
import pytest

import nn
from nn.ops.numpy.random import threshold
from tests.support.tools import assert_close, in_float64, normal

P = 77 / 256  # what 0.3 is rounded to on the CPU
N = 200_000


def mask_of(layer, shape):
    """The mask of a training pass: y for an x of ones, as a copy."""
    return layer.forward(np.ones(shape, layer.dtype), layer.cache(), train=True).copy()


def test_an_element_is_zero_with_probability_p_and_scaled_otherwise():
    mask = mask_of(nn.Dropout(P).build(seed=0), (200, 1000))
    assert set(np.unique(mask)) == {np.float32(0), np.float32(1 / (1 - P))}
    assert (mask == mask_of(nn.Dropout(0.3).build(seed=0), (200, 1000))).all()
    error = 5 * math.sqrt(P * (1 - P) / N)  # five standard deviations
    assert P - error < np.mean(mask == 0) < P + error


def test_expectation_is_preserved():
    mask = mask_of(nn.Dropout(P).build(seed=1), (200, 1000)).astype(np.float64)
    error = 5 * math.sqrt(P / (1 - P) / N)
    assert 1 - error < mask.mean() < 1 + error


@pytest.mark.parametrize("p", [1e-7, 0.001, 0.02, 0.1, 0.25, 0.3, 0.5, 0.7, 0.98, 0.999, 1 - 1e-7])
def test_rounding_of_p_is_small(p):
    bits, k = threshold(p)
    assert 0 < k < 2**bits and abs(k / 2**bits - p) <= 0.01 * p * (1 - p)
    assert bits == (
        32 if p in (1e-7, 1 - 1e-7) else 16 if p in (0.001, 0.02, 0.1, 0.98, 0.999) else 8
    )


@pytest.mark.parametrize("p", [1e-300, 1e-12, 1 - 1e-12, 1 - 2**-53])
def test_what_is_possible_is_never_rounded_away(p):
    bits, k = threshold(p)
    assert bits == 32 and k == (1 if p < 0.5 else 2**32 - 1)


@pytest.mark.parametrize("p", [1e-12, 1e-4, 0.3, 0.999, 1 - 1e-6, 1 - 1e-12])
def test_masks_of_likely_and_unlikely_draws_on_every_backend(any_backend, p):
    """Kept elements are finite, and as many as there should be."""
    mask = any_backend.empty((1000, 1000), "float32")
    mask = any_backend.to_host(any_backend.stream(np.random.SeedSequence(5)).dropout_mask_(mask, p))
    kept = (mask > 0).mean()
    assert (
        np.isfinite(mask).all()
        and abs(kept - (1 - p)) < 5 * (p * (1 - p) / mask.size) ** 0.5 + 0.004 * p * (1 - p) + 1e-9
    )
    assert not kept or np.isclose(mask.max(), 1 / (1 - p), rtol=0.01 if p < 0.9999999 else 1e3)


@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize("p", [1e-4, 0.02, 0.9, 0.999])
def test_small_probabilities_are_accurate(device, p):
    mask = mask_of(nn.Dropout(p).build(seed=5, device=device), (1000, 1000))
    assert abs((mask == 0).mean() - p) < 5 * (p * (1 - p) / mask.size) ** 0.5 + 2**-17
    assert abs(mask.mean(dtype=np.float64) - 1) < 5 * (p / (1 - p) / mask.size) ** 0.5


def test_elements_are_drawn_independently():
    kept = mask_of(in_float64(nn.Dropout(P), seed=2), (200, 1000)) > 0
    # with one mask for all samples a column would be all kept or all dropped
    assert 0 < kept.mean(axis=0).min() and kept.mean(axis=0).max() < 1
    counts = kept.sum(axis=1)
    assert 0.8 < counts.var() / (1000 * P * (1 - P)) < 1.25
    neighbours = np.mean(kept[:, 1:] & kept[:, :-1])
    assert abs(neighbours - (1 - P) ** 2) < 0.01


def test_each_pass_draws_a_new_mask():
    layer = in_float64(nn.Dropout(0.5))
    cache = layer.cache()
    x = np.ones((4, 50))
    assert (layer.forward(x, cache, train=True).copy() != layer.forward(x, cache, train=True)).any()


def test_mask_is_determined_by_the_seed():
    masks = [mask_of(nn.Dropout(0.5).build(seed=seed), (4, 50)) for seed in (7, 7, 8)]
    assert (masks[0] == masks[1]).all() and (masks[0] != masks[2]).any()


def test_backward_multiplies_by_the_same_mask():
    layer, dy = in_float64(nn.Dropout(P)), normal(40, 50)
    cache, x = layer.cache(), normal(40, 50, seed=1)
    y = layer.forward(x, cache, train=True).copy()
    assert_close(layer.backward(dy.copy(), cache) * x, dy * y, 1e-15)


def test_each_live_pass_keeps_its_own_mask():
    layer, x = in_float64(nn.Dropout(0.5)), np.ones((4, 50))
    caches = layer.cache(), layer.cache()
    first, second = (layer.forward(x, cache, train=True).copy() for cache in caches)
    assert (first != second).any()
    assert (layer.backward(np.ones((4, 50)), caches[0]) == first).all()


def test_evaluation_is_identity_and_draws_nothing():
    layer, x = nn.Dropout(0.9).build(seed=0), normal(5, 4, dtype=np.float32)
    state, cache = layer.stream.state, layer.cache()
    assert (layer.forward(x, cache, train=False) == x).all() and (layer(x) == x).all()
    dy = normal(5, 4, seed=1, dtype=np.float32)
    assert (layer.backward(dy.copy(), cache) == dy).all()
    assert layer.stream.state == state


def test_evaluation_after_training_forgets_the_mask():
    layer, cache, x = (built := in_float64(nn.Dropout(0.5))), built.cache(), np.ones((4, 50))
    layer.forward(x, cache, train=True)
    layer.forward(x, cache, train=False)
    assert (layer.backward(np.ones((4, 50)), cache) == 1).all()


def test_p_zero_is_identity_and_draws_nothing():
    x = normal(5, 4)
    layer = in_float64(nn.Dropout(0.0))
    state = layer.stream.state
    assert (layer.forward(x, layer.cache(), train=True) == x).all()
    assert layer.stream.state == state


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.gradcheck
def test_gradients_match_finite_differences(train):
    report = nn.gradcheck(nn.Dropout(P), normal(5, 4), train=train)
    assert report.ok, report


@pytest.mark.gradcheck
def test_dw_of_the_next_layer_uses_the_dropped_x():
    """x -> Dropout -> Dense: dL/dW is computed from the dropped x."""
    net = nn.Sequential(nn.Dropout(0.5), nn.Dense(6, 3))
    report = nn.gradcheck(net, normal(5, 6))
    assert report.ok, report
    net.build(seed=0, dtype="float64")
    cache, dy = net.cache(), normal(5, 3)
    net.forward(np.ones((5, 6)), cache, train=True)
    dropped = cache.parts[1].x.copy()
    net.backward(dy.copy(), cache)
    assert_close(net[1].dW, dropped.T @ dy, 1e-14)


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, math.nan])
def test_p_out_of_range_is_refused(p):
    with pytest.raises(nn.ShapeError, match=r"Dropout: expected p in \[0, 1\), got"):
        nn.Dropout(p)
