"""Learning-rate schedules."""

import pickle

import numpy as np
import pytest

import nn
from tests.oracles import load

SCHEDULES = {  # as in make_schedule_oracles.py
    "linear": nn.LinearSchedule(25, end=0.1),
    "cosine": nn.CosineSchedule(40, end=0.05),
    "step": nn.StepSchedule(7, factor=0.3),
    "inverse_sqrt": nn.InverseSqrtSchedule(9),
    "warmup": nn.WarmupSchedule(8, then=nn.CosineSchedule(32, end=0.05)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_match_pytorch(name):
    want = load("schedules")[name]
    got = [SCHEDULES[name](step) for step in range(len(want))]
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_factors_before_and_after_the_end():
    assert [nn.LinearSchedule(4)(step) for step in range(6)] == [1, 0.75, 0.5, 0.25, 0, 0]
    assert [nn.CosineSchedule(2, end=0.5)(step) for step in (0, 1, 2, 9)] == [1, 0.75, 0.5, 0.5]
    assert [nn.WarmupSchedule(2)(step) for step in range(4)] == [0.5, 1, 1, 1]
    assert [nn.InverseSqrtSchedule(4)(step) for step in (0, 3, 15, 63)] == [1, 1, 0.5, 0.25]
    assert [nn.ConstantSchedule(0.25)(step) for step in (0, 9)] == [0.25, 0.25]


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_values(name):
    twin = pickle.loads(pickle.dumps(SCHEDULES[name]))
    assert twin == SCHEDULES[name] and hash(twin) == hash(SCHEDULES[name])


def test_a_schedule_sets_the_rate_on_the_device_also_to_0():
    net = nn.Dense(2, 3).build(seed=0)
    optimizer, schedule = nn.SGD(net, 0.5), nn.LinearSchedule(2)
    net.dW[...] = 1
    moved = []
    for step in range(4):
        before = net.W.copy()
        optimizer.learning_rate = 0.5 * schedule(step)
        optimizer.step()
        moved.append(float((before - net.W).max()))
        assert optimizer.step_state[1] == optimizer.learning_rate
    np.testing.assert_allclose(moved, [0.5, 0.25, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nn.LinearSchedule(0), "LinearSchedule: expected steps to be an integer of at"),
        (lambda: nn.CosineSchedule(2.5), "CosineSchedule: expected steps to be an integer"),
        (lambda: nn.CosineSchedule(2, end=-1), "expected end of at least 0, got -1"),
        (lambda: nn.StepSchedule(2, float("nan")), "expected factor of at least 0, got nan"),
        (lambda: nn.InverseSqrtSchedule(0), "InverseSqrtSchedule: expected steps to be an integer"),
        (lambda: nn.ConstantSchedule("1"), "expected factor of at least 0, got '1'"),
        (lambda: nn.WarmupSchedule(2, 1.0), "expected then to be a function of the step, got 1.0"),
    ],
)
def test_invalid_settings_are_refused(make, message):
    with pytest.raises(nn.ShapeError, match=message):
        make()
