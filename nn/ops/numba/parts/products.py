"""BLAS from compiled code, on one thread for each call."""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding
import numpy as np
from numba.types import ExternalFunction, float32, int32, int64, uintp, void

from nn.ops.numba.compiling import inner
from nn.ops.numba.threads import BLAS

SQUARE = 16  # numbers of a cache line: a matrix is transposed in squares of them
ROW_MAJOR, NOT_TRANSPOSED, TRANSPOSED = 101, 111, 112  # from cblas.h

# Python's own locks: a thread can take one without holding the GIL
PYTHON = "PyThread_acquire_lock", "PyThread_release_lock"
new_lock: Any = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThread_allocate_lock", ctypes.pythonapi))

FUNCTIONS = {
    f"byhand_{name}": ctypes.cast(ctypes.pythonapi[name], ctypes.c_void_p).value for name in PYTHON
}
if BLAS:
    FUNCTIONS |= zip(
        ("byhand_sgemm", "byhand_saxpy", "byhand_get_threads", "byhand_set_threads"), BLAS[1:5]
    )
for symbol, address in FUNCTIONS.items():
    # by name, so that the machine code can be kept on disk
    llvmlite.binding.add_symbol(symbol, address)

acquire = ExternalFunction("byhand_PyThread_acquire_lock", int32(uintp, int32))
release = ExternalFunction("byhand_PyThread_release_lock", void(uintp))
get_threads = ExternalFunction("byhand_get_threads", int32())
set_threads = ExternalFunction("byhand_set_threads", int32(int32))
sgemm = ExternalFunction(
    "byhand_sgemm",
    void(
        int32,
        int32,
        int32,
        int64,
        int64,
        int64,
        float32,
        uintp,
        int64,
        uintp,
        int64,
        float32,
        uintp,
        int64,
    ),
)


# The running calls of these kernels, where BLAS has one thread count for the process: a lock, their
# number, and the thread count before the first. It is changed in machine code only, which no signal
# or exception interrupts.
LOCK, RUNNING, BEFORE = range(3)
calls = np.array([0 if BLAS and BLAS.sets_each_thread else new_lock(), 0, 0], np.int64)


@inner
def one_thread_each(calls: np.ndarray) -> int:
    """From here to `as_before`, products take one thread each.

    The result is an argument of `as_before`.
    """
    if calls[LOCK] == 0:
        return set_threads(int32(1))
    acquire(calls[LOCK], int32(1))
    calls[RUNNING] += 1
    if calls[RUNNING] == 1:
        calls[BEFORE] = get_threads()
        set_threads(int32(1))
    release(calls[LOCK])
    return int32(0)


@inner
def as_before(calls: np.ndarray, before: int) -> None:
    """The last running kernel restores BLAS's thread count, unless the program has changed it."""
    if calls[LOCK] == 0:
        set_threads(before)
        return
    acquire(calls[LOCK], int32(1))
    calls[RUNNING] -= 1
    if calls[RUNNING] == 0 and get_threads() == 1:
        set_threads(int32(calls[BEFORE]))
    release(calls[LOCK])


@inner
def part_of_product(
    a: np.ndarray,
    trans_a: bool,
    b: np.ndarray,
    trans_b: bool,
    add: bool,
    bias: np.ndarray,
    out: np.ndarray,
    i: int,
    j: int,
    m: int,
    n: int,
) -> None:
    """The m by n part of out that starts at (i, j), of out = a b + bias, or out += a b + bias."""
    a_width, b_width, width = a.shape[1], b.shape[1], out.shape[1]
    sgemm(
        int32(ROW_MAJOR),
        int32(TRANSPOSED if trans_a else NOT_TRANSPOSED),
        int32(TRANSPOSED if trans_b else NOT_TRANSPOSED),
        m,
        n,
        len(a) if trans_a else a_width,
        float32(1),
        a.ctypes.data + 4 * (i if trans_a else i * a_width),
        a_width,
        b.ctypes.data + 4 * (j * b_width if trans_b else j),
        b_width,
        float32(1 if add else 0),
        out.ctypes.data + 4 * (i * width + j),
        width,
    )
    if bias.size:
        own = bias[j : j + n]  # loops run over slices: see parts/normalization.py
        for row in range(i, i + m):
            line = out[row, j : j + n]
            for column in range(n):
                line[column] += own[column]


@inner
def part_by_transposing(
    a: np.ndarray, b: np.ndarray, work: np.ndarray, out: np.ndarray, j: int, n: int
) -> None:
    """Columns j .. j + n - 1 of out = a b^T, as rows of `work` = b a^T, transposed.

    `work` is working memory, (columns, rows) of out.
    """
    m = len(a)
    part_of_product(b, False, a, True, False, work[0, :0], work, j, 0, n, m)
    for row in range(0, m, SQUARE):
        for column in range(j, j + n, SQUARE):
            height, width = min(SQUARE, m - row), min(SQUARE, j + n - column)
            from_, to = work[column : column + width], out[row : row + height]
            for i in range(height):
                line = to[i, column : column + width]
                for k in range(width):
                    line[k] = from_[k, row + i]
