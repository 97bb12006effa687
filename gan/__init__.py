"""Generative adversarial networks, built on `nn`."""

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin
