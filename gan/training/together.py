"""What the processes of a training agree on: its length, its clock, its end and its state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gan.errors import RunError
from gan.training.callback import Callback
from gan.training.length import Length
from gan.training.shared import check_replicas
from gan.uncopyable import Uncopyable
from nn import Sequential
from nn.processes.sameness import check_same
from nn.processes.single import Processes


class Together(Uncopyable):
    """Lets all ranks take the same decisions after the same steps.

    Parameters
    ----------
    processes : those that train together
    networks : whose weights must stay the same on all of them
    seconds : returns how long training has taken on this rank
    stream_states : returns the states of this rank's random streams

    Attributes
    ----------
    stop_requested : whether this rank is to stop; it then stops all
    record_epochs : whether a callback of any rank wants records of epochs
    streams_of_ranks : the states of the random streams of all ranks, on rank 0, for checkpoints
    """

    def __init__(
        self,
        processes: Processes,
        networks: tuple[Sequential, ...],
        seconds: Callable[[], float],
        stream_states: Callable[[], dict[str, Any]],
    ) -> None:
        self._processes, self._networks = processes, networks
        self._seconds, self._stream_states = seconds, stream_states
        self.stop_requested = self.record_epochs = False
        self.streams_of_ranks: list[dict[str, Any]] = []
        self.gather_streams()

    def begin(self, step: int, length: Length, callbacks: Iterable[Callback]) -> float:
        """Agree on what `fit` is to do; the seconds so far.

        Raises
        ------
        ProcessesError : it was called for another length on another rank
        """
        facts = {"step": step, "length": length}
        check_same(self._processes, facts, "call fit alike on all ranks")
        wants_epochs = any(callback.record_epochs for callback in callbacks)
        agreed, seconds = self._processes.agree(wants_epochs, self._seconds())
        self.record_epochs = bool(agreed)
        return seconds

    def clock(self) -> tuple[bool, float]:
        """Whether training is to stop, and the seconds so far."""
        ours = self.stop_requested, self._seconds()
        stops, seconds = self._processes.agree(*ours, in_step=True)
        if stops:  # never False here: a signal may have set it meanwhile
            self.stop_requested = True
        return bool(stops), seconds

    def is_stopped(self) -> bool:
        """Whether training is to stop."""
        return self.clock()[0]

    def check_may_read(self, in_fit: bool) -> None:
        """Raise `RunError` where the other ranks may not read the losses now."""
        if in_fit and self._processes.size > 1:
            raise RunError(
                "state_dict: expected a step after which all ranks read the losses, got another; "
                "with several processes, call it in on_log, on_record or on_epoch, or after fit"
            )

    def check_replicas(self, step: int) -> None:
        """Raise `RunError` if the weights of the ranks have become different."""
        check_replicas(self._networks, step, self._processes)

    def gather_streams(self) -> None:
        """Collect the states of the random streams of all ranks."""
        if self._processes.size > 1:
            self.streams_of_ranks = self._processes.gather(self._stream_states())
