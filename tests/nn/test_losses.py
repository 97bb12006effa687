"""The losses, apart from SoftmaxCrossEntropy."""

import math

import numpy as np
import pytest

import nn
from tests.oracles import load
from tests.support.tools import assert_close, normal

TARGETS = {"zero": 0, "one": 1, "smooth": 0.9, "array": None}
FAR = [-100.0, -25.0, -17.0, -1.0, 0.0, 1.0, 17.0, 25.0, 100.0]


def a_cache(dtype="float64"):
    return nn.Tanh().build(dtype=dtype).cache()


def exact_value(z, t):
    """-t log p - (1 - t) log(1 - p) with p = sigmoid(z), accurate for every z."""
    return max(z, 0.0) - z * t + math.log1p(math.exp(-abs(z)))


def exact_slope(z, t):
    """sigmoid(z) - t, accurate: t is first subtracted from 0 or 1, whichever is nearer to p."""
    tail = math.exp(-abs(z)) / (1 + math.exp(-abs(z)))
    return (1 - t) - tail if z >= 0 else (0 - t) + tail


def sigmoid_network(logits, dtype="float32"):
    """A network that ends in a sigmoid, its cache, and its output p for these logits."""
    net = nn.Sequential(nn.Sequential(nn.Sigmoid())).build(dtype=dtype)
    cache = net.cache()
    return net, cache, net.forward(np.array(logits, dtype)[:, None], cache, train=True)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-14), ("float32", 2e-7)])
@pytest.mark.parametrize("target", [0, 1, 0.9, 0.25])
def test_logits_of_up_to_100_are_exact(target, dtype, tolerance):
    for z in FAR:
        value, dz = nn.BCEWithLogits()(np.array([[z]], dtype), target, a_cache(dtype))
        assert value.shape == (1,) and value.dtype == dz.dtype == dtype
        for got, want in ((value[0], exact_value(z, target)), (dz[0, 0], exact_slope(z, target))):
            # for a target between 0 and 1, p - t and z - z t cancel digits
            size = abs(want) if target in (0, 1) else max(1, abs(z), abs(want))
            assert abs(float(got) - want) <= tolerance * size + 1e-44, (z, got, want)


@pytest.mark.parametrize(
    "kind, loss, x", [("logits", nn.BCEWithLogits(), "z"), ("probabilities", nn.BCE(), "p")]
)
@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("as_array", [False, True])
def test_matches_pytorch(kind, loss, x, name, as_array):
    want = load("losses")
    target = want[f"{name}.target"] if as_array or TARGETS[name] is None else TARGETS[name]
    value, dx = loss(want[x], target, a_cache())
    # PyTorch's own 1 - p has no digits left at z = 100
    keep = np.abs(want["z"]) < 90 if x == "z" else slice(None)
    assert_close(value[0], want[f"{name}.{kind}.value"], 1e-14)
    assert_close(dx[keep], want[f"{name}.{kind}.dx"][keep], 1e-14)


@pytest.mark.parametrize("loss, last", [(nn.BCEWithLogits(), nn.Tanh()), (nn.BCE(), nn.Sigmoid())])
@pytest.mark.parametrize("target", [0, 1, 0.9, "array"])
@pytest.mark.gradcheck
def test_gradients_match_finite_differences(loss, last, target):
    target = np.random.default_rng(1).random((6, 2)) if target == "array" else target
    net = nn.Sequential(nn.Dense(3, 2), last)
    report = nn.gradcheck(net, normal(6, 3), loss=loss, target=target)
    assert report.ok, report


