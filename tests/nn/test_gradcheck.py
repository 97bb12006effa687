import numpy as np
import pytest

import nn
from benchmarks.gradcheck_sweep import check, summarize
from benchmarks.harness.gradcheck import protocol_mistakes as mistakes
from benchmarks.harness.gradcheck.mistaken_cases import mistaken_case
from benchmarks.harness.gradcheck.random_networks import random_case
from benchmarks.harness.gradcheck.spoiling import subclass
from gan.data.datasets import load
from gan.recipes import RECIPES
from nn.checking.finite_differences import slope
from nn.checking.report import Report
from tests.support.tools import Vector, away_from_zero, normal

pytestmark = pytest.mark.gradcheck


class WrongW(nn.Dense):
    """Forgets that L may reach W twice as strongly as it says."""

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
    """Uses W where W's transpose belongs."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        super().backward(dy, cache, grads=grads, need_dx=False)
        return dy @ self.W if need_dx else None


class SlightlyWrongX(nn.Tanh):
    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return super().backward(dy, cache) * (1 + 1e-6) if need_dx else None


class SignOfDy(nn.LeakyReLU):
    """Takes the mask from the gradient's sign."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return np.where(dy > 0, dy, self.slope * dy) if need_dx else None


class HasEpsOutside(nn.BatchNorm):
    """Divides by another standard deviation than forward did."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        cache.inv_std = 1 / (np.sqrt(1 / cache.inv_std**2 - self.eps) + self.eps)
        return super().backward(dy, cache, grads=grads, need_dx=need_dx)


class WrongInEvaluation(nn.Dropout):
    """Multiplies by a mask that is there in training only."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            return dy * (1 - self.p) if cache.mask is None else dy * cache.mask


def first(failed):
    return [name for name in failed if "expected" not in name and "double_backward" not in name]


