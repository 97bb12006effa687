"""The errors a user can fix: each message says what was expected, what came, and what to do."""


class ByhandError(Exception):
    """The base of all these errors; commands print it without a traceback and exit with status 2.

    A message may quote names from an untrusted file. It is always printed as one line, with control
    characters escaped.

    Attributes
    ----------
    everywhere : bool
        Where several processes train together: whether all of them raise this error.
    """

    everywhere = False

    def __str__(self) -> str:
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in super().__str__())


def on_all_ranks(error: ByhandError) -> ByhandError:
    """The error, marked as one that all processes raise."""
    error.everywhere = True
    return error


class ShapeError(ByhandError, ValueError):
    """An array, a geometry or a setting does not fit the layer it was given to."""


class DtypeError(ByhandError, TypeError):
    """An array does not have the network's dtype."""


class DeviceError(ByhandError, RuntimeError):
    """The requested device is not available."""


class DeviceMemoryError(DeviceError):
    """The device has too little free memory for the request."""


class MissingLibraryError(ByhandError, ImportError):
    """A library that an extra installs is needed, and not installed."""


class WeightsError(ByhandError, ValueError):
    """A weights file cannot be read, or lacks what it must contain."""


class FileError(ByhandError, RuntimeError):
    """A path is taken by something that a file must not replace."""


class ProcessesError(ByhandError, RuntimeError):
    """The processes of a run do not fit together, or one of them does not answer."""
