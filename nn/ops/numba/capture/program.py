"""A step as a program: recorded once, then replayed without the Python in between."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np

from nn.ops.fork import IN_BLAS
from nn.ops.numba.capture.cutting import Part
from nn.ops.numba.capture.interpreter import LINE, replay_alone, replay_together
from nn.ops.numba.capture.recorder import Call, StepRecorder
from nn.ops.numba.capture.schedule import Task, dependent, ordered
from nn.ops.numba.capture.tasks import arguments_and_task
from nn.ops.numba.products import calls as blas_calls
from nn.ops.numba.threads import POOL
from nn.ops.recording import here


class Program:
    """What a step did, to be done again: ``program()``.

    It reads and writes the arrays that the step did, and draws from its random streams. It holds
    all of them.
    """

    def __init__(self, calls: list[Call]) -> None:
        self.calls = calls
        self._run: list[Any] = []
        for noted, group in groupby(calls, lambda call: call.is_noted and bool(call.passes)):
            if noted:
                self._run.append(Segment([each for call in group for each in call.passes]))
            else:
                self._run += [from_python(call) for call in group]

    def __call__(self) -> None:
        for run in self._run:
            run()


def from_python(call: Call) -> Callable[[], Any]:
    """The primitive as it is."""
    method, args, kwargs = call.method, call.args, call.kwargs
    return lambda: method(*args, **kwargs)


class Segment:
    """Tasks that threads share, between two calls from Python."""

    def __init__(self, passes: list[list[Part]]) -> None:
        tasks = dependent(passes)
        units = ordered(tasks, POOL.parts)
        self._held = tasks, [self._code(tasks[i].part) for unit in units for i in unit]
        code = [code for code, _ in self._held[1]]
        ends = np.cumsum([0, *map(len, units)])
        waits = self._waits(tasks, units)
        self.n_units = len(units)
        self.arrays = (
            np.array(ends, np.int64),
            np.array(code, np.int64),
            waits,
        )
        memory = np.zeros(LINE * (3 + len(units)), np.int64)
        self.state = memory[-memory.ctypes.data % 64 // 8 :]

    def _code(self, part: Part) -> tuple[list[int], Any]:
        """The five words of a task, and what must stay alive."""
        if isinstance(part.kernel, int):
            return [part.kernel, *part.args], part.args
        address, words = arguments_and_task(part.kernel, part.args)
        return [address, words.ctypes.data, 0, 0, 0], (words, part)

    def _waits(self, tasks: list[Task], units: list[list[int]]) -> np.ndarray:
        """(first, last + 1, -) of each task's waits, and in column 2, the words they look at."""
        unit_of = {i: k for k, unit in enumerate(units) for i in unit}
        spans, words = [], []
        for k, unit in enumerate(units):
            for i in unit:
                start = len(words)
                words += [LINE * (2 + unit_of[j]) for j in tasks[i].before if unit_of[j] != k]
                spans.append((start, len(words)))
        waits = np.zeros((max(len(spans), len(words)), 3), np.int64)
        waits[: len(spans), :2] = spans
        waits[: len(words), 2] = words
        return waits

    def __call__(self) -> None:
        state = self.state
        state[LINE] += 1
        with IN_BLAS.lock:
            if POOL.threads > 1 and POOL.ready():
                replay_together(*self.arrays, 0, self.n_units, state, blas_calls, POOL.threads)
            else:
                replay_alone(*self.arrays, 0, self.n_units, state, blas_calls)


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
