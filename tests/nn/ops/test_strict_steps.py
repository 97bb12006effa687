"""Training steps under the strict double: no host read and no allocation after the warm-up."""

from dataclasses import replace

import numpy as np
import pytest

from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn import CosineSchedule, Dense, Sequential, gradcheck, load_weights, save_weights
from nn.ops import NumpyOps
from tests.support.gan_step import VARIANTS, GanStep
from tests.support.small import TINY, TINY_BATCHNORM, digits
from tests.support.strict import StrictArray, StrictOps

STEPS = 3


@pytest.fixture
def ops():
    return StrictOps()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_reads_and_allocates_nothing_and_gives_the_same_bytes(ops, variant, dtype):
    plain, strict = GanStep(NumpyOps(), variant, dtype), GanStep(ops, variant, dtype)
    strict()
    ops.freeze()
    for _ in range(STEPS - 1):
        strict()
    ops.thaw()
    for _ in range(STEPS):
        plain()
    for got, want in zip(strict.results(), plain.results(), strict=True):
        assert np.isfinite(want).all() and got.tobytes() == want.tobytes()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_on_emulated_cuda_reads_and_allocates_nothing(
    emulated_cupy_ops, emulated_cupy, variant
):
    step = GanStep(emulated_cupy_ops.CudaOps(), variant)
    step()
    before = step.results()
    emulated_cupy.guard.frozen = True
    try:
        step()
    finally:
        emulated_cupy.guard.frozen = False
    for now, then in zip(step.results(), before):
        assert np.isfinite(now).all() and not np.array_equal(now, then)


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-4), ("float64", 1e-10)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_training_on_every_backend_matches_the_cpu(backend, variant, dtype, tolerance):
    here, plain = (GanStep(ops, variant, dtype, same_draws=True) for ops in (backend, NumpyOps()))
    for _ in range(STEPS):
        here()
        plain()
    for got, want in zip(here.results(), plain.results(), strict=True):
        assert np.abs(got - want).max() <= tolerance * np.abs(want).max()


@pytest.mark.parametrize(
    "recipe",
    [
        TINY,
        TINY_BATCHNORM,
        replace(TINY, schedule=CosineSchedule(30), g_learning_rate=0.02, clip_norm=0.1, n_critic=2),
    ],
    ids=["dropout", "batchnorm", "rates"],
)
def test_the_trainer_runs_under_the_double(ops, recipe):
    trainer = Trainer(recipe, digits(), device=ops)
    for _ in range(recipe.n_critic):
        trainer.step()
    ops.freeze()
    for _ in range(6):  # into the next epoch
        trainer.step()
    ops.thaw()
    plain = Trainer(recipe, digits(), device="numpy")
    for _ in range(trainer.step_count):
        plain.step()
    for name in ("generator", "discriminator"):
        strict, want = getattr(trainer, name), getattr(plain, name)
        for buffer in ("value", "statistics"):
            got = ops.to_host(getattr(strict.parameters, buffer).flat)
            assert got.tobytes() == getattr(want.parameters, buffer).flat.tobytes()
    assert (
        trainer.fit(steps=3)[-1]["step"] == plain.step_count + 3
        and trainer.fixed_samples().shape[0] == 64
    )


class StepsWithLog(Callback):
    def __init__(self, steps):
        self.steps = steps

    def on_log(self, trainer, record):
        self.steps.append(trainer.step_count)


@pytest.mark.parametrize("recipe", [TINY, TINY_BATCHNORM], ids=["dropout", "batchnorm"])
def test_an_epoch_waits_for_the_device_only_where_the_log_is_read(
    ops, emulated_cupy_ops, recipe, monkeypatch
):
    """In a run of 60 steps, each fourth has a record: log and finiteness of weights are read."""
    monkeypatch.setattr("gan.training.recording.schedule.RECORDS", 15)
    images = np.tile(digits(), (6, 1))[: 30 * recipe.batch_size]
    for device in (ops, emulated_cupy_ops.CudaOps()):
        trainer = Trainer(recipe, images, device=device)
        guard = trainer.fixed_inputs.guard
        trainer.fit(epochs=1)  # allocates all memory that a step needs
        reads, allocations = guard.reads, guard.allocations
        steps_with_log: list[int] = []
        trainer.fit(epochs=1, callbacks=[StepsWithLog(steps_with_log)])
        assert steps_with_log == list(range(32, 61, 4))
        assert guard.reads - reads == len(steps_with_log) * (1 + len(trainer.learned))
        assert guard.allocations == allocations


@pytest.mark.gradcheck
def test_weights_and_gradcheck_work_across_backends(ops, tmp_path):
    net = Sequential(Dense(3, 4), Dense(4, 2)).build(1, device=ops)
    save_weights(tmp_path / "w.npz", {"net": net})
    (loaded,) = load_weights(tmp_path / "w.npz")[0].values()
    weights = ops.to_host(net.parameters.value.flat)
    assert loaded.parameters.value.flat.tobytes() == weights.tobytes()
    (again,) = load_weights(tmp_path / "w.npz", device=ops)[0].values()
    assert isinstance(again(ops.zeros((2, 3), "float32")), StrictArray)
    assert gradcheck(net, np.ones((2, 3))).ok
