"""Corrupted files, and whether their readers survive them.

A reader survives if it returns what was written, or raises its documented error, within SECONDS of
processor time and N_BYTES. Wall time is not limited: it depends on what else the machine does.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness.faults.corruption import corrupted
from benchmarks.harness.faults.small_runs import small_checkpoint
from gan.data.datasets import load
from gan.data.idx import read_idx, write_idx
from gan.data.sources import Source
from gan.errors import DataError
from gan.runs.checkpoint import read_checkpoint, write_checkpoint
from nn import ByhandError, Dense, LeakyReLU, Sequential, WeightsError, load_weights, save_weights

SECONDS, N_BYTES = 1.0, 200_000_000

Errors = tuple[type[Exception], ...]


class Original(NamedTuple):
    """The bytes of an intact file, a function that reads it, and the error it may raise."""

    data: bytes
    read: Callable[[], Any]
    error: type[Exception]


def survives(read: Callable[[], Any], expected: Any, errors: Errors) -> tuple[bool, float, int]:
    """Whether ``read()`` survives; returns that, the seconds and the bytes it took."""
    tracemalloc.start()
    began = time.process_time()
    try:
        fine = read() == expected
    except errors as problem:
        fine = "\n" not in str(problem)
    except Exception as problem:
        print(f"{type(problem).__name__}: {problem}")
        fine = False
    seconds, (_, n_bytes) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return fine and seconds < SECONDS and n_bytes < N_BYTES, seconds, n_bytes


def try_all(count: int, originals: Iterable[Original], path: Path) -> tuple[int, int, str]:
    """Read `count` corrupted files at `path`, alternating between the originals."""
    rng, survived, most_seconds, most_bytes = random.Random(0), 0, 0.0, 0
    readable = []
    for original in originals:
        path.write_bytes(original.data)
        readable.append((original, original.read()))
    for k in range(count):
        original, expected = readable[k % len(readable)]
        path.write_bytes(corrupted(rng, original.data))
        fine, seconds, n_bytes = survives(original.read, expected, (original.error,))
        survived += fine
        most_seconds, most_bytes = max(most_seconds, seconds), max(most_bytes, n_bytes)
    return count, survived, f"at most {most_seconds:.2f} s and {most_bytes / 1e6:.1f} MB each"


def contents(networks: dict[str, Any]) -> dict[str, list[bytes]]:
    """The bytes of the networks' parameters and statistics."""
    return {
        name: [b.flat.tobytes() for b in (net.parameters.value, net.parameters.statistics)]
        for name, net in networks.items()
    }


def weights(folder: str, count: int) -> tuple[int, int, str]:
    """Corrupted weights files and checkpoints, alternating."""
    path = Path(folder) / "file.npz"
    network = Sequential(Dense(5, 8), LeakyReLU(0.2), Dense(8, 784)).build(seed=0)
    save_weights(path, {"G": network}, {"recipe": "none"})
    weights_file = path.read_bytes()
    write_checkpoint(path, small_checkpoint())

    def read_weights() -> Any:
        return contents(load_weights(path)[0])

    def read_whole_checkpoint() -> Any:
        checkpoint = read_checkpoint(path)
        arrays = {
            name: (array.dtype, array.shape, array.tobytes())
            for name, array in checkpoint.arrays.items()
        }
        frames = [(step, frame.tobytes()) for step, frame in checkpoint.frames.items()]
        return arrays, frames, checkpoint.history, checkpoint.rest, checkpoint.config

    originals = (
        Original(weights_file, read_weights, WeightsError),
        Original(path.read_bytes(), read_whole_checkpoint, WeightsError),
    )
    return try_all(count, originals, path)


def data(folder: str, count: int) -> tuple[int, int, str]:
    """Corrupted data files, read alternately as one IDX file and as part of a data set."""
    root = Path(folder)
    path = root / "train-images-idx3-ubyte.gz"
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28)).astype(np.uint8)
    write_idx(root / "train-labels-idx1-ubyte.gz", np.arange(20, dtype=np.uint8))
    write_idx(path, images)
    files = {each.name: sha256(each.read_bytes()).hexdigest() for each in root.iterdir()}

    def read_file() -> bytes:
        return read_idx(path).tobytes()

    def read_dataset() -> bytes:
        return load(Source("digits", files), data_dir=root)[0].tobytes()

    packed = path.read_bytes()
    originals = Original(packed, read_file, DataError), Original(packed, read_dataset, ByhandError)
    return try_all(count, originals, path)
