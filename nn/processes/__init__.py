"""One process, or several that train together: `get_processes` returns what connects them.

mpi4py is imported only where an MPI launcher has started this process, or where it is asked for.
"""

from __future__ import annotations

from nn import launcher
from nn.errors import ProcessesError
from nn.processes.ending import started
from nn.processes.single import SINGLE as SINGLE
from nn.processes.single import Processes

KINDS = ("auto", "single", "mpi")


def get_processes(kind: str = "auto") -> Processes:
    """Return what connects this process to the others of its run.

    Parameters
    ----------
    kind : str
        "single": this process trains alone. "mpi": with all that an MPI launcher has started.
        "auto": "mpi" where a launcher has started more than one, else "single".

    Returns
    -------
    Processes
        With "mpi", the same object in each call.

    Raises
    ------
    ProcessesError
        If the name is unknown, or the launcher belongs to another MPI than mpi4py.
    MissingLibraryError
        If mpi4py or an MPI library is needed and cannot be loaded.
    """
    if kind not in KINDS:
        raise ProcessesError(f"processes: expected one of {', '.join(KINDS)}, got {kind!r}")
    if kind == "single" or (kind == "auto" and launcher.size() == 1):
        return SINGLE
    if (running := started()) is not None:
        return running
    from nn.processes.mpi import start

    return start()
