"""A weight that becomes NaN, and a batch that is too large for the memory."""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness.faults.runs import STEPS, Runs, is_clear_error
from gan.runs.checkpoint import read_checkpoint
from nn import load_weights

NAN_AT_STEP = """
import numpy, gan.training.trainer as training
step = training.Trainer.step
def step_with_nan(self):
    if self.step_count == {step}:
        self.generator.parameters.value.flat[3] = numpy.nan
    step(self)
training.Trainer.step = step_with_nan
"""
LIMIT_MEMORY = """
import numpy, gan.training.trainer, resource
resource.setrlimit(resource.RLIMIT_AS, (3_000_000_000, 3_000_000_000))
"""
LARGE_BATCH = (
    *("--recipe", "dcgan", "--dataset", "mnist-sample", "--device", "cpu"),
    *("--batch-size", "10000", "--steps", "3"),
)


def numbers(folder: str | Path, count: int) -> tuple[int, int, str]:
    """Both faults, `count` times; what was saved before must be intact."""
    runs, survived = Runs(folder), 0
    for k in range(count):
        survived += nan(runs, f"nan-{k}", 101 + k * (STEPS - 102) // count)
        survived += out_of_memory(runs, f"big-{k}")
    return 2 * count, survived, f"{count} weights made NaN, {count} batches of 10,000 in 3 GB"


def nan(runs: Runs, out: str, step: int) -> bool:
    ended = runs.end(runs.start(out, before=NAN_AT_STEP.format(step=step)))
    is_clear = is_clear_error(ended, "step ", "last good one", "try a learning rate of")
    load_weights(runs.folder / out / "weights.npz")
    read_checkpoint(runs.folder / out / "checkpoint.npz")
    return is_clear and runs.survives_resume(out)


def out_of_memory(runs: Runs, out: str) -> bool:
    before = runs.result("whole")
    ended = runs.end(runs.start(out, *LARGE_BATCH, "--out", out, before=LIMIT_MEMORY))
    is_clear = is_clear_error(ended, "not enough memory", "smaller batch size")
    return is_clear and runs.result("whole") == before
