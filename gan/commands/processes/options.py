"""The options for several processes, and a check that all have the same."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

import numpy as np

from gan.commands.shared.command_line import Parser, one_of
from gan.errors import RunError
from nn.processes import KINDS, get_processes
from nn.processes.sameness import check_same
from nn.processes.single import Processes
from nn.version import __version__

# Options that may differ between ranks: where files are, and what is printed
OWN = ("data", "data_dir", "out", "resume", "config", "print_config", "quiet")


def add_processes(parser: Parser) -> None:
    """Add --processes and --sync-batchnorm; an error in the options then ends all processes."""
    parser.connect = connect
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


def connect() -> None:
    """Connect to the other processes, unless they do not wait for this one."""
    if not any(word.endswith("single") for word in sys.argv):  # of --processes
        get_processes()


def connected(args: Namespace) -> Processes:
    """The processes that train together, once their options are known to be the same.

    Those of other ranks than 0 are then quiet.
    """
    processes = get_processes(args.processes or "auto")
    given = {name: value for name, value in vars(args).items() if name not in OWN}
    facts: dict[str, Any] = {"byhand": __version__, "NumPy": np.__version__}
    facts |= {f"--{name.replace('_', '-')}": value for name, value in given.items()}
    facts["--resume"] = "a run" if args.resume else None
    check_same(processes, facts, "start all of them with the same code and options")
    args.quiet = args.quiet or processes.rank > 0
    return processes


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
