"""Starting programs with mpiexec; each is killed if it takes too long."""

import os
import shutil
import signal
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.source_tree import ROOT

TIMEOUT = 180  # seconds; a quiet machine needs two to ten
LIBRARY = "libmpi.so.12"


class Ended(NamedTuple):
    """What a program left: its exit status and its output."""

    status: int
    out: str
    err: str


def installed(name):
    """The path of a file that the wheel of MPICH installed, or None."""
    try:
        found = [file.locate() for file in files("mpich") or () if file.name == name]
    except PackageNotFoundError:
        return None
    return str(Path(found[0]).resolve()) if found else None


MPIEXEC = installed("mpiexec") or shutil.which("mpiexec")


def needs_mpi():
    """Skip the test where mpi4py or mpiexec is missing."""
    pytest.importorskip("mpi4py", reason="needs mpi4py, of the extra mpi")
    if MPIEXEC is None:
        pytest.skip("needs mpiexec, of the extra mpi")


def start(n, *words, **variables):
    """n processes of `python -m WORDS`."""
    needs_mpi()
    library = {"MPI4PY_LIBMPI": path} if (path := installed(LIBRARY)) else {}
    return subprocess.Popen(
        [MPIEXEC, "-n", str(n), sys.executable, "-m", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | library | {"PYTHONPATH": str(ROOT)} | variables,
        start_new_session=True,
    )


def ended(process, timeout=TIMEOUT):
    """Wait for the end, or kill all ranks and fail."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"not ended after {timeout} s\n{out}\n{err}")
    return Ended(process.returncode, out, err)


def run(n, *words, **variables):
    """n processes of `python -m WORDS`, until they have ended."""
    return ended(start(n, *words, **variables))
