"""Messages between the server and the page: JSON to the server, JSON and arrays from it."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.errors import RunError

MAX_BYTES = 1_000_000  # of a message from the page; its largest holds an image or 64 latents
ALIGNMENT = 8  # bytes, so that the page can view each array where it lies
DTYPES = {np.dtype(np.uint8): "uint8", np.dtype(np.float32): "float32"}


def encode(kind: str, fields: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """A message to the page.

    It is the length of a JSON header as 4 bytes, the header, and the arrays. The header has `kind`,
    the fields, and for each array its name, dtype, shape, and offset after the header; both are
    padded to multiples of ALIGNMENT.

    Parameters
    ----------
    kind
        What the message is.
    fields
        JSON values; numbers that are not finite become null.
    arrays
        uint8 or float32.
    """
    described, parts, offset = [], [], 0
    for name, array in arrays.items():
        content = np.ascontiguousarray(array).tobytes()
        shape = list(array.shape)
        described.append(
            {"name": name, "dtype": DTYPES[array.dtype], "shape": shape, "offset": offset}
        )
        content += bytes(-len(content) % ALIGNMENT)
        parts.append(content)
        offset += len(content)
    header = {"kind": kind, **finite(fields), "arrays": described}
    text = json.dumps(header, allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % ALIGNMENT)
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def finite(value: Any) -> Any:
    """The value with None for each number in it that is not finite, which JSON cannot hold."""
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Message:
    """A message from the page, whose fields are checked as they are read.

    Parameters
    ----------
    text
        A JSON object with `kind`, a text, and `id`, a whole number.

    Raises
    ------
    RunError
        If it is none, and from each method, if the field is missing, of another type, or out of
        bounds.
    """

    def __init__(self, text: str) -> None:
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise RunError("message: expected a JSON object, got other text; reload the page")
        self._fields: dict[str, Any] = fields
        self.kind = self.text("kind")
        self.id = self.whole("id", 0, 2**53)

    def text(self, name: str, at_most: int = 200) -> str:
        """A text of bounded length."""
        value = self._fields.get(name)
        if not isinstance(value, str) or len(value) > at_most:
            raise self._problem(name, f"a text of at most {at_most} characters", value)
        return value

    def one_of(self, name: str, known: Collection[str]) -> str:
        """One of the known texts."""
        value = self._fields.get(name)
        if not isinstance(value, str) or value not in known:
            raise self._problem(name, f"one of {', '.join(known)}", value)
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        """A whole number within bounds."""
        value = self._fields.get(name)
        if type(value) is not int or not low <= value <= high:
            raise self._problem(name, f"a whole number from {low} to {high}", value)
        return value

    def optional(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._fields.get(name) is not None

    def number(self, name: str, low: float, high: float) -> float:
        """A number within bounds."""
        value = self._fields.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is None or not is_number or not low <= value <= high:  # NaN is not within
            raise self._problem(name, f"a number from {low:g} to {high:g}", value)
        return float(value)

    def numbers(self, name: str, shape: tuple[int, ...], bound: float) -> np.ndarray:
        """float32 of a shape, in which -1 is any number, from lists of numbers in -bound..bound."""
        value = self._fields.get(name)
        try:
            array = np.array(value, np.float64) if isinstance(value, list) else None
        except (TypeError, ValueError, OverflowError):
            array = None
        expected = f"numbers from {-bound:g} to {bound:g} of shape {shape}"
        if array is None or array.ndim != len(shape):
            raise self._problem(name, expected, value)
        if not all(want in (-1, got) for want, got in zip(shape, array.shape)):
            raise self._problem(name, expected, value)
        if not (np.abs(array) <= bound).all():
            raise self._problem(name, expected, value)
        return array.astype(np.float32)

    def wholes(self, name: str, count: int, low: int, high: int) -> np.ndarray:
        """int64 (count,) from a list of whole numbers within bounds."""
        value = self._fields.get(name)
        ok = isinstance(value, list) and len(value) == count
        if not (ok and all(type(each) is int and low <= each <= high for each in value or ())):
            raise self._problem(name, f"{count} whole numbers from {low} to {high}", value)
        return np.array(value, np.int64)

    def _problem(self, name: str, expected: str, value: Any) -> RunError:
        return RunError(
            f"{self._fields.get('kind')!s:.40}, {name}: expected {expected}, got {value!r:.60}; "
            "reload the page"
        )
