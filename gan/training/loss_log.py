"""The figures of each training step, gathered on the device and read now and then."""

import numpy as np

from gan.training.uncopyable import Uncopyable

COLUMNS = ("d_loss_real", "d_loss_fake", "g_loss", "d_real", "d_fake", "penalty")


class LossLog(Uncopyable):
    """A ring of rows on the device, one a step: D's loss on real and on generated images, G's loss, D's mean output on both, and
    the penalty on D's slope (0 without one).

    A step writes into the row that `next_row` gives and waits for nothing; `read` fetches all rows written since.
    """

    def __init__(self, ops, length, dtype):
        self._ops = ops
        self._ring = ops.zeros((length, len(COLUMNS)), dtype)
        self._rows = [{name: self._ring[i, j : j + 1] for j, name in enumerate(COLUMNS)} for i in range(length)]
        self._used = 0
        self.begin_epoch()

    def next_row(self):
        """Where this step's figures go: an array of shape (1,) for each column's name."""
        row = self._rows[self._used]
        self._used += 1
        return row

    @property
    def is_full(self):
        return self._used == len(self._rows)

    def read(self):
        """Fetch the rows since the last read: (their means by name, how many there were, the first that is not finite or None)."""
        rows = self._ops.to_host(self._ring)[: self._used].astype(np.float64)
        self._used = 0
        self._sums, self._steps = self._sums + rows.sum(axis=0), self._steps + len(rows)
        self._squares = self._squares + (losses(rows) ** 2).sum(axis=0)
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        return named(rows.mean(axis=0)), len(rows), (int(bad[0]) if len(bad) else None)

    @property
    def is_empty(self):
        return not self._used

    def means(self):
        """The means of all rows read since `begin_epoch`."""
        return named(self._sums / max(self._steps, 1))

    def spread(self):
        """The standard deviations of the same rows' losses, of D and of G: sqrt(mean L^2 - (mean L)^2)."""
        n = max(self._steps, 1)
        variance = self._squares / n - (losses(self._sums) / n) ** 2
        return dict(zip(("d_loss", "g_loss"), map(float, np.sqrt(np.maximum(variance, 0)))))

    def begin_epoch(self):
        """Let `means` and `spread` begin anew."""
        self._sums, self._squares, self._steps = np.zeros(len(COLUMNS)), np.zeros(2), 0

    @property
    def state(self):
        """The means so far, as JSON has it; rows that are not read yet are no part of it."""
        return {"sums": self._sums.tolist(), "squares": self._squares.tolist(), "steps": self._steps}

    @state.setter
    def state(self, state):
        sums, squares = np.array(state["sums"], np.float64), np.array(state["squares"], np.float64)
        if (sums.shape, squares.shape) != (self._sums.shape, self._squares.shape):
            raise ValueError(f"expected {len(self._sums)} sums of losses and 2 of squares, got {sums.shape} and {squares.shape}")
        if not (np.isfinite(sums).all() and np.isfinite(squares).all() and 0 <= int(state["steps"]) < 2**53):
            raise ValueError("expected finite sums of losses, and a number of steps")
        self._sums, self._squares, self._steps = sums, squares, int(state["steps"])


def losses(rows):
    """D's and G's loss of rows of figures: (..., 6) -> (..., 2)."""
    return np.stack([rows[..., 0] + rows[..., 1], rows[..., 2]], axis=-1)


def named(means):
    """The columns by name, with D's loss as the sum of its two parts."""
    figures = dict(zip(COLUMNS, map(float, means)))
    return {"d_loss": figures["d_loss_real"] + figures["d_loss_fake"], **figures}
