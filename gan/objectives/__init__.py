"""What D and G minimize: objectives, and penalties on D's slope."""

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin
