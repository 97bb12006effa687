"""The description of a generator in a weights file."""

import math

import pytest

from gan.description import MAX_CLASSES, MAX_LATENT_SIZE, Description
from gan.latent import Latent
from nn import WeightsError

INFO = {
    "recipe": "tiny",
    "latent": {"size": 4, "distribution": "normal"},
    "classes": 0,
    "shares": [0.25, 0.75],
    "image_range": [-1, 1],
    "training": {"seed": 0},
}


def test_a_description_is_read_as_written():
    description = Description(Latent(3), (-1.0, 1.0), 10, None, "tiny", {"seed": 0})
    assert Description.from_info(description.to_info()) == description
    assert description.n_in == 13


def test_the_names_in_a_file_are_those_of_version_0_1():
    assert list(Description(Latent(3), (0.0, 1.0)).to_info()) == list(INFO)
    description = Description.from_info(INFO)
    assert description.class_prior == (0.25, 0.75) and description.n_in == 6
    assert description.to_info() == INFO | {"shares": (0.25, 0.75), "image_range": (-1.0, 1.0)}


def test_optional_values_may_be_missing():
    info = {"latent": INFO["latent"], "image_range": [0, 1]}
    assert Description.from_info(info) == Description(Latent(4), (0.0, 1.0))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"latent": None}, "subscriptable"),
        ({"latent": {"size": 4}}, "distribution"),
        ({"latent": {"size": MAX_LATENT_SIZE + 1, "distribution": "normal"}}, "at most 10,000"),
        ({"image_range": [0, 10**400]}, "too large"),
        ({"image_range": [0, math.nan]}, "rising, finite"),
        ({"image_range": [1, 1]}, "rising, finite"),
        ({"image_range": [1]}, "unpack"),
        ({"classes": MAX_CLASSES + 1, "shares": None}, "classes up to 1000"),
        ({"classes": "many", "shares": None}, "classes up to 1000"),
        ({"classes": 2}, "without classes"),
        ({"shares": [1.5, -0.5]}, "sum to 1"),
        ({"shares": [math.nan]}, "sum to 1"),
        ({"shares": []}, "empty"),
    ],
)
def test_values_out_of_bounds_are_refused(change, message):
    with pytest.raises(WeightsError, match=message):
        Description.from_info(INFO | change)
