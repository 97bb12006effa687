"""Hints for mistyped names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST = 3  # names in a hint
CUTOFF = 0.7  # of difflib's similarity, so that "gpu" is not taken for "cpu"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message: "; did you mean NAME?", or "" if no known name is near.

    Parameters
    ----------
    name
        What was typed.
    known
        The names that it is compared with. Those that begin with it come first; without any, the
        most similar one is named.
    """
    known = list(known)
    near = [each for each in known if name and each.startswith(name)][:MOST]
    near = near or get_close_matches(name, known, n=1, cutoff=CUTOFF)
    return f"; did you mean {' or '.join(near)}?" if near else ""
