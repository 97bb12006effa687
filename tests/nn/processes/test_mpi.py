"""Several processes: what they send each other. Each launch makes many checks."""

import pytest

from tests.support import mpi

CHECKS = "all_reduces devices values turns repetition sameness noise batch_norm deadlines".split()


@pytest.mark.parametrize("n", [2, 3, 4])
def test_what_is_sent_arrives(n):
    """2,000 random all-reduces against NumPy; synchronized batch norm against a whole batch."""
    result = mpi.run(n, "tests.support.ranks.arrays")
    assert (result.status, result.out.split(), result.err) == (0, CHECKS, "")


def test_a_rank_that_does_not_start_is_not_waited_for():
    result = mpi.run(2, "tests.support.ranks.absent")
    assert result.status and "every_rank_must_start" in result.err
