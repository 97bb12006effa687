"""Training with several processes: their options, and what each has to say and to do."""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from gan.commands.shared.command_line import Parser, one_of
from gan.commands.shared.signals import Stopper, on_signals
from gan.errors import RunError
from gan.runs.checkpoint import NAME, Checkpoint
from gan.runs.run import Run
from gan.training.state import check_ranks
from gan.training.trainer import Trainer
from nn.layers.batchnorm import synchronize_batchnorm
from nn.processes import KINDS, get_processes
from nn.processes.sameness import check_same
from nn.processes.single import Processes
from nn.version import __version__

# Options that may differ between ranks: where files are, and what is printed
OWN = ("data", "data_dir", "out", "resume", "config", "print_config", "quiet")


def add_processes(parser: Parser) -> None:
    """Add --processes and --sync-batchnorm."""
    parser.add_argument(
        "--processes",
        type=one_of(KINDS),
        metavar="KIND",
        help="train alone with single, or with all that mpiexec started with mpi (default: auto, "
        "which is mpi where mpiexec started several)",
    )
    parser.add_argument(
        "--sync-batchnorm",
        action="store_true",
        default=None,
        help="let batch norm see the whole batch of all processes (default: its own part of it)",
    )


def connected(args: Namespace) -> Processes:
    """The processes that train together, once their options are known to be the same."""
    processes = get_processes(args.processes or "auto")
    given = {name: value for name, value in vars(args).items() if name not in OWN}
    facts: dict[str, Any] = {"byhand": __version__, "NumPy": np.__version__}
    facts |= {f"--{name.replace('_', '-')}": value for name, value in given.items()}
    facts["--resume"] = "a run" if args.resume else None
    check_same(processes, facts, "start all of them with the same code and options")
    return processes


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


def note_processes(
    config: dict[str, Any], args: Namespace, processes: Processes, is_new: bool
) -> None:
    """Add the number of processes and the kind of batch norm to the settings of a run.

    Raises
    ------
    RunError
        For --sync-batchnorm on a resumed run that began without it.
    """
    if args.sync_batchnorm and not (is_new or config.get("sync_batchnorm")):
        raise RunError(
            "--sync-batchnorm: a resumed run keeps its batch norm, that of each process; start "
            "another run to change it"
        )
    if args.sync_batchnorm:
        config["sync_batchnorm"] = True
    if processes.size > 1:
        config["processes"] = processes.size


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
