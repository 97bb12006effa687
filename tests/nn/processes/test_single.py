"""A single process, what a launcher says, and what is wrong with it."""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from nn import MissingLibraryError, ProcessesError, launcher
from nn.ops import NumpyOps
from nn.processes import SINGLE, ending, get_processes, waiting
from nn.processes.sameness import check_same
from nn.processes.waiting import Neighbours, wait
from tests.support.source_tree import ROOT

VARIABLES = {
    "MPICH": {"PMI_RANK": "1", "PMI_SIZE": "4", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"},
    "Open MPI": {
        "OMPI_COMM_WORLD_RANK": "1",
        "OMPI_COMM_WORLD_SIZE": "4",
        "OMPI_COMM_WORLD_LOCAL_RANK": "1",
        "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    },
    "Slurm": {
        "SLURM_PROCID": "1",
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_LOCALID": "1",
        "SLURM_STEP_TASKS_PER_NODE": "1,2(x1),1",
        "SLURM_NODEID": "1",
    },
}


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in [name for each in VARIABLES.values() for name in each]:
        monkeypatch.delenv(name, raising=False)


def start_by(monkeypatch, name):
    for variable, value in VARIABLES[name].items():
        monkeypatch.setenv(variable, value)


def test_a_single_process_does_nothing():
    x = np.arange(3.0)
    SINGLE.allreduce_mean_(x, NumpyOps())
    SINGLE.broadcast_(x, NumpyOps())
    assert x.tolist() == [0, 1, 2]
    assert SINGLE.share("a") == "a" and SINGLE.gather("a") == ["a"]
    assert SINGLE.agree(True, 2.5) == (True, 2.5)
    done = []
    SINGLE.twice(lambda: done.append(1), lambda: done.append(2))
    assert done == [1, 2]
    check_same(SINGLE, {"a": 1}, "")
    assert copy.deepcopy(SINGLE) is SINGLE is pickle.loads(pickle.dumps(SINGLE))
    assert get_processes() is SINGLE and get_processes("single") is SINGLE


def test_a_single_process_imports_no_mpi():
    code = (
        "import sys, gan.commands.train, gan.training.trainer, nn.processes; "
        "nn.processes.get_processes(); print([m for m in sys.modules if 'mpi4py' in m])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (result.stdout, result.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", VARIABLES)
def test_a_launcher_is_recognized(monkeypatch, name):
    start_by(monkeypatch, name)
    found = launcher.size(), launcher.rank(), launcher.local_size(), launcher.local_rank()
    assert found == (4, 1, 2, 1)
    monkeypatch.setattr(launcher, "is_bound", lambda cores: False)
    assert [launcher.share_of(n) for n in (1, 2, 5)] == [1, 1, 2]
    assert launcher.in_words(4) == "2 processes share 4 cores"
    monkeypatch.setattr(launcher, "is_bound", lambda cores: True)
    assert launcher.share_of(5) == 5 and launcher.in_words(5) == ""


def test_a_command_in_a_batch_script_is_alone(monkeypatch):
    """Slurm's variables of the whole job are there too."""
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "8")
    assert launcher.size() == 1 and launcher.local_size() == 1 and get_processes() is SINGLE


def test_threads_are_divided_while_blas_is_loaded(monkeypatch):
    start_by(monkeypatch, "MPICH")
    for name in launcher.BLAS_THREADS:
        monkeypatch.delenv(name, raising=False)
    with launcher.blas_threads(8):
        assert os.environ["OPENBLAS_NUM_THREADS"] == "4"
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # the user's
    with launcher.blas_threads(8):
        assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_unknown_and_missing(monkeypatch):
    with pytest.raises(ProcessesError, match="expected one of auto, single, mpi, got 'nccl'"):
        get_processes("nccl")
    start_by(monkeypatch, "MPICH")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(MissingLibraryError) as caught:
        get_processes()
    assert "since 4 processes were started, got none" in str(caught.value)
    assert str(caught.value).endswith("pip install -e '.[mpi]', or use --processes single")


class Never:
    """A request that is never answered."""

    @staticmethod
    def Test():
        return False


def test_a_wait_ends():
    here = [("here", os.getpid()), ("here", os.getppid()), ("there", 1)]
    with pytest.raises(ProcessesError, match="within 0.01 s, got no answer"):
        wait(Never, 0.01, Neighbours(here, 0).check)


class Late:
    """A request that is answered when it has been tested a few times."""

    def __init__(self):
        self.tests = 0

    def Test(self):
        self.tests += 1
        return self.tests > 4


def test_time_in_which_this_process_was_stopped_does_not_count(monkeypatch):
    hours = iter(range(0, 3600 * 100, 3600))
    monkeypatch.setattr(waiting.time, "monotonic", lambda: next(hours))
    assert wait(Late(), 60, Neighbours([("here", os.getpid())], 0).check) == 3 * waiting.NO_LONGER


def test_a_neighbour_that_has_ended_is_noticed():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    neighbours = Neighbours([("here", os.getpid()), ("here", child.pid)], 0)
    neighbours.check()
    child.communicate()
    with pytest.raises(ProcessesError, match=f"expected rank 1, process {child.pid}, to go on"):
        wait(Never, 60, neighbours.check)


class Noted:
    """A stream that notes when it is flushed."""

    def __init__(self, done):
        self._done = done

    def flush(self):
        self._done.append("flush")


def test_the_launcher_has_time_to_pass_on_the_last_output(monkeypatch):
    """MPICH's drops what is still in its pipes when a process aborts."""
    done = []
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, Noted(done))
    monkeypatch.setattr(ending.time, "sleep", lambda seconds: done.append("sleep"))
    monkeypatch.setattr(ending.os, "dup2", lambda *numbers: done.append("silence"))
    ending.silence()
    assert done == ["flush", "flush", "sleep", "silence"]
