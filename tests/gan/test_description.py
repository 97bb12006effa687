"""The description of a generator in a weights file."""

import json
import math
from dataclasses import replace

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
LATER = {"image_shape": None, "class_names": None, "clusters_per_image": 1}


def test_a_description_is_read_as_written():
    description = Description(Latent(3), (-1.0, 1.0), 10, None, "tiny", {"seed": 0})
    assert Description.from_info(description.to_info()) == description
    assert description.n_in == 13
    more = replace(description, image_shape=(3, 48, 48), class_names=tuple("abcdefghij"))
    assert Description.from_info(json.loads(json.dumps(more.to_info()))) == more
    stacked = Description(Latent(3), (-1.0, 1.0), class_prior=(0.5, 0.5), clusters_per_image=3)
    assert Description.from_info(json.loads(json.dumps(stacked.to_info()))) == stacked
    assert stacked.n_in == 3 + 3 * 2


def test_the_names_in_a_file_begin_with_those_of_version_0_1():
    assert list(Description(Latent(3), (0.0, 1.0)).to_info()) == [*INFO, *LATER]
    description = Description.from_info(INFO)
    assert description.class_prior == (0.25, 0.75) and description.n_in == 6
    changed = {"shares": (0.25, 0.75), "image_range": (-1.0, 1.0)}
    assert description.to_info() == INFO | changed | LATER


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
        ({"classes": 3}, "as many for each class"),
        ({"shares": [1.5, -0.5]}, "sum to 1"),
        ({"shares": [math.nan]}, "sum to 1"),
        ({"shares": []}, "empty"),
        *(
            ({"clusters_per_image": n}, "one cluster for each image")
            for n in (0, 2, 3.0, True, "3")
        ),
        ({"clusters_per_image": 3, "shares": None}, "one cluster for each image"),
        ({"image_shape": [2, 28, 28]}, "expected an image shape"),
        ({"image_shape": [3, 28]}, "expected an image shape"),
        ({"image_shape": [1, 28, 10**9]}, "expected an image shape"),
        ({"image_shape": [1, 28, 28.0]}, "expected an image shape"),
        ({"class_names": ["a"]}, "different names for its 0 classes"),
        ({"classes": 2, "shares": None, "class_names": ["a", "a"]}, "different names"),
        ({"classes": 2, "shares": None, "class_names": ["a", 1]}, "different names"),
        ({"classes": 2, "shares": None, "class_names": "ab"}, "different names"),
        ({"classes": 2, "shares": None, "class_names": ["a", "\x1b[2J"]}, "different names"),
    ],
)
def test_values_out_of_bounds_are_refused(change, message):
    with pytest.raises(WeightsError, match=message):
        Description.from_info(INFO | change)
