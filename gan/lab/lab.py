"""The lab itself: what all pages share, and what each page has of its own."""

from __future__ import annotations

from gan.lab.answers import Handler
from gan.lab.listing import Listing
from gan.lab.outbox import Outbox
from gan.lab.play.finding import Finding
from gan.lab.play.play_requests import PlayRequests
from gan.lab.play.studio import Studio
from nn.ops.base import Ops


class Lab:
    """What all pages share.

    Parameters
    ----------
    listing
        The weights and runs.
    ops
        The backend that generators run on.
    """

    def __init__(self, listing: Listing, ops: Ops) -> None:
        self.play = PlayRequests(listing, Studio(listing, ops))

    def visit(self, outbox: Outbox) -> Visit:
        """A page has come."""
        return Visit(self, outbox)

    def close(self) -> None:
        """The server ends."""


class Visit:
    """What one page has of its own.

    Parameters
    ----------
    lab
        What it shares with others.
    outbox
        What waits to be sent to it.
    """

    def __init__(self, lab: Lab, outbox: Outbox) -> None:
        self._finding = Finding(lab.play, outbox.show)
        self.handlers: dict[str, Handler] = {
            **lab.play.handlers,
            "find": self._finding.start,
            "stop finding": self._finding.stop,
        }

    def end(self) -> None:
        """The page has gone."""
        self._finding.stop()
