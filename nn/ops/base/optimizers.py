"""The contract of optimizer steps and of gradient clipping."""

from __future__ import annotations

from typing import Protocol, TypeVar

Taken = TypeVar("Taken", contravariant=True)  # arrays that are passed in and never returned


class OptimizerOps(Protocol[Taken]):
    """One step of an optimizer, and the clipping of gradients.

    Arrays are flat vectors of one size. `grad` is read, all others are updated. `step_and_rate` is
    (2,), float64, on the device: the step count t, which the call increments first, and the
    learning rate lr. In SGD and RMSProp, g = grad + weight_decay value.
    """

    def sgd_step_(
        self,
        value: Taken,
        grad: Taken,
        velocity: Taken,
        step_and_rate: Taken,
        momentum: float,
        nesterov: bool,
        weight_decay: float,
    ) -> None:
        """velocity = momentum velocity + g.

        value -= lr velocity; with `nesterov`, value -= lr (g + momentum velocity).
        """

    def rmsprop_step_(
        self,
        value: Taken,
        grad: Taken,
        square: Taken,
        step_and_rate: Taken,
        decay: float,
        eps: float,
        weight_decay: float,
    ) -> None:
        """square = decay square + (1 - decay) g^2.

        value -= lr g / (sqrt(square) + eps).
        """

    def adam_step_(
        self,
        value: Taken,
        grad: Taken,
        m: Taken,
        v: Taken,
        step_and_rate: Taken,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
    ) -> None:
        """One step of Adam with decoupled weight decay.

        value *= 1 - lr weight_decay
        m = beta1 m + grad
        v = beta2 v + (1 - beta2) grad^2
        value -= lr (1 - beta1) / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)

        m is stored without Adam's factor (1 - beta1).

        References
        ----------
        Kingma & Ba 2015, "Adam: a method for stochastic optimization".
        Loshchilov & Hutter 2019, "Decoupled weight decay regularization".
        """

    def clip_norm_(self, x: Taken, max_norm: float, *, norm: Taken) -> None:
        """norm = sqrt(sum x^2), summed in double precision; x *= min(1, max_norm / (norm + 1e-6)).

        x is not written where the factor is 1. An infinite or NaN norm makes x NaN somewhere.

        Parameters
        ----------
        x : Taken
            (n,).
        max_norm : float
            Above 0; if it is infinite, x is never written.
        norm : Taken
            (1,), the norm before the scaling.
        """

    def clip_value_(self, x: Taken, limit: float) -> None:
        """x = min(max(x, -limit), limit); NaN stays NaN."""
