"""Where a batch is too large for a GPU's memory, the error says which one is not; on the emulated backend."""

import gc
from dataclasses import replace

import numpy as np
import pytest

from gan.training.batch_that_fits import batch_that_fits
from gan.recipes import get_recipe
from gan.training.trainer import Trainer
from nn import DeviceMemoryError


def memory_of_at_most(n, tried):
    def run_step(size):
        tried.append(size)
        if size > n:
            raise DeviceMemoryError

    return run_step


def test_batches_are_halved_until_one_fits():
    tried = []
    assert batch_that_fits(memory_of_at_most(20, tried), 100, 2) == 12 and tried == [50, 24, 12]
    assert batch_that_fits(memory_of_at_most(1, tried), 100, 2) is None and tried[-1] == 2
    assert batch_that_fits(memory_of_at_most(1, tried), 2, 2) is None


@pytest.fixture
def memory(emulated_cupy, monkeypatch):
    return lambda n: monkeypatch.setattr(emulated_cupy.memory, "size", emulated_cupy.memory.used + n)


@pytest.mark.parametrize("name", ["conv-r1r2", "conv-r1r2-classes"])
def test_the_batch_that_is_named_fits_and_twice_as_much_does_not(emulated_cupy_ops, emulated_cupy, memory, name):
    recipe = replace(get_recipe(name), epochs=1, steps=None)
    images = np.random.default_rng(0).integers(0, 256, (64, 28, 28)).astype(np.uint8)

    def trainer(batch_size):
        return Trainer(recipe, images, np.arange(64) % 10, device=emulated_cupy_ops.CudaOps(), batch_size=batch_size)

    def peak(batch_size):
        before = emulated_cupy.memory.used
        running = trainer(batch_size)
        running.step()
        taken = emulated_cupy.memory.used - before
        del running
        gc.collect()
        return taken

    memory((peak(16) + peak(32)) // 2)
    learning = trainer(64)
    before = held_on(learning)
    with pytest.raises(DeviceMemoryError, match="GB were asked for.*The batch is of 64 images: a batch of 16 fits"):
        learning.fit(epochs=1)
    assert held_on(learning) == before  # what was tried leaves no trace
    del learning
    trainer(16).step()
    with pytest.raises(DeviceMemoryError):
        trainer(32).step()


def held_on(trainer):
    return b"".join(trainer.ops.to_host(buffer).tobytes() for buffer in trainer._weights.values())
