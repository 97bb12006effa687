"""Means of losses over the steps of an epoch or a record."""

from __future__ import annotations

from typing import Any

import numpy as np

COLUMNS = ("d_loss_real", "d_loss_fake", "g_loss", "d_real", "d_fake", "penalty")
NORMS = ("d_grad_norm", "g_grad_norm")  # further columns of a recipe that clips gradients


class LossMeans:
    """Sums of rows of the log, for their means and standard deviations.

    The columns are D's loss on real and on generated images, G's loss, D's mean output on both, and
    the penalty on D's slope, or 0. Then come the norms of the gradients, if they are logged.

    Parameters
    ----------
    columns : COLUMNS, or more

    Attributes
    ----------
    steps : number of rows added since `clear`
    """

    def __init__(self, columns: tuple[str, ...] = COLUMNS) -> None:
        self.columns = columns
        self.clear()

    def clear(self) -> None:
        """Start again, from no rows."""
        self.steps = 0
        self._sums, self._squares = np.zeros(len(self.columns)), np.zeros(2)

    def add(self, rows: np.ndarray) -> None:
        """Add rows of the log, float64 (steps, columns)."""
        self.steps += len(rows)
        self._sums = self._sums + rows.sum(axis=0)
        self._squares = self._squares + (losses(rows) ** 2).sum(axis=0)

    def means(self) -> dict[str, float]:
        """The means by name."""
        return named(self._sums / max(self.steps, 1), self.columns)

    def spread(self) -> dict[str, float]:
        """The standard deviations of D's and G's losses: sqrt(mean L^2 - (mean L)^2)."""
        n = max(self.steps, 1)
        variance = self._squares / n - (losses(self._sums) / n) ** 2
        return dict(zip(("d_loss", "g_loss"), map(float, np.sqrt(np.maximum(variance, 0)))))

    def state_dict(self) -> dict[str, Any]:
        """The sums, ready for JSON."""
        return {
            "sums": self._sums.tolist(),
            "squares": self._squares.tolist(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from other sums; `ValueError` if they are not such sums."""
        sums, squares = (np.array(state[key], np.float64) for key in ("sums", "squares"))
        if (sums.shape, squares.shape) != (self._sums.shape, self._squares.shape):
            raise ValueError(
                f"expected {len(self._sums)} sums of losses and 2 of squares, "
                f"got {sums.shape} and {squares.shape}"
            )
        finite = np.isfinite(sums).all() and np.isfinite(squares).all()
        if not (finite and 0 <= int(state["steps"]) < 2**53):
            raise ValueError("expected finite sums of losses, and a number of steps")
        self._sums, self._squares, self.steps = sums, squares, int(state["steps"])


def losses(rows: np.ndarray) -> np.ndarray:
    """The losses of D and G in rows of the log: (..., columns) -> (..., 2)."""
    return np.stack([rows[..., 0] + rows[..., 1], rows[..., 2]], axis=-1)


def named(means: np.ndarray, columns: tuple[str, ...] = COLUMNS) -> dict[str, float]:
    """The columns by name, with D's loss as the sum of its two parts."""
    values = dict(zip(columns, map(float, means)))
    return {"d_loss": values["d_loss_real"] + values["d_loss_fake"], **values}
