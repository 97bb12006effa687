"""The losses of each step, collected on the device and read every few steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from gan.training.recording.loss_means import COLUMNS, LossMeans, named
from gan.uncopyable import Uncopyable
from nn.ops.base import Array
from nn.processes.single import SINGLE, Processes


class LossLog(Uncopyable):
    """Rows on the device, one per step, that are reused after each read.

    A step writes into the row that `next_row` returns without waiting for the device; `read`
    fetches all rows written since the last read.

    Parameters
    ----------
    ops, dtype : of the networks
    length : number of rows; a full log must be read before the next row
    columns : of a row, as in `LossMeans`
    processes : those that train together; rows are means over them

    Attributes
    ----------
    epoch, record : means of the rows read in the current epoch, and since the last record
    """

    def __init__(
        self,
        ops: Any,
        length: int,
        dtype: Any,
        columns: tuple[str, ...] = COLUMNS,
        processes: Processes = SINGLE,
    ) -> None:
        self._ops, self._columns, self._processes = ops, columns, processes
        self.ring = ops.zeros((length, len(columns)), dtype)
        self._rows = [
            {name: self.ring[i, j : j + 1] for j, name in enumerate(columns)} for i in range(length)
        ]
        self._used = 0
        self.epoch, self.record = LossMeans(columns), LossMeans(columns)

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
        self._processes.allreduce_mean_(rows, self._ops)
        self._used = 0
        for means in (self.epoch, self.record):
            means.add(rows)
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        first_bad = int(bad[0]) if len(bad) else None
        return named(rows.mean(axis=0), self._columns), len(rows), first_bad

    def state_dict(self) -> dict[str, Any]:
        """The sums behind the means, ready for JSON; they exclude rows that are not read yet."""
        return {**self.epoch.state_dict(), "record": self.record.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the sums of another log; `ValueError` if they are not such sums.

        A log of version 0.1 has no sums for a record; those of its epoch take their place.
        """
        self.epoch.load_state_dict(state)
        self.record.load_state_dict(state.get("record", state))
