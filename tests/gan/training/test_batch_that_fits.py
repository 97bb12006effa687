"""The error for too little memory suggests a batch size that fits; on the emulated backend."""

import gc
from dataclasses import replace

import numpy as np
import pytest

from gan.recipes import get_recipe
from gan.training.batch_that_fits import batch_that_fits
from gan.training.trainer import Trainer
from nn import DeviceMemoryError


def memory_of_at_most(n, tried):
    def run_step(size):
        tried.append(size)
        if size > n:
            raise DeviceMemoryError

    return run_step


def test_batch_size_is_halved_until_a_step_fits():
    tried = []
    assert batch_that_fits(memory_of_at_most(20, tried), 100, 2) == 12 and tried == [50, 24, 12]
    assert batch_that_fits(memory_of_at_most(1, tried), 100, 2) is None and tried[-1] == 2
    assert batch_that_fits(memory_of_at_most(1, tried), 2, 2) is None


@pytest.fixture
def memory(emulated_cupy, monkeypatch):
    return lambda n: monkeypatch.setattr(
        emulated_cupy.memory, "size", emulated_cupy.memory.used + n
    )


@pytest.mark.parametrize("name", ["conv-r1r2", "conv-r1r2-classes"])
def test_the_suggested_batch_size_fits_and_its_double_does_not(
    emulated_cupy_ops, emulated_cupy, memory, name
):
    recipe = replace(get_recipe(name), epochs=1, steps=None)
    images = np.random.default_rng(0).integers(0, 256, (64, 28, 28)).astype(np.uint8)

    def trainer(batch_size):
        return Trainer(
            replace(recipe, batch_size=batch_size),
            images,
            np.arange(64) % 10,
            device=emulated_cupy_ops.CudaOps(),
        )

    def peak(batch_size):
        gc.collect()  # of other tests; it would release memory while this is measured
        before = emulated_cupy.memory.used
        running = trainer(batch_size)
        running.step()
        return emulated_cupy.memory.used - before

    enough = (peak(16) + peak(32)) // 2
    gc.collect()
    memory(enough)
    learning = trainer(64)
    before = held_on(learning)
    with pytest.raises(
        DeviceMemoryError, match="GB were requested.*The batch size is 64: a batch of 16 fits"
    ):
        learning.fit(epochs=1)
    assert held_on(learning) == before  # the smaller steps leave no trace
    del learning
    trainer(16).step()
    with pytest.raises(DeviceMemoryError):
        trainer(32).step()


def held_on(trainer):
    """The bytes of the weights and statistics, read from the device."""
    return b"".join(
        trainer.ops.to_host(buffer).tobytes()
        for name, buffer in trainer.learned.items()
        if "adam" not in name
    )
