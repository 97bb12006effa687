"""Precision and recall, against loops and known cases."""

import numpy as np
import pytest

from gan.errors import DataError
from gan.evaluation import precision_recall
from gan.evaluation import rows as rows_module
from gan.evaluation.rows import distance_blocks


def column(*values):
    return np.array(values, float)[:, None]


def by_loops(real, fake, k):
    """Precision and recall point by point."""

    def inside(point, points):
        for i, centre in enumerate(points):
            reach = sorted(
                np.linalg.norm(centre - other) for j, other in enumerate(points) if j != i
            )[k - 1]
            if np.linalg.norm(point - centre) <= reach:
                return True
        return False

    return np.mean([inside(x, real) for x in fake]), np.mean([inside(x, fake) for x in real])


def test_points_on_a_line():
    real = column(0, 1, 2, 13)  # k = 1: radii of 1, 1, 1 and 11
    assert precision_recall(real, column(-1, -1.5, 3.5, 5), k=1) == (3 / 4, 1 / 4)
    # -1 is just within the ball of 0, and 3.5 and 5 within that of 13; the fake points' radii are
    # 0.5, 0.5, 1.5 and 1.5, and 2 is just within the ball of 3.5


@pytest.mark.parametrize("k", [1, 3, 5])
def test_against_loops(k, monkeypatch):
    monkeypatch.setattr(rows_module, "AT_ONCE", 7)  # several blocks, the last one short
    rng = np.random.default_rng(k)
    real, fake = rng.standard_normal((60, 3)), rng.standard_normal((50, 3)) + 1.5
    precision, recall = precision_recall(real, fake, k)
    assert (precision, recall) == by_loops(real, fake, k)
    assert 0 < precision < 1 and 0 < recall < 1 and precision != recall
    assert precision_recall(fake, real, k) == (recall, precision)


def test_a_set_covers_itself_and_not_a_distant_one():
    x = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    assert precision_recall(x, x) == (1, 1)
    assert precision_recall(x, x + 100) == (0, 0)


def test_a_repeated_point_is_precise_and_recalls_only_itself():
    real = np.random.default_rng(0).standard_normal((200, 16))
    assert precision_recall(real, np.repeat(real[:1], 50, axis=0)) == (1, 1 / 200)
    repeated = np.repeat(1e3 * real, 5, axis=0)
    assert precision_recall(repeated, repeated) == (1, 1)


def test_equal_points_are_at_0_despite_rounding():
    x = 1e3 * np.random.default_rng(0).standard_normal((150, 128))
    for rows, d in distance_blocks(x, x.copy()):
        assert (d.diagonal(rows.start) == 0).all() and (d == 0).sum() == len(d)


def plain_distances(x, y):
    return ((x[:, None] - y) ** 2).sum(axis=2)


def plain_precision_recall(real, fake, k=3):
    """As `precision_recall`, by plain differences."""
    real_reach, fake_reach = (np.sort(plain_distances(x, x), axis=1)[:, k] for x in (real, fake))
    d = plain_distances(fake, real)
    return (d <= real_reach).any(axis=1).mean(), (d <= fake_reach[:, None]).any(axis=0).mean()


FAR = {
    "one row": lambda x: np.concatenate([x[:-1], x[-1:] + 1e7]),
    "the first row": lambda x: np.concatenate([x[:1] - 1e7, x[1:]]),
    "ten rows together": lambda x: np.concatenate([x[:-10], x[-10:] + 1e7]),
    "half of the rows": lambda x: np.concatenate([x[:100], x[100:] + 1e7]),
    "all rows": lambda x: x + 1e7,
    "one feature": lambda x: x + 1e9 * (np.arange(8) == 3),
    "one feature of many sizes": lambda x: x * np.where(np.arange(8) == 3, 1e8, 1),
}


@pytest.mark.parametrize("far", FAR.values(), ids=FAR)
@pytest.mark.parametrize("shift", [0, 1, 4])
def test_far_rows_leave_the_distances_of_all_others_their_digits(far, shift):
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((200, 8)), rng.standard_normal((200, 8)) + shift
    for a, b in ((far(real), fake), (real, far(fake)), (far(real), far(fake))):
        assert precision_recall(a, b) == plain_precision_recall(a, b)
        for x, y in ((a, b), (a, a)):
            for rows, d in distance_blocks(x, y):
                np.testing.assert_allclose(d, plain_distances(x[rows], y), rtol=1e-8)


def test_half_of_the_clusters_give_half_the_recall():
    rng = np.random.default_rng(0)
    real = rng.standard_normal((400, 4)) + 50 * np.repeat(np.eye(4), 100, axis=0)
    fake = rng.standard_normal((200, 4)) + 50 * np.repeat(np.eye(4)[:2], 100, axis=0)
    precision, recall = precision_recall(real, fake)
    assert precision > 0.8 and 0.4 < recall < 0.5


def test_distances_and_progress(monkeypatch):
    monkeypatch.setattr(rows_module, "AT_ONCE", 3)
    x, y = np.random.default_rng(0).standard_normal((2, 8, 5))
    done = []
    for rows, d in distance_blocks(x, y, done.append):
        assert np.allclose(d, ((x[rows, None] - y) ** 2).sum(axis=2), rtol=1e-12)
    assert done == [3, 3, 2]
    done.clear()
    precision_recall(x, y[:5], progress=done.append)
    assert sum(done) == 8 + 2 * 5


@pytest.mark.parametrize(
    "real, fake, words",
    [
        (np.zeros((3, 2)), np.zeros((9, 2)), "real: expected at least 4 rows, got 3"),
        (np.zeros((9, 2)), np.zeros((3, 2)), "fake: expected at least 4 rows, got 3"),
        (
            np.zeros((9, 2)),
            np.zeros((9, 3)),
            r"fake: expected numbers of shape \(N, 2\), got float64 \(9, 3\)",
        ),
        (np.zeros((9, 2)), np.full((9, 2), np.inf), "fake: expected finite"),
    ],
)
def test_invalid_points_are_refused(real, fake, words):
    with pytest.raises(DataError, match=words):
        precision_recall(real, fake)
