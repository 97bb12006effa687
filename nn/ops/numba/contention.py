"""Whether other programs want the cores that our threads run on.

Where each of two threads shares its core with another program, one waits at the end of each loop
for a partner that has no core. A single thread is faster then: beside two busy processes on two
cores, a step of `mlp-dropout` takes 3.6 ms on one thread and 5.5 to 14 ms on two
(`python -m benchmarks.busy`).

Linux counts how long each thread was ready to run and had no core. On a quiet machine, two threads
together wait for 0 to 0.3 of the time; beside one or two busy processes, for 0.5 to 0.9.
"""

from __future__ import annotations

import os
import time

THREADS = "/proc/self/task"
PERIOD = 0.06  # seconds between two looks; a look takes some 40 us
CONTENDED = 0.4  # of the time, for each thread beside the first
SHORTEST, LONGEST = 0.1, 4.0  # seconds for one thread; doubled where all threads wait again


class Contention:
    """A state that `is_present` renews.

    All threads run for a period. If they waited for cores, one thread runs for a pause, which says
    nothing of several; then all of them run for the next period.
    """

    def __init__(self, threads: int) -> None:
        self.limit = CONTENDED * (threads - 1)
        self.present = False
        self.pause = SHORTEST
        self.next = self.since = self.waited = 0.0

    def is_present(self) -> bool:
        """Whether the threads waited for cores in the last period, or the pause after it lasts."""
        now = time.perf_counter()
        if now >= self.next:
            self._look(now, seconds_waited())
        return self.present

    def _look(self, now: float, waited: float) -> None:
        if self.present:  # the pause is over
            self.present, self.next = False, now + PERIOD
            self.pause = min(2 * self.pause, LONGEST)
        elif waited - self.waited > self.limit * (now - self.since):
            self.present, self.next = True, now + self.pause
        else:
            self.next, self.pause = now + PERIOD, SHORTEST
        self.since, self.waited = now, waited


def seconds_waited() -> float:
    """How long this process's threads have been ready to run without a core, all together.

    0 on systems that do not count it.
    """
    nanoseconds = 0
    for thread in os.listdir(THREADS) if os.path.isdir(THREADS) else ():
        try:
            with open(f"{THREADS}/{thread}/schedstat", "rb") as file:
                nanoseconds += int(file.read().split()[1])
        except (OSError, IndexError):  # it has just ended
            continue
    return nanoseconds * 1e-9
