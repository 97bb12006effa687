"""SoftmaxCrossEntropy."""

import math

import numpy as np
import pytest

import nn
from tests.oracles import load
from tests.support.tools import assert_close, normal

LOSS = nn.SoftmaxCrossEntropy()


def a_cache(dtype="float64"):
    return nn.Tanh().build(dtype=dtype).cache()


def plain(z, target):
    """The value and its gradient, by a loop over rows and classes."""
    value, dz = 0.0, np.zeros_like(z)
    for i, t in enumerate(target):
        total = sum(math.exp(logit) for logit in z[i])
        value -= math.log(math.exp(z[i, t]) / total) / len(z)
        for k in range(z.shape[1]):
            dz[i, k] = (math.exp(z[i, k]) / total - (k == t)) / len(z)
    return value, dz


def test_value_and_gradient_match_a_plain_loop():
    z, target = normal(9, 5), np.array([0, 1, 2, 3, 4, 4, 0, 2, 2])
    value, dz = LOSS(z, target, a_cache())
    want, want_dz = plain(z, target)
    assert value.shape == (1,)
    assert_close(value, [want], 1e-14)
    assert_close(dz, want_dz, 1e-13)


@pytest.mark.parametrize("name", ["usual", "far"])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-13), ("float32", 1e-6)])
def test_matches_pytorch(name, dtype, tolerance):
    want = {
        key.removeprefix(f"{name}."): value
        for key, value in load("conv_losses").items()
        if key.startswith(f"{name}.")
    }
    value, dz = LOSS(want["z"].astype(dtype), want["target"], a_cache(dtype))
    assert value.dtype == dz.dtype == dtype
    assert_close(value, [want["value"]], tolerance)
    assert_close(dz, want["dz"], tolerance)


@pytest.mark.gradcheck
def test_gradient_matches_finite_differences():
    """Each p depends on every logit: using only the diagonal of its Jacobian would be wrong."""
    report = nn.gradcheck(nn.Dense(4, 6), normal(5, 4), loss=LOSS, target=np.array([0, 5, 2, 2, 1]))
    assert report.ok, report
    z = normal(3, 4)
    _, dz = LOSS(z, np.array([0, 1, 2]), a_cache())
    assert np.abs(dz.sum(axis=1)).max() < 1e-15  # p sums to 1, and so does the target


def test_logits_beyond_the_range_of_exp():
    value, dz = LOSS(
        np.array([[1e4, 0.0], [-1e4, 1e4]], np.float32), np.array([1, 1]), a_cache("float32")
    )
    assert value[0] == 5000 and dz.tolist() == [[0.5, -0.5], [0, 0]]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "uint64"])
def test_classes_of_any_integer_dtype(kind):
    z, target = normal(4, 3), np.array([0, 2, 1, 1])
    value, dz = LOSS(z, target, a_cache())
    other_value, other_dz = LOSS(z, target.astype(kind), a_cache())
    assert other_value == value and (other_dz == dz).all()


def test_weight_multiplies_value_and_gradient():
    z, target = normal(4, 3), np.array([0, 2, 1, 1])
    value, dz = LOSS(z, target, a_cache())
    halved, half_dz = LOSS(z, target, a_cache(), weight=0.5)
    assert_close(halved, value / 2, 1e-15)
    assert_close(half_dz, dz / 2, 1e-15)


def test_logits_are_unchanged_and_results_go_into_given_arrays():
    z, target = normal(4, 3), np.array([0, 2, 1, 1])
    before, dy, value = z.copy(), np.empty((4, 3)), np.empty(1)
    got_value, got_dy = LOSS(z, target, a_cache(), dy=dy, value=value)
    assert got_value is value and got_dy is dy and (z == before).all()
    new = LOSS(z, target, a_cache())
    assert (new[0] == value).all() and (new[1] == dy).all()


@pytest.mark.parametrize("target", [[0, 3], [-1, 0], [200, 1]])
def test_class_out_of_range_is_refused(target):
    low, high = min(target), max(target)
    with pytest.raises(
        nn.ShapeError,
        match=rf"SoftmaxCrossEntropy: expected classes in 0\.\.2, got {low}\.\.{high}",
    ):
        LOSS(normal(2, 3), np.array(target), a_cache())


def test_wrong_shapes_and_dtypes_are_refused():
    z = normal(2, 3)
    for y, target, error, message in (
        (z, np.array([0, 1, 2]), nn.ShapeError, r"an array of shape \(2,\) as target, got \(3,\)"),
        (z, 1, nn.ShapeError, r"an array of shape \(2,\) as target, got 1"),
        (z[0], np.array([0, 1]), nn.ShapeError, r"logits of shape \(N, K\), got \(3,\)"),
        (z, np.array([0.0, 1.0]), nn.DtypeError, "class numbers, integers, as target, got float64"),
    ):
        with pytest.raises(error, match=f"SoftmaxCrossEntropy: expected {message}"):
            LOSS(y, target, a_cache())


# ---- label smoothing


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-13), ("float32", 1e-6)])
def test_smoothed_labels_match_pytorch(dtype, tolerance):
    want, loss = load("blocks"), nn.SoftmaxCrossEntropy(label_smoothing=0.1)
    value, dz = loss(want["smoothed.y"].astype(dtype), want["smoothed.target"], a_cache(dtype))
    assert value.dtype == dz.dtype == dtype
    assert_close(value, [want["smoothed.value"]], tolerance)
    assert_close(dz, want["smoothed.dy"], tolerance)


def test_smoothed_value_is_a_mean_over_classes():
    z, target = normal(5, 3), np.array([0, 1, 2, 2, 1])
    value, dz = nn.SoftmaxCrossEntropy(0.3)(z, target, a_cache(), weight=2.0)
    of_class = [LOSS(z, np.full(5, k), a_cache(), weight=2.0) for k in range(3)]
    plain_value, plain_dz = LOSS(z, target, a_cache(), weight=2.0)
    assert_close(value, 0.7 * plain_value + 0.1 * sum(v for v, _ in of_class), 1e-13)
    assert_close(dz, 0.7 * plain_dz + 0.1 * sum(d for _, d in of_class), 1e-13)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, math.nan])
def test_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(nn.ShapeError, match=r"expected label_smoothing in \[0, 1\), got"):
        nn.SoftmaxCrossEntropy(label_smoothing=smoothing)
