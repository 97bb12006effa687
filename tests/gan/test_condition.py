"""What a generator is conditional on: numbers of classes and clusters, and one-hot rows."""

import numpy as np
import pytest

from gan.condition import Condition
from gan.errors import RunError

PRIOR = 0.1, 0.3, 0.0, 0.2, 0.25, 0.15  # of three clusters of each of two classes
DIVIDED = Condition(classes=2, class_prior=PRIOR)
STACKED = Condition(class_prior=(0.75, 0.25), per_image=3)
EACH = [Condition(), Condition(classes=3), Condition(class_prior=PRIOR), DIVIDED, STACKED]


@pytest.mark.parametrize("told", EACH)
def test_rows_are_read_as_written(told):
    numbers = told.random(50, np.random.default_rng(0))
    rows = told.one_hot(numbers)
    assert rows.shape == (50, told.size) and rows.dtype == bool
    assert (rows.sum(axis=1) == (told.per_image if told.num_classes else 0)).all()
    assert np.array_equal(told.numbers(rows), numbers)


def test_a_number_stands_for_the_clusters_of_all_channels():
    assert (STACKED.num_classes, STACKED.count, STACKED.size) == (2, 8, 6)
    assert STACKED.one_hot([0, 1, 4, 6]).astype(int).tolist() == [
        [1, 0, 1, 0, 1, 0],
        [0, 1, 1, 0, 1, 0],
        [1, 0, 1, 0, 0, 1],
        [1, 0, 0, 1, 0, 1],
    ]


def test_without_classes_every_row_is_empty():
    told = Condition()
    assert (told.num_classes, told.count, told.size) == (0, 0, 0)
    assert told.one_hot([5, -1]).shape == (2, 0)


@pytest.mark.parametrize("told, count", [(Condition(classes=3), 3), (DIVIDED, 6), (STACKED, 8)])
@pytest.mark.parametrize("past", [-1, 0])
def test_numbers_that_do_not_exist_are_refused(told, count, past):
    number = past if past < 0 else count
    with pytest.raises(
        RunError, match=rf"digits: expected numbers in 0\.\.{count - 1}, got .*{number}"
    ):
        told.one_hot([0, number])


def test_clusters_of_a_class_are_drawn_as_often_as_they_occur_in_it():
    classes = np.arange(20_000) % 2
    numbers = DIVIDED.of_classes(classes, np.random.default_rng(0))
    assert np.array_equal(numbers // 3, classes)
    assert np.array_equal(DIVIDED.classes_of(numbers), classes)
    shares = np.bincount(numbers, minlength=6).reshape(2, 3) / 10_000
    expected = np.reshape(PRIOR, (2, 3)) / np.sum(np.reshape(PRIOR, (2, 3)), axis=1, keepdims=True)
    assert np.allclose(shares, expected, atol=0.025)  # 5 standard deviations
    assert shares[0, 2] == 0  # an empty cluster is never drawn


def test_a_class_without_images_is_drawn_all_the_same():
    told = Condition(classes=2, class_prior=(0.0, 0.0, 0.5, 0.5))
    numbers = told.of_classes([0] * 50, np.random.default_rng(0))
    assert len(numbers) == 50 and set(numbers) <= {0, 1}


def test_a_class_without_clusters_is_its_own_number():
    assert Condition(classes=3).of_classes([2, 0], np.random.default_rng(0)).tolist() == [2, 0]


@pytest.mark.parametrize("told", [Condition(classes=2), DIVIDED])
@pytest.mark.parametrize("number", [-1, 2, 0.5, np.nan, "1"])
def test_classes_that_do_not_exist_are_refused(told, number):
    with pytest.raises(RunError, match=r"digits: expected numbers in 0\.\.1, got"):
        told.of_classes([0, number], np.random.default_rng(0))


def test_the_typical_number_of_a_class_is_its_largest_cluster():
    assert DIVIDED.typical(10).tolist() == [1, 4] and DIVIDED.typical(1).tolist() == [1]
    assert Condition(classes=3).typical(10).tolist() == [0, 1, 2]
    assert Condition(class_prior=PRIOR).typical(4).tolist() == [0, 1, 2, 3]
    assert STACKED.typical(100).tolist() == [0, 7]  # the same cluster in all channels


def test_numbers_do_not_overflow():
    wide = Condition(classes=10, class_prior=(1 / 600,) * 600)
    numbers = wide.of_classes(np.full(50, 9, np.uint8), np.random.default_rng(0))
    assert (numbers // 60 == 9).all()
    assert np.array_equal(wide.numbers(wide.one_hot(numbers.astype(np.uint16))), numbers)
    assert wide.of_classes([], np.random.default_rng(0)).shape == (0,)
