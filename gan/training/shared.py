"""What the processes of one training share before its first step, and what each has of its own."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterable
from dataclasses import fields
from typing import Any

import numpy as np

from gan.data.batches import Batches
from gan.errors import RunError
from gan.recipe import Recipe
from nn import Sequential
from nn.errors import on_all_ranks
from nn.ops.base import Array
from nn.processes.sameness import check_same
from nn.processes.single import Processes
from nn.version import __version__

STREAMS = 6  # key of the streams of a rank's own; see `TrainableGAN`


def shared_seed(seed: Any, processes: Processes) -> Any:
    """The seed; if it is None, one that the system gives to rank 0."""
    if processes.size == 1 or seed is not None:
        return seed
    return processes.share(np.random.SeedSequence().entropy)


def share_of_batch(recipe: Recipe, processes: Processes) -> int:
    """Images of a batch that each process has.

    Raises
    ------
    RunError : the batch size is not a multiple of their number, or each has too few to pack
    """
    n, unit = recipe.batch_size, processes.size * recipe.pack
    if n % unit == 0:
        return n // processes.size
    packs = f" and D scores packs of {recipe.pack}" if recipe.pack > 1 else ""
    raise RunError(
        f"batch size: expected a multiple of {unit}, since {processes.size} processes share each "
        f"batch{packs}, got {n}; use --batch-size {max(1, n // unit) * unit}"
    )


def check_alike(
    processes: Processes,
    seed: Any,
    recipe: Recipe,
    batches: Batches,
    labels: Any,
    networks: Collection[Sequential],
) -> None:
    """Raise `ProcessesError` on all ranks unless they train the same networks on the same images.

    It names the first thing that differs.
    """
    if processes.size == 1:
        return
    ops = batches.ops
    facts = {
        "byhand": __version__,
        "NumPy": np.__version__,
        "backend": type(ops).__name__,
        "seed": seed,
        "recipe": recipe.name,
        "batch size": recipe.batch_size,
        "learning rate": recipe.learning_rate,
        **{f"recipe.{each.name}": in_words(getattr(recipe, each.name)) for each in fields(recipe)},
        "number of images": len(ops.to_host(batches.images)),
        "checksum of the images": checksum(ops, [batches.images]),
        "parameters": [network.n_parameters for network in networks],
        "dtype": [str(network.dtype) for network in networks],
    }
    if recipe.classes:  # clusters are those of rank 0
        facts["checksum of the labels"] = zlib.crc32(repr(np.asarray(labels).tolist()).encode())
    check_same(processes, facts, "start all of them with the same code, settings and data")


def in_words(value: Any) -> str:
    """A setting as text, without the addresses that functions have in this process."""
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))


def checksum(ops: Any, arrays: Iterable[Array]) -> int:
    """A checksum of arrays."""
    value = 0
    for array in arrays:
        value = zlib.crc32(np.ascontiguousarray(ops.to_host(array)).data, value)
    return value


def make_alike(networks: tuple[Sequential, ...], seed: Any, ops: Any, processes: Processes) -> None:
    """Give all ranks rank 0's weights, and the layers of each rank but 0 a stream of its own.

    Dropout must not be the same on all ranks.
    """
    if processes.size == 1:
        return
    for network in networks:
        for buffer in (network.parameters.value, network.parameters.statistics):
            if buffer.flat.size:
                processes.broadcast_(buffer.flat, ops)
    streams = {id(m.stream): m.stream for net in networks for _, m in net.modules()}
    for k, stream in enumerate(streams.values()):
        if processes.rank:
            key = (STREAMS, processes.rank, k)
            stream.state = ops.stream(np.random.SeedSequence(seed, spawn_key=key)).state


def check_replicas(networks: Iterable[Sequential], step: int, processes: Processes) -> None:
    """Raise `RunError` on all ranks unless their weights are the same, byte for byte."""
    if processes.size == 1:
        return
    parts = [checksum(each.ops, [each.parameters.value.flat]) for each in networks]
    digest = zlib.crc32(repr(parts).encode())
    highest, lowest = processes.agree(digest, -digest)
    if highest != -lowest:
        raise on_all_ranks(
            RunError(
                f"step {step}: expected the same weights on all ranks, got others; a callback must "
                "change the same on all of them, and their machines must round alike"
            )
        )
