"""The digit classifier: its network, its training and its use."""

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin
