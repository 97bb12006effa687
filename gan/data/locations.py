"""Where data files are: the bundled sample, and the folder for all other data sets."""

from __future__ import annotations

import os
from pathlib import Path

from gan.errors import DataError

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parents[1]  # or site-packages, if installed from a wheel
SAMPLE = "mnist-sample"


def in_checkout() -> bool:
    """Whether this package runs from a checkout; in site-packages, data/ may be another's."""
    return (CHECKOUT / "setup.cfg").is_file() and (CHECKOUT / "data" / SAMPLE).is_dir()


def sample_folder() -> Path:
    """The folder of the bundled MNIST sample, which a wheel holds inside the package."""
    return CHECKOUT / "data" / SAMPLE if in_checkout() else PACKAGE / "mnist_sample"


def data_root(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder to look in and to fetch into.

    Parameters
    ----------
    data_dir
        The folder to use. By default the environment variable BYHAND_DATA_DIR, else data/ of the
        checkout, else the platform's cache folder.

    Raises
    ------
    DataError
        If the folder named is a file.
    """
    given = data_dir or os.environ.get("BYHAND_DATA_DIR")
    if given:
        root = Path(given).expanduser()
        if root.exists() and not root.is_dir():
            raise DataError(
                f"{root}: expected a folder of data files, got a file; name the folder that "
                "holds it"
            )
        return root
    if in_checkout():
        return CHECKOUT / "data"
    import pooch  # slow to import, and rarely needed

    return Path(pooch.os_cache("byhand"))
