"""Training with several processes: the options, and what each rank does."""

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin
