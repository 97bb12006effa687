"""Training steps replayed as programs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import chain
from operator import is_
from typing import Any

import numpy as np

from gan.errors import CaptureWarning
from gan.latent import Latent
from gan.training.step.adversarial_step import AdversarialStep
from gan.uncopyable import Uncopyable
from nn.layers.base import Layer
from nn.layers.container import Container
from nn.ops.base import Array
from nn.underflow import quiet

WARM_UP = 20  # steps before the first recording: a recording takes as long as some hundred steps
RATE = "_learning_rate"  # attribute of an optimizer that programs read from memory
OWN = "nn.", "gan."  # modules whose classes can be recorded


class CapturedStep(Uncopyable):
    """A training step that is recorded once as a program, and then replayed.

    Steps with and without a penalty, and with and without an update of G, are programs of their
    own. After a recording, the next such step is done both ways. The program is used only if both
    give the same bytes; else, and with layers that cannot be recorded, training goes on as it was,
    with a `CaptureWarning`.

    A setting of a layer or an optimizer that changes makes the programs outdated. Steps are then
    recorded again after a warm-up that is twice as long each time, so that a setting that changes
    often costs no recordings.

    Parameters
    ----------
    step : what is recorded
    """

    def __init__(self, step: AdversarialStep) -> None:
        self.step, self.steps, self.is_possible = step, 0, True
        self.warm_up = WARM_UP
        self.programs: dict[tuple[bool, bool], Any] = {}
        self._is_verified: set[tuple[bool, bool]] = set()
        self._holders: list[dict[str, Any]] = []
        self._parts: list[Any] = []
        self._row: dict[str, Array] = {}

    @quiet
    def __call__(self, log: dict[str, Array], step_number: int = 0) -> None:
        """One step; see `AdversarialStep`."""
        self.steps += 1
        if self.programs and not all(map(is_, self._parts, self._watched())):
            self._begin_again()
        if not self.is_possible or self.steps <= self.warm_up:
            self.step(log, step_number)
            return
        self.step.begin(step_number)
        kind = self.step.has_penalty(step_number), self.step.updates_generator(step_number)
        if kind in self._is_verified:
            self.programs[kind]()
        elif kind in self.programs:
            self._verify(kind, step_number)
        else:
            self._record(kind, log, step_number)
        for name, value in log.items():
            self.step.ops.copy_(value, self._row[name])
        self.step.finish(step_number)

    def _record(self, kind: tuple[bool, bool], log: dict[str, Array], step_number: int) -> None:
        """Do a step, and record it if that is possible."""
        if not self.programs:
            self._holders = list(map(vars, self._held()))
            self._parts = list(self._watched())
        if not self._row:
            ops = self.step.ops
            self._row = {name: ops.zeros(value.shape, value.dtype) for name, value in log.items()}
        program = self.step.ops.capture(lambda: self.step.compute(self._row, step_number))
        if program is None:
            self.is_possible = False
        elif foreign := self._foreign():
            self._give_up(
                f"{foreign} is not one of the library's own; if it computes with its "
                "`ops` only, set `capturable = True` in its class"
            )
        else:
            self.programs[kind] = program

    def _verify(self, kind: tuple[bool, bool], step_number: int) -> None:
        """Do a step both ways, and compare; several processes send their gradients once."""
        before = self._state()
        expected = before

        def from_python() -> None:
            nonlocal expected
            self.step.compute(self._row, step_number)
            expected = self._state()
            self._restore(before)

        self.step.processes.twice(from_python, self.programs[kind])
        if equal(expected, self._state()):
            self._is_verified.add(kind)
            return
        self._restore(expected)
        self._give_up("a replayed step gave other results")

    def _give_up(self, reason: str) -> None:
        """Go on without programs."""
        self.is_possible = False
        self.programs.clear()
        warnings.warn(
            f"training steps are not captured: {reason}. Training is right, and slower",
            CaptureWarning,
            stacklevel=2,
        )

    def _begin_again(self) -> None:
        """Drop what is outdated; record it again after a longer warm-up."""
        self.programs.clear()
        self._is_verified.clear()
        self.steps, self.warm_up = 1, 2 * self.warm_up

    def _held(self) -> list[Any]:
        """What a recording reads: if an attribute of one of them is replaced, it is outdated."""
        step = self.step
        objects = [step, step.conditioning, step.conditioning.latent, step.recipe.objective]
        objects += [step.penalty, step.recipe.penalty]
        for network in (step.G, step.D):
            for layer in layers(network):
                inside = getattr(layer, "layer", None)  # of a SpectralNorm
                objects += [layer, inside] if isinstance(inside, Layer) else [layer]
        return [each for each in objects if hasattr(each, "__dict__")]

    def _watched(self) -> Iterator[Any]:
        """The attributes of what a recording reads; without the learning rates."""
        optimizers = self.step.g_optimizer, self.step.d_optimizer
        return chain(
            chain.from_iterable(map(dict.values, self._holders)),
            *(adam.state.values() for adam in optimizers),
            (v for adam in optimizers for name, v in vars(adam).items() if name != RATE),
        )

    def _foreign(self) -> str:
        """The first part of the step that is not known to be recordable, or ""."""
        step = self.step
        parts = [step.recipe.objective, step.recipe.penalty, step.conditioning, *self._streams()]
        for network in (step.G, step.D):
            parts += layers(network)
        for part in parts:
            kind = type(part)
            if not (f"{kind.__module__}.".startswith((*OWN, "builtins")) or _declares(kind)):
                return f"{kind.__module__}.{kind.__qualname__}"
        latent = type(step.conditioning.latent)
        return "" if latent is Latent else f"{latent.__module__}.{latent.__qualname__}"

    def _streams(self) -> list[Any]:
        """The random streams of a step."""
        networks = self.step.G, self.step.D
        of_layers = [layer.stream for network in networks for _, layer in network.modules()]
        return list({id(s): s for s in (self.step.noise_stream, *of_layers)}.values())

    def _arrays(self) -> list[Array]:
        """What a step changes."""
        step, arrays = self.step, list(self._row.values())
        for network in (step.G, step.D):
            held = network.parameters
            arrays += [held.value.flat, held.grad.flat, held.statistics.flat]
        return arrays + [
            x for adam in (step.g_optimizer, step.d_optimizer) for x in adam.state.values()
        ]

    def _state(self) -> tuple[list[np.ndarray], list[Any]]:
        """Copies of what a step changes."""
        arrays = [self.step.ops.to_host(array) for array in self._arrays()]
        return arrays, [stream.state for stream in self._streams()]

    def _restore(self, state: tuple[list[np.ndarray], list[Any]]) -> None:
        """Write a state back."""
        arrays, streams = state
        for array, copy in zip(self._arrays(), arrays):
            self.step.ops.copy_(array, self.step.ops.asarray(copy))
        for stream, held in zip(self._streams(), streams):
            stream.state = held


def layers(network: Any) -> list[Any]:
    """A network, the containers in it, and their layers."""
    inside = network.layers if isinstance(network, Container) else ()
    return [network, *(each for layer in inside for each in layers(layer))]


def equal(
    one: tuple[list[np.ndarray], list[Any]], other: tuple[list[np.ndarray], list[Any]]
) -> bool:
    """Whether two states have the same bytes."""
    return one[1] == other[1] and all(a.tobytes() == b.tobytes() for a, b in zip(one[0], other[0]))


def _declares(kind: type) -> bool:
    """Whether this very class says that it can be recorded."""
    return bool(vars(kind).get("capturable", False))
