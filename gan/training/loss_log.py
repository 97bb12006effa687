"""The losses of each step, collected on the device and read every few steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from gan.uncopyable import Uncopyable
from nn.ops.base import Array

COLUMNS = ("d_loss_real", "d_loss_fake", "g_loss", "d_real", "d_fake", "penalty")


class LossLog(Uncopyable):
    """Rows on the device, one per step, that are reused after each read.

    The columns are D's loss on real and on generated images, G's loss, D's mean output on both, and
    the penalty on D's slope, or 0. A step writes into the row that `next_row` returns without
    waiting for the device; `read` fetches all rows written since the last read.

    Parameters
    ----------
    ops, dtype : of the networks
    length : number of rows; a full log must be read before the next row
    """

    def __init__(self, ops: Any, length: int, dtype: Any) -> None:
        self._ops = ops
        self.ring = ops.zeros((length, len(COLUMNS)), dtype)
        self._rows = [
            {name: self.ring[i, j : j + 1] for j, name in enumerate(COLUMNS)} for i in range(length)
        ]
        self._used = self._steps = 0
        self._sums, self._squares = np.zeros(len(COLUMNS)), np.zeros(2)

    def next_row(self) -> dict[str, Array]:
        """The arrays for a step's values, (1,), by the name of the column."""
        row = self._rows[self._used]
        self._used += 1
        return row

    @property
    def is_full(self) -> bool:
        return self._used == len(self._rows)

    @property
    def is_empty(self) -> bool:
        return not self._used

    def read(self) -> tuple[dict[str, float], int, int | None]:
        """Fetch the rows since the last read.

        Returns
        -------
        their means by name, their number, and the index of the first that is not finite, or None
        """
        rows = self._ops.to_host(self.ring)[: self._used].astype(np.float64)
        self._used = 0
        self._sums, self._steps = self._sums + rows.sum(axis=0), self._steps + len(rows)
        self._squares = self._squares + (losses(rows) ** 2).sum(axis=0)
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        return named(rows.mean(axis=0)), len(rows), (int(bad[0]) if len(bad) else None)

    def means(self) -> dict[str, float]:
        """The means of all rows read since `begin_epoch`."""
        return named(self._sums / max(self._steps, 1))

    def spread(self) -> dict[str, float]:
        """The standard deviations of D's and G's losses: sqrt(mean L^2 - (mean L)^2)."""
        n = max(self._steps, 1)
        variance = self._squares / n - (losses(self._sums) / n) ** 2
        return dict(zip(("d_loss", "g_loss"), map(float, np.sqrt(np.maximum(variance, 0)))))

    def begin_epoch(self) -> None:
        """Reset `means` and `spread`."""
        self._steps = 0
        self._sums, self._squares = np.zeros(len(COLUMNS)), np.zeros(2)

    def state_dict(self) -> dict[str, Any]:
        """The sums behind the means, ready for JSON; they exclude rows that are not read yet."""
        return {
            "sums": self._sums.tolist(),
            "squares": self._squares.tolist(),
            "steps": self._steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the sums of another log; `ValueError` if they are not such sums."""
        sums, squares = (np.array(state[key], np.float64) for key in ("sums", "squares"))
        if (sums.shape, squares.shape) != (self._sums.shape, self._squares.shape):
            raise ValueError(
                f"expected {len(self._sums)} sums of losses and 2 of squares, "
                f"got {sums.shape} and {squares.shape}"
            )
        finite = np.isfinite(sums).all() and np.isfinite(squares).all()
        if not (finite and 0 <= int(state["steps"]) < 2**53):
            raise ValueError("expected finite sums of losses, and a number of steps")
        self._sums, self._squares, self._steps = sums, squares, int(state["steps"])


def losses(rows: np.ndarray) -> np.ndarray:
    """The losses of D and G in rows of the log: (..., 6) -> (..., 2)."""
    return np.stack([rows[..., 0] + rows[..., 1], rows[..., 2]], axis=-1)


def named(means: np.ndarray) -> dict[str, float]:
    """The columns by name, with D's loss as the sum of its two parts."""
    values = dict(zip(COLUMNS, map(float, means)))
    return {"d_loss": values["d_loss_real"] + values["d_loss_fake"], **values}
