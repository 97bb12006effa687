"""What a run records: its losses, its time, and when."""

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin
