"""The state of a run: everything that decides how training continues, for checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gan.errors import RunError
from nn import Adam, Sequential
from nn.ops.base import Array

if TYPE_CHECKING:
    from gan.training.trainer import Trainer

MAX_STEPS = 2**53  # floats count no further


class TrainerState(NamedTuple):
    """What `Trainer.state_dict` returns.

    arrays : what training has learned, and the order of the images, on the host by name
    rest : step count, random streams, means of the losses and seconds, ready for JSON
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
    return weights | moments


def read_state(trainer: Trainer) -> TrainerState:
    """Copy a trainer's state."""
    arrays = trainer.learned | orders(trainer)
    rest = {
        "step": trainer.step_count,
        "streams": {name: stream.state for name, stream in streams(trainer).items()},
        "log": trainer.log.state_dict(),
        "seconds": [trainer.stopwatch.seconds, trainer.stopwatch.epoch],
    }
    on_host = {name: np.array(trainer.ops.to_host(array)) for name, array in arrays.items()}
    return TrainerState(on_host, rest)


def write_state(trainer: Trainer, state: TrainerState) -> None:
    """Write a state into a trainer; `RunError` for one of other networks, images or settings."""
    arrays, rest = state
    write_arrays(trainer, arrays)
    try:
        for name, stream in streams(trainer).items():
            stream.state = rest["streams"][name]
        trainer.log.load_state_dict(rest["log"])
        step, (total, epoch) = int(rest["step"]), map(float, rest["seconds"])
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as problem:
        raise RunError(
            f"state: it is not one that a trainer returned ({type(problem).__name__}: {problem})"
        ) from None
    if not 0 <= step < MAX_STEPS:
        raise RunError(f"state: expected a step of at least 0, got {step}")
    if not (0 <= total < float("inf") and 0 <= epoch < float("inf")):
        raise RunError("state: expected finite seconds of at least 0")
    trainer.step_count, trainer.stopwatch.total, trainer.stopwatch.epoch = step, total, epoch


def write_arrays(trainer: Trainer, arrays: dict[str, np.ndarray]) -> None:
    """Check and write what was learned, and the order of the images."""
    ours = trainer.learned | orders(trainer)
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
        if name not in trainer.learned:
            if not np.array_equal(np.sort(given), np.sort(trainer.ops.to_host(array))):
                raise RunError(f"state: expected {name} as another order of the training images")
        if not np.isfinite(given).all():
            raise RunError(f"state: expected finite numbers in {name}")
        trainer.ops.copy_(array, trainer.ops.asarray(given))


def orders(trainer: Trainer) -> dict[str, Array]:
    """The index vectors that are shuffled each epoch, by name."""
    return {f"order.{k}": vector for k, vector in enumerate(trainer.batches.orders()[0])}


def streams(trainer: Trainer) -> dict[str, Any]:
    """Every stream that training draws from, by name.

    The layers of a network share a stream, which dropout draws from.
    """
    networks = trainer.generator, trainer.discriminator
    of_layers = [leaf.stream for network in networks for _, leaf in network.modules()]
    noise, order = trainer.adversarial_step.noise_stream, trainer.batches.orders()[1]
    distinct = {id(stream): stream for stream in [noise, *order, *of_layers]}
    return {str(k): stream for k, stream in enumerate(distinct.values())}
