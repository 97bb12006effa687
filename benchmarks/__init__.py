"""Measurements of speed, memory, quality and reliability, against named peers.

Each module in this folder is a command: ``python -m benchmarks.step --help``.
"""

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin
