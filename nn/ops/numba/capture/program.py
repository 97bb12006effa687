"""A step as a program: recorded once, then replayed without the Python in between."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np

from nn.ops.fork import IN_BLAS
from nn.ops.numba.capture.cutting import Part
from nn.ops.numba.capture.interpreter import EPOCH, LINE, TASKS, replay_alone, replay_together
from nn.ops.numba.capture.recorder import Call, StepRecorder
from nn.ops.numba.capture.schedule import Task, dependent, ordered
from nn.ops.numba.capture.tasks import arguments_and_task
from nn.ops.numba.parts.products import calls as blas_calls
from nn.ops.numba.threads import POOL
from nn.ops.recording import here


class Program:
    """What a step did, to be done again: ``program()``.

    It reads and writes the arrays that the step did, and draws from its random streams. It holds
    all of them.
    """

    def __init__(self, calls: list[Call]) -> None:
        self.calls, self._lock = calls, threading.Lock()
        self._runs: list[Callable[[], Any]] = []
        for noted, group in groupby(calls, lambda call: call.is_noted):
            if noted:
                segment = Segment(list(group))
                self._runs += [segment] if segment.n_tasks else []
            else:
                self._runs += [call.from_python for call in group]

    def __call__(self) -> None:
        with self._lock:
            for run in self._runs:
                run()

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(
            "Program: cannot be copied or pickled, since it uses the arrays of the step that was "
            "recorded; record the step of the copy, with ops.capture"
        )

    @property
    def segments(self) -> list[Segment]:
        """What it does without Python."""
        return [run for run in self._runs if isinstance(run, Segment)]

    def describe(self) -> str:
        """The primitives in order, each with the shapes of its arrays and their bytes."""
        rows = [describe(call) for call in self.calls]
        width = max((len(name) for name, _, _ in rows), default=0)
        lines = [f"{name:<{width}}  {n_bytes:>9,}  {arrays}" for name, arrays, n_bytes in rows]
        tasks = sum(segment.n_tasks for segment in self.segments)
        n_python = sum(not call.is_noted for call in self.calls)
        head = f"{len(rows)} primitives: {tasks} tasks, and {n_python} calls from Python"
        return "\n".join([head, f"{'primitive':<{width}}  {'bytes':>9}  arrays", *lines])


def describe(call: Call) -> tuple[str, str, int]:
    """(name, the arrays with their shapes, their bytes) of a primitive."""
    given = inspect.signature(call.method).bind(*call.args, **call.kwargs).arguments
    arrays = {name: x for name, x in given.items() if isinstance(x, np.ndarray)}
    shapes = ", ".join(f"{name} {'x'.join(map(str, x.shape))}" for name, x in arrays.items())
    return call.method.__name__, shapes, sum(x.nbytes for x in arrays.values())


class Segment:
    """Tasks that threads share, between two calls from Python.

    Attributes
    ----------
    owners : for each task, in the order in which threads take them, the primitive
    program, state : arguments of the interpreter
    """

    def __init__(self, calls: list[Call]) -> None:
        tasks = dependent([passes for call in calls for passes in call.passes])
        order = ordered(tasks, POOL.parts)
        owner = [call for call in calls for passes in call.passes for _ in passes]
        self.owners, self.n_tasks = [owner[i] for i in order], len(tasks)
        self._held = [code_of(tasks[i].part) for i in order]
        code = np.array([words for words, _ in self._held], np.int64)
        self.program = code, *waits_of(tasks, order)
        memory = np.zeros(LINE * (TASKS + 1 + len(tasks)), np.int64)
        self.state = memory[-memory.ctypes.data % 64 // 8 :]

    def __call__(self) -> None:
        self.state[EPOCH] += 1
        with IN_BLAS.lock:
            if POOL.ready():
                replay_together(*self.program, self.state, blas_calls, POOL.threads)
            else:
                replay_alone(*self.program, self.state, blas_calls)


def code_of(part: Part) -> tuple[list[int], Any]:
    """The five words of a task, and what must stay alive."""
    if isinstance(part.kernel, int):
        return [part.kernel, *part.args], part
    address, words = arguments_and_task(part.kernel, part.args)
    return [address, words.ctypes.data, 0, 0, 0], (part, words)


def waits_of(tasks: list[Task], order: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """(where the waits of each task, in this order, begin; the words that they look at)."""
    place = {i: k for k, i in enumerate(order)}
    waits = [[LINE * (TASKS + place[j]) for j in tasks[i].before] for i in order]
    starts = np.cumsum([0, *map(len, waits)], dtype=np.int64)
    return starts, np.array([word for words in waits for word in words], np.int64)


def record(ops: Any, step: Callable[[], None]) -> Program:
    """Run a step, and return the program."""
    recorder, buffers = StepRecorder(ops.scratch), ops.scratch.buffers
    ops.scratch.buffers = {}
    here.recorder = recorder
    try:
        step()
    finally:
        here.recorder = None
        ops.scratch.buffers = buffers
    return Program(recorder.calls)
