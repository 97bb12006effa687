"""When a run is recorded: after steps that double at first, and then evenly."""

from __future__ import annotations

RECORDS = 60  # even records of a run


class RecordSchedule:
    """Decides after which steps `Trainer.fit` makes a record.

    The records divide the run, from its first step ever to its end, into RECORDS equal parts. Steps
    1, 2, 4, 8, ... come in addition while they lie in the first part. A run that is limited in
    time is divided by time, and all its powers of two are recorded.

    Parameters
    ----------
    last_step, end_seconds : where the run ends, in steps and in seconds; either may be infinite
    step, seconds : where it is now
    """

    def __init__(
        self, last_step: float, end_seconds: float, *, step: int = 0, seconds: float = 0.0
    ) -> None:
        self._last_step, self._end_seconds = last_step, end_seconds
        self._parts = self._parts_ended(step, seconds)

    def is_due(self, step: int, seconds: float) -> bool:
        """Whether a record is due after this step; to be called after each one."""
        before, self._parts = self._parts, self._parts_ended(step, seconds)
        is_power_of_two = step & (step - 1) == 0
        is_in_first_part = step * RECORDS < self._last_step
        return self._parts > before or (is_power_of_two and is_in_first_part)

    def _parts_ended(self, step: int, seconds: float) -> int:
        """The number of parts that have ended by then."""
        # Multiplied first: the quotient is exact where a part ends with the step.
        by_steps, by_time = RECORDS * step / self._last_step, RECORDS * seconds / self._end_seconds
        return int(min(max(by_steps, by_time), RECORDS))
