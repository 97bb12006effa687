"""`gradcheck` finds violations of the layer protocol, and wrong passes of networks."""

import numpy as np
import pytest

import nn
from benchmarks.harness.gradcheck import protocol_mistakes as mistakes
from benchmarks.harness.gradcheck.spoiling import subclass
from tests.support.tools import normal

pytestmark = pytest.mark.gradcheck

# a mistake, and how the rule that it violates begins
VIOLATED_RULES = {
    mistakes.always_writes: 'grads="add"',
    mistakes.writes_when_adding: 'grads="add"',
    mistakes.writes_when_skipping: 'grads="skip"',
    mistakes.adds_when_writing: 'grads="write"',
    mistakes.skips_without_dx: "need_dx=False",
    mistakes.ignores_need_dx: "need_dx=False",
    mistakes.scales_dx_when_skipping: 'grads="skip"',
    mistakes.writes_x_in_forward: "forward leaves x",
    mistakes.writes_x_in_backward: "backward leaves the x",
    mistakes.keeps_y_in_layer: "two live passes",
    mistakes.keeps_cache_in_layer: "two live passes",
    mistakes.backward_works_once: "a second backward pass",
    mistakes.adds_dx_of_earlier_pass: "a cache that served another",
    mistakes.changes_parameters: "a pass leaves parameters",
    mistakes.double_backward_writes: "double_backward adds",
}


