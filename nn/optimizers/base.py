"""What all optimizers share: the step count, the learning rate, clipping and the state.

The step count and the learning rate are on the device, with the rest of the state, so that a step
never waits for the host. A copy of an optimizer steps a copy of the network; copy both together:
``copy.deepcopy((net, optimizer))``.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nn.errors import ShapeError
from nn.layers.base import Layer
from nn.ops.base import Array
from nn.settings import real


class Optimizer:
    """What all optimizers share.

    Clipping changes the gradients in place, by value first, then by norm.

    Parameters
    ----------
    network : Layer
        What is stepped: a built network, a layer of it, or a slice of it.
    learning_rate : float above 0
    slots : list of str
        Names of the state arrays that are as large as the parameters.
    clip_norm : float above 0, optional
        Gradients g are scaled by min(1, clip_norm / (|g| + 1e-6)), where |g| is the norm of all of
        them together.
    clip_value : float above 0, optional
        Each gradient is limited to [-clip_value, clip_value].

    Attributes
    ----------
    state : dict of str to Array
        The arrays that a checkpoint must hold.
    grad_norm : Array or None
        (1,), on the device: |g| in the last step, before it was scaled by `clip_norm`, or without
        one before it was limited by `clip_value`. None without both.

    Raises
    ------
    ShapeError
        For a setting out of its range; in `step`, if the network was built again for another device
        or dtype.
    """

    def __init__(
        self,
        network: Layer,
        learning_rate: float,
        slots: list[str],
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        if network.parameters is None:
            raise ShapeError(
                f"{type(self).__name__}: expected a built network; call .build(seed=...) first"
            )
        self.network, self._ops = network, network.ops
        self._parameters = network.parameters
        self._modules = [module for _, module in network.modules()]
        # "clock" is the name that checkpoints store
        self.state: dict[str, Array] = {"clock": self._ops.zeros((2,), "float64")}
        for slot in slots:
            self.state[slot] = self._ops.zeros(self._parameters.value.flat.shape, network.dtype)
        self.learning_rate = self._real("learning_rate", learning_rate, "above 0")
        self.clip_norm = self._limit("clip_norm", clip_norm)
        self.clip_value = self._limit("clip_value", clip_value)
        self.grad_norm: Array | None = None
        self._has_norm()

    def step(self) -> None:
        """Update the parameters, in place, from their gradients."""
        raise TypeError(f"{type(self).__name__} does not define step()")

    @property
    def step_state(self) -> Array:
        """(step count, learning rate) on the device: float64, shape (2,)."""
        return self.state["clock"]

    @property
    def step_count(self) -> int:
        """The number of steps taken; reading it waits for the device."""
        return int(self._ops.to_host(self.step_state)[0])

    @property
    def learning_rate(self) -> float:
        """The learning rate; may be set at any time, also to 0."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._learning_rate = self._real("learning_rate", rate, "of at least 0")
        self._ops.fill_(self.step_state[1:], self._learning_rate)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of `state` on the host: the moments, and the step count and learning rate."""
        return {name: self._ops.to_host(array) for name, array in self.state.items()}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from the `state_dict` of such an optimizer of such a network.

        Settings other than the learning rate remain those of this optimizer.

        Raises
        ------
        ShapeError
            If an array is missing, is unknown, or has another shape or dtype.
        """
        got = {name: (array.shape, np.dtype(array.dtype)) for name, array in state.items()}
        want = {name: (array.shape, np.dtype(array.dtype)) for name, array in self.state.items()}
        if got != want:
            name = next(name for name in [*want, *got] if got.get(name) != want.get(name))
            raise ShapeError(
                f"{type(self).__name__}: expected the state_dict of the same kind of optimizer and "
                f"network, with {_described(want, name)}, got {_described(got, name)}"
            )
        for name, array in self.state.items():
            self._ops.copy_(array, self._ops.asarray(state[name]))
        self.learning_rate = float(state["clock"][1])

    def _value_and_grad(self) -> tuple[Array, Array]:
        """The parameters to step, and their gradients, clipped."""
        whole = self._parameters.whole
        if not all(module.parameters.whole is whole for module in self._modules):
            raise ShapeError(
                f"{type(self).__name__}: expected the network it was made for, which has since "
                "been built again for another device or dtype; make a new optimizer"
            )
        grad = self._parameters.grad.flat
        if self._has_norm() and self.clip_norm is None:
            self._ops.clip_norm_(grad, math.inf, norm=self.grad_norm)  # measures it, no more
        if self.clip_value is not None:
            self._ops.clip_value_(grad, self.clip_value)
        if self.clip_norm is not None:
            self._ops.clip_norm_(grad, self.clip_norm, norm=self.grad_norm)
        return self._parameters.value.flat, grad

    def _has_norm(self) -> bool:
        """Whether gradients are clipped; their norm then has memory, also if that was set later."""
        clips = self.clip_norm is not None or self.clip_value is not None
        if clips and self.grad_norm is None:
            self.grad_norm = self._ops.zeros((1,), self.network.dtype)
        return clips

    def _real(self, name: str, value: Any, what: str) -> float:
        """A setting as a float in one of these ranges."""
        return real(type(self).__name__, name, value, what, RANGES[what])

    def _limit(self, name: str, value: Any) -> float | None:
        """A limit as a float above 0, or None."""
        return None if value is None else self._real(name, value, "above 0")

    def __getstate__(self) -> dict[str, Any]:
        norm = None if self.grad_norm is None else self._ops.to_host(self.grad_norm)
        return vars(self) | {"state": self.state_dict(), "grad_norm": norm}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.state = {name: self._ops.asarray(array) for name, array in self.state.items()}
        if self.grad_norm is not None:
            self.grad_norm = self._ops.asarray(self.grad_norm)


RANGES = {
    "above 0": lambda number: number > 0,
    "of at least 0": lambda number: number >= 0,
    "in [0, 1)": lambda number: 0 <= number < 1,
}


def _described(arrays: Mapping[str, tuple[tuple[int, ...], np.dtype]], name: str) -> str:
    """An array of a state by name, dtype and shape."""
    if name not in arrays:
        return f"no {name!r}"
    shape, dtype = arrays[name]
    return f"{name!r} of {dtype} {shape}"
