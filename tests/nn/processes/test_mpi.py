"""Several processes: what they send each other. Each launch makes many checks."""

import pytest

from tests.support import mpi

CHECKS = "all_reduces devices values turns repetition sameness noise batch_norm".split()


@pytest.mark.parametrize("n", [2, 3])
def test_what_is_sent_arrives(n):
    """2,000 random all-reduces against NumPy; synchronized batch norm against a whole batch."""
    result = mpi.run(n, "tests.support.ranks.arrays")
    assert (result.status, result.out.split(), result.err) == (0, CHECKS, "")