@pytest.mark.parametrize(
    "layer, x, failed",
    [
        (WrongW(3, 3), normal(4, 3), ["WrongW 'net' W"]),
        (WrongB(3, 3), normal(4, 3), ["WrongB 'net' b"]),
        (WrongX(3, 3), normal(4, 3), ["WrongX 'net' x"]),
        (SlightlyWrongX(), normal(4, 3), ["SlightlyWrongX 'net' x"]),
        (SignOfDy(0.2), away_from_zero(4, 3), ["SignOfDy 'net' x"]),
        (HasEpsOutside(3, eps=1e-3), normal(4, 3), ["HasEpsOutside 'net' x"]),
        (WrongInEvaluation(0.3), normal(4, 3), ["WrongInEvaluation 'net' x"]),
        (nn.Sequential(nn.Tanh(), WrongW(3, 3), nn.Dense(3, 2)), normal(4, 3), ["WrongW 'net.1' W"]),
        (nn.Sequential(nn.Dense(3, 3), WrongB(3, 3)), normal(4, 3), ["WrongB 'net.1' b"]),
        # a wrong dx makes all that lies before it wrong; it is named where it is made
        (nn.Sequential(nn.Dense(3, 3), WrongX(3, 3)), normal(4, 3), ["WrongX 'net.1' x"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_wrong_gradient_is_found_and_named(layer, x, failed):
    report = nn.gradcheck(layer, x)
    assert not report.ok and first(report.failed) == failed
    assert len(first(line for line in str(report).splitlines() if "WRONG" in line)) == 1
    assert report.worst > report.tolerance


def test_a_wrong_gradient_in_a_chain_names_the_network():
    report = nn.gradcheck([nn.Dense(2, 3), nn.Sequential(WrongB(3, 2))], normal(4, 2), loss=nn.BCEWithLogits(), target=1)
    assert first(report.failed) == ["WrongB 'net1.0' b"]
    assert nn.gradcheck(nn.Dense(2, 3), normal(4, 2), loss=nn.BCEWithLogits(), target=1).ok  # a loss after a single one


def test_networks_of_one_name_are_told_apart():
    report = nn.gradcheck([nn.Dense(2, 3).build(0), nn.Dense(3, 2).build(0), nn.Dense(2, 1).build(0, name="D")], normal(4, 2))
    assert [entry.where for entry in report.entries[::3]] == ["Dense 'net' x", "Dense 'net1' x", "Dense 'D' x"]


def test_a_right_layer_of_ones_own_passes():
    report = nn.gradcheck(Vector(3), normal(4, 3))
    assert report.ok and [entry.where for entry in report.entries] == ["Vector 'net' x", "Vector 'net' w"]


def test_the_report_is_a_table():
    report = nn.gradcheck(nn.Sequential(nn.Dense(3, 2), nn.BatchNorm(2)), normal(4, 3))
    lines = str(report).splitlines()
    assert "by hand" in lines[0] and "numeric" in lines[0] and "error" in lines[0]
    assert [line.split("  ")[0] for line in lines[1:7]] == [entry.where for entry in report.entries]
    assert lines[7:] == ["double_backward: 4 of 4 derivatives are right"]
    assert report.ok and report.failed == [] and "WRONG" not in str(report)
    assert all(0 <= entry.error <= entry.allowed < 1e-6 for entry in report.entries)


def test_the_numbers_are_derivatives_that_are_not_zero():
    """A check that compares nothing with nothing cannot fail: batch norm with an even dy would do that."""
    report = nn.gradcheck(nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4), nn.Tanh()), normal(5, 3))
    assert all(abs(entry.by_hand) > 1e-3 for entry in report.entries if entry.where != "Dense 'net.0' b"), report


def test_a_small_gradient_may_be_wrong_and_none_at_all_is_right():
    assert first(nn.gradcheck(WrongW(3, 3, init=nn.Normal(1.0)), 1e-9 * normal(4, 3)).failed) == ["WrongW 'net' W"]
    assert nn.gradcheck(nn.ReLU(), -1 - abs(normal(4, 3))).ok


def test_train_says_which_of_the_two_passes_is_checked():
    by_hand = [nn.gradcheck(nn.Dropout(0.5), normal(4, 3), train=train).entries[0].by_hand for train in (True, False)]
    assert by_hand[0] != by_hand[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_built_network_is_checked_with_its_values_and_left_as_it_is(dtype):
    net = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4), nn.Dropout(0.3), nn.Tanh()).build(seed=1, dtype=dtype, name="D")
    net[1].running_mean[...] = 3.0
    net.parameters.grad.flat[...] = 5.0
    held = [buffer.flat for buffer in (net.parameters.value, net.parameters.grad, net.parameters.statistics)]
    before, stream = [array.tobytes() for array in held], net.stream.state
    for train in (True, False):
        report = nn.gradcheck(net, normal(5, 3), train=train)
        assert report.ok and report.entries[1].where == "Dense 'D.0' W" and report.entries[1].train == train, report
    assert [array.tobytes() for array in held] == before and net.stream.state == stream
    assert net.dtype == dtype and net[0].W.dtype == dtype
    # the values are the network's own: the derivative of sum(y r) by W is x^T r, whatever W; by x it is not
    entries = [nn.gradcheck(layer, normal(5, 3)).entries for layer in (net[0], nn.Dense(3, 4).build(seed=2, dtype=dtype))]
    (x, W, _), (other_x, other_W, _) = entries
    sizes = [np.sqrt(np.mean(layer.W.astype(np.float64) ** 2)) for layer in (net[0], nn.Dense(3, 4).build(seed=2, dtype=dtype))]
    assert np.isclose(W.by_hand / sizes[0], other_W.by_hand / sizes[1], rtol=1e-6) and x.by_hand != other_x.by_hand


def test_an_unbuilt_network_stays_unbuilt():
    net = nn.Sequential(nn.Dense(3, 2))
    assert nn.gradcheck(net, normal(4, 3)).ok
    assert net.parameters is None and net[0].ops is None


def test_a_layer_and_a_slice_of_a_built_network_can_be_checked():
    net = nn.Sequential(nn.Dense(3, 4), nn.Tanh(), nn.Sequential(nn.Dense(4, 2))).build(seed=0, name="D")
    for part, x in ((net[0], normal(5, 3)), (net[1:], normal(5, 4)), (net[2], normal(5, 4)), (net[:-1], normal(5, 3))):
        report = nn.gradcheck(part, x)
        assert report.ok, report
    assert nn.gradcheck(net[0], normal(5, 3)).entries[1].where == "Dense 'D.0' W"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_x_may_be_of_any_float_dtype_and_is_left_alone(dtype):
    x = normal(4, 3, dtype=dtype)
    before = x.copy()
    assert nn.gradcheck(nn.Dense(3, 2), x).ok
    assert (x == before).all() and x.dtype == dtype
    assert nn.gradcheck(nn.Dense(3, 2), x.tolist()).ok


def test_a_kink_nearby_is_forgiven():
    x = away_from_zero(4, 3)
    x[0, 0], x[1, 1] = 3e-5, -3e-6
    assert nn.gradcheck(nn.ReLU(), x).ok


def test_one_seed_gives_one_report():
    net, x = nn.Sequential(nn.Dropout(0.5), nn.Dense(3, 2)), normal(4, 3)
    assert str(nn.gradcheck(net, x)) == str(nn.gradcheck(net, x)) != str(nn.gradcheck(net, x, seed=1))


def test_an_x_of_the_same_seed_is_not_the_direction_of_dy():
    """dy along x would hide a mask taken from dy's sign, and all of batch norm's dx."""
    x = np.random.default_rng(0).standard_normal((4, 3))
    assert not nn.gradcheck(SignOfDy(0.2), x, seed=0).ok
    assert abs(nn.gradcheck(nn.BatchNorm(3), x, seed=0).entries[0].by_hand) > 0.1


def test_nothing_to_check_and_an_x_that_does_not_fit_are_refused():
    with pytest.raises(nn.ShapeError, match="expected a layer, a network or a list of them, got an empty list"):
        nn.gradcheck([], normal(4, 3))
    with pytest.raises(nn.ShapeError, match=r"Dense 'net': expected x of shape \(N, 3\), got \(4, 2\)"):
        nn.gradcheck(nn.Dense(3, 2), normal(4, 2))


# ---- right networks that finite differences could be wrong about ------------------------------------------------------------


def test_a_bias_before_batch_norm_has_the_gradient_0():
    x = normal(8, 20)
    for seed in range(5):
        net = nn.Sequential(nn.Dense(20, 20), nn.BatchNorm(20), nn.Tanh(), nn.Dense(20, 5)).build(seed)
        report = nn.gradcheck(net, x, seed=seed)
        assert report.ok, report
        bias = next(entry for entry in report.entries if entry.where == "Dense 'net.0' b" and entry.train)
        assert abs(bias.by_hand) < 1e-12 and bias.settled


def test_a_wide_network_with_fifty_thousand_kinks():
    report = nn.gradcheck(RECIPES["conv-r1r2"].generator().build(1), normal(4, 64), seed=1)
    assert report.ok and all(entry.settled for entry in report.entries), report


def test_the_chain_of_a_recipe():
    recipe = RECIPES["mlp-dropout"]
    chain = [recipe.generator().build(0), recipe.discriminator().build(1)]
    report = nn.gradcheck(chain, normal(3, recipe.n_in), loss=nn.BCEWithLogits(), target=1.0)
    assert report.ok and all(entry.settled for entry in report.entries + report.second), report


def test_ties_of_images_are_named_and_their_gradients_compared_nearby():
    digits = load("mnist-sample", flat=False)[0][:3] / 255
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Dense(676, 3)).build(0)
    report = nn.gradcheck(net, digits)
    assert report.ok and all(entry.settled for entry in report.entries), report
    assert list(report.kinks) == ["MaxPool2d 'net.1'"] and report.kinks["MaxPool2d 'net.1'"] > 500
    assert "MaxPool2d 'net.1': " in str(report) and "outputs lie at a kink or a tie" in str(report)


