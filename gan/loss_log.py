"""The figures of each training step, gathered on the device and read now and then."""

import numpy as np

COLUMNS = ("d_loss_real", "d_loss_fake", "g_loss", "d_real", "d_fake", "penalty")


class LossLog:
    """A ring of rows on the device, one a step: D's loss on real and on generated images, G's loss, D's mean output on both, and the
    penalty on D's slope (0 without one).

    A step writes into the row that `next_row` gives and waits for nothing; `read` fetches all rows written since.
    """

    def __init__(self, ops, length, dtype):
        self._ops = ops
        self._ring = ops.zeros((length, len(COLUMNS)), dtype)
        self._rows = [{name: self._ring[i, j : j + 1] for j, name in enumerate(COLUMNS)} for i in range(length)]
        self._used = 0
        self._sums, self._steps = np.zeros(len(COLUMNS)), 0

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
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        return named(rows.mean(axis=0)), len(rows), (int(bad[0]) if len(bad) else None)

    @property
    def is_empty(self):
        return not self._used

    def means(self):
        """The means of all rows read since `take_means`: of an epoch so far."""
        return named(self._sums / max(self._steps, 1))

    def take_means(self):
        """`means`, which begin anew: an epoch is over."""
        means = self.means()
        self._sums, self._steps = np.zeros(len(COLUMNS)), 0
        return means

    @property
    def state(self):
        """The means so far, as JSON has it; rows that are not read yet are no part of it."""
        return {"sums": self._sums.tolist(), "steps": self._steps}

    @state.setter
    def state(self, state):
        sums = np.array(state["sums"], np.float64)
        if sums.shape != self._sums.shape:
            raise ValueError(f"expected {len(self._sums)} sums of losses, got shape {sums.shape}")
        self._sums, self._steps = sums, int(state["steps"])


def named(means):
    """The columns by name, with D's loss as the sum of its two parts."""
    figures = dict(zip(COLUMNS, map(float, means)))
    return {"d_loss": figures["d_loss_real"] + figures["d_loss_fake"], **figures}
