"""Settings of a run in place of a recipe's own."""

from dataclasses import replace

from gan.recipes import get_recipe
from gan.runs.settings import DEFAULTS
from gan.runs.starting.tuned import FIELDS, tuned
from nn import CosineSchedule, InverseSqrtSchedule, WarmupSchedule

RECIPE = replace(get_recipe("mlp-leaky"), schedule=InverseSqrtSchedule(7))


def with_settings(**settings):
    return tuned(
        RECIPE, DEFAULTS | dict.fromkeys(FIELDS) | {"steps": 90, "epochs": None} | settings, 600
    )


def test_a_recipe_keeps_its_schedule():
    assert with_settings() == RECIPE


def test_a_warm_up_comes_before_the_recipes_own_schedule():
    assert with_settings(warmup=5).schedule == WarmupSchedule(5, then=InverseSqrtSchedule(7))


def test_a_schedule_that_is_named_takes_its_place():
    assert with_settings(schedule="cosine").schedule == CosineSchedule(90)
    named = with_settings(schedule="cosine", warmup=10).schedule
    assert named == WarmupSchedule(10, then=CosineSchedule(80))