class WrongAtTies(nn.MaxPool2d):
    """Right where all values differ, but for the last image."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = super().backward(dy, cache, grads=grads, need_dx=need_dx)
        if dx is not None:
            dx[-1] *= 1.001
        return dx


def test_a_kink_excuses_no_mistake():
    x = np.zeros((3, 1, 4, 4))
    x[:2] = normal(2, 1, 4, 4)
    assert nn.gradcheck(nn.MaxPool2d(2), x).ok
    assert "WrongAtTies 'net' x" in nn.gradcheck(WrongAtTies(2), x).failed
    assert nn.gradcheck(nn.ReLU(), np.zeros((4, 3))).ok
    assert nn.gradcheck(nn.ReLU(), np.zeros((4, 3))).kinks == {"ReLU 'net'": 12}
    assert not nn.gradcheck(SignOfDy(0.2), np.zeros((4, 3))).ok


def test_a_saturated_layer_is_looked_at_where_it_is_not():
    x = 15 * np.sign(normal(4, 3))
    assert nn.gradcheck(nn.Tanh(), x).ok and nn.gradcheck(nn.Tanh(), x).entries[0].settled
    assert "SlightlyWrongX 'net' x" in nn.gradcheck(SlightlyWrongX(), x).failed
    sure = nn.Dense(2, 2, init=nn.Constant(0.0)).build(0)
    sure.b[...] = -100, 100
    assert nn.gradcheck(sure, normal(4, 2), loss=nn.SoftmaxCrossEntropy(), target=np.ones(4, int)).ok  # a loss of 0


def test_what_cannot_be_settled_is_said():
    class Rough(nn.Layer):
        """y = sin(w x) with so large a w that it swings within any step of a finite difference."""

        def forward(self, x, cache, *, train=False):
            cache.x = x
            return np.sin(1e12 * x)

        def backward(self, dy, cache, *, grads="write", need_dx=True):
            return 1e12 * np.cos(1e12 * cache.x) * dy if need_dx else None

    report = nn.gradcheck(Rough(), normal(3, 2))
    assert report.ok and not report.entries[0].settled and "not settled" in str(report)


@pytest.mark.parametrize("loss, target", [
    (nn.Hinge(), 1), (nn.Hinge(), -1), (nn.MeanSquaredError(), 0.3), (nn.SoftmaxCrossEntropy(), np.array([0, 2, 1, 1])),
], ids=["hinge", "other side", "squares", "softmax"])  # fmt: skip
def test_a_loss_is_checked_and_a_wrong_one_named(loss, target):
    class Mistaken(type(loss)):
        def __call__(self, y, target, cache):
            value, dy = super().__call__(y, target, cache)
            dy[1, 1] *= 1.001
            return value, dy

    net, x = nn.Sequential(nn.Dense(5, 3), nn.LeakyReLU(0.2)), normal(4, 5)
    report = nn.gradcheck(net, x, loss=loss, target=target)
    assert report.ok and report.entries[-1].where == type(loss).__name__, report
    assert nn.gradcheck(net, x, loss=Mistaken(), target=target).failed == ["Mistaken"]


def test_a_loss_is_wrong_also_where_the_last_layer_lets_nothing_through():
    class Mistaken(nn.MeanSquaredError):
        def __call__(self, y, target, cache):
            value, dy = super().__call__(y, target, cache)
            dy *= np.where(y == 0, 1.001, 1)
            return value, dy

    assert nn.gradcheck(nn.ReLU(), normal(4, 3), loss=nn.MeanSquaredError(), target=0.3).ok
    assert nn.gradcheck(nn.ReLU(), normal(4, 3), loss=Mistaken(), target=0.3).failed == ["Mistaken"]


@pytest.mark.parametrize("scale", [1, 30, 1000])
def test_bce_behind_a_sigmoid_is_right_however_sure_it_is(scale):
    report = nn.gradcheck(nn.Sigmoid(), scale * normal(4, 3), loss=nn.BCE(), target=0.3)
    assert report.ok and all(entry.settled for entry in report.entries), report


# ---- the protocol, networks, and double_backward ----------------------------------------------------------------------------

PROMISES = {
    mistakes.always_writes: 'with grads="add"',
    mistakes.writes_when_adding: 'with grads="add"',
    mistakes.writes_when_skipping: 'with grads="skip"',
    mistakes.adds_when_writing: 'grads="write"',
    mistakes.skips_without_dx: "with need_dx=False",
    mistakes.ignores_need_dx: "with need_dx=False",
    mistakes.scales_dx_when_skipping: 'with grads="skip"',
    mistakes.writes_x_in_forward: "forward leaves x",
    mistakes.writes_x_in_backward: "backward leaves the x",
    mistakes.keeps_y_in_layer: "two passes",
    mistakes.keeps_cache_in_layer: "two passes",
    mistakes.backward_works_once: "a second backward pass",
    mistakes.adds_dx_of_earlier_pass: "a cache that another",
    mistakes.changes_parameters: "a pass leaves parameters",
    mistakes.double_backward_writes: "double_backward adds",
}


@pytest.mark.parametrize("way, sentence", PROMISES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_promise_is_found_and_said(way, sentence):
    net = nn.Sequential(nn.Dense(4, 5), nn.Dense(5, 3), nn.Tanh()).build(0)
    subclass(net[1], way(nn.Dense))
    report = nn.gradcheck(net, normal(6, 4))
    assert any(f"MistakenDense 'net.1': expected that {sentence}" in mistake for mistake in report.mistakes), report
    assert not report.ok and set(report.mistakes) <= set(report.failed) and report.mistakes[0] in str(report)


def test_statistics_that_move_in_evaluation_are_found():
    net = nn.Sequential(nn.Dense(4, 5), nn.BatchNorm(5)).build(0)
    subclass(net[1], mistakes.changes_statistics(nn.BatchNorm))
    (mistake,) = [line for line in nn.gradcheck(net, normal(6, 4)).mistakes if "statistics" in line and "Mistaken" in line]
    assert mistake.startswith("MistakenBatchNorm 'net.1': ") and "in evaluation" in mistake


@pytest.mark.parametrize("returns, words", [
    (lambda dx: None, "expected dx of x's shape (4, 3), got None"), (lambda dx: dx[:1], "got (1, 3)"),
    (lambda dx: dx * np.nan, "got infinity or NaN"), (lambda dx: dx.nothing, "AttributeError"),
], ids=["none", "shape", "nan", "raises"])  # fmt: skip
def test_a_backward_pass_that_gives_nothing_usable_is_a_mistake(returns, words):
    class Broken(nn.Tanh):
        def backward(self, dy, cache, *, grads="write", need_dx=True):
            return returns(super().backward(dy, cache))

    report = nn.gradcheck(nn.Sequential(nn.Dense(3, 3), Broken()), normal(4, 3))
    assert not report.ok and "Broken 'net.1': in training" in report.mistakes[0] and words in report.mistakes[0]


def test_a_need_dx_that_is_not_understood_is_a_mistake():
    class Careless(nn.Tanh):
        def backward(self, dy, cache, *, grads="write", need_dx=True):
            return super().backward(dy, cache, grads=grads, need_dx=need_dx) * 1.0

    report = nn.gradcheck(Careless(), normal(4, 3))
    assert "with need_dx=False" in report.failed[0] and "TypeError" in report.failed[0]


class HalfNetwork(nn.Sequential):
    """Hands on half of what its first layer gives."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = super().backward(dy, cache, grads=grads, need_dx=need_dx)
        return dx / 2 if need_dx else None


