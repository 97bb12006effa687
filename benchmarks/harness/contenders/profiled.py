"""Where the time of a replayed training step goes: each task of its program, timed.

The tasks run as in a replay, on all threads, with a look at the clock before and after each. A
primitive's time is the sum over its tasks, on whichever thread, of their medians. Its floor is the
median time of its matrix products alone, on one thread, as in harness/contenders/floor.py.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple
from unittest.mock import patch

import llvmlite.binding
import numpy as np
from numba import int32, prange
from numba.types import ExternalFunction, uintp

from benchmarks.harness.contenders.epochs import make_trainer
from benchmarks.harness.contenders.floor import plain, record_products, replay
from benchmarks.harness.contenders.steps import N_IMAGES, training_step
from benchmarks.harness.contenders.steps import images as random_images
from gan.errors import RunError
from gan.recipes import get_recipe
from nn.ops.numba.capture.interpreter import EPOCH, LINE, NEXT, TASKS, add, call, store, wait_for
from nn.ops.numba.capture.program import Program, describe
from nn.ops.numba.capture.recorder import Call
from nn.ops.numba.compiling import compiled
from nn.ops.numba.parts.products import as_before, one_thread_each
from nn.ops.numba.parts.products import calls as blas_calls
from nn.ops.numba.threads import POOL

WARM_UP = 60  # steps: enough for every program of a step with a penalty in every eighth
MONOTONIC = 1  # CLOCK_MONOTONIC of clock_gettime, which writes seconds and nanoseconds
PRODUCTS = {"affine", "gemm", "conv", "conv_weight_grad", "conv_transpose"}

if os.name == "posix":
    gettime = ctypes.cast(ctypes.CDLL(None).clock_gettime, ctypes.c_void_p).value
    llvmlite.binding.add_symbol("byhand_clock", gettime)
look_at_clock = ExternalFunction("byhand_clock", int32(int32, uintp))


@compiled(parallel=True)
def timed_replay(
    tasks: np.ndarray,
    waits: np.ndarray,
    words: np.ndarray,
    state: np.ndarray,
    calls: np.ndarray,
    threads: int,
    times: np.ndarray,
) -> None:
    """`replay_together`, with the times before and after each task."""
    before = one_thread_each(calls)
    state[NEXT] = 0
    for _ in prange(threads):
        at, epoch = np.int64(state.ctypes.data), state[EPOCH]
        while True:
            t = add(at, 1)
            if t >= len(tasks):
                break
            for k in range(waits[t], waits[t + 1]):
                wait_for(at + 8 * words[k], epoch)
            look_at_clock(int32(MONOTONIC), times.ctypes.data + 32 * t)
            call(tasks[t, 0], tasks[t, 1], tasks[t, 2], tasks[t, 3], tasks[t, 4])
            look_at_clock(int32(MONOTONIC), times.ctypes.data + 32 * t + 16)
            store(at + 8 * LINE * (TASKS + t), epoch)
    as_before(calls, before)


class Line(NamedTuple):
    """A primitive of a step: its name, arrays and tasks, and microseconds."""

    name: str
    arrays: str
    tasks: int
    time: float
    floor: float


class Profile(NamedTuple):
    """A program's primitives, how long all of it takes in microseconds, and on how many threads."""

    lines: list[Line]
    total: float
    threads: int


def by_name(lines: list[Line]) -> list[Line]:
    """The sums over the primitives of each name, the longest first; `arrays` is their number."""
    found = []
    for name in {line.name for line in lines}:
        own = [line for line in lines if line.name == name]
        tasks, time_, floor_ = (sum(each) for each in zip(*(line[2:] for line in own)))
        found.append(Line(name, str(len(own)), tasks, time_, floor_))
    return sorted(found, key=lambda line: -line.time)


def profiles(recipe_name: str, replays: int) -> Iterator[tuple[str, Profile]]:
    """Yield (which steps, the profile) of each program of a recipe's training step."""
    if os.name != "posix":
        raise RunError("--profile: expected a system with clock_gettime, such as Linux or macOS")
    recipe = get_recipe(recipe_name)
    trainer = make_trainer(recipe, random_images(N_IMAGES, recipe.image_shape))
    step = training_step(trainer)
    for _ in range(WARM_UP):
        step()
    programs = getattr(trainer.train_step, "programs", {})
    for (has_penalty, _), program in programs.items():
        yield f"{recipe_name}{', with penalty' if has_penalty else ''}", profile(program, replays)


def profile(program: Program, replays: int) -> Profile:
    """Replay a program so many times, and take the medians."""
    lines, totals = [], 0.0
    for segment in program.segments:
        times = np.zeros((replays, segment.n_tasks, 2, 2), np.int64)
        for each in times:
            segment.state[EPOCH] += 1
            timed_replay(*segment.program, segment.state, blas_calls, POOL.threads, each)
        at = times[..., 0] * 1e6 + times[..., 1] * 1e-3
        took = np.median(at[..., 1] - at[..., 0], axis=0)
        totals += float(np.median(at[..., 1].max(1) - at[..., 0].min(1)))
        for call_ in dict.fromkeys(segment.owners):
            own = [i for i, owner in enumerate(segment.owners) if owner is call_]
            name, arrays, _ = describe(call_)
            lines.append(Line(name, arrays, len(own), float(took[own].sum()), floor(call_)))
    return Profile(lines, totals, POOL.threads)


def floor(call_: Call) -> float:
    """Microseconds of a primitive's matrix products alone, on one thread."""
    if call_.method.__name__ not in PRODUCTS:
        return 0.0
    ops, *args = call_.args
    name = call_.method.__name__
    with patch.object(POOL, "ready", lambda: False):
        products = record_products(lambda: getattr(ops, name)(*args, **call_.kwargs), ops)
        took, plain_ops = [], plain(ops)
        for _ in range(9):
            began = time.perf_counter()
            replay(products, plain_ops)
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6
