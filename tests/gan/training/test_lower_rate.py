"""Advice on a learning rate that made training diverge."""

from dataclasses import replace

import pytest

from gan.recipes import get_recipe
from gan.training.lower_rate import lower_rate
from tests.support.small import TINY

DROPOUT = get_recipe("mlp-dropout")  # 0.002


@pytest.mark.parametrize(
    "rate, recipe, advice",
    [
        (1e9, DROPOUT, "try the recipe's learning rate, 0.002, instead of 1e+09"),
        (
            1e9,
            replace(DROPOUT, learning_rate=1e9),
            "try the recipe's learning rate, 0.002, instead of 1e+09",
        ),
        (0.002, DROPOUT, "try a learning rate of 0.0002 instead of 0.002"),
        (0.001, DROPOUT, "try a learning rate of 0.0001 instead of 0.001"),
        (0.25, TINY, "try the recipe's learning rate, 0.01, instead of 0.25"),
        (1e9, replace(TINY, learning_rate=1e9), "try a learning rate of 0.001 instead of 1e+09"),
    ],
)
def test_the_recipes_rate_or_a_tenth_is_advised(rate, recipe, advice):
    assert lower_rate(rate, recipe) == advice
