"""The state of a run: everything that decides how training continues, for checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gan.data.batches import Batches
from gan.errors import RunError
from gan.training.recording.loss_log import LossLog
from gan.training.recording.stopwatch import Stopwatch
from nn import Adam, Sequential
from nn.ops.base import Array
from nn.processes.single import Processes

MAX_STEPS = 2**53  # floats count no further


class TrainerState(NamedTuple):
    """What `Trainer.state_dict` returns.

    arrays : what training has learned, and the order of the images, on the host by name
    rest : step count, random streams, means of the losses and seconds, ready for JSON; of several
        processes, the streams of each rank
    """

    arrays: dict[str, np.ndarray]
    rest: dict[str, Any]


def learned_arrays(
    networks: dict[str, Sequential], optimizers: dict[str, Adam]
) -> dict[str, Array]:
    """All arrays on the device that training changes, by the names they have in checkpoints."""
    weights = {
        f"{name}.{part}": getattr(network.parameters, part).flat
        for name, network in networks.items()
        for part in ("value", "statistics")
    }
    moments = {
        f"{name}.adam.{slot}": array
        for name, adam in optimizers.items()
        for slot, array in adam.state.items()
    }
    norms = {  # logged again in steps without an update of G
        f"{name}.grad_norm": adam.grad_norm
        for name, adam in optimizers.items()
        if adam.grad_norm is not None
    }
    return weights | moments | norms


@dataclass(frozen=True, eq=False)
class StatefulParts:
    """The parts of a trainer that have a state; the step count is the trainer's own.

    Parameters
    ----------
    ops : the backend
    learned : see `learned_arrays`
    networks : those that train; their layers draw from random streams
    batches, noise_stream, log, stopwatch, processes : the trainer's
    """

    ops: Any
    learned: dict[str, Array]
    networks: tuple[Sequential, ...]
    batches: Batches
    noise_stream: Any
    log: LossLog
    stopwatch: Stopwatch
    processes: Processes

    def stream_states(self) -> dict[str, Any]:
        """The states of this process's random streams."""
        return {name: stream.state for name, stream in self._streams().items()}

    def state_dict(self, step_count: int, of_ranks: list[dict[str, Any]]) -> TrainerState:
        """Copy the state; `of_ranks` has the `stream_states` of all ranks."""
        rest = {
            "step": step_count,
            "streams": self.stream_states(),
            "log": self.log.state_dict(),
            "seconds": [self.stopwatch.seconds, self.stopwatch.epoch, self.stopwatch.record],
        }
        if self.processes.size > 1:
            rest["ranks"] = of_ranks
        arrays = self.learned | self._orders()
        on_host = {name: np.array(self.ops.to_host(array)) for name, array in arrays.items()}
        return TrainerState(on_host, rest)

    def load_state_dict(self, state: TrainerState) -> int:
        """Write a state into the parts, and return its step count.

        Raises
        ------
        RunError : the state is of other networks, images or settings
        """
        arrays, rest = state
        check_ranks(rest, self.processes.size)
        self._load_arrays(arrays)
        try:
            of_ranks = rest.get("ranks") or [rest["streams"]]
            for name, stream in self._streams().items():
                stream.state = of_ranks[self.processes.rank][name]
            self.log.load_state_dict(rest["log"])
            step, (total, *of_parts) = int(rest["step"]), map(float, rest["seconds"])
            epoch, record = of_parts if len(of_parts) == 2 else of_parts * 2  # 0.1 had one
        except (
            AttributeError,
            IndexError,
            KeyError,
            OverflowError,
            TypeError,
            ValueError,
        ) as problem:
            raise RunError(
                "state: expected one that a trainer returned, got another "
                f"({type(problem).__name__}: {problem})"
            ) from None
        if not 0 <= step < MAX_STEPS:
            raise RunError(f"state: expected a step of at least 0, got {step}")
        if not all(0 <= seconds < float("inf") for seconds in (total, epoch, record)):
            raise RunError("state: expected finite seconds of at least 0")
        stopwatch = self.stopwatch
        stopwatch.total, stopwatch.epoch, stopwatch.record = total, epoch, record
        if "record" not in rest["log"] and step % self.batches.per_epoch == 0:
            # Version 0.1 made a record at the end of an epoch, and began the next one later
            self.log.record.clear()
            stopwatch.begin_record()
        return step

    def _load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Check each array, and write it."""
        ours = self.learned | self._orders()
        if arrays.keys() != ours.keys():
            odd = min(arrays.keys() ^ ours.keys())
            raise RunError(
                f"state: expected the arrays {', '.join(ours)}; {odd!r} is "
                f"{'extra' if odd in arrays else 'missing'}"
            )
        for name, array in ours.items():
            given = arrays[name]
            if (given.shape, given.dtype) != (array.shape, array.dtype):
                raise RunError(
                    f"state: expected {name} of {array.dtype} {array.shape}, "
                    f"got {given.dtype} {given.shape}"
                )
            if name not in self.learned:
                if not np.array_equal(np.sort(given), np.sort(self.ops.to_host(array))):
                    raise RunError(
                        f"state: expected {name} as another order of the training images"
                    )
            if not np.isfinite(given).all():
                raise RunError(f"state: expected finite numbers in {name}")
            self.ops.copy_(array, self.ops.asarray(given))

    def _orders(self) -> dict[str, Array]:
        """The index vectors that are shuffled each epoch, by name."""
        return {f"order.{k}": vector for k, vector in enumerate(self.batches.orders()[0])}

    def _streams(self) -> dict[str, Any]:
        """Every random stream by name; the layers of a network share one, for dropout."""
        of_layers = [layer.stream for network in self.networks for _, layer in network.modules()]
        streams = [self.noise_stream, *self.batches.orders()[1], *of_layers]
        distinct = {id(stream): stream for stream in streams}
        return {str(k): stream for k, stream in enumerate(distinct.values())}


def check_ranks(rest: Mapping[str, Any], size: int) -> None:
    """Raise `RunError` unless a state is of as many processes."""
    ranks = rest.get("ranks")
    n = len(ranks) if isinstance(ranks, list) and ranks else 1
    if n != size:
        how = f"start it with  mpiexec -n {n}" if n > 1 else "start it without mpiexec"
        raise RunError(
            f"processes: expected {n}, as many as the run was started with, got {size}; {how}"
        )
