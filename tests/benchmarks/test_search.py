"""The search for the default; its trainings are as small as can be here."""

import pytest

from benchmarks import search
from gan.data.datasets import load
from gan.evaluation import fid_callback as watch
from gan.training.trainer import Trainer
from tests.support.small import command  # noqa: F401


@pytest.mark.parametrize("name", search.VARIANTS)
def test_every_variant_trains(name):
    Trainer(search.VARIANTS[name], load("mnist-sample", "train", flat=False)[0][:256]).fit(steps=1)


def test_each_variant_has_a_row(command, monkeypatch):  # noqa: F811
    monkeypatch.setattr(search, "load", lambda dataset, split, **how: (load("mnist-sample", split, flat=False)[0][:300], None))
    monkeypatch.setattr(watch, "SAMPLES", 200)
    status, out, err = command(search, "--variant", "default", "--variant", "no clusters", "--steps", 2)
    head, _, *rows = out.splitlines()
    assert status == 0 and "FID after 2 steps" in head
    assert [row[:11].strip() for row in rows] == ["default", "no clusters"]
    assert all(float(row.split()[-1]) > 10 for row in rows)


def test_an_unknown_variant_is_told_the_known_ones(command):  # noqa: F811
    status, out, err = command(search, "--variant", "wide")
    assert status == 2 and out == "" and "got wide" in err and "no clusters" in err
