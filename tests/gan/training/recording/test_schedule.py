"""After which steps a run is recorded."""

from math import inf

import pytest

from gan.training.recording.schedule import RECORDS, RecordSchedule


def recorded(last_step, first=0):
    """The steps after which a run of this length is recorded."""
    schedule = RecordSchedule(last_step, inf, step=first)
    return [step for step in range(first + 1, last_step + 1) if schedule.is_due(step, 0.0)]


def test_steps_double_and_then_are_even():
    assert recorded(300) == [1, 2, 4, *range(5, 301, 5)]
    assert recorded(6000) == [1, 2, 4, 8, 16, 32, 64, *range(100, 6001, 100)]


@pytest.mark.parametrize("n", [1, 2, 59, 60])
def test_every_step_of_a_short_run_is_recorded(n):
    assert recorded(n) == list(range(1, n + 1))


@pytest.mark.parametrize("n", [61, 89, 119, 299, 1000, 3748, 16_000, 93_800])
def test_the_budget_holds_for_any_length_and_the_last_step_is_recorded(n):
    steps = recorded(n)
    even = [step for step in steps if step * RECORDS >= n]
    assert len(even) == RECORDS and steps[-1] == n
    gaps = [b - a for a, b in zip(even, even[1:])]
    assert max(gaps) - min(gaps) <= 1
    assert set(steps) - set(even) == {2**k for k in range(20) if 2**k * RECORDS < n}


@pytest.mark.parametrize("first", [1, 4, 5, 7, 299])
def test_a_resumed_run_is_recorded_after_the_same_steps(first):
    assert recorded(300, first) == [step for step in recorded(300) if step > first]


def test_a_longer_run_is_recorded_less_often():
    assert recorded(600, 300) == list(range(310, 601, 10))


def timed(end_seconds, seconds_per_step, last_step=inf):
    """The steps recorded in a run that ends by time."""
    schedule, n = RecordSchedule(last_step, end_seconds), int(end_seconds / seconds_per_step)
    return [k for k in range(1, n + 1) if schedule.is_due(k, k * seconds_per_step)]


def test_a_run_limited_in_time_is_recorded_evenly_in_time():
    steps = timed(60.0, 0.125)  # eight steps a second: a part is a second
    assert steps == sorted({2**k for k in range(9)} | set(range(8, 481, 8)))


def test_a_first_step_that_compiles_for_long_does_not_end_the_doubling():
    schedule = RecordSchedule(inf, 900.0)
    assert [k for k in range(1, 100) if schedule.is_due(k, 25 + k / 100)] == [
        2**k for k in range(7)
    ]


def test_the_limit_that_is_nearer_decides():
    assert timed(1e6, 1.0, last_step=300)[:5] == recorded(300)[:5]
    assert timed(60.0, 1.0, last_step=10**6) == list(range(1, 61))


def test_any_length_of_time_is_accepted():
    assert RecordSchedule(inf, 5e-324).is_due(1, 1e300)
