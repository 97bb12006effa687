"""`mpiexec -n 2 byhand train`: one run, and one end of both processes, whatever happens to one."""

import signal
from argparse import Namespace

import numpy as np
import pytest

from gan.commands.processes import options
from gan.runs.checkpoint import read_checkpoint
from nn.processes.single import Processes
from tests.support import mpi
from tests.support.small import assert_refused, command, example  # noqa: F401

PROGRAM = "tests.support.ranks.train"
OPTIONS = "--dataset mnist-sample --device numpy --recipe mlp-dropout --batch-size 8".split()
STEPS = 45


def train(fault, out, *options, steps=STEPS):
    """The words of a run of two processes."""
    return 2, PROGRAM, fault, *OPTIONS, "--steps", steps, "--out", out, *options


def state(folder):
    """What the last checkpoint of a run holds that decides how it continues."""
    held = read_checkpoint(folder / "checkpoint.npz")
    arrays = {name: array.tobytes() for name, array in held.arrays.items()}
    return arrays, held.rest["step"], held.rest["streams"], held.rest["ranks"]


def stopped_by(number, out):
    """A run whose launcher got a signal at step 30."""
    process = mpi.start(*train("slow", out))
    line = process.stdout.readline()
    while line and "step 30" not in line:
        line = process.stdout.readline()
    process.send_signal(number)
    return mpi.ended(process)


def test_a_run_that_ctrl_c_stops_continues_to_the_same_bytes(tmp_path, command):  # noqa: F811
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    result = mpi.run(*train("none", whole))
    assert result.status == 0, result.err
    assert result.out.count("in 2 processes") == 1  # one rank speaks
    assert result.out.count(f"done after {STEPS} steps") == 1

    result = stopped_by(signal.SIGINT, stopped)
    assert result.status == 128 + signal.SIGINT
    assert result.out.count("stopped after") == 1 and "Traceback" not in result.err
    assert 30 <= state(stopped)[1] < STEPS

    alone = command(example("train_mnist_gan"), "--resume", stopped, "--quiet")
    assert_refused(alone, stopped, "expected 2, as many as", "got 1; start it with  mpiexec -n 2")

    result = mpi.run(2, PROGRAM, "none", "--resume", stopped, "--steps", STEPS, "--quiet")
    assert (result.status, result.out) == (0, ""), result.err
    assert state(stopped) == state(whole)
    with np.load(whole / "fixed_samples.npz") as one, np.load(stopped / "fixed_samples.npz") as two:
        assert all(one[name].tobytes() == two[name].tobytes() for name in one.files)


def test_sigterm_stops_all_ranks_with_everything_saved(tmp_path):
    result = stopped_by(signal.SIGTERM, tmp_path / "run")
    assert result.status == 128 + signal.SIGTERM
    assert 30 <= state(tmp_path / "run")[1] < STEPS
    assert (tmp_path / "run" / "progress.gif").exists()


FAULTS = {  # fault: (options, exit status, what stderr says once)
    "none": (["--learning-rate", "1e30"], 2, "no longer finite"),
    "error": ([], 1, "ValueError: boom"),
    "memory": ([], 2, "error: rank 1: not enough memory (boom); try a smaller batch"),
    "full": ([], 2, "cannot be written (No space left on device); what was saved before is whole"),
    "hangs": ([], 2, "expected the other ranks to answer within 1 s, got no answer"),
    "hangs later": ([], 2, "expected the other ranks to answer within 1 s, got no answer"),
    "dies": ([], 9, ""),
    "stopped": (["--evaluate-every", "1"], 130, ""),
    "option": ([], 2, "error: rank 1: unknown option --bad"),
    "version": ([], 2, "byhand: expected 0.2.0 on rank 1 as on rank 0, got 0.0.1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_one_rank_ends_all(fault, tmp_path):
    options, status, message = FAULTS[fault]
    result = mpi.run(*train(fault, tmp_path / "run", "--quiet", *options))
    assert result.status == status, result.err
    if fault == "dies":  # this launcher says so on stdout
        assert "signal 9" in result.out + result.err
    else:
        assert result.out == ""
        assert result.err.count(message) == 1 if message else result.err == "", result.err
    errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == (status == 2), result.err
    if fault not in ("version", "option", "stopped"):  # which come before there is a folder
        assert state(tmp_path / "run")[1] == 0  # the checkpoint of the start is whole


class Rank(Processes):
    """A rank, whose options are not compared."""

    def __init__(self, rank):
        self.rank = rank


@pytest.mark.parametrize("rank", [0, 1])
def test_only_rank_0_shows_progress(rank, monkeypatch):
    """Of decoding images, for example, which each rank does."""
    monkeypatch.setattr(options, "get_processes", lambda kind: Rank(rank))
    args = Namespace(processes=None, resume=None, quiet=False)
    assert options.connected(args).rank == rank and args.quiet is (rank > 0)


def test_the_batch_must_be_shared_evenly(tmp_path):
    n = 4  # with two, the launcher may report the right status by chance
    _, *words = train("none", tmp_path / "run", "--batch-size", 7)
    result = mpi.run(n, *words)
    assert result.status == 2, result.out
    assert result.err.count("batch size: expected a multiple of 4") == 1
    assert not (tmp_path / "run").exists()
