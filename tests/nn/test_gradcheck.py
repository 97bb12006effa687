import numpy as np
import pytest

import nn
from tests.support.tools import Vector, away_from_zero, normal


class WrongW(nn.Dense):
    """Forgets that L may reach W twice as strongly as it says."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = super().backward(dy, cache, grads=grads, need_dx=need_dx)
        self.dW *= 0.5
        return dx


class WrongB(nn.Dense):
    """Sums the bias gradient over the outputs too."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = super().backward(dy, cache, grads=grads, need_dx=need_dx)
        self.db[...] = self.db.sum()
        return dx


class WrongX(nn.Dense):
    """Uses W where W's transpose belongs."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        super().backward(dy, cache, grads=grads, need_dx=need_dx)
        return dy @ self.W


class SlightlyWrongX(nn.Tanh):
    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return super().backward(dy, cache, grads=grads, need_dx=need_dx) * (1 + 1e-6)


class SignOfDy(nn.LeakyReLU):
    """Takes the mask from the gradient's sign."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return np.where(dy > 0, dy, self.slope * dy)


class HasEpsOutside(nn.BatchNorm):
    """Divides by another standard deviation than forward did."""

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        np.divide(1, 1 / cache.inv_std + self.eps, out=cache.inv_std)
        return super().backward(dy, cache, grads=grads, need_dx=need_dx)


@pytest.mark.parametrize(
    "layer, x, failed",
    [
        (WrongW(3, 3), normal(4, 3), ["WrongW 'net' W"]),
        (WrongB(3, 3), normal(4, 3), ["WrongB 'net' b"]),
        (WrongX(3, 3), normal(4, 3), ["x"]),
        (SlightlyWrongX(), normal(4, 3), ["x"]),
        (SignOfDy(0.2), away_from_zero(4, 3), ["x"]),
        (HasEpsOutside(3, eps=1e-3), normal(4, 3), ["x"]),
        (nn.Sequential(nn.Tanh(), WrongW(3, 3), nn.Dense(3, 2)), normal(4, 3), ["WrongW 'net.1' W"]),
        (nn.Sequential(nn.Dense(3, 3), WrongB(3, 3)), normal(4, 3), ["WrongB 'net.1' b"]),
        # a wrong dx shows in all that lies before it, and in nothing behind
        (nn.Sequential(nn.Dense(3, 3), WrongX(3, 3)), normal(4, 3), ["x", "Dense 'net.0' W", "Dense 'net.0' b"]),
    ],
)
def test_a_wrong_gradient_is_found_and_named(layer, x, failed):
    report = nn.gradcheck(layer, x)
    assert not report.ok and report.failed == failed
    assert str(report).count("WRONG") == len(failed)
    assert report.worst > report.tolerance


def test_a_wrong_gradient_in_a_chain_names_the_network():
    report = nn.gradcheck([nn.Dense(2, 3), nn.Sequential(WrongB(3, 1))], normal(4, 2), loss=nn.BCEWithLogits(), target=1)
    assert report.ok  # with one output, its mistake is none
    report = nn.gradcheck([nn.Dense(2, 3), nn.Sequential(WrongB(3, 2))], normal(4, 2), loss=nn.BCEWithLogits(), target=1)
    assert report.failed == ["WrongB 'net1.0' b"]
    assert nn.gradcheck(nn.Dense(2, 3), normal(4, 2), loss=nn.BCEWithLogits(), target=1).ok  # a loss after a single one


def test_a_right_layer_of_ones_own_passes():
    report = nn.gradcheck(Vector(3), normal(4, 3))
    assert report.ok and [entry.where for entry in report.entries] == ["x", "Vector 'net' w"]


def test_the_report_is_a_table():
    report = nn.gradcheck(nn.Sequential(nn.Dense(3, 2), nn.BatchNorm(2)), normal(4, 3))
    lines = str(report).splitlines()
    assert "by hand" in lines[0] and "numeric" in lines[0] and "error" in lines[0]
    assert [line.split("  ")[0] for line in lines[1:]] == [entry.where for entry in report.entries]
    assert report.ok and report.failed == [] and "WRONG" not in str(report)
    assert 0 <= report.worst <= report.tolerance == 1e-7


def test_the_numbers_are_derivatives_that_are_not_zero():
    """A check that compares nothing with nothing cannot fail: batch norm with an even dy would do that."""
    report = nn.gradcheck(nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4), nn.Tanh()), normal(5, 3))
    assert all(abs(entry.by_hand) > 1e-3 for entry in report.entries if entry.where != "Dense 'net.0' b")


def test_a_small_gradient_may_be_wrong_and_none_at_all_is_right():
    assert nn.gradcheck(WrongW(3, 3, init=nn.Normal(1.0)), 1e-9 * normal(4, 3)).failed == ["WrongW 'net' W"]
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
        assert report.ok and report.entries[1].where == "Dense 'D.0' W", report
    assert [array.tobytes() for array in held] == before and net.stream.state == stream
    assert net.dtype == dtype and net[0].W.dtype == dtype
    # the values are the network's own: the derivative of sum(y r) by b is sum(r), whatever W; by W it is x
    dense = nn.gradcheck(net[:1], normal(5, 3)).entries
    other = nn.gradcheck(nn.Dense(3, 4).build(seed=2), normal(5, 3)).entries
    assert dense[0].by_hand != other[0].by_hand and dense[1].by_hand == other[1].by_hand


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
