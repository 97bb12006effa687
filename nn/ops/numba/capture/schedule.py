"""The order in which threads claim the tasks of a program.

A task waits for an earlier one if one of them writes what the other reads or writes.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from nn.ops.numba.capture.cutting import Part
from nn.ops.numba.parts.products import part_by_transposing, part_of_product

PER_CALL = 0.4  # microseconds of a task, and bytes and multiplications in one
BYTES, MULTIPLICATIONS = 12_000, 20_000


@dataclass
class Task:
    """A part of a pass, and what it waits for.

    Parameters
    ----------
    part : what is called
    before : tasks that must have ended
    after : tasks that wait for it
    """

    part: Part
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)
    cost: float = 0.0


def dependent(passes: list[list[Part]]) -> list[Task]:
    """The parts as tasks with their dependencies, without those that follow from others."""
    parts = [part for each in passes for part in each]
    of_pass = np.repeat(np.arange(len(passes)), [len(each) for each in passes])
    tasks = [Task(part, cost=cost_of(part)) for part in parts]
    ancestors: list[int] = []
    conflicts = conflicting(parts, of_pass)
    for i, task in enumerate(tasks):
        known = 0
        for j in sorted(conflicts[i], reverse=True):
            if not known >> j & 1:
                task.before.append(j)
                tasks[j].after.append(i)
                known |= ancestors[j] | 1 << j
        ancestors.append(known)
    return tasks


def conflicting(parts: list[Part], of_pass: np.ndarray) -> list[set[int]]:
    """For each part, the earlier parts, of other passes, that it must wait for."""
    accesses = [
        (i, written, x)
        for i, part in enumerate(parts)
        for written, arrays in ((False, part.reads), (True, part.writes))
        for x in arrays
        if x.size
    ]
    if not accesses:
        return [set() for _ in parts]
    bounds = [np.lib.array_utils.byte_bounds(x) for _, _, x in accesses]
    first, last = np.array(bounds).T
    owner = np.array([i for i, _, _ in accesses])
    written = np.array([w for _, w, _ in accesses])
    conflicts: list[set[int]] = [set() for _ in parts]
    for k, (i, w, x) in enumerate(accesses):
        meets = (first[:k] < last[k]) & (first[k] < last[:k]) & (written[:k] | w)
        meets &= of_pass[owner[:k]] < of_pass[i]
        for other in np.flatnonzero(meets):
            j = owner[other]
            if j not in conflicts[i] and np.shares_memory(x, accesses[other][2]):
                conflicts[i].add(int(j))
    return conflicts


def cost_of(part: Part) -> float:
    """About how many microseconds a part takes."""
    n_bytes = sum(x.nbytes for x in part.reads + part.writes)
    cost = PER_CALL + n_bytes / BYTES
    if part.kernel is part_of_product:
        (m, n), k = part.args[9:11], part.args[0].shape[0 if part.args[1] else 1]
        cost += m * n * k / MULTIPLICATIONS
    elif part.kernel is part_by_transposing:
        (m, k), n = part.args[0].shape, part.args[5]
        cost += m * n * k / MULTIPLICATIONS
    return cost


def ordered(tasks: list[Task], threads: int) -> list[int]:
    """The tasks in the order in which idle threads take them: the longest path to the end first.

    In the order of the step, `mlp-dropout` takes 1.06 times as long.
    """
    rest = [0.0] * len(tasks)
    for i in reversed(range(len(tasks))):
        rest[i] = tasks[i].cost + max((rest[j] for j in tasks[i].after), default=0.0)
    waits = [len(task.before) for task in tasks]
    ready = [(-rest[i], i) for i, n in enumerate(waits) if not n]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now, order = 0.0, []
    while ready or running:
        while ready and len(running) < threads:
            _, i = heapq.heappop(ready)
            order.append(i)
            heapq.heappush(running, (now + tasks[i].cost, i))
        now, i = heapq.heappop(running)
        for j in tasks[i].after:
            waits[j] -= 1
            if not waits[j]:
                heapq.heappush(ready, (-rest[j], j))
    return order
