"""One training step of a GAN: D's update, then G's, and what they consist of."""

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin
