"""Learning-rate schedules by name, as a command line and a file of settings give them."""

from __future__ import annotations

from typing import Any

from gan.errors import RunError
from nn import (
    ConstantSchedule,
    CosineSchedule,
    InverseSqrtSchedule,
    LinearSchedule,
    StepSchedule,
    WarmupSchedule,
)
from nn.schedules import Schedule

SCHEDULES = ("constant", "linear", "cosine", "step", "inverse-sqrt")


def named_schedule(
    name: str | None,
    *,
    n_steps: int | None,
    steps: int | None = None,
    factor: float | None = None,
    warmup: int | None = None,
) -> Schedule | None:
    """The schedule of that name after its warm-up, or None without a name and a warm-up.

    Parameters
    ----------
    name : one of SCHEDULES; None is "constant"
    n_steps : steps of the whole run, or None if they are not known
    steps : for "linear" and "cosine", the step after the warm-up at which the factor is `factor`,
        by default the last of the run; for "step", the number of steps between two changes; for
        "inverse-sqrt", the number of steps before the rates fall
    factor : for "linear" and "cosine", the last factor, 0 by default; for "step", that of each
        change, 0.1 by default
    warmup : steps in which the factor rises to 1

    Raises
    ------
    RunError : the settings do not fit together
    """
    if name in (None, "constant"):
        for option, value, kinds in (
            ("schedule-steps", steps, "linear, cosine, step or inverse-sqrt"),
            ("schedule-factor", factor, "linear, cosine or step"),
        ):
            if value is not None:
                raise RunError(
                    f"--{option}: expected a schedule of {kinds} with it, got {name or 'none'}; "
                    "name one with --schedule"
                )
        if name is None and warmup is None:
            return None
        return ConstantSchedule() if warmup is None else WarmupSchedule(warmup)
    argument = "factor" if name == "step" else "end"
    given: dict[str, Any] = {} if factor is None else {argument: factor}
    steps = steps or _steps_left(str(name), n_steps, warmup or 0)
    schedule: Schedule
    if name == "inverse-sqrt":
        if factor is not None:
            raise RunError(
                "--schedule-factor: expected a schedule of linear, cosine or step with it, got "
                "inverse-sqrt, whose factor follows from the step; leave it out"
            )
        schedule = InverseSqrtSchedule(steps)
    elif name == "step":
        schedule = StepSchedule(steps, **given)
    else:
        schedule = (CosineSchedule if name == "cosine" else LinearSchedule)(steps, **given)
    return schedule if warmup is None else WarmupSchedule(warmup, then=schedule)


def _steps_left(name: str, n_steps: int | None, warmup: int) -> int:
    """The steps of the run after its warm-up."""
    if name in ("step", "inverse-sqrt"):
        raise RunError(
            f"--schedule {name}: expected --schedule-steps with it, got none; say after how many "
            f"steps the learning rate {'changes' if name == 'step' else 'begins to fall'}"
        )
    if n_steps is None:
        raise RunError(
            f"--schedule {name}: expected a run of known length, got one that ends after minutes; "
            "give it --steps, --epochs or --schedule-steps"
        )
    if n_steps <= warmup:
        raise RunError(
            f"--warmup: expected fewer than the {n_steps:,} steps of the run, got {warmup:,}; "
            "give it fewer, or the run more"
        )
    return n_steps - warmup
