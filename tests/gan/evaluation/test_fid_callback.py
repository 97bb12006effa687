"""FID during training, and what a run's folder keeps of it."""

import csv
import re

import numpy as np
import pytest
from PIL import Image

from gan.commands.shared import closing
from gan.data.datasets import load
from gan.evaluation import Evaluator, fid_callback
from gan.evaluation.fid_callback import FIDCallback
from gan.generator_file import load_sampler
from gan.images import save_curves
from gan.runs.run import Run
from gan.sampling import Sampler
from gan.training.callback import Callback
from nn import load_weights
from tests.gan.training.test_step_options import AVERAGED
from tests.support.small import CHECKOUT, STEPS_PER_EPOCH, example, held, trainer


@pytest.fixture(scope="module")
def test_images():
    return load("mnist-sample", "test", flat=False)[0][:300]


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    monkeypatch.setattr(fid_callback, "SAMPLES", 200)


def test_it_is_the_evaluators_fid_of_the_generator_to_draw_with(test_images):
    t, measure = trainer(AVERAGED), FIDCallback(test_images, 2)
    t.fit(epochs=1)
    t.ended = False
    assert measure(t, 1) is None and measure(t, 3) is None
    folder_sampler = Sampler(t.generator_ema, t.recipe.latent, t.recipe.image_range)
    want = Evaluator(test_images).fid(
        folder_sampler.images(folder_sampler.inputs(200, fid_callback.SEED))
    )
    assert measure(t, 2) == measure(t, 4) == want
    t.ended = True
    assert measure(t, 3) == want  # the end is always measured
    t.ended, t.step_count = False, t.step_count - 1
    assert measure(t, 2) is None  # an interrupted epoch is measured once it is complete


class Scripted:
    """Stands in for a FIDCallback, with known values."""

    def __init__(self, values):
        self.values = iter(values)

    def __call__(self, trainer, epoch):
        return next(self.values)


def test_the_best_weights_are_kept_and_fid_is_in_the_history(tmp_path, monkeypatch):
    drawn = []

    def save_curves(path, history):
        drawn.append([row["fid"] for row in history if row["step"] % STEPS_PER_EPOCH == 0])

    monkeypatch.setattr("gan.runs.history.save_curves", save_curves)
    t, kept = trainer(AVERAGED), []
    folder = Run.create(tmp_path / "run", {}, Scripted([None, 50.0, 30.0, 40.0, 30.0]))

    class Keep(Callback):
        def on_epoch(self, trainer, record):
            kept.append(held(trainer.generator_ema, trainer.discriminator))

    t.fit(epochs=5, callbacks=[*folder.callbacks, Keep()])
    folder.finish(t)
    with open(tmp_path / "run" / "history.csv", newline="") as file:
        fids = {int(row["step"]): row["fid"] for row in csv.DictReader(file)}
    assert len(fids) == 5 * STEPS_PER_EPOCH
    assert {step: fid for step, fid in fids.items() if fid} == {
        2 * STEPS_PER_EPOCH: "50",
        3 * STEPS_PER_EPOCH: "30",
        4 * STEPS_PER_EPOCH: "40",
        5 * STEPS_PER_EPOCH: "30",
    }
    networks, _ = load_weights(tmp_path / "run" / "best.npz")
    assert held(networks["G"], networks["D"]) == kept[2]
    networks, _ = load_weights(tmp_path / "run" / "weights.npz")
    assert held(networks["G"], networks["D"]) == kept[4]
    assert load_sampler(tmp_path / "run" / "best.npz").images
    assert drawn[-1] == [None, 50.0, 30.0, 40.0, 30.0]


def test_the_curves_get_a_third_panel(tmp_path):
    record = dict.fromkeys(("d_loss_real", "d_loss_fake", "g_loss", "d_real", "d_fake"), 0.5)
    save_curves(tmp_path / "plain.png", [{"step": 1, **record}])
    measured = [{"step": k, "fid": fid, **record} for k, fid in ((1, None), (2, 40.0))]
    save_curves(tmp_path / "fid.png", measured)
    with Image.open(tmp_path / "plain.png") as plain, Image.open(tmp_path / "fid.png") as fid:
        assert fid.width == 1.5 * plain.width


def few_test_images(name, split, **how):
    """What `load` returns, with the first 300 of the test images."""
    images, labels = load(name, split, **how)
    return (images[:300], labels[:300]) if split == "test" else (images, labels)


def test_the_command_measures_fid(command, monkeypatch):
    train = example("train_mnist_gan")
    monkeypatch.setattr("gan.commands.evaluating.image_evaluation.load", few_test_images)
    words = (
        "--dataset",
        "mnist-sample",
        "--recipe",
        "mlp-leaky",
        "--steps",
        5,
        "--evaluate-every",
        1,
        "--out",
        "run",
        "--quiet",
    )
    assert command(train, *words) == (0, "", "")
    with open("run/history.csv", newline="") as file:
        *others, row = csv.DictReader(file)
    assert len(others) == 4 and not any(other["fid"] for other in others)
    assert 0 < float(row["fid"]) < 1000 and np.isfinite(float(row["fid"]))
    assert load_sampler("run/best.npz")


def test_the_fid_that_a_run_prints_at_its_end(test_images, monkeypatch):
    monkeypatch.setattr(closing, "load", few_test_images)
    t = trainer(AVERAGED)
    t.fit(steps=2)
    assert closing.measured_fid(t) == FIDCallback(test_images, 1).measure(t)


def test_the_figures_beside_a_fid_are_those_of_the_table():
    table = (CHECKOUT / "docs" / "how_good.md").read_text()
    rows = [re.split(r" *\| *", line) for line in table.splitlines() if line.count("|") == 14]
    fids = [(float(row[5]), row[1]) for row in rows if re.fullmatch(r"[\d.]+", row[5])]
    floor, best, *_ = sorted(fids)
    assert floor == (fid_callback.FLOOR_FID, "training images")
    assert best == (fid_callback.BEST_FID, fid_callback.BEST_RECIPE)


def test_a_fid_stands_beside_the_best_and_the_floor():
    line = fid_callback.in_context(12.3456)
    assert "12.346" in line and "0.188" in line and "0.137" in line and "\n" not in line


class Latest(Callback):
    """Collects the latest FID after each epoch."""

    def __init__(self, fid):
        self.fid, self.values = fid, []

    def on_epoch(self, trainer, record):
        self.values.append(self.fid.latest)


def test_a_run_limited_in_minutes_is_measured_at_its_end(test_images):
    t, fid = trainer(AVERAGED), FIDCallback(test_images, 1000)
    latest = Latest(fid)
    t.fit(minutes=1e-9, callbacks=[fid, latest])
    assert len(latest.values) == 1 and latest.values[0] > 0
    t.stop()
    assert t.fit(epochs=3) == []  # stopped before the first step, it leaves nothing to measure


def test_a_stopped_run_is_measured_when_it_is_resumed(test_images):
    """The FID of an incomplete epoch would give another best.npz than a run that never stopped."""
    t, fid = trainer(AVERAGED), FIDCallback(test_images, 1)
    latest = Latest(fid)
    step = t.step
    t.step = lambda: (step(), t.stop())
    t.fit(epochs=1, callbacks=[fid, latest])
    assert latest.values == [None]
    t.step = step
    t.fit(steps=1, callbacks=[fid, latest])
    assert len(latest.values) == 2 and latest.values[1] > 0  # the requested end is measured
