"""Kernels for arrays and for products of stacks on a CUDA device, and transfers to it."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from nn.ops.base import Array
from nn.ops.cuda.part import CudaPart
from nn.ops.cuda.sources import Elementwise

ARRAYS = {
    "add": Elementwise("T x", "T y", "y += x"),
    "find_non_finite": Elementwise("T x", "raw int64 found", "if (!isfinite(x)) found[0] = 1"),
    "gather_rows": Elementwise(
        "raw uint8 bytes, raw int64 index, int64 n_rows, int64 row_size, T scale, T shift",
        "T y",
        "long long row = index[i / row_size];"
        "row = row < 0 ? 0 : row >= n_rows ? n_rows - 1 : row;"
        "y = scale * bytes[row * row_size + i % row_size] + shift",
    ),
    "take_rows": Elementwise(
        "raw T table, raw T index, int64 n_rows, int64 row_size",
        "T y",
        "T row = rint(index[i / row_size]);"
        "y = row >= 0 && row < n_rows ? table[(long long)row * row_size + i % row_size]"
        '    : T(nan(""))',
    ),
    "sum_rows_at": Elementwise(  # each element gathers its terms in order: no atomics, equal bytes
        "raw T x, raw T index, int64 n, int64 row_size, bool add",
        "T y",
        "T sum = add ? y : T(0);"
        "for (long long j = 0; j < n; ++j)"
        "    if (rint(index[j]) == i / row_size) sum += x[j * row_size + i % row_size];"
        "y = sum",
    ),
    "batched_gemm": Elementwise(
        "raw T a, raw T b, int64 rows, int64 depth, int64 columns, bool trans_a, bool trans_b",
        "T y",
        "long long column = i % columns, row = i / columns % rows, stack = i / columns / rows;"
        "T sum = 0;"
        "for (long long j = 0; j < depth; ++j) {"
        "    long long place = trans_a ? j * rows + row : row * depth + j;"
        "    T left = a[stack * rows * depth + place];"
        "    place = trans_b ? column * depth + j : j * columns + column;"
        "    sum += left * b[stack * depth * columns + place];"
        "}"
        "y = sum",
    ),
}


class CudaArrays(CudaPart):
    """What needs CuPy itself, allocation, copies and products of two matrices, is in `CudaOps`."""

    def add_(self, y: Array, x: Array) -> Array:
        self.kernel("add")(x, y)
        return y

    def gather_rows(
        self, bytes_: Array, index: Array, scale: float, shift: float, *, out: Array
    ) -> Array:
        row_size = out.size // len(index)
        self.kernel("gather_rows")(bytes_, index, len(bytes_), row_size, scale, shift, out)
        return out

    def take_rows(self, table: Array, index: Array, *, out: Array) -> Array:
        self.kernel("take_rows")(table, index, *table.shape, out)
        return out

    def sum_rows_at(self, x: Array, index: Array, *, out: Array, add: bool = False) -> Array:
        self.kernel("sum_rows_at")(x, index, *x.shape, add, out)
        return out

    def batched_gemm(
        self, a: Array, b: Array, *, out: Array, trans_a: bool = False, trans_b: bool = False
    ) -> Array:
        depth = a.shape[1] if trans_a else a.shape[2]
        _, rows, columns = out.shape
        self.kernel("batched_gemm")(a, b, rows, depth, columns, trans_a, trans_b, out)
        return out


class CudaStaging:
    """A pinned array on the host, a copy on the device, and a stream of their own between them.

    Pinned memory stays where it is in RAM, so the card reads it while the host does something else.

    Parameters
    ----------
    cuda : the module `cupy.cuda`
    copy : C-contiguous, the copy on the device
    """

    def __init__(self, cuda: Any, copy: Any) -> None:
        self._cuda, self._copy = cuda, copy
        self._memory = cuda.alloc_pinned_memory(copy.size * copy.dtype.itemsize)
        self._array = np.frombuffer(self._memory, copy.dtype, copy.size).reshape(copy.shape)
        self._stream = cuda.Stream(non_blocking=True)  # kernels do not wait for it
        self._computed, self._arrived = (cuda.Event(disable_timing=True) for _ in range(2))
        # Both memories are reused once this object is gone, so a transfer must not outlive it.
        weakref.finalize(self, self._arrived.synchronize)

    def begin(self) -> np.ndarray:
        self._arrived.synchronize()
        return self._array

    def send(self) -> None:
        self._computed.record(self._cuda.get_current_stream())
        self._stream.wait_event(self._computed)  # earlier kernels may still read the copy
        self._copy.set(self._array, stream=self._stream)
        self._arrived.record(self._stream)

    def receive(self) -> Array:
        self._cuda.get_current_stream().wait_event(self._arrived)
        return self._copy
