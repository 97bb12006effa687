"""Cache-sized blocks of arrays.

A chain of elementwise operations walks its arrays block by block, so that the second operation on a
block finds it in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from nn.ops.scratch import Scratch

# elements: 256 KiB of float32, a quarter of a common L2 cache; a tenth faster than half of it
BLOCK = 65_536
WIDE_BLOCK = 131_072  # elements: two or three arrays of this size fit into a common L2 cache
WIDTH = 2_048  # elements: NumPy's inner loop over a row of a few channels is too short

# (blocks of the matrices, rows to match)
WideBlocks = Iterator[tuple[Sequence[np.ndarray], Sequence[np.ndarray]]]


def blocks(*arrays: np.ndarray) -> Iterable[Sequence[np.ndarray]]:
    """Cut arrays of one shape along the first axis into matching blocks.

    Blocks of channels-last images are (N, H, W, C), so that scratch memory of the same shape has
    their memory order.
    """
    if arrays[0].ndim == 4 and not arrays[0].flags.c_contiguous:
        arrays = tuple(x.transpose(0, 2, 3, 1) for x in arrays)
    first = arrays[0]
    if first.size <= BLOCK:
        return (arrays,)
    rows = max(1, BLOCK * len(first) // first.size)
    return ([x[i : i + rows] for x in arrays] for i in range(0, len(first), rows))


def wide_blocks(
    scratch: Scratch,
    matrices: Sequence[np.ndarray],
    *rows: np.ndarray,
    join: Callable[[np.ndarray, np.ndarray], None] = np.copyto,
) -> WideBlocks:
    """Yield (blocks of the matrices, rows to match), with short rows joined to about WIDTH.

    `join(wide, row)` writes a row into each row of an array.

    The last few matrix rows, too few to be joined, come in a block of their own, as they are.
    """
    n, columns = matrices[0].shape
    joined = rows_joined(columns)
    step = max(1, WIDE_BLOCK // (joined * columns)) * joined
    whole = n - n % joined
    wide_rows: Sequence[np.ndarray] = rows
    if joined > 1:
        shape = joined, columns
        wide_rows = [scratch(shape, row.dtype, f"row{i}") for i, row in enumerate(rows)]
        for wide, row in zip(wide_rows, rows):
            join(wide, row)
        wide_rows = [wide.reshape(-1) for wide in wide_rows]
    for i in range(0, whole, step):
        end = min(i + step, whole)
        yield [x[i:end].reshape(-1, joined * columns) for x in matrices], wide_rows
    if whole < n:
        yield [x[whole:] for x in matrices], rows


def rows_joined(columns: int) -> int:
    """How many rows of this length are joined into a wide one."""
    return max(1, WIDTH // columns)
