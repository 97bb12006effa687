"""What `byhand train` prints beside its progress: how to be faster, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from gan.commands.shared.pasting import to_paste
from gan.data.datasets import load
from gan.data.locations import CHECKOUT, in_checkout
from gan.evaluation.fid_callback import SAMPLES, FIDCallback, in_context
from gan.runs.run import Run
from gan.training.trainer import Trainer
from nn.ops import find_numba
from nn.ops.base import Ops
from nn.ops.numpy.ops import NumpyOps

Say = Callable[..., object]
NUMBA_FACTOR = "1.3 to 2 times"  # docs/speed.md: numpy / ours with the numba extra


def numba_hint(ops: Ops, device: str) -> str:
    """What installing Numba would bring; "" if it is installed, or `device` excludes it."""
    if type(ops) is not NumpyOps or device == "numpy" or find_numba() != (None, ""):
        return ""
    words = ["byhand[numba]"]
    if in_checkout():
        words = ["-e", f"{'.' if Path.cwd() == CHECKOUT else CHECKOUT}[numba]"]
    return f"; {NUMBA_FACTOR} as fast after  {shlex.join(['pip', 'install', *words])}"


def print_next(run: Run, say: Say, what: str = "digits", best: Path | None = None) -> None:
    """Name the GIF of a run and the command that draws more, with the best weights if there are."""
    if (run.path / "progress.gif").exists():
        say(f"see how it learned in {run.path / 'progress.gif'}; draw more {what} with")
    else:
        say(f"draw {what} with")
    weights = best if best is not None and best.exists() else run.path / "weights.npz"
    say(f"  {to_paste('predict', '--weights', weights)}")


def print_how_to_evaluate(run: Run, say: Say) -> None:
    """Name the command that measures what a run has learned."""
    say("measure how good they are with")
    say(f"  {to_paste('evaluate', '--weights', run.path / 'weights.npz')}")


def print_fid(trainer: Trainer, run: Run, is_done: bool, say: Say) -> None:
    """Print the FID of a generator of digits.

    Measuring it takes some 6 s on two cores, and three times as long without Numba, where the
    command for it is printed instead. A run that was stopped does not wait for it.

    Parameters
    ----------
    trainer
        It has trained the generator.
    run
        The last row of its history has the FID if it is measured already.
    is_done
        Whether the run has reached its length.
    say
        Prints a line.
    """
    fid = run.history[-1].get("fid") if run.history else None
    if fid is None and is_done:
        if type(trainer.ops) is NumpyOps:
            print_how_to_evaluate(run, say)
            return
        say(f"measuring FID on {SAMPLES:,} digits ...")
        fid = measured_fid(trainer)
    if fid is not None:
        say(in_context(fid))


def measured_fid(trainer: Trainer) -> float:
    """The FID of what the generator draws now, against MNIST's test images."""
    test_images, _ = load("mnist-sample", "test", flat=False)  # all 10,000, without a download
    return FIDCallback(test_images, 1, trainer.ops).measure(trainer)
