"""The contract of arrays: what layers use of one, and how it is made, copied and read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


class Array(Protocol):
    """A NumPy or CuPy array.

    Docstrings give its shape. Its dtype is the network's unless they say otherwise.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def flags(self) -> Any: ...
    @property
    def T(self) -> Any: ...
    @property
    def reshape(self) -> Callable[..., Any]: ...
    @property
    def transpose(self) -> Callable[..., Any]: ...
    @property
    def astype(self) -> Callable[..., Any]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...
    def __setitem__(self, key: Any, value: Any, /) -> None: ...


A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)  # of a protocol that only returns arrays


class Staging(Protocol[A_co]):
    """An array on the host, its copy on the device, and the transfer between the two.

    Use two or more in turn: the device computes on one copy while the next is on its way. Each is
    used in this order: `begin`, write to the array, `send`, `receive`, compute on the copy.
    """

    def begin(self) -> np.ndarray:
        """Wait until the last transfer is over; return the array on the host, to be written to."""

    def send(self) -> None:
        """Start a transfer to the device, without waiting for it.

        It follows all that was started on the device before this call. Until `receive`, the array
        must not be written to, and the copy holds nothing in particular.
        """

    def receive(self) -> A_co:
        """Make what is started from now on wait for the transfer; return the copy."""


class ArrayOps(Protocol[A]):
    """Allocation, copies, transfers, and reads by the host."""

    def empty(self, shape: int | Sequence[int], dtype: Any) -> A:
        """Return an uninitialized C-contiguous array, aligned to `ALIGNMENT` bytes."""

    def zeros(self, shape: int | Sequence[int], dtype: Any) -> A:
        """Return an array as from `empty`, filled with zeros."""

    def is_array(self, x: object) -> bool:
        """Return whether x is an array of this backend."""

    def asarray(self, host: Any, dtype: Any = None) -> A:
        """Copy to the device.

        Parameters
        ----------
        host : array_like
            A NumPy array, or anything that `numpy.asarray` accepts.
        dtype : dtype, optional
            The dtype of the result. Default: that of `host`.

        Returns
        -------
        A
            A C-contiguous copy.
        """

    def to_host(self, x: A) -> np.ndarray:
        """Return a copy of x as a NumPy array. On a GPU, this waits for the device."""

    def staging(self, shape: int | Sequence[int], dtype: Any) -> Staging[A]:
        """Return a pair of arrays, uninitialized, with a transfer from the host to the device."""

    def free_bytes(self) -> int | None:
        """Return how much memory of the device is free, or None where it is that of the host."""

    def copy_(self, y: A, x: A) -> None:
        """y = x, converted to y's dtype. x and y have one shape."""

    def fill_(self, x: A, value: float) -> None:
        """x = value, in every element."""

    def add_(self, y: A, x: A) -> A:
        """y += x. x has y's shape, or is a row (y.shape[-1],) that is added to every row of y."""

    def all_finite(self, x: A) -> bool:
        """Return whether no element is infinite or NaN.

        This reads back to the host, so it must not be called within a training step.
        """

    def gather_rows(self, bytes_: A, index: A, scale: float, shift: float, *, out: A) -> A:
        """Convert a batch of images to floats: out[i] = scale bytes_[index[i]] + shift.

        Parameters
        ----------
        bytes_ : A
            (n, ...), uint8, C-contiguous.
        index : A
            (b,), int64. Values are clipped to 0..n-1.
        scale, shift : float
            Map 0..255 to the range of the images.
        out : A
            (b, ...). A row has as many elements as a row of `bytes_`, in any shape.
        """

    def take_rows(self, table: A, index: A, *, out: A) -> A:
        """out[i] = table[k] with k = index[i], or NaN where k is outside 0..n-1.

        Parameters
        ----------
        table : A
            (n, c), C-contiguous.
        index : A
            (b,), of the table's dtype, rounded to the nearest integers.
        out : A
            (b, c).
        """

    def sum_rows_at(self, x: A, index: A, *, out: A, add: bool = False) -> A:
        """out[k] = the sum of x[i] over all i with index[i] = k, or out[k] += ... with `add`.

        x (b, c), out (n, c), C-contiguous; `index` as in `take_rows`. A row whose index is outside
        0..n-1 is left out.
        """
