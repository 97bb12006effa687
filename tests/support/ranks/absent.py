"""A rank that ends before MPI has started: python -m tests.support.ranks.absent."""

import sys

from nn import launcher
from nn.processes import get_processes, mpi

if __name__ == "__main__":
    if launcher.rank() == 1:
        sys.exit(3)
    mpi.START_DEADLINE = 1.0
    get_processes()
