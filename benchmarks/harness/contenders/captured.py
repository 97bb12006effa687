"""Contenders of benchmarks.capture: the training step with and without capture."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.harness.contenders.epochs import make_trainer
from benchmarks.harness.contenders.steps import N_IMAGES, training_step
from benchmarks.harness.contenders.steps import images as random_images
from benchmarks.harness.rounds import Step
from gan.recipes import get_recipe
from gan.training.trainer import Trainer

NAMES = ("captured", "uncaptured")


def make_step(name: str, recipe_name: str) -> Step:
    """A contender's training step."""
    recipe = get_recipe(recipe_name)
    images = random_images(N_IMAGES, recipe.image_shape)
    return training_step(make_trainer(recipe, images, name == "captured"))


def difference(recipe_name: str, steps: int, batch_size: int | None = None) -> str:
    """What differs after some steps with and without capture; "" if no byte does.

    The learning rate is halved in the middle.
    """
    recipe = get_recipe(recipe_name)
    if batch_size:
        recipe = replace(recipe, batch_size=batch_size)
    trained: list[Trainer] = []
    for capture in (True, False):
        images = random_images(5 * recipe.batch_size + 1, recipe.image_shape)
        trainer = make_trainer(recipe, images, capture)
        step = training_step(trainer)
        for number in range(steps):
            if number == steps // 2:
                trainer.learning_rate *= 0.5
            step()
        trained.append(trainer)
    (one, streams), (other, other_streams) = (
        (t.learned | {"log": t.log.ring}, t.state_dict().rest["streams"]) for t in trained
    )
    names = [name for name, x in one.items() if x.tobytes() != other[name].tobytes()]
    if streams != other_streams:
        names.append("random streams")
    return ", ".join(names)
