"""Tables as plain text or Markdown, and the line that describes the machine."""

import os
import platform
from collections.abc import Iterable, Sequence

import numpy as np


def render(
    header: Sequence[object],
    rows: Iterable[Sequence[object]],
    markdown: bool = False,
    peers: str = "",
) -> str:
    """Format a table: the first column aligned left, the others right; below it, the peers."""
    texts = [list(map(str, row)) for row in [header, *rows]]
    if markdown:
        rule = ["---"] + ["---:"] * (len(header) - 1)
        lines = [f"| {' | '.join(row)} |" for row in [texts[0], rule, *texts[1:]]]
        return "\n".join(lines + ["", peers] * bool(peers))
    widths = [max(map(len, column)) for column in zip(*texts)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in texts
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], *["", peers] * bool(peers)])


def machine() -> str:
    """One line about the machine; a load above zero at the start means it is not idle."""
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    return f"{os.cpu_count()} cores, {load}, {versions}"
