"""What the page may ask of one step, and the answers."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.errors import RunError
from gan.lab.answers import Answer, Handler
from gan.lab.listing import Listing
from gan.lab.messages import Message, encode
from gan.lab.train.session import TrainingSession
from gan.lab.train.starting import DATASETS
from gan.lab.update.code import source_of
from gan.lab.update.experiments import certainty, d_alone, gradient_curves
from gan.lab.update.formulas import LOSSES, PENALTIES
from gan.lab.update.opening import new_trainer, trainer_of_run
from gan.lab.update.pictures import figures, histogram, picture
from gan.lab.update.twin import PIXEL, Twin, recorded_gradient
from gan.lab.update.walk import Walk, parameter_of
from gan.recipe import DIGITS
from gan.recipes import recipes_for
from gan.runs.checkpoint import NAME
from gan.training.rehearsal import rehearse
from gan.training.step.watching import G_UPDATE
from gan.training.trainer import Trainer
from nn.ops.base import Ops
from nn.watching import Event

MOST_BYTES = 2**30  # of the arrays of a step
MOST_BATCH, MOST_SEED, MOST_INDEX = 256, 2**31, 2**31
BINS = 40  # of a histogram
ROWS, COLUMNS = 12, 8  # of a window of numbers
MOST_CHANGE, MOST_SHIFT = 100.0, 40.0
MOST_STEPS = 500  # with which a recipe is trained before its step is opened

Show = Callable[[str, bytes], object]


class UpdateRequests:
    """Answers the requests of the view "One update".

    One step is open at a time, for all pages; a page that opens another closes it.

    Parameters
    ----------
    listing
        The runs that may be opened.
    session
        The run of this lab.
    ops
        The backend.
    show
        Called as show(name, message) with what all pages should see.
    """

    def __init__(self, listing: Listing, session: TrainingSession, ops: Ops, show: Show) -> None:
        self._listing, self._session, self._ops, self._show = listing, session, ops, show
        self._numbers = itertools.count(1)
        self._walk: Walk | None = None
        self._twin: Twin | None = None
        self._opening, self._twin_lock = threading.Lock(), threading.Lock()

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handler of each kind of message."""
        return {
            "update sources": self.sources,
            "update open": self.open,
            "update look": self.look,
            "update numbers": self.numbers,
            "update place": self.place,
            "update change": self.change,
            "update certain": self.certain,
            "update penalty": self.penalty,
        }

    def latest(self) -> dict[str, bytes]:
        """What a page that has just come must see."""
        walk = self._walk
        return {} if walk is None else {"update": encode("update", walk.about(), {})}

    # ---- opening

    def sources(self, message: Message) -> Answer:
        """What a step can be taken of."""
        runs = [name for name, folder in self._listing.runs().items() if (folder / NAME).is_file()]
        state = self._session.about()
        trainer = self._session.started.trainer if self._session.started else None
        return Answer(
            {
                "session": {**state, "step": trainer.step_count if trainer else None},
                "runs": runs,
                "recipes": list(recipes_for(DIGITS)),
                "datasets": list(DATASETS),
            }
        )

    def open(self, message: Message) -> Answer:
        """Watch a step, and show it to all pages."""
        kind = message.one_of("source", ("session", "run", "recipe"))
        if not self._opening.acquire(blocking=False):
            raise RunError("step: expected one to be opened at a time; wait for the other")
        try:
            self._walk = self._twin = None  # its memory is needed
            if kind == "session":
                self._session.while_paused(lambda trainer: self._take(trainer, "this lab’s run"))
            elif kind == "run":
                name = message.text("run", 1000)
                self._take(trainer_of_run(self._listing.run(name), self._ops), name)
            else:
                self._take(*self._of_recipe(message))
        finally:
            self._opening.release()
        self._show("update", self.latest()["update"])
        return Answer({"walk": self._the_walk.number})

    def _of_recipe(self, message: Message) -> tuple[Trainer, str]:
        recipe = message.one_of("recipe", list(recipes_for(DIGITS)))
        dataset = message.one_of("dataset", DATASETS)
        batch = message.whole("batch_size", 2, MOST_BATCH)
        steps, seed = message.whole("steps", 0, MOST_STEPS), message.whole("seed", 0, MOST_SEED)
        trainer = new_trainer(recipe, dataset, batch, seed, self._ops)
        for _ in range(steps):
            trainer.step()
        after = f" after {steps} steps" if steps else ", untrained"
        return trainer, f"{recipe}{after}, on {dataset}"

    def _take(self, trainer: Trainer, title: str) -> None:
        rehearsal = rehearse(trainer, max_bytes=MOST_BYTES)
        self._walk = Walk(rehearsal, trainer.recipe, title, next(self._numbers))

    # ---- looking

    def look(self, message: Message) -> Answer:
        """A station: its source and equations, and its arrays as pictures and histograms."""
        walk = self._named_walk(message)
        event = self._event(walk, message)
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
        walk = self._named_walk(message)
        array = walk.array(self._event(walk, message), message.text("array"))
        rows = array.reshape(len(array), -1) if array.ndim > 1 else array.reshape(1, -1)
        row = message.whole("row", 0, len(rows) - 1)
        column = message.whole("column", 0, rows.shape[1] - 1)
        window = rows[row : row + ROWS, column : column + COLUMNS].astype(np.float32)
        return Answer({"rows": len(rows), "columns": rows.shape[1]}, {"numbers": window})

    def place(self, message: Message) -> Answer:
        """Which entry a pixel of a picture shows."""
        walk = self._named_walk(message)
        event = self._event(walk, message)
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

    # ---- what if

    def change(self, message: Message) -> Answer:
        """What a change of one number does to the loss, beside what the gradient said."""
        walk = self._named_walk(message)
        event = self._event(walk, message)
        name = message.text("array")
        index = message.whole("place", 0, walk.array(event, name).size - 1)
        by = message.number("by", -MOST_CHANGE, MOST_CHANGE)
        if by == 0:
            raise RunError("change: expected a change other than 0")
        if (place := walk.place(event, name, index)) is None:
            raise RunError(f"{name}: expected a parameter, or a pixel of an image that D sees")
        with self._twin_lock:
            twin = self._the_twin(walk)
            before, after = twin.loss_before(place.stage), twin.loss(place, by)
            slope = twin.slope(place)
            said = recorded_gradient(walk.rehearsal.events, place, twin.has_penalty)
            has_double = said is not None and place.name != PIXEL
            double = twin.gradient(place) if has_double else None
        return Answer(
            {
                "stage": place.stage,
                "what": place.name,
                "before": before,
                "after": after,
                "quotient": (after - before) / by,
                "slope": slope,
                "gradient": said,
                "double": double,
                "penalty": twin.has_penalty,
            }
        )

    def certain(self, message: Message) -> Answer:
        """What G is given if D were surer that its images are generated."""
        walk = self._named_walk(message)
        if not any(event.within[:1] == (G_UPDATE,) for event in walk.events):
            raise RunError("step: expected one that updates G, got one of D alone; open the next")
        shift = message.number("shift", -MOST_SHIFT, MOST_SHIFT)
        with self._twin_lock:
            return Answer({"objectives": certainty(self._the_twin(walk), shift)})

    def penalty(self, message: Message) -> Answer:
        """D alone, with and without a penalty, from this step on."""
        walk = self._named_walk(message)
        with self._twin_lock:
            return Answer(d_alone(walk.recipe, walk.rehearsal, self._ops))

    # ---- what a message names

    @property
    def _the_walk(self) -> Walk:
        if (walk := self._walk) is None:
            raise RunError("step: expected one that is open, got none; open one")
        return walk

    def _named_walk(self, message: Message) -> Walk:
        walk, number = self._the_walk, message.whole("walk", 0, MOST_INDEX)
        if number != walk.number:
            raise RunError("step: expected the one that is open, got an earlier one; look again")
        return walk

    def _event(self, walk: Walk, message: Message) -> Event:
        return walk.event(message.whole("index", 0, len(walk.events) - 1))

    def _the_twin(self, walk: Walk) -> Twin:
        """The walk's twin; made at the first question."""
        if self._twin is None or self._twin.rehearsal is not walk.rehearsal:
            self._twin = Twin(walk.recipe, walk.rehearsal)
        return self._twin


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
