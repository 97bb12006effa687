"""Points of a plane: patterns, files, where they lie, and their batches."""

import numpy as np
import pytest

from gan.data.points import point_set
from gan.data.points.files import is_point_file, read_points
from gan.data.points.patterns import PATTERNS, on_circle, pattern
from gan.data.points.point_set import USUAL, PointSet
from gan.errors import DataError, RunError
from gan.recipes import RECIPES
from gan.training.trainer import Trainer
from tests.support.tools import assert_close

FAR = np.array([[100.0, -3], [104, -2], [102, 1]])


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_fill_the_usual_square_and_are_the_same_each_time(name):
    points = pattern(name)
    assert PointSet(points).square == USUAL
    assert np.abs(points).max() < 1 and points.std() > 0.3
    assert np.array_equal(points, pattern(name))


def test_the_eight_gaussians_are_narrow_and_equally_heavy():
    points = pattern("eight-gaussians")
    middles = 0.8 * on_circle(np.arange(8) * np.pi / 4)
    distances = np.linalg.norm(points[:, None] - middles, axis=2)
    assert distances.min(axis=1).max() < 0.12
    assert np.bincount(distances.argmin(axis=1)).min() > len(points) / 10
    with pytest.raises(DataError, match="expected one of eight-gaussians, .*, got 'moons'"):
        pattern("moons")


def test_points_elsewhere_get_a_square_of_their_own():
    square = PointSet(FAR).square
    unit = square.to_unit(FAR)
    assert_close(unit.min(axis=0), [0.1, 0.1], 1e-12)
    assert_close(unit[:, 0].max(), 0.9, 1e-12)
    assert_close(square.from_unit(unit), FAR, 1e-12)
    assert PointSet(FAR / 1e6).square.side < 1e-4  # a speck near 0 is enlarged too


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((3, 3)), r"expected numbers \(N, 2\)"),
        (np.array([["a", "b"]] * 3), r"expected numbers \(N, 2\)"),
        (np.zeros((1, 2)), "expected 2 to 1,000,000 points, got 1;"),
        (np.array([[0, np.nan], [1, 1]]), "expected finite coordinates"),
        (np.ones((3, 2)), "expected different points, got one of them 3 times"),
    ],
)
def test_what_is_no_set_of_points_is_refused(points, message):
    with pytest.raises(DataError, match=message):
        PointSet(points)


def test_an_epoch_goes_through_each_point_equally_often(any_backend, monkeypatch):
    monkeypatch.setattr(point_set, "EPOCH", 20)
    ops, points = any_backend, PointSet(FAR)
    batches = points.batches(7, (-1.0, 1.0), ops, ops.stream(np.random.SeedSequence(1)))
    out, seen = ops.empty((7, 2), "float32"), []
    assert batches.per_epoch == 3 and points.epoch == 21
    for step in range(3):
        batches.gather(step, out=out)
        seen.append(ops.to_host(out).copy())
    found, counts = np.unique(np.concatenate(seen), axis=0, return_counts=True)
    assert counts.tolist() == [7, 7, 7]
    expected = 2 * points.square.to_unit(FAR) - 1
    assert_close(found, expected[np.argsort(expected[:, 0])], 1e-6)
    with pytest.raises(RunError, match="take the recipe points"):
        batches.set_labels(None, 10)


def test_a_trainer_sees_more_points_than_images():
    samples = Trainer(RECIPES["points"], PointSet(FAR)).fixed_samples()
    assert samples.shape == (512, 2) and samples.std() > 0


def test_files_of_points(tmp_path):
    csv, npy, images = (tmp_path / name for name in ("p.csv", "p.npy", "images.npy"))
    csv.write_text("\ufeffx, y\n" + "".join(f"{x},{y}\n\n" for x, y in FAR), encoding="utf-8")
    np.save(npy, FAR)
    np.save(images, np.zeros((2, 8, 8), np.uint8))
    assert is_point_file(csv) and is_point_file(npy)
    assert not is_point_file(images) and not is_point_file(tmp_path)
    for path in (csv, npy):
        assert np.array_equal(read_points(path).points, FAR)
        assert read_points(path).digest == PointSet(FAR).digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1,2\n3,x\n", "expected two numbers in line 2, x and y, got '3,x'"),
        (b"1,2\n3,4,5\n", "in line 2"),
        (b"x,y\n", "expected 2 to 1,000,000 points, got 0"),
        (b"1,nan\n2,3\n", "expected finite"),
        (b"\xff\xfe\x00", "it is not text"),
    ],
)
def test_a_file_of_anything_else_is_refused(tmp_path, content, message):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_points(tmp_path / "p.csv")
