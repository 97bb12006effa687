"""What the page may ask would happen if a number, or D, were another, and the answers."""

from __future__ import annotations

from gan.errors import RunError
from gan.lab.answers import Answer, Handler
from gan.lab.messages import Message
from gan.lab.update.experiments import certainty, d_alone
from gan.lab.update.open_step import OpenStep
from gan.lab.update.twin import PIXEL, recorded_gradient
from gan.training.step.watching import G_UPDATE

MOST_CHANGE, MOST_SHIFT = 100.0, 40.0


class WhatIfRequests:
    """Answers them for the open step.

    Parameters
    ----------
    step
        The open step.
    """

    def __init__(self, step: OpenStep) -> None:
        self._step = step

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handler of each kind of message."""
        return {
            "update change": self.change,
            "update certain": self.certain,
            "update penalty": self.penalty,
        }

    def change(self, message: Message) -> Answer:
        """What a change of one number does to the loss, beside what the gradient said."""
        walk = self._step.walk_of(message)
        event = self._step.event_of(walk, message)
        name = message.text("array")
        index = message.whole("place", 0, walk.array(event, name).size - 1)
        by = message.number("by", -MOST_CHANGE, MOST_CHANGE)
        if by == 0:
            raise RunError("change: expected a change other than 0")
        if (place := walk.place(event, name, index)) is None:
            raise RunError(f"{name}: expected a parameter, or a pixel of an image that D sees")
        with self._step.twin_of(walk) as twin:
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
        walk = self._step.walk_of(message)
        if not any(event.within[:1] == (G_UPDATE,) for event in walk.events):
            raise RunError("step: expected one that updates G, got one of D alone; open the next")
        shift = message.number("shift", -MOST_SHIFT, MOST_SHIFT)
        with self._step.twin_of(walk) as twin:
            return Answer({"objectives": certainty(twin, shift)})

    def penalty(self, message: Message) -> Answer:
        """D alone, with and without a penalty, from this step on."""
        walk = self._step.walk_of(message)
        return Answer(d_alone(walk.recipe, walk.rehearsal, self._step.ops))
