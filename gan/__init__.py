"""Generative adversarial networks on handwritten digits, built on `nn`."""

import nn  # noqa: F401  before NumPy: it says how long OpenBLAS's idle threads spin
