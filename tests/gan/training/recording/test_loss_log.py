"""The log: means, standard deviations, and rows that are not finite."""

import numpy as np
import pytest

from gan.training.recording.loss_log import LossLog
from gan.training.recording.loss_means import COLUMNS, LossMeans
from nn import get_ops


def write(log, rows):
    for values in rows:
        row = log.next_row()
        for name, value in zip(COLUMNS, values, strict=True):
            row[name][...] = value


def rows(n, seed=0):
    return np.random.default_rng(seed).uniform(0, 2, (n, len(COLUMNS)))


def make_log(length=4):
    return LossLog(get_ops("cpu"), length, "float64")


def assert_means(means, want):
    for name, value in zip(COLUMNS, want.mean(axis=0), strict=True):
        assert np.isclose(means[name], value, rtol=1e-14)
    assert np.isclose(means["d_loss"], means["d_loss_real"] + means["d_loss_fake"], rtol=1e-14)
    assert all(type(value) is float for value in means.values())


def test_read_returns_the_means_of_the_rows_since_the_last_read():
    log, values = make_log(), rows(7)
    write(log, values[:4])
    assert log.is_full
    means, n, bad = log.read()
    assert_means(means, values[:4])
    assert (n, bad) == (4, None) and not log.is_full
    write(log, values[4:])
    means, n, bad = log.read()
    assert_means(means, values[4:])
    assert (n, bad) == (3, None)


def test_epoch_means_weight_steps_equally_and_reset():
    log, values = make_log(), rows(9)
    write(log, values[:4])
    log.read()
    write(log, values[4:5])
    log.read()
    assert_means(log.epoch.means(), values[:5])
    log.epoch.clear()
    write(log, values[5:])
    log.read()
    assert_means(log.epoch.means(), values[5:])
    assert_means(log.record.means(), values)
    assert (log.epoch.steps, log.record.steps) == (4, 9)
    log.record.clear()
    assert (log.epoch.steps, log.record.steps) == (4, 0)


def test_the_spread_is_that_of_the_losses_of_both_networks():
    means, values = LossMeans(), rows(9)
    means.add(values[:4])
    means.add(values[4:])
    spread = means.spread()
    assert np.isclose(spread["d_loss"], (values[:, 0] + values[:, 1]).std(), rtol=1e-12)
    assert np.isclose(spread["g_loss"], values[:, 2].std(), rtol=1e-12)


def test_the_means_continue_in_another_log():
    log, other, values = make_log(), make_log(), rows(4)
    write(log, values[:3])
    log.read()
    log.epoch.clear()
    other.load_state_dict(log.state_dict())
    write(other, values[3:])
    other.read()
    assert_means(other.epoch.means(), values[3:])
    assert_means(other.record.means(), values)


def test_a_state_without_a_record_begins_it_with_the_epoch():
    """Version 0.1 wrote such states."""
    log, other, values = make_log(), make_log(), rows(3)
    write(log, values)
    log.read()
    state = log.state_dict()
    del state["record"]
    other.load_state_dict(state)
    assert_means(other.record.means(), values)


@pytest.mark.parametrize("change", [{"sums": [1.0]}, {"steps": -1}, {"squares": [1.0, np.inf]}])
def test_a_record_that_is_not_sums_is_refused(change):
    log = make_log()
    state = log.state_dict()
    with pytest.raises(ValueError, match="expected"):
        log.load_state_dict({**state, "record": {**state["record"], **change}})


def test_first_nonfinite_row_is_found_in_any_column():
    for column in range(len(COLUMNS)):
        for value in (np.nan, np.inf, -np.inf):
            log, values = make_log(), rows(4)
            values[2:, column] = value
            write(log, values)
            assert log.read()[1:] == (4, 2)


def test_nonfinite_row_is_dropped_after_its_read():
    log, values = make_log(), rows(4)
    values[3] = np.nan
    write(log, values)
    log.read()
    write(log, rows(2))
    assert log.read()[1:] == (2, None)
