"""What the readers of safetensors and PyTorch files share: a file of tensors by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from nn.errors import ByhandError, FileError, MissingLibraryError, WeightsError
from nn.settings import Shape

REMEDY = "export it again, or copy it again from where it was made"


@dataclass(frozen=True)
class TensorFile:
    """An open file of tensors, none of which has been read.

    Parameters
    ----------
    names : tuple of str
        Such as "G.0.weight".
    info : dict
        What `byhand export` has written beside the tensors; empty for other files.
    read : function of a name and a shape
        Returns the array; raises `WeightsError` before reading a tensor of another shape or dtype.
    """

    names: tuple[str, ...]
    info: Mapping[str, Any]
    read: Callable[[str, Shape], np.ndarray]


def check_tensor(name: str, shape: Shape, got: Any, is_float: bool, dtype: Any) -> None:
    """Raise `WeightsError` unless a tensor has this shape and is of floats."""
    if tuple(got) != shape:
        raise WeightsError(f"the array {name!r}: expected shape {shape}, got {tuple(got)}")
    if not is_float:
        raise WeightsError(
            f"the array {name!r}: expected floats of 16, 32 or 64 bits, got {dtype}; convert it "
            "with .float()"
        )


@contextmanager
def named(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Turn whatever a library raises in the block into a `WeightsError` that names the path."""
    try:
        yield
    except (FileError, MissingLibraryError):
        raise
    except ByhandError as problem:
        raise WeightsError(f"{path}: {problem}") from None
    except FileNotFoundError:
        raise WeightsError(f"{path}: there is no such file; expected {what}") from None
    except IsADirectoryError:
        raise WeightsError(f"{path}: it is a folder; name {what} in it") from None
    except Exception as problem:  # whatever damage provokes in a library
        first_line = str(problem).partition("\n")[0][:200]
        raise WeightsError(f"{path}: expected {what} ({first_line}); {REMEDY}") from None
