"""Schedules by name, as options give them."""

import numpy as np
import pytest

from gan.errors import RunError
from gan.runs.starting.named_schedule import named_schedule
from nn import (
    ConstantSchedule,
    CosineSchedule,
    InverseSqrtSchedule,
    LinearSchedule,
    StepSchedule,
    WarmupSchedule,
)


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({}, None),
        ({"name": "constant"}, ConstantSchedule()),
        ({"warmup": 5}, WarmupSchedule(5)),
        ({"name": "linear"}, LinearSchedule(100)),
        ({"name": "cosine", "factor": 0.1}, CosineSchedule(100, 0.1)),
        ({"name": "cosine", "steps": 30, "n_steps": None}, CosineSchedule(30)),
        ({"name": "linear", "warmup": 20}, WarmupSchedule(20, then=LinearSchedule(80))),
        ({"name": "step", "steps": 10}, StepSchedule(10)),
        ({"name": "inverse-sqrt", "steps": 10}, InverseSqrtSchedule(10)),
        (
            {"name": "step", "steps": 10, "factor": 0.5, "warmup": 5},
            WarmupSchedule(5, then=StepSchedule(10, 0.5)),
        ),
    ],
    ids=str,
)
def test_a_name_and_numbers_make_a_schedule(settings, expected):
    assert named_schedule(**{"name": None, "n_steps": 100} | settings) == expected


def test_a_schedule_after_a_warm_up_ends_with_the_run():
    schedule = named_schedule("cosine", n_steps=100, warmup=10)
    factors = [schedule(step) for step in range(101)]
    assert factors[9] == factors[10] == max(factors) == 1
    assert factors[100] == pytest.approx(0) and (np.diff(factors[10:]) < 0).all()


@pytest.mark.parametrize(
    "settings, message",
    [
        (
            {"name": None, "steps": 5},
            "--schedule-steps: expected a schedule of .* or inverse-sqrt with it, got none; name",
        ),
        ({"name": "constant", "factor": 0.5}, "--schedule-factor: .* got constant; name one"),
        (
            {"name": "step"},
            "--schedule step: expected --schedule-steps with it, got none; say .* changes$",
        ),
        ({"name": "inverse-sqrt"}, "--schedule inverse-sqrt: .* begins to fall$"),
        (
            {"name": "inverse-sqrt", "steps": 5, "factor": 0.5},
            "--schedule-factor: expected a schedule of linear, cosine or step with it, got inverse",
        ),
        ({"name": "cosine", "n_steps": None}, "--schedule cosine: expected a run of known length"),
        ({"name": "linear", "warmup": 100}, "--warmup: expected fewer than the 100 steps .* 100; "),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(RunError, match=message):
        named_schedule(**{"n_steps": 100} | settings)
