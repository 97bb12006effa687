"""What goes wrong through what a user gave: each error says what was expected, what came, and what to do."""


class ByhandError(Exception):
    """The base of every error that a user can mend; command lines print it without a traceback and exit with 2.

    It may quote names out of a stranger's file. It is one line all the same, without anything that a terminal would obey.
    """

    def __str__(self):
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in super().__str__())


class ShapeError(ByhandError, ValueError):
    """An array, a geometry or a setting does not fit the layer that it was given to."""


class DtypeError(ByhandError, TypeError):
    """An array is not of the network's element type."""


class DeviceError(ByhandError, RuntimeError):
    """The asked-for device is not there."""


class DeviceMemoryError(DeviceError):
    """The device has not as much memory left as was asked for."""


class WeightsError(ByhandError, ValueError):
    """A weights file cannot be read, or does not hold what it must."""


class FileError(ByhandError, RuntimeError):
    """A path is taken by something that a file must not replace."""


class DataError(ByhandError, ValueError):
    """A data file or a data set cannot be had, or does not hold what it must."""


class RunError(ByhandError, RuntimeError):
    """A training run cannot start or go on: its settings, its folder, or a loss that is no longer finite."""
