"""The folder of a run: weights, checkpoints, pictures and curves, and resuming it."""

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin
