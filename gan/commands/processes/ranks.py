"""What each rank does: rank 0 records the run, and the others follow."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from gan.commands.shared.signals import Stopper, on_signals
from gan.errors import RunError
from gan.runs.checkpoint import NAME, Checkpoint
from gan.runs.run import Run
from gan.training.state import check_ranks
from gan.training.trainer import Trainer
from nn.layers.batchnorm import synchronize_batchnorm
from nn.processes.single import Processes


def to_resume(resume: str | None, processes: Processes) -> tuple[Run | None, Checkpoint | None]:
    """The run to resume, on rank 0, and its checkpoint, on all ranks; None for a new run.

    Raises
    ------
    RunError
        If there is none, or it is one of another number of processes.
    """
    if resume is None:
        return None, None
    run = None if processes.rank else Run.resume(resume)
    checkpoint = run.checkpoint if run else None
    if processes.size > 1:  # the others need no pictures
        small = replace(checkpoint, frames={}, history=[]) if checkpoint else None
        shared = processes.share(small)
        checkpoint = checkpoint or shared
    assert checkpoint
    try:
        check_ranks(checkpoint.rest, processes.size)
    except RunError as problem:
        raise RunError(f"{resume}/{NAME}: {problem}") from None
    return run, checkpoint


def synchronize(trainer: Trainer, config: dict[str, Any]) -> None:
    """Let batch norm see whole batches if the settings say so."""
    if config.get("sync_batchnorm"):
        for network in (trainer.generator, trainer.discriminator):
            synchronize_batchnorm(network, trainer.processes)


@contextmanager
def silent(processes: Processes) -> Iterator[None]:
    """Drop the warnings of all ranks but 0, which gives the same ones."""
    with warnings.catch_warnings():
        if processes.rank:
            warnings.simplefilter("ignore")
        yield


def follow(trainer: Trainer) -> int:
    """Train on another rank than 0, which records the run; the exit status of all ranks."""
    stopper = Stopper()
    with on_signals(stopper.stopping(trainer.stop)):
        if left := trainer.processes.share(None):
            trainer.fit(**left)
    return shared_status(stopper, trainer.processes)


def shared_status(stopper: Stopper, processes: Processes) -> int:
    """The exit status of all ranks, where a signal may have reached some of them only."""
    return int(processes.agree(stopper.status)[0])
