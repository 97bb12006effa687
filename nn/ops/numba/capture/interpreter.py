"""The interpreter that replays a program: threads claim its tasks one by one.

A task is a call of machine code. It waits until the tasks that it depends on have ended. They come
earlier in the list, so a thread that has no core is waited for only while it holds a task, and one
thread alone never waits.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import int32, prange, types
from numba.core.typing import signature
from numba.extending import intrinsic
from numba.types import ExternalFunction

from nn.ops.numba.compiling import compiled, inner
from nn.ops.numba.parts.products import as_before, one_thread_each

SPINS = 1 << 11  # looks at a task that another thread holds, before the core is offered to others
LINE = 8  # words of a cache line: each task has a line of its own, which threads do not share
NEXT, EPOCH = 0, LINE  # words of `state`: the next task to claim, and the number of this replay
TASKS = 2  # from this line on, the replay in which each task ended last

if os.name == "posix":
    offer_core: Any = ctypes.CDLL(None).sched_yield
else:
    offer_core = ctypes.CDLL("kernel32").SwitchToThread
yield_address = ctypes.cast(offer_core, ctypes.c_void_p).value
llvmlite.binding.add_symbol("byhand_yield", yield_address)
yield_core = ExternalFunction("byhand_yield", int32())


@intrinsic
def call(typing: Any, address: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Call the function at an address with four words."""

    def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [word] * 4)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return signature(types.void, *[types.int64] * 5), generate


def atomic(operation: Any) -> Any:
    """An intrinsic on the word at an address."""

    @intrinsic
    def run(typing: Any, address: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            pointer = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
            result = operation(builder, pointer, args[1])
            return result if result is not None else context.get_dummy_value()

        kind = types.int64 if operation is not _store else types.void
        return signature(kind, types.int64, types.int64), generate

    return run


def _add(builder: Any, pointer: Any, value: Any) -> Any:
    return builder.atomic_rmw("add", pointer, value, "acq_rel")


def _load(builder: Any, pointer: Any, value: Any) -> Any:
    return builder.load_atomic(pointer, "acquire", 8)


def _store(builder: Any, pointer: Any, value: Any) -> None:
    builder.store_atomic(value, pointer, "release", 8)


add, load, store = atomic(_add), atomic(_load), atomic(_store)


@inner
def wait_for(address: int, epoch: int) -> None:
    """Wait until the task whose word is at this address has ended in this replay."""
    spins = 0
    while load(address, 0) != epoch:
        spins += 1
        if spins > SPINS:
            yield_core()


@inner
def work(tasks: np.ndarray, waits: np.ndarray, words: np.ndarray, state: np.ndarray) -> None:
    """Claim and run tasks until none is left.

    A task is an address and four arguments. Task t waits for those whose words of `state` are
    words[waits[t]..waits[t + 1] - 1].
    """
    at, epoch = np.int64(state.ctypes.data), state[EPOCH]
    while True:
        t = add(at, 1)
        if t >= len(tasks):
            return
        for k in range(waits[t], waits[t + 1]):
            wait_for(at + 8 * words[k], epoch)
        call(tasks[t, 0], tasks[t, 1], tasks[t, 2], tasks[t, 3], tasks[t, 4])
        store(at + 8 * LINE * (TASKS + t), epoch)


@compiled()
def replay_alone(
    tasks: np.ndarray,
    waits: np.ndarray,
    words: np.ndarray,
    state: np.ndarray,
    calls: np.ndarray,
) -> None:
    """Replay a program on one thread; see `work`. `calls` is BLAS's, see parts/products.py."""
    before = one_thread_each(calls)
    state[NEXT] = 0
    work(tasks, waits, words, state)
    as_before(calls, before)


@compiled(parallel=True)
def replay_together(
    tasks: np.ndarray,
    waits: np.ndarray,
    words: np.ndarray,
    state: np.ndarray,
    calls: np.ndarray,
    threads: int,
) -> None:
    """The same on all threads; one that comes late finds less to do, and no other waits for it."""
    before = one_thread_each(calls)
    state[NEXT] = 0
    for _ in prange(threads):
        work(tasks, waits, words, state)
    as_before(calls, before)
