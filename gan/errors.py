"""Errors and warnings of data sets and runs.

`nn.errors` has those of layers, devices and weights files.
"""

from nn.errors import ByhandError


class DataError(ByhandError, ValueError):
    """A data file or data set is missing or invalid."""


class RunError(ByhandError, RuntimeError):
    """A run cannot start or continue: bad settings, a bad folder, or a loss that is not finite."""


class CollapseWarning(UserWarning):
    """A network has stopped learning, or the generator draws one thing only."""


class CaptureWarning(UserWarning):
    """Training steps cannot be captured; they run as before, and take longer."""
