"""Training runs in child processes, and whether what they leave behind is right."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.processes import ROOT
from gan.errors import RunError

COMMAND = ROOT / "examples" / "train_mnist_gan.py"
STEPS = 240  # three epochs, the last one incomplete, with a checkpoint every fifty steps
LENGTH = ("--recipe", "mlp-leaky", "--batch-size", "100", "--steps", str(STEPS))
OPTIONS = (
    *("--dataset", "mnist-sample", "--device", "cpu"),
    *LENGTH,
    *("--checkpoint-minutes", "1e-9", "--seed", "5"),
)
TIMEOUT = 600  # seconds: a run takes two, but a busy machine may delay it
RUN = (
    "\nimport runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MPLBACKEND": "agg",
}


class Ended(NamedTuple):
    """How a process ended."""

    status: int
    stderr: str


class Runs:
    """Runs in one folder, the first of which, "whole", is not disturbed.

    Parameters
    ----------
    folder : contains the folder of each run

    Attributes
    ----------
    seconds_after_checkpoint : of the undisturbed run, from its first checkpoint to its end
    weights, history : its results; see `result`
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        process = self.start("whole")
        self.wait_for_checkpoint("whole", process)
        began = time.monotonic()
        self.end(process)
        self.seconds_after_checkpoint = time.monotonic() - began
        self.weights, self.history = self.result("whole")

    def start(
        self,
        out: str,
        *words: str,
        before: str = "",
        preexec_fn: Callable[[], object] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a run.

        Parameters
        ----------
        out : name of its folder
        words : its options; by default those of the undisturbed run
        before : Python code that its process runs first
        preexec_fn : see `subprocess.Popen`
        """
        words = words or (*OPTIONS, "--out", out)
        return subprocess.Popen(
            [sys.executable, "-c", before + RUN, COMMAND, *words, "--quiet"],
            cwd=self.folder,
            text=True,
            env={**os.environ, **ENVIRONMENT},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=preexec_fn,
        )

    def resume(self, out: str, before: str = "") -> subprocess.Popen[str]:
        return self.start(out, "--resume", out, before=before)

    def end(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for a process; `RunError` if it hangs."""
        try:
            _, stderr = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise RunError(f"a run hangs: {process.args!r}") from None
        return Ended(process.returncode, stderr)

    def wait_for_checkpoint(self, out: str, process: subprocess.Popen[str]) -> None:
        path = self.folder / out / "checkpoint.npz"
        while not path.exists() and process.poll() is None:
            time.sleep(0.001)

    def result(self, out: str) -> tuple[bytes, list[list[str]]]:
        """The bytes of a run's weights, and its history without the columns that depend on time."""
        folder = self.folder / out
        rows = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
        history = [[*row[:2], *row[4:]] for row in rows]
        return (folder / "weights.npz").read_bytes(), history

    def equals_whole(self, out: str) -> bool:
        """Whether a run has the results of the undisturbed one."""
        return self.result(out) == (self.weights, self.history)

    def survives_resume(self, out: str) -> bool:
        """Whether resuming a run succeeds, with the results of the undisturbed one."""
        ended = self.end(self.resume(out))
        weights, history = self.result(out) if ended.status == 0 else (None, None)
        if (ended, weights, history) == (Ended(0, ""), self.weights, self.history):
            return True
        print(
            f"{out} is lost: exit status {ended.status}, "
            f"{'the same' if weights == self.weights else 'other'} weights, history {history} "
            f"instead of {self.history}, on stderr: {ended.stderr}",
            file=sys.stderr,
        )
        return False


def is_clear_error(ended: Ended, *words: str) -> bool:
    """Whether a process ended with one line that says what is wrong, with these words."""
    status, stderr = ended
    is_one_line = stderr.startswith("error: ") and stderr.count("\n") == 1
    return status == 2 and is_one_line and all(word in stderr for word in words)
