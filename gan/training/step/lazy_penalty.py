"""A penalty on the discriminator within a training step."""

from __future__ import annotations

from typing import Any

from gan.objectives.penalties import Penalty
from gan.uncopyable import Uncopyable
from nn import Sequential
from nn.cache import Cache
from nn.ops.base import Array


class LazyPenalty(Uncopyable):
    """Adds a penalty's gradients to those of D in every `penalty.every`-th step.

    Parameters
    ----------
    penalty : a recipe's
    D : the discriminator up to its logits
    d_cache : of D's pass over real and generated images together

    Attributes
    ----------
    cache : `d_cache`, or one of its own if the penalty sends other images through D
    """

    def __init__(self, penalty: Penalty, D: Sequential, d_cache: Cache) -> None:
        self.penalty, self.D, self.cache = penalty, D, d_cache
        if penalty.own_pass:
            self.cache = D.cache(tracks_statistics=False, double_backward=True)

    def is_due(self, step_number: int) -> bool:
        """Whether a step, counted from 0, has the penalty."""
        return step_number % self.penalty.every == 0

    def add(
        self,
        step_number: int,
        *,
        real: Array,
        fake: Array,
        class_onehot: Array,
        value: Array,
        stream: Any,
    ) -> None:
        """Add the gradients in a step, counted from 0; the others are those of `Penalty.add`.

        In steps where the penalty is not due, its value is 0.
        """
        if not self.is_due(step_number):
            self.D.ops.fill_(value, 0)
            return
        self.penalty.add(
            self.D,
            self.cache,
            real=real,
            fake=fake,
            class_onehot=class_onehot,
            value=value,
            stream=stream,
        )
