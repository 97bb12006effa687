"""Images that do not fit on the device are sent batch by batch, with the same bytes."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from gan.data.batches import Batches
from gan.data.feeding import SHARE
from gan.data.images.image_set import ImageSet
from gan.data.images.split import Split
from gan.training.trainer import Trainer
from nn.ops import NumpyOps
from tests.support.small import TINY, digits
from tests.support.strict import StrictOps


@pytest.fixture
def full():
    """A device that has no memory left for images."""
    ops = StrictOps()
    ops.memory = 0
    return ops


def batches(images, batch_size, ops, rows=None):
    stream = ops.stream(np.random.SeedSequence(4))
    return Batches(images, batch_size, (-1.0, 1.0), ops, stream, rows)


def gathered(source, steps, pixels=6):
    out = source.ops.empty((source.batch_size, pixels), "float32")
    found = []
    for step in steps:
        source.gather(step, out=out)
        found.append(source.ops.to_host(out))
    return np.concatenate(found)


@pytest.mark.parametrize("batch_size", [8, 20, 43])
def test_fed_images_have_the_bytes_of_images_on_the_device(backend, monkeypatch, batch_size):
    images, rows = digits(60, 6), np.arange(9, 52)
    here = batches(images, batch_size, backend, rows)
    monkeypatch.setattr(backend, "free_bytes", lambda: 0, raising=False)
    fed = batches(images, batch_size, backend, rows)
    assert backend.is_array(here.images) and not backend.is_array(fed.images)
    steps = range(3 * here.per_epoch + 1)
    assert np.array_equal(gathered(fed, steps), gathered(here, steps))


def test_images_are_fed_once_they_take_more_than_their_share(full):
    images = digits(60, 6)
    full.memory = int(images.nbytes / SHARE)
    assert full.is_array(batches(images, 8, full).images)
    full.memory -= 1
    assert not full.is_array(batches(images, 8, full).images)


def test_feeding_reads_and_allocates_nothing_within_an_epoch(full):
    source, out = batches(digits(60, 6), 8, full), full.empty((8, 6), "float32")
    source.gather(0, out=out)
    full.freeze()
    for step in range(1, source.per_epoch):
        source.gather(step, out=out)


def test_images_that_somebody_may_change_are_copied_and_others_are_not(full):
    images = digits(60, 6)
    source, twin = batches(images, 8, full), batches(images.copy(), 8, full)
    images[:] = 7
    assert np.array_equal(gathered(source, range(8)), gathered(twin, range(8)))
    images.flags.writeable = False
    assert np.shares_memory(batches(images, 8, full).images, images)


@pytest.mark.parametrize("make", [copy.deepcopy, lambda source: pickle.loads(pickle.dumps(source))])
def test_a_copy_is_independent(make):
    ops = NumpyOps()
    ops.free_bytes = lambda: 0
    source = batches(digits(43, 6), 8, ops)
    gathered(source, range(3))
    twin = make(source)
    assert np.array_equal(gathered(twin, range(3, 12)), gathered(source, range(3, 12)))


def test_a_trainer_resumes_within_an_epoch(full):
    """Its order, and the batch on its way, are then others."""
    recipe = replace(TINY, classes=2)
    images = digits(80)
    labels = np.arange(len(images)) % 2
    trainer, plain, later = (
        Trainer(recipe, images, labels, device=ops) for ops in (full, NumpyOps(), full)
    )
    assert not full.is_array(trainer.batches.images)
    for each in (trainer, plain):
        each.fit(steps=trainer.steps_per_epoch + 2)
    later.fit(steps=1)
    later.load_state_dict(trainer.state_dict())
    for each in (trainer, plain, later):
        each.fit(steps=3)
    want = plain.state_dict().arrays
    for got in (trainer.state_dict().arrays, later.state_dict().arrays):
        assert all(np.array_equal(got[name], want[name]) for name in want)


def test_a_split_is_fed(full):
    images = ImageSet(digits(40, 16).reshape(40, 1, 4, 4))
    fed = Split.of(images).batches(4, (-1.0, 1.0), full, full.stream(0))
    assert not full.is_array(fed.images)
