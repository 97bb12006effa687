"""The step that is open: where it comes from, and what messages name of it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gan.errors import RunError
from gan.lab.answers import Answer, Handler
from gan.lab.listing import Listing
from gan.lab.messages import Message, encode
from gan.lab.train.session import TrainingSession
from gan.lab.update.opening import DATASETS, new_trainer, trainer_of_run
from gan.lab.update.twin import Twin
from gan.lab.update.walk import Walk
from gan.recipe import DIGITS
from gan.recipes import recipes_for
from gan.runs.checkpoint import NAME
from gan.training.rehearsal import rehearse
from gan.training.trainer import Trainer
from nn.ops.base import Ops
from nn.watching import Event

MOST_BYTES = 2**30  # of the arrays of a step
MOST_BATCH, MOST_SEED, MOST_NUMBER = 256, 2**31, 2**31
MOST_STEPS = 500  # with which a recipe is trained before its step is opened

Show = Callable[[str, bytes], object]


class OpenStep:
    """One step is open at a time, for all pages; a page that opens another closes it.

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
        self._listing, self._session, self.ops, self._show = listing, session, ops, show
        self._numbers = itertools.count(1)
        self._walk: Walk | None = None
        self._twin: Twin | None = None
        self._opening, self._twin_lock = threading.Lock(), threading.Lock()
        self._closed = threading.Event()

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handler of each kind of message."""
        return {"update sources": self.sources, "update open": self.open}

    def latest(self) -> dict[str, bytes]:
        """What a page that has just come must see."""
        walk = self._walk
        return {} if walk is None else {"update": encode("update", walk.about(), {})}

    def close(self) -> None:
        """The server ends: it waits for no long training before a step."""
        self._closed.set()

    def sources(self, message: Message) -> Answer:
        """What a step can be taken of."""
        runs = [name for name, folder in self._listing.runs().items() if (folder / NAME).is_file()]
        state = self._session.about()
        started = self._session.started  # another run may begin meanwhile
        return Answer(
            {
                "session": {**state, "step": started.trainer.step_count if started else None},
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
                self._take(trainer_of_run(self._listing.run(name), self.ops), name)
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
        trainer = new_trainer(recipe, dataset, batch, seed, self.ops)
        for _ in range(steps):
            if self._closed.is_set():
                raise RunError("step: expected a lab that goes on, got one that ends; start it")
            trainer.step()
        after = f" after {steps} steps" if steps else ", untrained"
        return trainer, f"{recipe}{after}, on {dataset}"

    def _take(self, trainer: Trainer, title: str) -> None:
        rehearsal = rehearse(trainer, max_bytes=MOST_BYTES)
        self._walk = Walk(rehearsal, trainer.recipe, title, next(self._numbers))

    # ---- what a message names

    @property
    def _the_walk(self) -> Walk:
        if (walk := self._walk) is None:
            raise RunError("step: expected one that is open, got none; open one")
        return walk

    def walk_of(self, message: Message) -> Walk:
        """The open walk; `RunError` unless the message names it."""
        walk, number = self._the_walk, message.whole("walk", 0, MOST_NUMBER)
        if number != walk.number:
            raise RunError("step: expected the one that is open, got an earlier one; look again")
        return walk

    def event_of(self, walk: Walk, message: Message) -> Event:
        """The event of the station that a message names."""
        return walk.event(message.whole("index", 0, len(walk.events) - 1))

    @contextmanager
    def twin_of(self, walk: Walk) -> Iterator[Twin]:
        """The walk's twin, for one thread at a time; made at the first question."""
        with self._twin_lock:
            if self._twin is None or self._twin.rehearsal is not walk.rehearsal:
                self._twin = Twin(walk.recipe, walk.rehearsal)
            yield self._twin
