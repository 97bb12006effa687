"""The lab itself: what all pages share, and what each page has of its own."""

from __future__ import annotations

from gan.lab.answers import Handler
from gan.lab.listing import Listing
from gan.lab.outbox import Outbox
from gan.lab.play.finding import Finding
from gan.lab.play.play_requests import PlayRequests
from gan.lab.play.studio import Studio
from gan.lab.train.session import TrainingSession
from gan.lab.train.starting import NewFolder
from gan.lab.train.train_requests import TrainRequests
from gan.lab.update.update_requests import UpdateRequests
from nn.ops.base import Ops


class Lab:
    """What all pages share.

    Parameters
    ----------
    listing
        The weights and runs.
    ops
        The backend that generators and runs use.
    new_folder
        Makes the folder of a new run, given the recipe's name.
    """

    def __init__(self, listing: Listing, ops: Ops, new_folder: NewFolder) -> None:
        self.play = PlayRequests(listing, Studio(listing, ops))
        self.session = TrainingSession(ops, new_folder, self._show)
        self.train = TrainRequests(listing, self.session)
        self.update = UpdateRequests(listing, self.session, ops, self._show)
        self._outboxes: set[Outbox] = set()

    @property
    def n_pages(self) -> int:
        """The number of pages that are open."""
        return len(self._outboxes)

    def visit(self, outbox: Outbox) -> Visit:
        """A page has come; it sees what the others see."""
        self._outboxes.add(outbox)
        for name, message in (self.session.latest() | self.update.latest()).items():
            outbox.show(name, message)
        return Visit(self, outbox)

    def leave(self, outbox: Outbox) -> None:
        """A page has gone."""
        self._outboxes.discard(outbox)

    def close(self) -> None:
        """The server ends: a run is stopped and saved."""
        self.update.close()
        self.session.close()

    def _show(self, name: str, message: bytes) -> None:
        """Show a message to all pages."""
        for outbox in self._outboxes.copy():
            outbox.show(name, message)


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
        self._lab, self._outbox = lab, outbox
        self._finding = Finding(lab.play, outbox.show)
        self.handlers: dict[str, Handler] = {
            **lab.play.handlers,
            **lab.train.handlers,
            **lab.update.handlers,
            "find": self._finding.start,
            "stop finding": self._finding.stop,
        }

    def end(self) -> None:
        """The page has gone."""
        self._lab.leave(self._outbox)
        self._finding.stop()
