"""Batches of every kind of data, of which each of several processes has a part."""

import numpy as np
import pytest

from gan.data.batches import make_batches
from gan.data.points.patterns import pattern
from gan.data.points.point_set import PointSet
from gan.data.stacked import StackedDigits, random_triples
from nn import get_ops
from tests.support.small import digits

BATCH, RANKS = 6, 3


def images(monkeypatch):
    return digits()


def fed_images(monkeypatch):
    """Images that stay on the host."""
    monkeypatch.setattr("gan.data.batches.fit_on_device", lambda n_bytes, ops: False)
    return digits()


def stacked(monkeypatch):
    return StackedDigits(digits(), random_triples(43, 20, 0))


def points(monkeypatch):
    return PointSet(pattern("eight-gaussians"))


@pytest.mark.parametrize("make", [images, fed_images, stacked, points])
def test_the_parts_of_all_ranks_are_the_batch(make, monkeypatch):
    ops = get_ops("numpy")
    data = make(monkeypatch)
    all_batches = [
        make_batches(data, BATCH, (-1.0, 1.0), ops, ops.stream(np.random.SeedSequence(1)))
        for _ in range(1 + RANKS)
    ]
    whole, *parts = all_batches
    for rank, part in enumerate(parts):
        part.take_share(rank, RANKS)
    for step in (*range(4), whole.per_epoch):  # the last begins another order
        want = np.empty((BATCH, whole.n_pixels), np.float32)
        got = np.empty_like(want)
        whole.gather(step, out=want)
        for part, rows in zip(parts, np.split(got, RANKS)):
            part.gather(step, out=rows)
        assert got.tobytes() == want.tobytes()
    orders = [b"".join(order.tobytes() for order in each.orders()[0]) for each in all_batches]
    assert all(order == orders[0] for order in orders)
