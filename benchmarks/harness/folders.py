"""Temporary folders."""

import shutil
import tempfile
import weakref
from pathlib import Path


def folder_with_lifetime_of(owner: object) -> Path:
    """A new folder that is removed together with `owner`."""
    folder = tempfile.mkdtemp()
    weakref.finalize(owner, shutil.rmtree, folder)
    return Path(folder)
