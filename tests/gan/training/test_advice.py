"""The learning rate that an error advises."""

import pytest

from gan.recipes import RECIPES
from gan.training.advice import lower_learning_rate


@pytest.mark.parametrize(
    "recipe, rate, advised",
    [
        ("conv-clusters", 1e9, 1e-3),
        ("dcgan", 1e9, 1e-4),
        ("dcgan", 1e-4, 1e-5),
        ("mine", 0.5, 1e-3),
        ("mine", 1e-4, 1e-5),
    ],
)
def test_it_is_the_recipes_own_or_a_tenth(recipe, rate, advised):
    assert lower_learning_rate(recipe, rate) == pytest.approx(advised)


@pytest.mark.parametrize("name", RECIPES)
def test_it_is_lower(name):
    for rate in (1e-6, RECIPES[name].learning_rate, 1.0, 1e30):
        assert lower_learning_rate(name, rate) < rate
