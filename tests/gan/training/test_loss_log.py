"""The log: means, standard deviations, and rows that are not finite."""

import numpy as np

from gan.training.loss_log import COLUMNS, LossLog
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
    assert_means(log.means(), values[:5])
    log.begin_epoch()
    write(log, values[5:])
    log.read()
    assert_means(log.means(), values[5:])


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
