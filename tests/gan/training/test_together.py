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
