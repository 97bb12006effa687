"""The folder of a run: weights, checkpoints, pictures and curves, and how a run is resumed."""

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin
