"""Timings against named peers: ``python -m benchmarks.step``, ``.conv``, ``.startup``."""

import nn  # noqa: F401  before NumPy: it says how long OpenBLAS's idle threads spin
