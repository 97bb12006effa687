"""Tables of text, plain or as Markdown."""

import os
import platform


def render(header, rows, markdown=False):
    """The rows under their header; the first column to the left, the others to the right."""
    rows = [list(map(str, row)) for row in [header, *rows]]
    if markdown:
        rule = ["---"] + ["---:"] * (len(header) - 1)
        return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def machine():
    """What the figures depend on, as one line. A load above zero before the start means: not a quiet machine."""
    import numpy as np

    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    return f"{os.cpu_count()} cores, {load}, Python {platform.python_version()}, NumPy {np.__version__}"
