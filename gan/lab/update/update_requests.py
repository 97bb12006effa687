"""What the page may ask of one step, and the answers."""

from __future__ import annotations

from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.errors import RunError
from gan.lab.answers import Answer, Handler
from gan.lab.listing import Listing
from gan.lab.messages import Message
from gan.lab.train.session import TrainingSession
from gan.lab.update.code import source_of
from gan.lab.update.experiments import gradient_curves
from gan.lab.update.formulas import LOSSES, PENALTIES
from gan.lab.update.open_step import OpenStep, Show
from gan.lab.update.pictures import figures, histogram, picture
from gan.lab.update.walk import Walk, parameter_of
from gan.lab.update.what_if_requests import WhatIfRequests
from nn.ops.base import Ops
from nn.watching import Event

BINS = 40  # of a histogram
ROWS, COLUMNS = 12, 8  # of a window of numbers


class UpdateRequests:
    """Answers the requests of the view "One update"; the parameters are those of `OpenStep`."""

    def __init__(self, listing: Listing, session: TrainingSession, ops: Ops, show: Show) -> None:
        self._step = OpenStep(listing, session, ops, show)
        self._what_if = WhatIfRequests(self._step)

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handler of each kind of message."""
        return {
            **self._step.handlers,
            "update look": self.look,
            "update numbers": self.numbers,
            "update place": self.place,
            **self._what_if.handlers,
        }

    def latest(self) -> dict[str, bytes]:
        """What a page that has just come must see."""
        return self._step.latest()

    def close(self) -> None:
        """The server ends."""
        self._step.close()

    def look(self, message: Message) -> Answer:
        """A station: its source and equations, and its arrays as pictures and histograms."""
        walk = self._step.walk_of(message)
        event = self._step.event_of(walk, message)
        sample = message.whole("sample", 0, walk.batch_size * 2 - 1)
        arrays: dict[str, np.ndarray] = {}
        described = []
        for name in walk.names(event):
            array = walk.array(event, name)
            parameter = parameter_of(event, name)
            shown = picture(array, walk.image_shape, sample, parameter is not None)
            counts, low, high = histogram(array, BINS)
            arrays |= {f"{name}.picture": shown.values(array), f"{name}.histogram": counts}
            described.append(
                {
                    "name": name,
                    "shape": list(array.shape),
                    "kind": shown.kind,
                    "shown": shown.shown,
                    "low": low,
                    "high": high,
                    "figures": figures(array),
                    "samples": len(array) if shown.kind == "channels" else 0,
                    "parameter": parameter,
                    "changeable": walk.place(event, name, 0) is not None,
                }
            )
        fields: dict[str, Any] = {
            "layer": repr(event.of) if hasattr(event.of, "parameter_shapes") else "",
            "settings": {k: v for k, v in event.settings.items() if k != "optimizer"},
            "source": source_of(event),
            "tex": tex_of(walk, event),
            "items": described,
        }
        if event.what == "step":
            fields["layer"] = repr_of_optimizer(**event.settings)
        if event.what == "generator_loss":
            arrays |= {f"curve.{name}": curve for name, curve in gradient_curves().items()}
        return Answer(fields, arrays)

    def numbers(self, message: Message) -> Answer:
        """A window of an array's numbers: rows of its first axis, all others in one."""
        walk = self._step.walk_of(message)
        array = walk.array(self._step.event_of(walk, message), message.text("array"))
        rows = array.reshape(len(array), -1) if array.ndim > 1 else array.reshape(1, -1)
        row = message.whole("row", 0, len(rows) - 1)
        column = message.whole("column", 0, rows.shape[1] - 1)
        window = rows[row : row + ROWS, column : column + COLUMNS].astype(np.float32)
        return Answer({"rows": len(rows), "columns": rows.shape[1]}, {"numbers": window})

    def place(self, message: Message) -> Answer:
        """Which entry a pixel of a picture shows."""
        walk = self._step.walk_of(message)
        event = self._step.event_of(walk, message)
        name = message.text("array")
        array = walk.array(event, name)
        sample = message.whole("sample", 0, walk.batch_size * 2 - 1)
        is_weight = parameter_of(event, name) is not None
        places = picture(array, walk.image_shape, sample, is_weight).places
        at = places[
            message.whole("y", 0, places.shape[0] - 1), message.whole("x", 0, places.shape[1] - 1)
        ]
        if at < 0:
            raise RunError("picture: expected a place in a tile, got the gap between two")
        index = [int(k) for k in np.unravel_index(at, array.shape)]
        value = float(array.reshape(-1)[at])
        place = walk.place(event, name, int(at))
        return Answer(
            {"place": int(at), "index": index, "value": value, "changeable": place is not None}
        )


def tex_of(walk: Walk, event: Event) -> list[str]:
    """The equations of what the step itself computes, a loss or a penalty."""
    losses = LOSSES.get(type(walk.recipe.objective).__name__)
    if losses and event.what in ("discriminator_loss", "generator_loss"):
        return [losses[event.what == "generator_loss"]]
    if event.what == "penalty":
        return [PENALTIES[type(walk.recipe.penalty).__name__]]
    return []


def repr_of_optimizer(optimizer: Any, learning_rate: float) -> str:
    """An optimizer and its settings as text, with the learning rate of the step."""
    names = ("beta1", "beta2", "eps", "weight_decay", "clip_norm", "clip_value")
    held = [f"learning_rate={learning_rate:g}"]
    held += [f"{name}={value:g}" for name in names if (value := getattr(optimizer, name, None))]
    return f"{type(optimizer).__name__}({', '.join(held)})"
