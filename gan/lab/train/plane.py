"""What pages see of a run on points: G's points, D's output all over the plane, and gradients."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.data.points.point_set import PointBatches
from gan.lab.messages import encode
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn.ops.base import Array

EVERY = 1 / 24  # seconds from one picture to the next, at least
SIDE = 40  # squares of D's map in a row
MOST_POINTS = 256  # of G
MOST_DATA = 1500

Show = Callable[[str, bytes], object]


class PlaneCallback(Callback):
    """Shows the plane of a run on points after a step, at most every EVERY seconds.

    The message "plane" has, of the networks as they are after that step,

    - `made`, float32 (n, 2): points of G, in [0, 1], from noise that never changes
    - `pull`, float32 (n, 2): -dL_G/dx of each of these points' own loss, in the same unit; the way
      in which the point would lower G's loss. It is n times what `D.backward` returns, since the
      loss is a mean.
    - `logits`, float32 (SIDE, SIDE): D at the middles of squares, the lowest row first
    - `d_made`, the mean of sigmoid(D(G(z)))

    and the message "data", some of the points that the run trains on.

    Parameters
    ----------
    show
        Called as show(name, message) from the trainer's thread.
    """

    def __init__(self, show: Show) -> None:
        self._show, self._due = show, -inf
        self.latest: dict[str, bytes] = {}

    def on_start(self, trainer: Trainer) -> None:
        assert isinstance(trainer.batches, PointBatches)
        self._send("data", {}, {"data": trainer.batches.unit[:MOST_DATA]})
        self._look(trainer)

    def on_step(self, trainer: Trainer) -> None:
        if time.monotonic() >= self._due:
            self._look(trainer)

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        if trainer.record_due:  # it may be the last step, or the last before a pause
            self._look(trainer)

    def _look(self, trainer: Trainer) -> None:
        """Show the plane."""
        self._due = time.monotonic() + EVERY
        ops = trainer.ops
        low, high = trainer.recipe.image_range
        with np.errstate(all="ignore"):  # networks that diverge are shown, too
            x = trainer.generator(trainer.fixed_inputs[:MOST_POINTS])
            made = (ops.to_host(x).reshape(-1, 2) - low) / (high - low)
            logits, slope = generator_gradient(trainer, x)
            whole = trainer.adversarial_step.D(
                ops.asarray(low + (high - low) * squares(made.dtype))
            )
            fields = {
                "step": trainer.step_count,
                "d_made": float((1 / (1 + np.exp(-logits.astype(np.float64)))).mean()),
                "slope": float(np.linalg.norm(slope, axis=1).mean()),
            }
            arrays = {
                "made": made,
                "pull": -slope / (high - low),
                "logits": ops.to_host(whole).reshape(SIDE, SIDE),
            }
        self._send("plane", fields, {k: v.astype(np.float32) for k, v in arrays.items()})

    def _send(self, name: str, fields: dict[str, float], arrays: dict[str, np.ndarray]) -> None:
        self.latest[name] = message = encode(name, fields, arrays)
        self._show(name, message)


def squares(dtype: np.dtype) -> np.ndarray:
    """The middles of SIDE x SIDE squares in [0, 1]: (SIDE * SIDE, 2), the lowest row first."""
    middles = (np.arange(SIDE) + 0.5) / SIDE
    x, y = np.meshgrid(middles, middles)
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(dtype)


def generator_gradient(trainer: Trainer, x: Array) -> tuple[np.ndarray, np.ndarray]:
    """D's logits of generated points, and the gradient of each point's own loss for G.

    Parameters
    ----------
    trainer
        Its D is frozen, and its objective is used. One of pairs takes points of the data in turn.
    x
        (N, 2), as G makes them, on the device.

    Returns
    -------
    logits : float (N,)
    slope : float (N, 2), N dL_G/dx
    """
    ops, D, objective = trainer.ops, trainer.adversarial_step.D, trainer.recipe.objective
    cache = D.cache(tracks_statistics=False)
    logits = D.forward(x, cache, train=False)
    out = {"dy": ops.empty(logits.shape, x.dtype), "value": ops.empty((1,), x.dtype)}
    if objective.pairs:
        data = np.resize(ops.to_host(trainer.batches.images), (len(x), 2))
        out["real"] = D(ops.asarray(data.astype(x.dtype)))
    host_logits = ops.to_host(logits).ravel().copy()
    _, dlogits = objective.generator(logits, cache, **out)
    dx = D.backward(dlogits, cache, grads="skip")  # D is frozen
    return host_logits, len(x) * ops.to_host(dx).reshape(-1, 2)
