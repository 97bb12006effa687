"""The validation split."""

import numpy as np
import pytest

from gan.data import from_array
from gan.data.held_out import default_split, hold_out
from gan.errors import RunError
from tests.support.small import digits


def ids(images):
    """The index that `digits` writes into the first pixel of each image."""
    return np.asarray(images).reshape(len(images), -1)[:, 0].tolist()


def test_the_images_held_out_are_not_among_the_others():
    images, labels, held = hold_out(digits(43), np.arange(43), 10)
    assert ids(images) == labels.tolist() == sorted(ids(images)) and len(images) == 33
    assert len(held) == 10 and sorted(ids(images) + ids(held)) == list(range(43))
    assert ids(held) != list(range(33, 43))  # a folder's images are sorted by class
    again = hold_out(digits(43), None, 10)
    assert ids(again[2]) == ids(held) and again[1] is None
    assert ids(hold_out(digits(43), None, 10, seed=1)[2]) != ids(held)


def test_an_image_set_keeps_its_labels_and_names():
    every = from_array(digits(43).reshape(-1, 28, 28), np.arange(43) % 3)
    images, labels, held = hold_out(every, every.labels, 10)
    assert images.labels.tolist() == labels.tolist() == [k % 3 for k in ids(images.images)]
    assert images.class_names == every.class_names and held.shape == (10, 1, 28, 28)
    assert images.digest != every.digest


@pytest.mark.parametrize("n", [1, 43, 2.5, True])
def test_other_numbers_are_refused(n):
    with pytest.raises(RunError, match="expected 2 to 42 images to hold out of 43, got"):
        hold_out(digits(43), None, n)


def test_a_tenth_is_held_out_by_default():
    assert [default_split(n) for n in (5, 43, 60_000, 10**6)] == [2, 4, 6_000, 10_000]
