"""Arrays of the CPU backend with Numba, and which of them its kernels take."""

from __future__ import annotations

import numba
import numpy as np
from numba import prange

from nn.ops.numba.capture.cutting import whole
from nn.ops.numba.capture.strided import note
from nn.ops.numba.compiling import kernel, shared_kernel
from nn.ops.numba.threads import BLAS, POOL
from nn.ops.numpy.arrays import NumpyArrays

FLOATS = (np.dtype("float32"), np.dtype("float64"))


@shared_kernel("y")
def add_row_kernel(y: np.ndarray, row: np.ndarray) -> None:
    for i in prange(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += row[j]


@kernel(whole("out"))
def gather_kernel(
    bytes_: np.ndarray, index: np.ndarray, scale: float, shift: float, out: np.ndarray
) -> None:
    T = out.dtype.type
    scale_, shift_, last = T(scale), T(shift), len(bytes_) - 1
    for i in range(len(index)):
        row = bytes_[min(max(index[i], 0), last)]
        for j in range(out.shape[1]):
            out[i, j] = T(row[j]) * scale_ + shift_


class NumbaArrays(NumpyArrays):
    """NumPy allocates and copies."""

    def __repr__(self) -> str:
        blas = f", {BLAS.name}" if BLAS else ""
        versions = f"NumPy {np.__version__}, Numba {numba.__version__}"
        return f"{self.device} ({versions}{blas}, {POOL})"

    def add_(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        if y.ndim == 2 and x.ndim == 1 and fits(y, rows=(x,)):
            add_row_kernel(y, x)  # 4.9x: NumPy restarts its loop in each row
            return y
        note("add", x, y)
        return np.add(y, x, out=y)

    def copy_(self, y: np.ndarray, x: np.ndarray) -> None:
        note("copy", x, y)
        np.copyto(y, x)

    def fill_(self, x: np.ndarray, value: float) -> None:
        note("fill", value, x)
        x.fill(value)

    def gather_rows(
        self, bytes_: np.ndarray, index: np.ndarray, scale: float, shift: float, *, out: np.ndarray
    ) -> np.ndarray:
        rows = bytes_.reshape(len(bytes_), -1)  # a view: `asarray` made them contiguous
        if out.flags.c_contiguous and bytes_.flags.c_contiguous and index.flags.c_contiguous:
            gather_kernel(rows, index, scale, shift, out.reshape(len(index), -1))
            return out
        return super().gather_rows(bytes_, index, scale, shift, out=out)


def fits(first: np.ndarray, *more: np.ndarray, rows: tuple[np.ndarray, ...] = ()) -> bool:
    """Whether all arrays are C-contiguous, of one float dtype and one shape, and rows match them.

    The kernels check nothing. Other arrays go to NumPy, which accepts them or raises the error.
    """
    dtype, shape = first.dtype, first.shape
    if not (dtype in FLOATS and first.flags.c_contiguous):
        return False
    for x in more:
        if not (x.shape == shape and x.dtype == dtype and x.flags.c_contiguous):
            return False
    for row in rows:
        if not (row.shape == shape[1:] and row.dtype == dtype and row.flags.c_contiguous):
            return False
    return True


def flat(*arrays: np.ndarray) -> list[np.ndarray] | None:
    """The arrays as vectors, or None unless all have one shape and one memory order."""
    if arrays[0].ndim == 4 and not arrays[0].flags.c_contiguous:
        arrays = tuple(x.transpose(0, 2, 3, 1) for x in arrays)  # channels-last
    return [x.reshape(-1) for x in arrays] if fits(*arrays) else None
