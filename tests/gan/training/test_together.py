"""Several processes that train together; see the checks in tests/support/ranks/trainers.py."""

from dataclasses import replace

import pytest

from gan.errors import RunError
from gan.training.shared import share_of_batch
from nn.processes.single import Processes
from tests.support import mpi
from tests.support.small import TINY

CHECKS = {2: "equality replicas programs ends mismatches", 3: "equality ends mismatches"}


@pytest.mark.parametrize("n", CHECKS)
def test_processes_train_as_one(n):
    """The recipes to 1e-10 in float64; the same weights on all ranks after 300 steps; resuming."""
    checks = CHECKS[n].split()
    result = mpi.run(n, "tests.support.ranks.trainers", *checks)
    assert (result.status, result.out.split(), result.err) == (0, checks, "")


HAS_ENDED = "ProcessesError: expected rank {} to go on, but its program has ended"
FAULTS = {  # of a callback: what is printed once
    "fails": "ValueError: boom",
    "leaves": HAS_ENDED,
    "saves in a step": "RunError: state_dict: expected a step after which all ranks read the",
}


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_script_on_one_rank_ends_all(fault, rank):
    result = mpi.run(2, "tests.support.ranks.callback", fault, rank)
    assert result.status == 1 and result.out == "", result.err
    assert result.err.count(FAULTS[fault].format(rank)) == 1, result.err
    assert result.err.count("Traceback") == 1, result.err
    speaker = 1 - rank if "leaves" in fault else rank
    assert result.err.startswith("rank 1:\n") is (speaker == 1), result.err


def test_one_rank_may_save_once_the_losses_are_read():
    assert mpi.run(2, "tests.support.ranks.callback", "saves", 1) == (0, "", "")


class Four(Processes):
    """Four processes."""

    size = 4


def test_a_batch_is_shared_in_equal_parts():
    assert share_of_batch(replace(TINY, batch_size=16, pack=2), Four()) == 4
    with pytest.raises(RunError) as caught:
        share_of_batch(replace(TINY, batch_size=18, pack=2), Four())
    assert str(caught.value) == (
        "batch size: expected a multiple of 8, since 4 processes share each batch and D scores "
        "packs of 2, got 18; use --batch-size 16"
    )
