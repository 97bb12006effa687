"""Runs that are stopped: killed, or out of disk space."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from benchmarks.harness.faults.runs import Runs, is_clear_error

LIMIT_FILE_SIZE = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({n}, {n}))\n"


def kills(folder: str | Path, count: int) -> tuple[int, int, str]:
    """kill -9 at random moments, every other time as soon as a checkpoint is being written."""
    runs, rng, survived, inside, done = Runs(folder), random.Random(0), 0, 0, 0
    while done < count:
        out = f"run-{done}"
        process = runs.start(out)
        runs.wait_for_checkpoint(out, process)
        if done % 2:
            time.sleep(rng.uniform(0, runs.seconds_after_checkpoint))
        else:
            time.sleep(rng.uniform(0, runs.seconds_after_checkpoint / 2))
            wait_for_write(runs.folder / out, process)
        process.send_signal(signal.SIGKILL)
        if runs.end(process).status == -signal.SIGKILL:  # else it had ended before
            done += 1
            inside += any(runs.folder.glob(f"{out}/.checkpoint.npz.*"))
            survived += runs.survives_resume(out)
        shutil.rmtree(runs.folder / out)
    return count, survived, f"{inside} of them inside the write of a checkpoint"


def wait_for_write(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the temporary file of a checkpoint exists."""
    while process.poll() is None:
        if any(name.startswith(".checkpoint.npz.") for name in os.listdir(folder)):
            return


def full_disks(folder: str | Path, count: int) -> tuple[int, int, str]:
    """A limit on the size of files, smaller than a checkpoint.

    The error must name the folder, and the old checkpoint must be intact.
    """
    runs, survived = Runs(folder), 0
    n_bytes = (runs.folder / "whole" / "checkpoint.npz").stat().st_size
    for k in range(count):
        out = f"run-{k}"
        process = runs.start(out)
        runs.wait_for_checkpoint(out, process)
        process.kill()
        runs.end(process)
        path = runs.folder / out / "checkpoint.npz"
        before = path.read_bytes()
        limit = LIMIT_FILE_SIZE.format(n=10_000 + k * (n_bytes - 20_000) // count)
        ended = runs.end(runs.resume(out, before=limit))
        survived += (
            is_clear_error(ended, out, "File too large", "saved before")
            and path.read_bytes() == before
            and runs.survives_resume(out)
        )
    return count, survived, f"limits up to the {n_bytes:,} bytes of a checkpoint"
