"""Images held out of training."""

from dataclasses import replace

import numpy as np
import pytest

from gan.data import from_array
from gan.data.clusters import find_clusters
from gan.data.images.split import Split, held_out_rows, n_held_out
from gan.recipes import get_recipe
from gan.training.trainer import Trainer
from nn import get_ops

N = 40


@pytest.fixture
def images():
    pixels = np.random.default_rng(0).integers(0, 256, (N, 3, 8, 8), np.uint8)
    return from_array(pixels, np.arange(N) % 2)


@pytest.mark.parametrize(
    "n, expected", [(19, 0), (20, 4), (100, 20), (2_000, 400), (4_000, 500), (50_000, 5_000)]
)
def test_a_tenth_is_held_out_and_more_of_small_sets(n, expected):
    assert n_held_out(n) == expected


def test_the_choice_depends_on_pixels_alone(images):
    rows = held_out_rows(images.images)
    assert len(rows) == 8 and len(set(rows)) == 8
    order = np.random.default_rng(1).permutation(N)
    assert np.array_equal(order[held_out_rows(images.images[order])], rows)
    assert np.array_equal(held_out_rows(images.images[:, :, ::1]), rows)
    assert not np.array_equal(held_out_rows(images.images ^ 1), rows)


def test_a_split_has_each_image_on_one_side(images):
    split = Split.of(images)
    assert len(split) == len(split.rows) == 32
    assert sorted([*split.rows, *split.held_out]) == list(range(N))
    assert np.array_equal(split.labels, images.labels[split.rows])
    assert split.class_names == images.class_names
    assert len(Split(images)) == N  # nothing is held out


def test_a_test_set_is_held_out_in_a_random_order(images):
    test = replace(images, images=images.images[::-1].copy(), labels=images.labels[::-1].copy())
    split = Split.joined(images, test)
    assert np.array_equal(split.rows, np.arange(N)) and split.held_out.min() == N
    order = split.held_out - N
    assert sorted(order) == list(range(N)) and list(order) != sorted(order)
    assert np.array_equal(split.whole.images[split.held_out], test.images[order])
    assert np.array_equal(split.whole.labels[split.held_out], test.labels[order])


def test_batches_and_clusters_have_no_image_held_out(images):
    split, ops = Split.of(images), get_ops("numpy")
    batches = split.batches(8, (0.0, 255.0), ops, ops.stream(np.random.SeedSequence(0)))
    batches.set_labels(split.labels, 2)
    out, classes = np.empty((8, 192), np.float32), np.empty((8, 2), np.float32)
    seen = []
    for step in range(batches.per_epoch):
        batches.gather(step, out=out, class_onehot=classes)
        for pixels, one_hot in zip(out.astype(np.uint8), classes):
            (row,) = np.flatnonzero((images.images.reshape(N, -1) == pixels).all(axis=1))
            assert one_hot.argmax() == images.labels[row]
            seen.append(row)
    assert sorted(seen) == list(split.rows)
    taken = find_clusters(images.images[split.rows], 5, 0)
    assert np.array_equal(find_clusters(images.images, 5, 0, split.rows), taken)


@pytest.mark.parametrize("name", ["conv-clusters", "conv-r1r2-classes"])
def test_a_trainer_takes_the_images_to_train_on(images, name):
    recipe = replace(get_recipe(name, images.image_shape), batch_size=4)
    recipe = replace(recipe, classes=recipe.classes and 2, clusters=recipe.clusters and 3)
    split = Split.of(images)
    taken = from_array(images.images[split.rows], split.labels)
    trainers = [
        Trainer(recipe, each, each.labels, seed=0, device="numpy") for each in (split, taken)
    ]
    for trainer in trainers:
        trainer.fit(steps=3)
    a, b = (trainer.state_dict().arrays for trainer in trainers)
    for key in a:
        if key.startswith(("G", "D")):
            assert np.array_equal(a[key], b[key]), key
