"""Measurements against named peers, ``python -m benchmarks.NAME``: step, ops, epoch, scaling, draw, startup, memory, conv."""

import nn  # noqa: F401  before NumPy: it says how long OpenBLAS's idle threads spin
