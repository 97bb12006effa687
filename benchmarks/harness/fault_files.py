"""Files that are changed at random, and readers that must not mind. Each fault gives (tried, survived, remark).

A file survives if its reader gives what was written, or the documented error, within SECONDS and N_BYTES. The seconds are
those of the processor: a reader waits for nothing, and how long others kept it waiting says nothing of it.
"""

import random
import time
import tracemalloc
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from gan.runs.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from gan.data.datasets import load
from gan.data.idx import read_idx, write_idx
from gan.recipes import get_recipe
from gan.data.sources import Source
from gan.training.trainer import Trainer
from gan.errors import DataError
from nn import ByhandError, Dense, LeakyReLU, Sequential, WeightsError, load_weights, save_weights

SECONDS, N_BYTES = 1.0, 200_000_000
HUGE = [b"\xff" * 4, b"\xff\xff\xff\x7f", b"\xff" * 8, b"\x00" * 4, b"\x00\x00\x00\x80"]
EDGE = 400  # bytes at either end, where headers lie


def place(rng, n):
    """A place in n bytes; every other time near an end."""
    return rng.randrange(n) if n <= EDGE or rng.random() < 0.5 else rng.choice((0, n - EDGE)) + rng.randrange(EDGE)


def flip(rng, data):
    for _ in range(rng.randint(1, 8)):
        data[place(rng, len(data))] ^= rng.randint(1, 255)


def promise(rng, data):
    """A size that no file has."""
    at, size = place(rng, len(data)), rng.choice(HUGE)
    data[at : at + len(size)] = size


def truncate(rng, data):
    del data[place(rng, len(data)) :]


def cut_out(rng, data):
    at = place(rng, len(data))
    del data[at : at + rng.randint(1, 64)]


def repeat(rng, data):
    at = place(rng, len(data))
    data[at:at] = data[at : at + rng.randint(1, 64)] * rng.randint(1, 3)


def erase(rng, data):
    at = place(rng, len(data))
    data[at : at + 64] = bytes(len(data[at : at + 64]))


def append(rng, data):
    data += rng.randbytes(rng.randint(1, 64))


def exchange(rng, data):
    a, b = sorted((place(rng, len(data)), place(rng, len(data))))
    data[a : a + 16], data[b : b + 16] = data[b : b + 16], data[a : a + 16]


CHANGES = (flip, promise, truncate, cut_out, repeat, erase, append, exchange)


def changed(rng, data):
    """Other bytes than these, by one to three of CHANGES."""
    new = bytearray(data)
    while new == data:
        for change in rng.choices(CHANGES, k=rng.randint(1, 3)):
            if new:
                change(rng, new)
    return bytes(new)


def survives(read, expected, errors):
    """Whether read() gives the expected bytes, or one of these errors, in time and in memory; -> bool, seconds, bytes."""
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


def try_all(count, originals, path, rng=None):
    """originals: what reads a file, and the error that it may give. Each has its turn with a changed file at `path`."""
    rng, survived, worst = rng or random.Random(0), 0, (0, 0)
    whole = []
    for data, read, error in originals:
        path.write_bytes(data)
        whole.append((data, read, read(), error))
    for k in range(count):
        data, read, expected, error = whole[k % len(whole)]
        path.write_bytes(changed(rng, data))
        fine, *cost = survives(read, expected, (error,))
        survived, worst = survived + fine, tuple(map(max, worst, cost))
    return count, survived, f"at most {worst[0]:.2f} s and {worst[1] / 1e6:.1f} MB each"


def held(networks):
    return {name: [b.flat.tobytes() for b in (n.parameters.value, n.parameters.statistics)] for name, n in networks.items()}


def small_trainer():
    nets = {"generator": Sequential(Dense(100, 4), LeakyReLU(0.2), Dense(4, 784)), "discriminator": Sequential(Dense(784, 1))}
    return Trainer(replace(get_recipe("mlp-leaky"), batch_size=4), np.zeros((8, 784), np.uint8), **nets)


def small_checkpoint():
    """A checkpoint of a training that has begun."""
    trainer = small_trainer()
    history = trainer.fit(steps=2)
    frames = {step: np.zeros((64, 28, 28), np.uint8) for step in (1, 2)}
    return Checkpoint({"seed": 0}, None, *trainer.state_dict(), frames, None, history, None)


def weights(folder, count):
    """Changed weights files and checkpoints, in turns."""
    path = Path(folder) / "file.npz"
    save_weights(path, {"G": Sequential(Dense(5, 8), LeakyReLU(0.2), Dense(8, 784)).build(seed=0)}, {"recipe": "none"})
    a_file = path.read_bytes()
    write_checkpoint(path, small_checkpoint())

    def checkpoint():
        held = read_checkpoint(path)
        arrays = {name: (array.dtype, array.shape, array.tobytes()) for name, array in held.arrays.items()}
        return arrays, [(step, frame.tobytes()) for step, frame in held.frames.items()], held.history, held.rest, held.config

    readers = (a_file, lambda: held(load_weights(path)[0]), WeightsError), (path.read_bytes(), checkpoint, WeightsError)
    return try_all(count, readers, path)


def data(folder, count):
    """Changed data files, packed ones that IDX's reader is given, and packed or not that a data set is made of, in turns."""
    root = Path(folder)
    path = root / "train-images-idx3-ubyte.gz"
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28)).astype(np.uint8)
    write_idx(root / "train-labels-idx1-ubyte.gz", np.arange(20, dtype=np.uint8))
    write_idx(path, images)
    files = {each.name: sha256(each.read_bytes()).hexdigest() for each in root.iterdir()}
    packed = (path.read_bytes(), lambda: read_idx(path).tobytes(), DataError)
    whole = (path.read_bytes(), lambda: load(Source("digits", files), data_dir=root)[0].tobytes(), ByhandError)
    return try_all(count, (packed, whole), path)