@pytest.mark.parametrize(
    "mistake, rule", VIOLATED_RULES.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_violated_rule_is_reported(mistake, rule):
    net = nn.Sequential(nn.Dense(4, 5), nn.Dense(5, 3), nn.Tanh()).build(0)
    subclass(net[1], mistake(nn.Dense))
    report = nn.gradcheck(net, normal(6, 4))
    expected = f"MistakenDense 'net.1': expected that {rule}"
    assert any(expected in violation for violation in report.violations), report
    assert not report.ok and set(report.violations) <= set(report.failed)
    assert report.violations[0] in str(report)


def test_statistics_that_change_in_evaluation_are_a_violation():
    net = nn.Sequential(nn.Dense(4, 5), nn.BatchNorm(5)).build(0)
    subclass(net[1], mistakes.changes_statistics(nn.BatchNorm))
    violations = nn.gradcheck(net, normal(6, 4)).violations
    (violation,) = [line for line in violations if "statistics" in line and "Mistaken" in line]
    assert violation.startswith("MistakenBatchNorm 'net.1': ") and "in evaluation" in violation


def saturated_net():
    """A network through which no gradient passes: its Tanh is 1 to the last digit."""
    net = nn.Sequential(nn.Dense(4, 3), nn.Tanh()).build(0)
    net[0].W[...], net[0].b[...] = 0, 50
    return net


@pytest.mark.parametrize("how", ["write", "skip_adds"])
def test_network_that_ignores_grads_is_found_where_all_gradients_are_zero(how):
    class IgnoresGrads(nn.Sequential):
        def backward(self, dy, cache, *, grads="write", need_dx=True):
            passed_on = "write" if how == "write" else grads.replace("skip", "write")
            return super().backward(dy, cache, grads=passed_on, need_dx=need_dx)

    net = saturated_net()
    assert nn.gradcheck(net, normal(6, 4)).ok
    net.__class__ = IgnoresGrads
    report = nn.gradcheck(net, normal(6, 4))
    rule = "add" if how == "write" else "skip"
    assert any(
        f"IgnoresGrads 'net': expected that grads=\"{rule}\"" in v for v in report.violations
    )


@pytest.mark.parametrize("factor", [0.0, 1e-14])
@pytest.mark.parametrize("grads", ["add", "skip"])
def test_array_whose_gradient_is_tiny_beside_the_others_is_tested_too(factor, grads):
    class Layer(nn.Dense):
        """Its b gets a gradient of 0, or so small that it is lost beside W's."""

        def backward(self, dy, cache, *, grads="write", need_dx=True):
            held = self.db.copy()
            dx = super().backward(dy, cache, grads=grads, need_dx=need_dx)
            if grads != "skip":
                db = factor * dy.sum(axis=0)
                self.db[...] = held + db if grads == "add" else db
            if grads == ignored:
                self.db[...] = factor * dy.sum(axis=0)
            return dx

    ignored = None
    right = nn.gradcheck(Layer(4, 3), normal(6, 4)).violations
    ignored = grads
    wrong = nn.gradcheck(Layer(4, 3), normal(6, 4)).violations
    assert not right and any(f'grads="{grads}"' in violation for violation in wrong)


class WritesItsW(nn.Dense):
    """Its double_backward replaces dW."""

    def double_backward(self, v, cache):
        self.dW[...] = 0
        return super().double_backward(v, cache)


def test_double_backward_that_writes_is_found_where_it_dwarfs_the_gradient():
    net = nn.Sequential(nn.Dense(4, 5), WritesItsW(5, 3), nn.Tanh()).build(0, dtype="float64")
    net[0].W[...] *= (
        1e-25  # so net.1 receives a tiny x: its dW is tiny, that of double_backward not
    )
    violations = nn.gradcheck(net, normal(6, 4)).violations
    assert any("expected that double_backward adds" in violation for violation in violations)


UNUSABLE = {
    "none": (lambda dx: None, "expected dx of x's shape (4, 3), got None"),
    "shape": (lambda dx: dx[:1], "got (1, 3)"),
    "nan": (lambda dx: dx * np.nan, "got infinity or NaN"),
    "raises": (lambda dx: dx.nothing, "AttributeError"),
}


@pytest.mark.parametrize("returned, message", UNUSABLE.values(), ids=UNUSABLE)
def test_backward_without_a_usable_dx_is_a_violation(returned, message):
    class Broken(nn.Tanh):
        def backward(self, dy, cache, *, grads="write", need_dx=True):
            return returned(super().backward(dy, cache))

    report = nn.gradcheck(nn.Sequential(nn.Dense(3, 3), Broken()), normal(4, 3))
    assert not report.ok
    assert "Broken 'net.1': in training" in report.violations[0]
    assert message in report.violations[0]


def test_backward_that_raises_without_need_dx_is_a_violation():
    class AlwaysMultiplies(nn.Tanh):
        def backward(self, dy, cache, *, grads="write", need_dx=True):
            return super().backward(dy, cache, grads=grads, need_dx=need_dx) * 1.0

    report = nn.gradcheck(AlwaysMultiplies(), normal(4, 3))
    assert "need_dx=False" in report.failed[0] and "TypeError" in report.failed[0]


class HalfGradient(nn.Sequential):
    """Returns half of what its first layer returns."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = super().backward(dy, cache, grads=grads, need_dx=need_dx)
        return dx / 2 if need_dx else None


def test_network_that_deviates_from_its_layers_is_a_violation():
    inner = HalfGradient(nn.Dense(4, 3), nn.Tanh())
    report = nn.gradcheck(nn.Sequential(nn.Dense(4, 4), inner), normal(5, 4))
    assert "HalfGradient 'net.1': expected the gradients of its layers" in report.violations[0]


class Residual(nn.Sequential):
    """y = x + the output of its layers; a user's network, checked as a whole."""

    def forward(self, x, cache, *, train=False):
        return x + super().forward(x, cache, train=train)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = super().backward(np.copy(dy), cache, grads=grads, need_dx=need_dx)
        return dx + dy if need_dx else None


class WithoutSkipGradient(Residual):
    """Omits the gradient of the skip connection."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return nn.Sequential.backward(self, dy, cache, grads=grads, need_dx=need_dx)


@pytest.mark.parametrize("network, failed", [(Residual, []), (WithoutSkipGradient, ["x"])])
def test_network_with_its_own_forward_is_checked_as_a_layer(network, failed):
    layers = [network(nn.Dense(6, 40), nn.ReLU(), nn.Dense(40, 6)), nn.Dense(6, 2)]
    report = nn.gradcheck(nn.Sequential(*layers), normal(5, 6))
    label = f"{network.__name__} 'net.0'"
    wrong = [name for name in report.failed if "expected" not in name]
    assert wrong == [f"{label} {name}" for name in failed], report
    assert [entry.where for entry in report.entries[:3]] == [
        f"{label} x",
        f"{label} Dense 'net.0.0' W",
        f"{label} Dense 'net.0.0' b",
    ]


class NoSecondOrderTerm(nn.Tanh):
    def double_backward(self, v, cache):
        return super().double_backward(v, cache)[0], None


class WrongNetwork(nn.Sequential):
    def double_backward(self, v, cache):
        ddy, ddx = super().double_backward(v, cache)
        return ddy, ddx * 1.001


def penalty_layers(tanh):
    return [nn.Dense(4, 5), tanh, nn.Dense(5, 3), nn.LeakyReLU(0.2)]


def test_double_backward_of_each_layer_is_checked():
    report = nn.gradcheck(nn.Sequential(*penalty_layers(nn.Tanh())), normal(6, 4))
    assert report.ok and len(report.second_order) == 4 + 2 + 4 + 2
    assert "double_backward: 12 of 12 derivatives are right" in str(report)
    report = nn.gradcheck(nn.Sequential(nn.Dense(4, 5), nn.BatchNorm(5)), normal(6, 4))
    assert [entry.where for entry in report.second_order] == [
        f"double_backward of Dense 'net.0', {name}" for name in ("x", "dy", "W", "b")
    ]


def test_wrong_double_backward_is_found():
    report = nn.gradcheck(nn.Sequential(*penalty_layers(NoSecondOrderTerm())), normal(6, 4))
    assert report.failed == ["double_backward of NoSecondOrderTerm 'net.1', x"]
    assert "double_backward: 11 of 12 derivatives are right" in str(report)
    assert str(report).count("WRONG") == 1


def test_wrong_double_backward_of_a_network_is_found():
    report = nn.gradcheck(WrongNetwork(*penalty_layers(nn.Tanh())), normal(6, 4))
    expected = "WrongNetwork 'net': expected the derivatives of double_backward"
    assert all(expected in violation for violation in report.failed)
    assert len(report.failed) == 2  # in training, in evaluation