def test_a_network_that_does_not_hand_on_what_its_layers_give():
    inner = HalfNetwork(nn.Dense(4, 3), nn.Tanh())
    report = nn.gradcheck(nn.Sequential(nn.Dense(4, 4), inner), normal(5, 4))
    assert "HalfNetwork 'net.1': expected the gradients that its layers give" in report.mistakes[0]


class Residual(nn.Sequential):
    """y = x + its layers' y: a network of one's own, checked as a whole."""

    def forward(self, x, cache, *, train=False):
        return x + super().forward(x, cache, train=train)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = super().backward(np.copy(dy), cache, grads=grads, need_dx=need_dx)
        return dx + dy if need_dx else None


class Forgetful(Residual):
    """Forgets that x comes through beside its layers."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return nn.Sequential.backward(self, dy, cache, grads=grads, need_dx=need_dx)


@pytest.mark.parametrize("kind", [Residual, Forgetful])
def test_a_network_with_a_forward_pass_of_its_own_is_checked_as_a_layer(kind):
    layers = [kind(nn.Dense(6, 40), nn.ReLU(), nn.Dense(40, 6)), nn.Dense(6, 2)]
    report = nn.gradcheck(nn.Sequential(*layers), normal(5, 6))
    assert first(report.failed) == ([] if kind is Residual else ["Forgetful 'net.0' x"]), report
    names = [entry.where for entry in report.entries]
    assert names[:3] == [f"{kind.__name__} 'net.0' {name}" for name in ("x", "Dense 'net.0.0' W", "Dense 'net.0.0' b")]


class ForgetsTheCurve(nn.Tanh):
    def double_backward(self, v, cache):
        return super().double_backward(v, cache)[0], None


class AlsoBends(nn.Sequential):
    def double_backward(self, v, cache):
        ddy, ddx = super().double_backward(v, cache)
        return ddy, ddx * 1.001


def test_double_backward_is_checked_where_there_is_one():
    layers = lambda tanh: [nn.Dense(4, 5), tanh, nn.Dense(5, 3), nn.LeakyReLU(0.2)]  # noqa: E731
    report = nn.gradcheck(nn.Sequential(*layers(nn.Tanh())), normal(6, 4))
    assert report.ok and len(report.second) == 4 + 2 + 4 + 2
    assert "double_backward: 12 of 12 derivatives are right" in str(report)
    report = nn.gradcheck(nn.Sequential(*layers(ForgetsTheCurve())), normal(6, 4))
    assert report.failed == ["double_backward of ForgetsTheCurve 'net.1', x"]
    assert "double_backward: 11 of 12 derivatives are right" in str(report) and str(report).count("WRONG") == 1
    report = nn.gradcheck(AlsoBends(*layers(nn.Tanh())), normal(6, 4))
    assert all("AlsoBends 'net': expected the derivatives of double_backward" in mistake for mistake in report.failed)
    assert len(report.failed) == 2  # in training, in evaluation
    second = nn.gradcheck(nn.Sequential(nn.Dense(4, 5), nn.BatchNorm(5)), normal(6, 4)).second
    assert [entry.where for entry in second] == [f"double_backward of Dense 'net.0', {name}" for name in ("x", "dy", "W", "b")]


# ---- a slice of the sweep ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(0, 60, 10))
def test_random_right_networks_are_called_right(seed):
    for each in range(seed, seed + 10):
        case = random_case(each)
        report = case.check()
        assert report.ok, f"seed {each}: {case.chain}\n{report}"


@pytest.mark.parametrize("seed", range(0, 60, 10))
def test_random_mistakes_of_a_thousandth_and_of_protocol_are_found(seed):
    for each in range(seed, seed + 10):
        case = mistaken_case(each)
        report = case.check()
        assert not report.ok, f"seed {each}, {case.mistake}: {case.chain}\n{report}"


def test_the_sweep_counts_and_says_what_it_misjudged(capsys, monkeypatch):
    assert summarize("right", [check(("right", 3))]) == 0
    assert capsys.readouterr().out.startswith("right: 1 networks, 0 false alarms; a check took ")
    monkeypatch.setattr(nn, "gradcheck", lambda *args, **settings: Report(0.0))  # one that finds nothing wrong
    seed, mistake, _, _ = result = check(("mistaken", 3))
    assert summarize("mistaken", [result]) == 1
    out = capsys.readouterr().out
    assert f"--- seed {seed}, {mistake}\n" in out and "mistaken: 1 networks, 1 missed" in out
    assert out.endswith(f"1 {mistake}: 1 missed\n")


# ---- finite differences -----------------------------------------------------------------------------------------------------


def slope_of(f, at, direction=1.0):
    array = np.array([float(at)])
    found = slope(lambda: f(array), array, np.array([direction]))
    assert array[0] == at  # put back
    return found.value[0], found.error[0], found.smooth[0]


@pytest.mark.parametrize("f, at, true", [
    (np.sin, 0.7, np.cos(0.7)), (np.exp, 3.0, np.exp(3.0)), (lambda x: 5 * x + 1, 1e3, 5.0), (lambda x: 0 * x + 7, 1.0, 0.0),
    (lambda x: np.sin(1000 * x), 0.7, 1000 * np.cos(700)), (lambda x: 1e6 + np.sin(x), 0.7, np.cos(0.7)),
    (np.sqrt, 4e-4, 25.0),
    (lambda x: abs(x), 2e-5, 1.0), (lambda x: abs(x), -3e-7, -1.0),
], ids=["sin", "exp", "line", "constant", "steep", "offset", "sqrt", "kink near", "kink nearer"])  # fmt: skip
def test_a_slope_lies_within_its_error(f, at, true):
    value, error, smooth = slope_of(f, at)
    assert smooth and abs(value - true) <= error <= 1e-4 * max(abs(true), 1e-3)


@pytest.mark.parametrize("f, at", [
    (abs, 0.0), (lambda x: np.maximum(x, 0), 0.0), (lambda x: np.where(x > 0, 1.0, 0.0), 0.0), (lambda x: np.maximum(x, 3), 3.0),
    (lambda x: np.log(x - 2), 1.0), (lambda x: np.round(x * 1e6 * np.pi), 1.2),
], ids=["abs", "relu", "jump", "tie", "nan", "staircase"])  # fmt: skip
def test_where_there_is_no_slope_it_is_not_smooth(f, at):
    value, error, smooth = slope_of(f, at)
    assert not smooth and value == error == 0


@pytest.mark.parametrize("kink", np.concatenate([-np.logspace(-8.5, -2.5, 25), np.logspace(-8.5, -2.5, 25)]))
def test_a_kink_anywhere_within_the_steps_is_never_taken_for_a_slope(kink):
    value, error, smooth = slope_of(lambda x: np.sin(x) + 3 * np.maximum(x - 1 - kink, 0), 1.0)
    true = np.cos(1.0) + 3 * (kink < 0)
    assert not smooth or abs(value - true) <= error
