"""`gradcheck` finds wrong gradients of layers, networks and losses, and passes right ones.

Violations of the layer protocol are in tests/nn/checking.
"""

import numpy as np
import pytest

import nn
from gan.data.datasets import load
from gan.recipes import RECIPES
from tests.support.tools import Vector, away_from_zero, normal

pytestmark = pytest.mark.gradcheck


class WrongW(nn.Dense):
    """Halves the gradient of W."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = super().backward(dy, cache, grads=grads, need_dx=need_dx)
        if grads != "skip":
            self.dW *= 0.5
        return dx


class WrongB(nn.Dense):
    """Sums the bias gradient over the outputs too."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = super().backward(dy, cache, grads=grads, need_dx=need_dx)
        if grads == "write":
            self.db[...] = self.db.sum()
        return dx


class WrongX(nn.Dense):
    """Uses W instead of its transpose."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        super().backward(dy, cache, grads=grads, need_dx=False)
        return dy @ self.W if need_dx else None


class SlightlyWrongX(nn.Tanh):
    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return super().backward(dy, cache) * (1 + 1e-6) if need_dx else None


class MaskFromDy(nn.LeakyReLU):
    """Takes the mask from the sign of dy instead of x."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return np.where(dy > 0, dy, self.slope * dy) if need_dx else None


class EpsOutsideRoot(nn.BatchNorm):
    """Divides by sqrt(var) + eps, where forward divides by sqrt(var + eps)."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        cache.inv_std = 1 / (np.sqrt(1 / cache.inv_std**2 - self.eps) + self.eps)
        return super().backward(dy, cache, grads=grads, need_dx=need_dx)


class WrongInEvaluation(nn.Dropout):
    """Scales the gradient in evaluation, where there is no mask."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            return dy * (1 - self.p) if cache.mask is None else dy * cache.mask


def wrong_gradients(failed):
    """The failures that are first-order gradients."""
    return [name for name in failed if "expected" not in name and "double_backward" not in name]


def bce(network, x):
    return nn.gradcheck(network, x, loss=nn.BCEWithLogits(), target=1)


