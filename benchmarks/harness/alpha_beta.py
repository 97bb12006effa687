"""A model of training with several processes: alpha, the latency of a message, and beta, its bytes.

An all-reduce of n bytes between N ranks takes the smaller of

    ceil(log2 N) (alpha + n beta)                  recursive doubling, for short messages
    2 ceil(log2 N) alpha + 2 (N - 1)/N n beta      reduce-scatter and all-gather, for long ones

A rank with m images first computes for as long as was measured, on a line between the two measured
batch sizes beside m, or the nearest two; with fewer images than were measured, for no less than in
proportion. Nothing overlaps. The additions of an all-reduce are left out.

Source: Thakur, Rabenseifner & Gropp 2005, "Optimization of Collective Communication Operations in
MPICH".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Network(NamedTuple):
    """What connects the ranks."""

    alpha: float  # seconds per message
    beta: float  # seconds per byte

    @classmethod
    def of(cls, microseconds: float, gigabytes_per_second: float) -> Network:
        """From the figures that networks are sold by."""
        return cls(microseconds * 1e-6, 1e-9 / gigabytes_per_second)


def allreduce_seconds(n_bytes: float, ranks: int, network: Network) -> float:
    """The time of an all-reduce."""
    if ranks == 1:
        return 0.0
    rounds, (alpha, beta) = math.ceil(math.log2(ranks)), network
    doubling = rounds * (alpha + n_bytes * beta)
    scattered = 2 * rounds * alpha + 2 * (ranks - 1) / ranks * n_bytes * beta
    return min(doubling, scattered)


@dataclass(frozen=True)
class Model:
    """A recipe on ranks that are alike.

    Parameters
    ----------
    computed : (images, seconds) of the steps of one rank that were measured, at least two
    messages : the bytes of each all-reduce of a step
    network : what connects the ranks
    """

    computed: Sequence[tuple[float, float]]
    messages: tuple[int, ...]
    network: Network

    def compute(self, images: float) -> float:
        """Seconds that a rank computes with so many images."""
        points = sorted(self.computed)
        after = sum(m < images for m, _ in points)  # measured batch sizes below
        k = min(max(after, 1), len(points) - 1)
        (m, s), (n, t) = points[k - 1 : k + 1]
        line = s + (t - s) / (n - m) * (images - m)
        return max(line, s * images / m) if images < m else line  # caches may bend it

    def step(self, ranks: int, batch: float) -> float:
        """Seconds of a step with a whole batch of this size."""
        sent = sum(allreduce_seconds(n, ranks, self.network) for n in self.messages)
        return self.compute(batch / ranks) + sent

    def strong(self, ranks: int, batch: int) -> float:
        """How many times as fast a batch is as on one rank, if the ranks share it."""
        return self.step(1, batch) / self.step(ranks, batch)

    def weak(self, ranks: int, batch: int) -> float:
        """The fraction of the speed of one rank that each rank has, if each has such a batch."""
        return self.step(1, batch) / self.step(ranks, ranks * batch)

    def pays_up_to(self, batch: int, most: int, gain: float) -> int:
        """The largest power of two up to which doubling the ranks makes a batch `gain` as fast."""
        ranks = 1
        while 2 * ranks <= most and self.step(ranks, batch) >= gain * self.step(2 * ranks, batch):
            ranks *= 2
        return ranks
