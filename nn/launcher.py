"""What an MPI launcher says in the environment: how many processes it started, and which this is.

Only variables are read here, so that NumPy's threads can be counted before NumPy is imported. MPICH
and Intel MPI, Open MPI, and Slurm are known.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

RANK = "PMI_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID"
# Slurm sets the last one for `srun` only, not for a plain command in a batch script
SIZE = "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"
LOCAL_RANK = "MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"
LOCAL_SIZE = "MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE"
SLURM_NODE, SLURM_TASKS = "SLURM_NODEID", "SLURM_STEP_TASKS_PER_NODE"  # such as "2(x3),1"
BLAS_THREADS = "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"


def size() -> int:
    """How many processes the launcher started; 1 without one."""
    return _number(SIZE) or 1


def rank() -> int:
    """Which of them this is, from 0."""
    return (_number(RANK) or 0) if size() > 1 else 0


def local_rank() -> int:
    """Which of those on this machine this is, from 0."""
    return (_number(LOCAL_RANK) or 0) if size() > 1 else 0


def local_size() -> int:
    """How many of them run on this machine."""
    if size() == 1:
        return 1
    return max(1, _number(LOCAL_SIZE) or _slurm_tasks())


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share_of(cores: int) -> int:
    """How many of the cores that this process may use are its own: at least 1.

    The processes of a machine share its cores evenly. A launcher that binds processes to cores has
    divided them already: this process may then use fewer cores than the launcher's own one there.
    """
    n = local_size()
    if n == 1 or is_bound(cores):
        return cores
    return max(1, cores // n)


def in_words(cores: int) -> str:
    """Why this process uses fewer threads than it has cores, or ""."""
    return f"{local_size()} processes share {cores} cores" if share_of(cores) < cores else ""


@contextmanager
def blas_threads(cores: int) -> Iterator[None]:
    """Give OpenBLAS, if it is loaded in the block, this process's share of the cores.

    A user's own setting stays.
    """
    divides = share_of(cores) < cores and not any(name in os.environ for name in BLAS_THREADS)
    if divides:
        os.environ[BLAS_THREADS[0]] = str(share_of(cores))
    try:
        yield
    finally:
        if divides:
            del os.environ[BLAS_THREADS[0]]


def _number(names: tuple[str, ...]) -> int | None:
    """The first of these variables that is set to a number."""
    values = (os.environ.get(name, "") for name in names)
    return next((int(value) for value in values if value.isdecimal()), None)


def _slurm_tasks() -> int:
    """The tasks of a Slurm step on this machine; 1 where that is not known."""
    parts = re.findall(r"(\d+)(?:\(x(\d+)\))?", os.environ.get(SLURM_TASKS, ""))
    tasks = [int(n) for n, nodes in parts for _ in range(int(nodes or 1))]
    node = _number((SLURM_NODE,)) or 0
    return tasks[node] if node < len(tasks) else 1


def is_bound(cores: int) -> bool:
    """Whether the launcher has bound this process to some of its own cores."""
    try:
        return cores < len(os.sched_getaffinity(os.getppid()))
    except (AttributeError, OSError):  # not Linux, or the parent has ended
        return False
