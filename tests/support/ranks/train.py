"""`byhand train` on a rank, with a fault: python -m tests.support.ranks.train FAULT OPTIONS."""

import os
import signal
import sys
import time

import nn.processes
from gan.commands import train
from gan.commands.evaluating.image_evaluation import Stopped
from gan.commands.main import run_script
from gan.commands.processes import options
from gan.runs import checkpoint_callback
from gan.training.trainer import Trainer

STEP = 30  # of the fault


def in_a_step(rank, act, after=False):
    """Let a rank do something before a step, or after it."""
    step = Trainer.step

    def faulty(self):
        if after:
            step(self)
        if self.processes.rank == rank and self.step_count == STEP:
            act(self)
        if not after:
            step(self)

    Trainer.step = faulty


def fail(problem):
    """What raises this error."""

    def act(trainer):
        raise problem

    return act


def disk_is_full():
    """Every checkpoint but the first fails."""
    write, count = checkpoint_callback.write_checkpoint, [0]

    def full(*args):
        count[0] += 1
        if count[0] > 1:
            raise OSError(28, "No space left on device")
        write(*args)

    checkpoint_callback.write_checkpoint = full


def hang(trainer):
    """Wait for ever; the others wait for a second."""
    while True:
        time.sleep(1)


def impatient(after=False):
    """All-reduces may take a second."""
    nn.processes.mpi.STEP_DEADLINE = 1.0
    in_a_step(1, hang, after)


def slowly():
    """From the step on, each takes a fifth of a second; the first of them is announced."""
    step = Trainer.step

    def slow(self):
        if self.step_count == STEP and self.processes.rank == 0:
            print(f"step {STEP}", flush=True)
        time.sleep(0.2 if self.step_count >= STEP else 0)
        step(self)

    Trainer.step = slow


def other_version():
    """Rank 1 has another version."""
    if os.environ.get("PMI_RANK") == "1":
        options.__version__ = "0.0.1"


def other_option():
    """Rank 1 has an option that does not exist."""
    if os.environ.get("PMI_RANK") == "1":
        sys.argv.append("--bad")


def stopped_before():
    """A signal ends rank 0 while it trains the classifier that FID needs."""

    def stopped(*args):
        raise Stopped(130)

    train.fid_callback = stopped


FAULTS = {
    "none": lambda: None,
    "error": lambda: in_a_step(1, fail(ValueError("boom"))),
    "memory": lambda: in_a_step(1, fail(MemoryError("boom"))),
    "dies": lambda: in_a_step(1, lambda trainer: os.kill(os.getpid(), signal.SIGKILL)),
    "hangs": impatient,
    "hangs later": lambda: impatient(after=True),
    "full": disk_is_full,
    "version": other_version,
    "option": other_option,
    "slow": slowly,
    "stopped": stopped_before,
}

if __name__ == "__main__":
    import nn.processes.mpi

    FAULTS[sys.argv.pop(1)]()
    run_script("train")
