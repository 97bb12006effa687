"""The trained generators that come with the package."""

from __future__ import annotations

from pathlib import Path

import gan
from gan.errors import RunError

PRETRAINED = Path(gan.__file__).parent / "pretrained"  # by gan/commands/export_pretrained.py


def pretrained(with_classes: bool) -> Path:
    """The weights file that comes with the package."""
    path = PRETRAINED / ("digits-by-class.npz" if with_classes else "digits.npz")
    if not path.exists():
        raise RunError(
            f"{path}: expected a file of this package, got none; "
            "name a run's weights with --weights, or reinstall byhand"
        )
    return path
