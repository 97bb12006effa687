"""Errors of data sets and runs; those of layers, devices and weights files are in `nn.errors`."""

from nn.errors import ByhandError


class DataError(ByhandError, ValueError):
    """A data file or data set is unavailable or does not hold what it must."""


class RunError(ByhandError, RuntimeError):
    """A run cannot start or continue: its settings, its folder, or a loss that is not finite."""
