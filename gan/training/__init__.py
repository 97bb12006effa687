"""Training a generator and a discriminator against each other."""

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin
