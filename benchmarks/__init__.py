"""Timings against named peers: ``python -m benchmarks.step``, ``.ops``, ``.epoch``, ``.scaling``, ``.draw``, ``.memory``, ``.startup``, ``.conv``."""

import nn  # noqa: F401  before NumPy: it says how long OpenBLAS's idle threads spin
