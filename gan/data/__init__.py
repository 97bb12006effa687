"""Training images: data sets, files, batches and clusters."""

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin
