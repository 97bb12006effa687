"""A watched step as a walk: its stations in order, and the arrays of each."""

from __future__ import annotations

from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.errors import RunError
from gan.lab.update.chapters import chapter_of
from gan.lab.update.twin import PIXEL, Place
from gan.recipe import Recipe
from gan.training.rehearsal import Rehearsal
from gan.training.step.watching import D_UPDATE, G_UPDATE, GENERATED, PENALTY, REAL
from nn.watching import Event

TITLES = {
    "batch": "training images",
    "noise": "noise",
    "discriminator_loss": "D’s loss",
    "generator_loss": "G’s loss",
    "penalty": "the penalty’s value",
    "average": "moving average",
}
ORDER = ("x", "z", "onehot", "real", "fake", "dreal", "dfake", "dy", "v", "y", "dx", "ddy", "ddx")


class Walk:
    """What pages see of one step.

    Parameters
    ----------
    rehearsal
        The step.
    recipe
        Of the trainer.
    title
        Where the step comes from.
    number
        Of the walk, which requests name.
    """

    def __init__(self, rehearsal: Rehearsal, recipe: Recipe, title: str, number: int) -> None:
        self.rehearsal, self.recipe, self.title, self.number = rehearsal, recipe, title, number
        self.events = [e for e in rehearsal.events if "discriminator_loss" not in e.within]
        image = self.events[0].arrays["x"].shape[1:]
        flat = len(image) == 1
        self.image_shape = recipe.image_shape if flat else image
        self.batch_size = len(self.events[0].arrays["x"])

    def about(self) -> dict[str, Any]:
        """The stations, for the list on the page."""
        log, penalty = self.rehearsal.log, self.recipe.penalty
        chapters: list[dict[str, Any]] = []
        for index, event in enumerate(self.events):
            chapter = chapter_of(event)
            if not chapters or chapters[-1]["title"] != chapter.title:
                chapters.append(
                    {
                        "title": chapter.title,
                        "way": chapter.way,
                        "text": chapter.text,
                        "stage": event.within[0] if event.within else "",
                        "stations": [],
                    }
                )
            described = {"index": index, **station(event), "images": self._images(event)}
            chapters[-1]["stations"].append(described)
        return {
            "walk": self.number,
            "title": self.title,
            "step": self.rehearsal.step_number + 1,
            "recipe": self.recipe.name,
            "batch": self.batch_size,
            "image_range": list(self.recipe.image_range),
            "objective": type(self.recipe.objective).__name__,
            "every": penalty.every if penalty else 0,
            "is_penalized": any(event.what == "penalty" for event in self.events),
            "log": log,
            "chapters": chapters,
        }

    def _images(self, event: Event) -> str:
        """Which images a pass of D is over, where there are two: REAL or GENERATED; else ""."""
        scored = event if event.forward is None else self.rehearsal.events[event.forward]
        which = scored.within[1] if len(scored.within) > 1 else ""
        return which if scored.within[:1] == (D_UPDATE,) and which in (REAL, GENERATED) else ""

    def event(self, index: int) -> Event:
        """The event of a station."""
        return self.events[index]

    def names(self, event: Event) -> list[str]:
        """The names of the arrays of a station, with those that are made of two."""
        names = list(event.arrays)
        for name in event.arrays:
            if name.endswith("_before"):
                names[names.index(name)] = f"added_{name.removesuffix('_before')}"
            elif event.what == "step" and name in event.of.parameter_shapes:
                names.append(f"update_{name}")
        first = [name for name in ORDER if name in names]
        if event.what == "step":
            keys = event.of.parameter_shapes
            parts = ("{}", "d{}", "m_{}_after", "v_{}_after", "update_{}", "{}_after")
            return [part.format(key) for key in keys for part in parts if part.format(key) in names]
        return first + [name for name in names if name not in first]

    def array(self, event: Event, name: str) -> np.ndarray:
        """An array of a station by name.

        Raises
        ------
        RunError
            If there is none.
        """
        if name in event.arrays:
            return event.arrays[name]
        if name.startswith("added_") and f"{name[6:]}_before" in event.arrays:
            return event.arrays[name[6:]] - event.arrays[f"{name[6:]}_before"]
        if name.startswith("update_") and f"{name[7:]}_after" in event.arrays:
            return event.arrays[f"{name[7:]}_after"] - event.arrays[name[7:]]
        known = ", ".join(self.names(event))
        raise RunError(f"array: expected one of {known}, got {name!r:.60}; reload the page")

    def place(self, event: Event, name: str, index: int) -> Place | None:
        """What a change of this entry changes in the step; None if that cannot be changed."""
        stage = event.within[0] if event.within else ""
        if stage not in (D_UPDATE, G_UPDATE) or PENALTY in event.within:
            return None
        if name in getattr(event.of, "parameter_shapes", {}):
            return Place(stage, event.of.path, name, index)
        if parameter := parameter_of(event, name):
            return Place(stage, event.of.path, parameter, index)
        if event.what == "forward" and name == "x" and self._is_first(event):
            n = self.events[0].arrays["x"].size  # real images come first
            only_generated = len(event.within) > 1 and event.within[1] == GENERATED
            return Place(stage, event.of.path, PIXEL, index + (n if only_generated else 0))
        is_image = event.what == "backward" and name == "dy" and self._is_last_of_g(event)
        if stage == G_UPDATE and is_image:
            n = self.events[0].arrays["x"].size
            return Place(stage, event.of.path, PIXEL, index + n)
        return None

    def _is_first(self, event: Event) -> bool:
        """Whether D's images go into this layer."""
        return event.of.path == "D.0" and "D.forward" in event.within

    def _is_last_of_g(self, event: Event) -> bool:
        backward = (e for e in self.events if "G.backward" in e.within)
        return event is next(backward, None)


def station(event: Event) -> dict[str, Any]:
    """What the list says of an event."""
    layer: Any = event.of if hasattr(event.of, "parameter_shapes") else None
    marks = []
    if (
        event.what == "backward"
        and event.settings.get("grads") == "skip"
        and layer.parameter_shapes
    ):
        marks.append("frozen")
    if event.what == "backward" and not event.settings.get("need_dx", True):
        marks.append("no ∂L/∂x")
    if event.settings.get("grads") == "add" and layer.parameter_shapes:
        marks.append("adds")
    if event.what == "forward" and "mask" in event.arrays:
        marks.append("mask")
    if event.what == "forward" and "mean" in event.arrays and "running_mean" in event.arrays:
        marks.append("batch statistics")
    shapes = [event.arrays[name].shape for name in ("x", "z", "dy", "v") if name in event.arrays]
    made = [event.arrays[name].shape for name in ("y", "dx", "ddy") if name in event.arrays]
    letter = "D" if PENALTY in event.within and event.what == "backward" else "L"
    return {
        "what": event.what,
        "of": letter,  # what dy and dx are the gradients of
        "title": f"{event.of.path} {type(layer).__name__}" if layer else TITLES[event.what],
        "marks": marks,
        "from": list(shapes[0]) if shapes else None,
        "to": list(made[0]) if made else None,
    }


def parameter_of(event: Event, name: str) -> str | None:
    """The parameter that an array belongs to: W for W, dW, added_dW and m_W; None if to none."""
    for key in getattr(event.of, "parameter_shapes", {}):
        bare = name.removeprefix("added_").removeprefix("update_")
        bare = bare.removesuffix("_after").removesuffix("_before")
        if bare in (key, f"d{key}", f"m_{key}", f"v_{key}"):
            return key
    return None
