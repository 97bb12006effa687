"""FID while a training goes on, and what a run keeps of it."""

import csv

import numpy as np
import pytest
from PIL import Image

from gan.images import save_curves
from gan.data.datasets import load
from gan.evaluation import fid_callback as watch
from gan.evaluation.evaluator import Judge
from gan.evaluation.fid_callback import FidWatch
from gan.runs.run import Run
from gan.sampling import Sampler, load_sampler
from gan.training.trainer import Callback
from nn import load_weights
from tests.support.small import (
    STEPS_PER_EPOCH,
    command,  # noqa: F401
    example,
    held,
    trainer,
)
from tests.gan.training.test_step_options import AVERAGED


@pytest.fixture(scope="module")
def test_images():
    return load("mnist-sample", "test", flat=False)[0][:300]


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(watch, "SAMPLES", 200)


def test_it_is_the_judges_figure_for_the_artist(test_images):
    t, measure = trainer(AVERAGED), FidWatch(test_images, 2)
    t.fit(epochs=1)
    t.ended = False
    assert measure(t, 1) is None and measure(t, 3) is None
    folder_sampler = Sampler(t.artist, t.recipe.latent, t.recipe.image_range)
    want = Judge(test_images).fid(folder_sampler.images(folder_sampler.inputs(200, watch.SEED)))
    assert measure(t, 2) == measure(t, 4) == want
    t.ended = True
    assert measure(t, 3) == want  # the end is always measured
    t.ended, t.step_count = False, t.step_count - 1
    assert measure(t, 2) is None  # an epoch that a signal cut short is measured when it is whole


class Told:
    """In place of a FidWatch: figures that are known."""

    def __init__(self, figures):
        self.figures = iter(figures)

    def __call__(self, trainer, epoch):
        return next(self.figures)


def test_the_best_weights_are_kept_and_the_figures_stand_in_the_history(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("gan.runs.history.save_curves", lambda path, history: drawn.append([r["fid"] for r in history]))
    t, kept = trainer(AVERAGED), []
    folder = Run.create(tmp_path / "run", {}, Told([None, 50.0, 30.0, 40.0, 30.0]))

    class Keep(Callback):
        def on_epoch(self, trainer, record):
            kept.append(held(trainer.artist, trainer.discriminator))

    t.fit(epochs=5, callbacks=[*folder.callbacks, Keep()])
    folder.finish(t)
    with open(tmp_path / "run" / "history.csv", newline="") as file:
        assert [row["fid"] for row in csv.DictReader(file)] == ["", "50", "30", "40", "30"]
    networks, _ = load_weights(tmp_path / "run" / "best.npz")
    assert held(networks["G"], networks["D"]) == kept[2]
    networks, _ = load_weights(tmp_path / "run" / "weights.npz")
    assert held(networks["G"], networks["D"]) == kept[4]
    assert load_sampler(tmp_path / "run" / "best.npz").images
    assert drawn[-1] == [None, 50.0, 30.0, 40.0, 30.0]


def test_the_curves_get_a_third_panel(tmp_path):
    record = dict.fromkeys(("d_loss_real", "d_loss_fake", "g_loss", "d_real", "d_fake"), 0.5)
    save_curves(tmp_path / "plain.png", [{"epoch": 1, **record}])
    save_curves(tmp_path / "fid.png", [{"epoch": k, "fid": f, **record} for k, f in ((1, None), (2, 40.0))])
    with Image.open(tmp_path / "plain.png") as plain, Image.open(tmp_path / "fid.png") as fid:
        assert fid.width == 1.5 * plain.width


def test_the_command_measures(command):  # noqa: F811
    train = example("train_mnist_gan")
    words = "--dataset", "mnist-sample", "--recipe", "mlp-leaky", "--steps", 20, "--evaluate-every", 1, "--out", "run", "--quiet"
    assert command(train, *words) == (0, "", "")
    with open("run/history.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert 0 < float(row["fid"]) < 1000 and np.isfinite(float(row["fid"]))
    assert load_sampler("run/best.npz")


def test_fid_is_of_digits_only(command, tmp_path):  # noqa: F811
    status, out, err = command(example("train_mnist_gan"), "--dataset", "fashion-mnist", "--evaluate-every", 1)
    assert status == 2 and "expected a dataset of digits" in err and not list(tmp_path.iterdir())


def test_a_training_by_the_clock_is_measured_at_its_end(test_images):
    t, found = trainer(AVERAGED), []
    measure = FidWatch(test_images, 1000)
    watching = Callback()
    watching.on_epoch = lambda trainer, record: found.append(measure(trainer, record["epoch"]))
    t.fit(minutes=1e-9, callbacks=[watching])
    assert len(found) == 1 and found[0] > 0
    t.stop()
    assert t.fit(epochs=3) == []  # and a stop before the first step leaves nothing to measure


def test_a_stopped_training_is_measured_when_it_goes_on(test_images):
    """A figure of a part of an epoch would make another `best.npz` than a training that never stopped."""
    t, found = trainer(AVERAGED), []
    measure, watching = FidWatch(test_images, 1), Callback()
    watching.on_epoch = lambda trainer, record: found.append(measure(trainer, record["epoch"]))
    step = t.step
    t.step = lambda: (step(), t.stop())
    t.fit(epochs=1, callbacks=[watching])
    assert found == [None]
    t.step = step
    t.fit(steps=1, callbacks=[watching])
    assert len(found) == 2 and found[1] > 0  # a length that was asked for is measured at its end