@pytest.mark.gradcheck
def test_bce_of_given_probabilities_matches_finite_differences():
    p, h = np.array([[0.02], [0.3], [0.5], [0.97]]), 1e-6
    loss, target = nn.BCE(), np.array([[0.0], [1.0], [0.9], [0.3]])
    dp = loss(p, target, a_cache())[1].copy()
    for i in range(4):
        step = h * np.eye(4)[:, i : i + 1]
        up, down = (float(loss(p + s, target, a_cache())[0][0]) for s in (step, -step))
        assert abs(dp[i, 0] - (up - down) / (2 * h)) < 1e-7 * abs(dp[i, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p, target", [(0.0, 1), (1.0, 0), (0.0, 0), (1.0, 1)])
def test_probabilities_of_0_and_1_give_finite_losses_of_the_right_sign(p, target, dtype):
    value, dp = nn.BCE()(np.array([[p]], dtype), target, a_cache(dtype))
    assert np.isfinite(value[0]) and np.isfinite(dp).all()
    if p == target:
        assert 0 <= value[0] < 1e-6 and abs(dp[0, 0]) <= 1 + 1e-6
    else:
        assert value[0] > 15 and np.sign(dp[0, 0]) == np.sign(p - target) and abs(dp[0, 0]) > 1e6


@pytest.mark.parametrize(
    "logit, target, want",
    [(-25.0, 1, -1.0), (25.0, 0, 1.0), (-100.0, 1, -1.0), (100.0, 0, 1.0), (-20.0, 1, -1.0)],
)
def test_gradient_of_a_confidently_wrong_sigmoid_does_not_vanish(logit, target, want):
    """At logit -25 the generator's gradient is -1/N, not -0.001/N, and has the right sign."""
    logits = [logit, 0.0, 1.0, -1.0]
    net, cache, p = sigmoid_network(logits)
    value, dy = nn.BCE()(p, target, cache)
    dz = net.backward(dy, cache)
    assert abs(4 * float(dz[0, 0]) - want) < 1e-6
    want_value = sum(exact_value(z, target) for z in logits) / 4
    assert abs(float(value[0]) - want_value) < 1e-6 * want_value
    np.testing.assert_allclose(dz[:, 0], [exact_slope(z, target) / 4 for z in logits], rtol=1e-6)


@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weight", [1.0, 10.0, 1e6, -1e6])
@pytest.mark.parametrize("logit", [-1e4, -100.0, -60.0, -20.0, 0.5, 60.0, 100.0, 1e4])
def test_large_weight_keeps_the_gradient_of_a_saturated_sigmoid(logit, weight, dtype, device):
    """dL/dz = weight (p - t) / N, although dL/dp divides it by a slope near 0."""
    net = nn.Sequential(nn.Sigmoid()).build(dtype=dtype, device=device)
    cache, target = net.cache(), float(logit < 0)
    p = net.forward(np.array([[logit]], dtype), cache, train=True)
    _, dp = nn.BCE()(p, target, cache, weight=weight)
    assert np.isfinite(dp).all()
    np.testing.assert_allclose(
        net.backward(dp, cache)[0, 0], weight * exact_slope(logit, target), rtol=1e-6
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.0, 1e-40, 1.0])
def test_large_weight_keeps_the_gradient_of_certain_probabilities_finite(p, dtype):
    _, dp = nn.BCE()(np.array([[p]], dtype), round(1 - p), a_cache(dtype), weight=1e6)
    assert np.isfinite(dp).all() and abs(dp[0, 0]) > 1e6


@pytest.mark.parametrize("target", [0.9, "array"])
def test_bce_of_a_sigmoid_equals_bce_with_logits(target):
    logits = normal(7, 1, seed=2) * 30
    target = np.linspace(0, 1, 7)[:, None] if target == "array" else target
    net, cache, p = sigmoid_network(logits[:, 0], "float64")
    value, dy = nn.BCE()(p, target, cache)
    dz = net.backward(dy, cache)
    want_value, want_dz = nn.BCEWithLogits()(logits, target, a_cache())
    assert (value == want_value).all()
    np.testing.assert_allclose(dz, want_dz, rtol=1e-14)


def test_sigmoid_differentiates_another_loss_in_the_next_pass():
    net, cache, p = sigmoid_network([0.5, -2.0], "float64")
    net.backward(nn.BCE()(p, 1, cache)[1], cache)
    p = net.forward(np.array([[0.5], [-2.0]]), cache, train=True)
    dz = net.backward(np.ones((2, 1)), cache)
    assert_close(dz, p * (1 - p), 1e-15)


def test_bce_uses_the_logits_only_for_the_output_of_its_pass():
    net, cache, p = sigmoid_network([0.5, -2.0], "float64")
    other = np.array([[0.3], [0.6]])
    value, dp = nn.BCE()(other, 1, cache)
    assert_close(value[0], -np.log(other).mean(), 1e-14)
    dz = net.backward(dp.copy(), cache)
    assert_close(dz, -1 / other / 2 * p * (1 - p), 1e-14)


@pytest.mark.parametrize("loss", [nn.BCEWithLogits(), nn.BCE()])
@pytest.mark.parametrize("weight", [0.5, np.float64(0.5)])
def test_weight_multiplies_value_and_gradient(loss, weight):
    y = np.random.default_rng(0).random((6, 1)).astype(np.float32)
    value, dy = (array.copy() for array in loss(y, 0.9, a_cache("float32")))
    half_value, half_dy = loss(y, 0.9, a_cache("float32"), weight=weight)
    assert (half_value == value / 2).all() and (half_dy == dy / 2).all()
    assert half_value.dtype == half_dy.dtype == np.float32


@pytest.mark.parametrize("loss", [nn.BCEWithLogits(), nn.BCE()])
def test_gradient_contains_the_1_over_n(loss):
    y = np.random.default_rng(0).random((6, 1))
    value, dy = (array.copy() for array in loss(y, 1, a_cache()))
    twice_value, twice_dy = loss(np.concatenate([y, y]), 1, a_cache())
    assert_close(twice_value, value, 1e-14)
    assert_close(twice_dy[:6], dy / 2, 1e-14)


@pytest.mark.parametrize(
    "loss, slope",
    [(nn.BCEWithLogits(), lambda y: 1 / (1 + np.exp(-y)) - 1), (nn.BCE(), lambda y: -1 / y)],
)
def test_n_counts_elements_not_samples(loss, slope):
    y = np.random.default_rng(0).random((6, 2))
    value, dy = loss(y, 1, a_cache())
    assert_close(dy, slope(y) / 12, 1e-14)
    p = 1 / (1 + np.exp(-y)) if isinstance(loss, nn.BCEWithLogits) else y
    assert_close(value[0], -np.log(p).mean(), 1e-14)


@pytest.mark.parametrize("loss", [nn.BCEWithLogits(), nn.BCE()])
def test_y_is_unchanged_and_results_go_into_given_arrays(loss):
    y = np.random.default_rng(0).random((6, 1))
    before, dy, value, cache = y.copy(), np.empty((6, 1)), np.empty(1), a_cache()
    got = loss(y, 0.9, cache, dy=dy, value=value)
    assert got[0] is value and got[1] is dy
    want = loss(y, 0.9, cache)
    assert (want[0] == value).all() and (want[1] == dy).all() and (y == before).all()


LOSSES = {
    "logits": lambda y, cache, **options: nn.BCEWithLogits()(y, 0.3, cache, **options),
    "probabilities": lambda y, cache, **options: nn.BCE()(y, 0.3, cache, **options),
    "squared": lambda y, cache, **options: nn.MeanSquaredError()(y, 2.0, cache, **options),
    "hinge": lambda y, cache, **options: nn.Hinge()(y, -1, cache, **options),
    "mean": lambda y, cache, **options: nn.Mean()(y, cache, **options),
    "classes": lambda y, cache, **options: nn.SoftmaxCrossEntropy()(
        y, np.zeros(len(y), int), cache, **options
    ),
}


@pytest.mark.parametrize("second", LOSSES)
@pytest.mark.parametrize("first", LOSSES)
def test_second_loss_of_a_pass_leaves_the_results_of_the_first(first, second):
    """The sum of two gradients of a pass is the gradient of the summed losses."""
    net = nn.Sequential(nn.Dense(3, 4), nn.Sigmoid()).build(seed=0, dtype="float64")
    cache = net.cache()
    y = net.forward(normal(5, 3), cache, train=True)
    value, dy = LOSSES[first](y, cache)
    kept = value.copy(), dy.copy()
    other_value, other_dy = LOSSES[second](y, cache, weight=0.5)
    assert (value == kept[0]).all() and (dy == kept[1]).all()
    dx = [net.backward(d.copy(), cache).copy() for d in (dy, other_dy, dy + other_dy)]
    np.testing.assert_allclose(dx[0] + dx[1], dx[2], rtol=1e-12, atol=1e-15)
    assert not np.shares_memory(value, other_value)


@pytest.mark.parametrize("shape", [(0, 3), (4, 0)])
@pytest.mark.parametrize("name", LOSSES)
def test_y_without_elements_is_refused(name, shape):
    with pytest.raises(nn.ShapeError, match=rf"{shape[0]}, {shape[1]}") as error:
        LOSSES[name](np.zeros(shape, np.float32), a_cache("float32"))
    assert "expected at least one element to take the mean of, got shape" in str(error.value)


def test_losses_of_two_live_passes_are_independent():
    net, cache, p = sigmoid_network([0.5, -2.0])
    other = net.cache()
    q = net.forward(np.array([[3.0], [1.0]], np.float32), other, train=True)
    value, dy = nn.BCE()(p, 1, cache)
    kept = value.copy(), dy.copy()
    nn.BCE()(q, 0, other)
    assert (value == kept[0]).all() and (dy == kept[1]).all()


@pytest.mark.parametrize("target", [1, True, 0.9, np.float32(0.9), np.float64(0.9), np.int64(1)])
@pytest.mark.parametrize("loss", [nn.BCEWithLogits(), nn.BCE()])
def test_target_may_be_any_real_number(loss, target):
    y = np.full((3, 1), 0.25, np.float32)
    value, dy = loss(y, target, a_cache("float32"))
    want = loss(y, np.full((3, 1), target, np.float32), a_cache("float32"))
    assert value.dtype == dy.dtype == np.float32
    np.testing.assert_allclose(dy, want[1], rtol=1e-6)
    np.testing.assert_allclose(value, want[0], rtol=1e-6)


@pytest.mark.parametrize("loss", [nn.BCEWithLogits(), nn.BCE()])
@pytest.mark.parametrize("target", [-0.1, 1.1, math.nan, -1])
def test_target_out_of_range_is_refused(loss, target):
    message = rf"{type(loss).__name__}: expected a target in \[0, 1\], got {target}"
    with pytest.raises(nn.ShapeError, match=message):
        loss(np.zeros((3, 1)), target, a_cache())


@pytest.mark.parametrize("loss", [nn.BCEWithLogits(), nn.BCE()])
@pytest.mark.parametrize(
    "target, got",
    [(np.ones(3), r"\(3,\)"), (np.ones((1, 3)), r"\(1, 3\)"), ("real", "'real'"), (None, "None")],
)
def test_target_of_another_shape_is_refused(loss, target, got):
    expected = r"expected a number or an array of shape \(3, 1\) as target"
    with pytest.raises(nn.ShapeError, match=rf"{type(loss).__name__}: {expected}, got {got}"):
        loss(np.zeros((3, 1)), target, a_cache())


@pytest.mark.parametrize("loss", [nn.BCEWithLogits(), nn.BCE()])
def test_target_of_another_dtype_is_refused(loss):
    message = f"{type(loss).__name__}: expected a target of float32, got float64"
    with pytest.raises(nn.DtypeError, match=message):
        loss(np.zeros((3, 1), np.float32), np.ones((3, 1)), a_cache("float32"))


# ---- the other losses

LINE = np.linspace(-3, 3, 10).reshape(5, 2)
SIGNS = np.array([1.0, -1.0] * 5).reshape(5, 2)
FORMULAS = {
    "squared, 0": (nn.MeanSquaredError(), 0, lambda y, t: (y - t) ** 2),
    "squared, -1.5": (nn.MeanSquaredError(), -1.5, lambda y, t: (y - t) ** 2),
    "squared, array": (nn.MeanSquaredError(), LINE, lambda y, t: (y - t) ** 2),
    "l1, 0": (nn.L1(), 0, lambda y, t: abs(y - t)),
    "l1, -1.5": (nn.L1(), -1.5, lambda y, t: abs(y - t)),
    "l1, array": (nn.L1(), LINE, lambda y, t: abs(y - t)),
    "hinge, 1": (nn.Hinge(), 1, lambda y, t: max(0, 1 - t * y)),
    "hinge, -1": (nn.Hinge(), -1, lambda y, t: max(0, 1 - t * y)),
    "hinge, array": (nn.Hinge(), SIGNS, lambda y, t: max(0, 1 - t * y)),
    "mean": (nn.Mean(), None, lambda y, t: y),
}


@pytest.mark.parametrize("loss, target, formula", FORMULAS.values(), ids=FORMULAS)
@pytest.mark.parametrize("weight", [1.0, -0.5])
@pytest.mark.gradcheck
def test_value_and_gradient_match_the_formula(loss, target, formula, weight):
    y, h = 2 * normal(5, 2, seed=3), 1e-6
    given = () if target is None else (target,)
    targets = list(np.broadcast_to(0 if target is None else target, y.shape).flat)
    before, dy, value = y.copy(), np.full((5, 2), np.nan), np.full(1, np.nan)
    got = loss(y, *given, a_cache(), weight=weight, dy=dy, value=value)
    assert got[0] is value and got[1] is dy and (y == before).all()
    want = weight * sum(formula(a, t) for a, t in zip(y.flat, targets)) / 10
    assert_close(value[0], want, 1e-14)
    slopes = [(formula(a + h, t) - formula(a - h, t)) / (2 * h) for a, t in zip(y.flat, targets)]
    assert_close(dy.reshape(-1), weight * np.array(slopes) / 10, 1e-8)
    new = loss(y, *given, a_cache(), weight=weight)
    assert (new[0] == value).all() and (new[1] == dy).all()


@pytest.mark.parametrize(
    "loss, target, words",
    [
        (nn.MeanSquaredError(), math.inf, "that is finite, got inf"),
        (nn.MeanSquaredError(), math.nan, "that is finite, got nan"),
        (nn.L1(), math.inf, "that is finite, got inf"),
        (nn.Hinge(), 0, "of 1 or -1, got 0.0"),
        (nn.Hinge(), 2, "of 1 or -1, got 2.0"),
        (nn.Hinge(), -2, "of 1 or -1, got -2.0"),
    ],
)
def test_target_that_the_loss_does_not_allow_is_refused(loss, target, words):
    with pytest.raises(nn.ShapeError, match=f"{type(loss).__name__}: expected a target {words}"):
        loss(np.zeros((3, 1)), target, a_cache())
    with pytest.raises(nn.ShapeError, match=r"array of shape \(3, 1\) as target, got \(3,\)"):
        loss(np.zeros((3, 1)), np.ones(3), a_cache())
    with pytest.raises(nn.DtypeError, match="expected a target of float64, got float32"):
        loss(np.zeros((3, 1)), np.ones((3, 1), np.float32), a_cache())


@pytest.mark.parametrize(
    "loss, target",
    [
        (nn.BCEWithLogits(), 0.9),
        (nn.BCE(), 0.9),
        (nn.MeanSquaredError(), 0.1),
        (nn.L1(), 0.1),
    ],
)
def test_numpy_float64_target_gives_the_same_bytes_as_a_float(loss, target):
    y = np.random.default_rng(0).random((50, 1)).astype(np.float32)
    (value, dy), (want_value, want_dy) = (
        loss(y, kind(target), a_cache("float32")) for kind in (np.float64, float)
    )
    assert value.tobytes() == want_value.tobytes() and dy.tobytes() == want_dy.tobytes()


def test_nan_reaches_the_loss():
    value, dz = nn.BCEWithLogits()(np.array([[math.nan], [0.0]]), 1, a_cache())
    assert math.isnan(value[0]) and math.isnan(dz[0, 0]) and dz[1, 0] == -0.25


@pytest.mark.parametrize("logit", [-100.0, -25.0, -3.0, 0.0, 25.0, 100.0])
@pytest.mark.parametrize("target", [0.0, 0.9, 1.0])
def test_gradient_of_bce_may_be_scaled_before_the_sigmoid(logit, target):
    z = np.full((4, 1), logit, np.float32)
    net = nn.Sequential(nn.Sigmoid()).build()
    cache, logits_cache = net.cache(), net.cache()
    _, dp = nn.BCE()(net.forward(z, cache), target, cache)
    _, dz = nn.BCEWithLogits()(z, target, logits_cache)
    np.testing.assert_allclose(net.backward(0.5 * dp[:], cache), 0.5 * dz, rtol=1e-6)


def test_sigmoid_differentiates_any_dy_after_bce():
    z = np.array([[0.3], [-1.2], [2.0]])
    net = nn.Sequential(nn.Sigmoid()).build(dtype="float64")
    cache = net.cache()
    p = net.forward(z, cache)
    nn.BCE()(p, 1.0, cache)  # its gradient is not used
    np.testing.assert_allclose(net.backward(np.ones((3, 1)), cache), p * (1 - p))


def test_bce_of_another_layers_output_is_bce_of_given_probabilities():
    p = np.array([[0.3], [0.6]])
    net = nn.Sequential(nn.Tanh()).build(dtype="float64")
    cache = net.cache()
    y = net.forward(np.arctanh(p), cache)
    value, dp = nn.BCE()(y, 1.0, cache)
    np.testing.assert_allclose(value[0], -np.log(p).mean())
    np.testing.assert_allclose(dp, -1 / p / 2)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-14), ("float32", 1e-6)])
def test_l1_matches_pytorch(dtype, tolerance):
    """Also where y equals the target, which has zero gradient."""
    want = load("blocks")
    y, target = want["l1.y"].astype(dtype), want["l1.target"].astype(dtype)
    value, dy = nn.L1()(y, target, a_cache(dtype))
    assert value.dtype == dy.dtype == dtype and not dy[0].any()
    assert_close(value, [want["l1.value"]], tolerance)
    assert_close(dy, want["l1.dy"], tolerance)