@pytest.mark.parametrize(
    "layer, x, failed",
    [
        (WrongW(3, 3), normal(4, 3), ["WrongW 'net' W"]),
        (WrongB(3, 3), normal(4, 3), ["WrongB 'net' b"]),
        (WrongX(3, 3), normal(4, 3), ["WrongX 'net' x"]),
        (SlightlyWrongX(), normal(4, 3), ["SlightlyWrongX 'net' x"]),
        (MaskFromDy(0.2), away_from_zero(4, 3), ["MaskFromDy 'net' x"]),
        (EpsOutsideRoot(3, eps=1e-3), normal(4, 3), ["EpsOutsideRoot 'net' x"]),
        (WrongInEvaluation(0.3), normal(4, 3), ["WrongInEvaluation 'net' x"]),
        (
            nn.Sequential(nn.Tanh(), WrongW(3, 3), nn.Dense(3, 2)),
            normal(4, 3),
            ["WrongW 'net.1' W"],
        ),
        (nn.Sequential(nn.Dense(3, 3), WrongB(3, 3)), normal(4, 3), ["WrongB 'net.1' b"]),
        # a wrong dx makes all gradients before it wrong; only its layer is named
        (nn.Sequential(nn.Dense(3, 3), WrongX(3, 3)), normal(4, 3), ["WrongX 'net.1' x"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_wrong_gradient_is_found_and_named(layer, x, failed):
    report = nn.gradcheck(layer, x)
    assert not report.ok and wrong_gradients(report.failed) == failed
    lines = [line for line in str(report).splitlines() if "WRONG" in line]
    assert len(wrong_gradients(lines)) == 1
    assert report.worst > report.tolerance


def test_wrong_gradient_in_a_chain_names_the_network():
    report = bce([nn.Dense(2, 3), nn.Sequential(WrongB(3, 2))], normal(4, 2))
    assert wrong_gradients(report.failed) == ["WrongB 'net1.0' b"]
    assert bce(nn.Dense(2, 3), normal(4, 2)).ok


def test_networks_of_the_same_name_are_numbered():
    chain = [nn.Dense(2, 3).build(0), nn.Dense(3, 2).build(0), nn.Dense(2, 1).build(0, name="D")]
    report = nn.gradcheck(chain, normal(4, 2))
    names = [entry.where for entry in report.entries[::3]]
    assert names == ["Dense 'net' x", "Dense 'net1' x", "Dense 'D' x"]


def test_users_right_layer_passes():
    report = nn.gradcheck(Vector(3), normal(4, 3))
    assert report.ok
    assert [entry.where for entry in report.entries] == ["Vector 'net' x", "Vector 'net' w"]


def test_report_is_a_table():
    report = nn.gradcheck(nn.Sequential(nn.Dense(3, 2), nn.BatchNorm(2)), normal(4, 3))
    lines = str(report).splitlines()
    assert "by hand" in lines[0] and "numeric" in lines[0] and "error" in lines[0]
    assert [line.split("  ")[0] for line in lines[1:7]] == [entry.where for entry in report.entries]
    assert lines[7:] == ["double_backward: 4 of 4 derivatives are right"]
    assert report.ok and report.failed == [] and "WRONG" not in str(report)
    assert all(0 <= entry.error <= entry.allowed < 1e-6 for entry in report.entries)


def test_compared_derivatives_are_not_zero():
    """A comparison of 0 with 0 cannot fail; with a constant dy, batch norm's dx would be 0."""
    report = nn.gradcheck(nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4), nn.Tanh()), normal(5, 3))
    for entry in report.entries:
        assert abs(entry.by_hand) > 1e-3 or entry.where == "Dense 'net.0' b", report


def test_tiny_wrong_gradient_fails_and_zero_gradient_passes():
    report = nn.gradcheck(WrongW(3, 3, init=nn.Normal(1.0)), 1e-9 * normal(4, 3))
    assert wrong_gradients(report.failed) == ["WrongW 'net' W"]
    assert nn.gradcheck(nn.ReLU(), -1 - abs(normal(4, 3))).ok


def test_train_selects_the_mode():
    training, evaluation = (
        nn.gradcheck(nn.Dropout(0.5), normal(4, 3), train=train).entries[0]
        for train in (True, False)
    )
    assert training.by_hand != evaluation.by_hand


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_built_network_is_unchanged(dtype):
    layers = nn.Dense(3, 4), nn.BatchNorm(4), nn.Dropout(0.3), nn.Tanh()
    net = nn.Sequential(*layers).build(seed=1, dtype=dtype, name="D")
    net[1].running_mean[...] = 3.0
    net.parameters.grad.flat[...] = 5.0
    parameters = net.parameters
    buffers = parameters.value.flat, parameters.grad.flat, parameters.statistics.flat
    before, stream = [array.tobytes() for array in buffers], net.stream.state
    for train in (True, False):
        report = nn.gradcheck(net, normal(5, 3), train=train)
        assert report.ok, report
        assert report.entries[1].where == "Dense 'D.0' W" and report.entries[1].train == train
    assert [array.tobytes() for array in buffers] == before and net.stream.state == stream
    assert net.dtype == dtype and net[0].W.dtype == dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_built_network_is_checked_at_its_own_values(dtype):
    """d sum(y r) / dW = x^T r for any W, but d sum(y r) / dx = r W^T depends on it."""
    layers = [nn.Dense(3, 4).build(seed=seed, dtype=dtype) for seed in (1, 2)]
    entries = [nn.gradcheck(layer, normal(5, 3)).entries for layer in layers]
    (x, W, _), (other_x, other_W, _) = entries
    # a direction is as large as W
    size, other_size = (np.sqrt(np.mean(layer.W.astype(np.float64) ** 2)) for layer in layers)
    assert np.isclose(W.by_hand / size, other_W.by_hand / other_size, rtol=1e-6)
    assert x.by_hand != other_x.by_hand


def test_unbuilt_network_stays_unbuilt():
    net = nn.Sequential(nn.Dense(3, 2))
    assert nn.gradcheck(net, normal(4, 3)).ok
    assert net.parameters is None and net[0].ops is None


def test_parts_of_a_built_network_can_be_checked():
    net = nn.Sequential(nn.Dense(3, 4), nn.Tanh(), nn.Sequential(nn.Dense(4, 2)))
    net.build(seed=0, name="D")
    for part, n_in in ((net[0], 3), (net[1:], 4), (net[2], 4), (net[:-1], 3)):
        report = nn.gradcheck(part, normal(5, n_in))
        assert report.ok, report
    assert nn.gradcheck(net[0], normal(5, 3)).entries[1].where == "Dense 'D.0' W"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_x_of_any_float_dtype_is_accepted_and_unchanged(dtype):
    x = normal(4, 3, dtype=dtype)
    before = x.copy()
    assert nn.gradcheck(nn.Dense(3, 2), x).ok
    assert (x == before).all() and x.dtype == dtype
    assert nn.gradcheck(nn.Dense(3, 2), x.tolist()).ok


def test_kink_near_x_does_not_fail():
    x = away_from_zero(4, 3)
    x[0, 0], x[1, 1] = 3e-5, -3e-6
    assert nn.gradcheck(nn.ReLU(), x).ok


def test_seed_determines_the_report():
    net, x = nn.Sequential(nn.Dropout(0.5), nn.Dense(3, 2)), normal(4, 3)
    report = str(nn.gradcheck(net, x))
    assert str(nn.gradcheck(net, x)) == report != str(nn.gradcheck(net, x, seed=1))


def test_dy_differs_from_an_x_of_the_same_seed():
    """dy = x would hide a mask taken from the sign of dy, and all of batch norm's dx."""
    x = np.random.default_rng(0).standard_normal((4, 3))
    assert not nn.gradcheck(MaskFromDy(0.2), x, seed=0).ok
    assert abs(nn.gradcheck(nn.BatchNorm(3), x, seed=0).entries[0].by_hand) > 0.1


def test_empty_list_and_x_that_does_not_fit_are_refused():
    empty = "expected a layer, a network or a list of them, got an empty list"
    with pytest.raises(nn.ShapeError, match=empty):
        nn.gradcheck([], normal(4, 3))
    misfit = r"Dense 'net': expected x of shape \(N, 3\), got \(4, 2\)"
    with pytest.raises(nn.ShapeError, match=misfit):
        nn.gradcheck(nn.Dense(3, 2), normal(4, 2))


# ---- right networks on which plain finite differences fail


def test_bias_before_batch_norm_has_zero_gradient():
    x = normal(8, 20)
    for seed in range(5):
        layers = nn.Dense(20, 20), nn.BatchNorm(20), nn.Tanh(), nn.Dense(20, 5)
        report = nn.gradcheck(nn.Sequential(*layers).build(seed), x, seed=seed)
        assert report.ok, report
        (bias,) = [e for e in report.entries if e.where == "Dense 'net.0' b" and e.train]
        assert abs(bias.by_hand) < 1e-12 and bias.conclusive


def test_generator_with_fifty_thousand_kinks():
    report = nn.gradcheck(RECIPES["conv-r1r2"].generator().build(1), normal(4, 64), seed=1)
    assert report.ok and all(entry.conclusive for entry in report.entries), report


def test_chain_of_a_recipe():
    recipe = RECIPES["mlp-dropout"]
    chain = [recipe.generator().build(0), recipe.discriminator().build(1)]
    report = bce(chain, normal(3, recipe.n_in))
    assert report.ok, report
    assert all(entry.conclusive for entry in report.entries + report.second_order), report


def test_ties_in_images_are_counted_and_compared_nearby():
    digits = load("mnist-sample", flat=False)[0][:3] / 255
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Dense(676, 3))
    report = nn.gradcheck(net.build(0), digits)
    assert report.ok and all(entry.conclusive for entry in report.entries), report
    pool = "MaxPool2d 'net.1'"
    assert list(report.kinks) == [pool] and report.kinks[pool] > 500
    assert f"{pool}: " in str(report) and "outputs lie at a kink or a tie" in str(report)


class WrongAtTies(nn.MaxPool2d):
    """Wrong in the last image only."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = super().backward(dy, cache, grads=grads, need_dx=need_dx)
        if dx is not None:
            dx[-1] *= 1.001
        return dx


def test_mistake_at_a_kink_is_found():
    x = np.zeros((3, 1, 4, 4))
    x[:2] = normal(2, 1, 4, 4)
    assert nn.gradcheck(nn.MaxPool2d(2), x).ok
    assert "WrongAtTies 'net' x" in nn.gradcheck(WrongAtTies(2), x).failed
    assert nn.gradcheck(nn.ReLU(), np.zeros((4, 3))).ok
    assert nn.gradcheck(nn.ReLU(), np.zeros((4, 3))).kinks == {"ReLU 'net'": 12}
    assert not nn.gradcheck(MaskFromDy(0.2), np.zeros((4, 3))).ok


def test_saturated_layer_is_compared_where_it_is_not_saturated():
    x = 15 * np.sign(normal(4, 3))
    report = nn.gradcheck(nn.Tanh(), x)
    assert report.ok and report.entries[0].conclusive
    assert "SlightlyWrongX 'net' x" in nn.gradcheck(SlightlyWrongX(), x).failed


def test_loss_of_zero_passes():
    layer = nn.Dense(2, 2, init=nn.Constant(0.0)).build(0)
    layer.b[...] = -100, 100
    loss, target = nn.SoftmaxCrossEntropy(), np.ones(4, int)
    assert nn.gradcheck(layer, normal(4, 2), loss=loss, target=target).ok


def test_inconclusive_comparison_is_reported():
    class Rough(nn.Layer):
        """y = sin(w x) with so large a w that it oscillates within every finite difference."""

        def forward(self, x, cache, *, train=False):
            cache.x = x
            return np.sin(1e12 * x)

        def backward(self, dy, cache, *, grads="write", need_dx=True):
            return 1e12 * np.cos(1e12 * cache.x) * dy if need_dx else None

    report = nn.gradcheck(Rough(), normal(3, 2))
    assert report.ok and not report.entries[0].conclusive and "inconclusive" in str(report)


# ---- losses

LOSSES = {
    "hinge": (nn.Hinge(), 1),
    "hinge, -1": (nn.Hinge(), -1),
    "squared error": (nn.MeanSquaredError(), 0.3),
    "l1": (nn.L1(), 0.3),
    "smoothed": (nn.SoftmaxCrossEntropy(label_smoothing=0.1), np.array([0, 2, 1, 1])),
    "softmax": (nn.SoftmaxCrossEntropy(), np.array([0, 2, 1, 1])),
}


@pytest.mark.parametrize("loss, target", LOSSES.values(), ids=LOSSES)
def test_right_loss_passes_and_wrong_loss_is_named(loss, target):
    class Mistaken(type(loss)):
        def __call__(self, y, target, cache):
            value, dy = super().__call__(y, target, cache)
            dy[1, 1] *= 1.001
            return value, dy

    net, x = nn.Sequential(nn.Dense(5, 3), nn.LeakyReLU(0.2)), normal(4, 5)
    report = nn.gradcheck(net, x, loss=loss, target=target)
    assert report.ok and report.entries[-1].where == type(loss).__name__, report
    assert nn.gradcheck(net, x, loss=Mistaken(), target=target).failed == ["Mistaken"]


def test_wrong_loss_is_found_where_the_last_layer_has_zero_gradient():
    class Mistaken(nn.MeanSquaredError):
        def __call__(self, y, target, cache):
            value, dy = super().__call__(y, target, cache)
            dy *= np.where(y == 0, 1.001, 1)
            return value, dy

    assert nn.gradcheck(nn.ReLU(), normal(4, 3), loss=nn.MeanSquaredError(), target=0.3).ok
    assert nn.gradcheck(nn.ReLU(), normal(4, 3), loss=Mistaken(), target=0.3).failed == ["Mistaken"]


@pytest.mark.parametrize("scale", [1, 30, 1000])
def test_bce_after_a_saturated_sigmoid_passes(scale):
    report = nn.gradcheck(nn.Sigmoid(), scale * normal(4, 3), loss=nn.BCE(), target=0.3)
    assert report.ok and all(entry.conclusive for entry in report.entries), report
