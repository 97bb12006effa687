"""The same step once more, in float64: what a change of one number does to the losses.

The networks are made again in float64, with the weights, noise, dropout masks and images that were
recorded. Then float64's rounding, not float32's, limits how small a change can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.objectives.objectives import Objective
from gan.recipe import Recipe
from gan.training.rehearsal import Rehearsal
from gan.training.step.adversarial_step import AdversarialStep
from gan.training.step.watching import D_UPDATE, G_UPDATE, PENALTY
from nn.cache import Cache
from nn.ops.base import Array
from nn.watching import Event

SMALL = 1e-5  # half the distance of the two points of the difference quotient
PIXEL = "pixel"  # stands for a parameter's name, for the images that D sees


@dataclass(frozen=True)
class Place:
    """A number that can be changed.

    Parameters
    ----------
    stage
        D_UPDATE or G_UPDATE, whose loss is looked at.
    path
        Of the layer: "G.0".
    name
        Of its parameter, or PIXEL: of the images that D is given, real before generated.
    index
        In the flat array.
    """

    stage: str
    path: str
    name: str
    index: int


class _Recorded:
    """A stream that returns what was drawn before."""

    def __init__(self, masks: Sequence[np.ndarray]) -> None:
        self._masks = iter(masks)

    def dropout_mask_(self, out: Array, p: float) -> Array:
        out[...] = next(self._masks)
        return out


class Twin:
    """A recorded step in float64.

    Parameters
    ----------
    recipe
        Of the trainer, with the batch size of the step.
    rehearsal
        The step.

    Attributes
    ----------
    rehearsal
        The step.
    has_penalty
        Whether D's loss includes the penalty. One that draws points of its own is left out.
    """

    def __init__(self, recipe: Recipe, rehearsal: Rehearsal) -> None:
        events = rehearsal.events
        if recipe.penalty is not None and recipe.penalty.own_pass:
            recipe = replace(recipe, penalty=None)
        G, D = (
            network.build(seed=0, device="numpy", dtype="float64", name=name)
            for name, network in (("G", recipe.generator()), ("D", recipe.discriminator()))
        )
        self.rehearsal = rehearsal
        self._networks = {"G": G, "D": D}
        self.step = AdversarialStep(G, D, recipe, None)
        self.has_penalty = self.step.has_penalty(rehearsal.step_number)
        self._number, self._fresh = rehearsal.step_number, recipe.fresh_noise
        self._layers = {module.path: module for net in (G, D) for _, module in net.modules()}
        self._events = {
            stage: [e for e in events if e.within[:1] == (stage,)] for stage in (D_UPDATE, G_UPDATE)
        }
        self._batch = events[0].arrays
        self._log: dict[str, Any] = {name: np.zeros(1) for name in rehearsal.log}
        self._pixel: tuple[int, float] | None = None
        self._shift, self._before = 0.0, dict[str, float]()
        for optimizer in (self.step.d_optimizer, self.step.g_optimizer):
            vars(optimizer)["step"] = lambda: None  # the gradients are looked at, and no more
        vars(self.step)["generate"] = self._generate
        self._score = self.step.score
        vars(self.step)["score"] = self._shifted_score
        self._stage = D_UPDATE

    def loss(self, place: Place | None = None, change: float = 0.0, *, stage: str = "") -> float:
        """The loss of a stage, with one number changed; the gradients are then in the networks.

        D's is that of D's update with the penalty, G's that of G's update.
        """
        self._stage = stage or (place.stage if place else G_UPDATE)
        self._load()
        self._pixel = None
        if place and place.name == PIXEL:
            self._pixel = place.index, change
        elif place:
            getattr(self._layers[place.path], place.name).reshape(-1)[place.index] += change
        if self._stage == D_UPDATE:
            self.step.update_discriminator(self._log, self._number)
            names = ["d_loss_real", "d_loss_fake"] + ["penalty"] * self.has_penalty
            return float(sum(self._log[name][0] for name in names))
        if not self._fresh:
            self._generate(self.step.g_cache)
        self.step.update_generator(self._log)
        return float(self._log["g_loss"][0])

    def loss_before(self, stage: str) -> float:
        """The loss of a stage with nothing changed."""
        if stage not in self._before:
            self._before[stage] = self.loss(stage=stage)
        return self._before[stage]

    def slope(self, place: Place) -> float:
        """The difference quotient of the loss around the number as it is."""
        above, below = self.loss(place, SMALL), self.loss(place, -SMALL)
        return (above - below) / (2 * SMALL)

    def gradient(self, place: Place) -> float:
        """The entry of a parameter's gradient, by the same backward pass in float64."""
        self.loss(stage=place.stage)
        return float(getattr(self._layers[place.path], f"d{place.name}").reshape(-1)[place.index])

    def gradients(self, objective: Objective, shift: float) -> tuple[np.ndarray, float]:
        """What G's loss gives G if D's logits of generated images were shifted.

        Returns
        -------
        dlogits : (N, 1), the gradient at the logits
        norm : of the gradients of all of G's parameters
        """
        recipe = self.step.recipe
        self.step.recipe, self._shift = replace(recipe, objective=objective), shift
        try:
            self.loss(stage=G_UPDATE)
        finally:
            self.step.recipe, self._shift = recipe, 0.0
        grad = np.asarray(self._networks["G"].parameters.grad.flat)
        norm = float(np.linalg.norm(grad))
        return self._dlogits, norm

    # ---- the recorded step

    def _load(self) -> None:
        """Write what was recorded into the networks and the batch."""
        stage = self._stage
        for (path, name), value in self.weights(stage).items():
            getattr(self._layers[path], name)[...] = value
        self.step.real[...] = self._batch["x"]
        if "onehot" in self._batch:
            self.step.conditioning.labels[...] = self._batch["onehot"]  # type: ignore[index]
        self.step.conditioning.begin_step()
        masks = self._masks("G", stage if self._fresh else D_UPDATE) | self._masks("D", stage)
        for path, drawn in masks.items():
            self._layers[path].stream = _Recorded(drawn)

    def weights(self, stage: str) -> Mapping[tuple[str, str], np.ndarray]:
        """The parameters of both networks in a stage by path and name: D is updated before G's."""
        found = {}
        for event in self._events[D_UPDATE]:
            if event.what == "step":
                after = "_after" if stage == G_UPDATE else ""
                for name in event.of.parameter_shapes:
                    found[event.of.path, name] = event.arrays[name + after]
            elif event.what == "forward" and "G.forward" in event.within:
                for name in event.of.parameter_shapes:
                    found[event.of.path, name] = event.arrays[name]
        return found

    def _masks(self, network: str, stage: str) -> dict[str, list[np.ndarray]]:
        """The dropout masks of a network's passes in a stage, by layer, in order."""
        found: dict[str, list[np.ndarray]] = {}
        for event in self._events[stage]:
            passes = f"{network}.forward" in event.within and PENALTY not in event.within
            if passes and "mask" in event.arrays:
                found.setdefault(event.of.path, []).append(event.arrays["mask"])
        return found

    def _inputs(self, stage: str) -> np.ndarray:
        """What went into G."""
        noise = (e for e in self._events[stage if self._fresh else D_UPDATE] if e.what == "noise")
        return next(noise).arrays["z"].astype(np.float64)

    def _generate(self, cache: Cache) -> None:
        """Stands for the step's `generate`: the images of the recorded noise."""
        images = self.step.G.forward(self._inputs(self._stage), cache, train=True)
        if images is not self.step.fake:
            self.step.fake[...] = images
        if self._pixel:
            index, change = self._pixel
            self.step.images.reshape(-1)[index] += change

    def _shifted_score(self, rows: slice, cache: Cache) -> Array:
        """Stands for the step's `score`."""
        logits = self._score(rows, cache)
        if not self._shift or rows != self.step.fake_half:
            return logits
        return np.asarray(logits) + self._shift

    @property
    def _dlogits(self) -> np.ndarray:
        return np.array(self.step.dlogits[self.step.fake_half])


def recorded_gradient(events: Sequence[Event], place: Place, has_penalty: bool) -> float | None:
    """The entry of the gradient that the step computed; None if it computed none.

    Parameters
    ----------
    events
        Of the step.
    place
        Where.
    has_penalty
        Whether the penalty's part belongs to it.
    """
    held = [event for event in events if event.within[:1] == (place.stage,)]
    if place.name == PIXEL:
        backward = [e for e in held if e.what == "backward" and "G.backward" in e.within]
        if place.stage == D_UPDATE or not backward:
            return None
        dfake = backward[0].arrays["dy"]
        k = place.index - dfake.size  # real images come first
        return float(dfake.reshape(-1)[k]) if k >= 0 else 0.0
    name = f"d{place.name}"
    parts = [
        event
        for event in held
        if event.what in ("backward", "double_backward")
        and event.of.path == place.path
        and name in event.arrays
        and (has_penalty or PENALTY not in event.within)
    ]
    return float(parts[-1].arrays[name].reshape(-1)[place.index]) if parts else None
