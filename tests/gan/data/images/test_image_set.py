"""An image set: checked, hashed, and what a trainer takes."""

from dataclasses import replace

import numpy as np
import pytest

from gan.data import ImageSet, from_array
from gan.errors import DataError, RunError
from gan.recipes import get_recipe
from gan.training.trainer import Trainer

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 1, 28, 28), np.uint8)
LABELS = np.arange(20) % 2


@pytest.mark.parametrize(
    "arguments, part",
    [
        ((IMAGES[:, 0],), r"expected uint8 \(N, 1 or 3, H, W\), got uint8 \(20, 28, 28\)"),
        ((IMAGES / 255,), "got float64"),
        ((IMAGES[:0],), "expected at least one image"),
        ((IMAGES[:, :, :1],), "at least 4 x 4 pixels"),
        ((IMAGES, LABELS), "expected labels together with class names"),
        ((IMAGES, LABELS[:5], ("a", "b")), "an integer for each of 20 images, got int64"),
        ((IMAGES, LABELS + 1, ("a", "b")), r"expected 0..1 for 2 class names, got 1..2"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, part):
    with pytest.raises(DataError, match=part):
        ImageSet(*arguments)


def test_the_digest_is_that_of_the_content():
    first = from_array(IMAGES, LABELS)
    changed = IMAGES.copy()
    changed[19, 0, 27, 27] ^= 1
    others = [
        from_array(changed, LABELS),
        from_array(IMAGES, 1 - LABELS),
        from_array(IMAGES, LABELS + 1),
        from_array(IMAGES),
        from_array(IMAGES.reshape(20, 1, 14, 56), LABELS),
    ]
    assert from_array(IMAGES / 255, LABELS).digest == first.digest
    assert len({first.digest, *(other.digest for other in others)}) == 6


def test_a_trainer_takes_a_set():
    images = from_array(IMAGES, LABELS)
    recipe = replace(get_recipe("mlp-dropout"), batch_size=8)
    ends = []
    for given in (images, IMAGES):
        trainer = Trainer(recipe, given, images.labels, seed=0)
        trainer.fit(steps=2)
        ends.append(trainer.sampler.images(trainer.sampler.inputs(4, seed=1)))
    assert np.array_equal(*ends)


def test_fewer_images_than_a_batch():
    with pytest.raises(RunError, match="batch size: expected 1 to 20, the number of images"):
        Trainer(get_recipe("mlp-dropout"), from_array(IMAGES))
