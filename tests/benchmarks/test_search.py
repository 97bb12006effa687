"""benchmarks.search, with the smallest runs possible."""

import pytest

from benchmarks import search
from gan.data.datasets import load
from gan.training.trainer import Trainer
from tests.support.small import command  # noqa: F401


@pytest.mark.parametrize("name", search.VARIANTS)
def test_every_variant_trains(name):
    images, labels = load("mnist-sample", "train", flat=False)
    Trainer(search.VARIANTS[name], images[:256], labels[:256]).fit(steps=1)


def test_each_variant_has_a_row(command, monkeypatch):  # noqa: F811
    def load_few(dataset, split, **options):
        return tuple(array[:300] for array in load("mnist-sample", split, flat=False))

    monkeypatch.setattr(search, "load", load_few)
    monkeypatch.setattr(search, "SAMPLES", 200)
    divided = "classes, each in 60 clusters"
    words = "--variant", "default", "--variant", divided, "--steps", 2
    status, out, err = command(search, *words)
    head, _, *rows = out.splitlines()
    assert status == 0 and "after 2 steps" in err
    assert head.split("  ")[-1].strip() == "unsure" and "FID" in head
    n = len(divided)
    assert [row[:n].strip() for row in rows] == ["default", divided]
    for line in rows:
        milliseconds, fid, precision, recall, unsure = map(float, line[n:].split())
        assert milliseconds > 0 and fid > 10 and unsure in range(201)
        assert 0 <= recall <= 1 and 0 <= precision <= 1


def test_the_error_of_an_unknown_variant_lists_the_known_ones(command):  # noqa: F811
    status, out, err = command(search, "--variant", "wide")
    assert status == 2 and out == "" and "got wide" in err and "no clusters" in err
