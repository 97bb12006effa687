"""Early stopping by FID, and the split of the training images that it is measured on."""

import json

import numpy as np
import pytest

from gan.data.held_out import hold_out
from gan.errors import RunError
from gan.evaluation.early_stopping import EarlyStopping
from gan.evaluation.fid_callback import FIDCallback
from gan.runs.checkpoint import read_checkpoint
from nn import load_weights
from tests.gan.runs.test_resume import assert_same_run, interrupted_run
from tests.support.small import (  # noqa: F401
    STEPS_PER_EPOCH,
    assert_refused,
    command,
    digits,
    example,
    trainer,
)

train = example("train_mnist_gan")
FIDS = [9.0, 5.0, 6.0, 5.0, 4.0, 7.0, 7.0, 7.0, 3.0]  # by epoch


class Scripted:
    """Stands in for a FIDCallback in a trainer's list, with known values."""

    latest = None


def fit(early, fid, values, epochs=9):
    """Train for some epochs, or until it stops; returns the epochs."""

    class Measure(FIDCallback):
        def __init__(self):
            pass

        def on_epoch(self, trainer, record):
            fid.latest = values[record["epoch"] - 1]

    t = trainer()
    t.fit(epochs=epochs, callbacks=[Measure(), early])
    return t.step_count / STEPS_PER_EPOCH


def test_it_stops_after_patience_measurements_without_a_new_minimum():
    fid = Scripted()
    early = EarlyStopping(fid, 3)
    assert fit(early, fid, FIDS) == 8 and (early.best, early.waited) == (4.0, 3)
    assert fit(EarlyStopping(fid, 2), fid, FIDS) == 4  # 5.0 again is no improvement
    assert fit(EarlyStopping(fid, 4), fid, FIDS) == 9
    assert fit(EarlyStopping(fid, 1), fid, [9.0, None, None, 8.0, None, 8.5, 7.0]) == 6


def test_earlier_measurements_count_and_an_exhausted_run_makes_no_step():
    fid = Scripted()
    assert fit(EarlyStopping(fid, 3, before=[4.0, 5.0]), fid, FIDS) == 2
    assert fit(EarlyStopping(fid, 2, before=[4.0, 5.0, 5.0]), fid, FIDS) == 0


@pytest.mark.parametrize("patience", [0, 1.5, True])
def test_other_patience_is_refused(patience):
    with pytest.raises(RunError, match="patience: expected an integer of at least 1, got"):
        EarlyStopping(Scripted(), patience)


# ---- the command

QUICK = "--dataset", "mnist-sample", "--recipe", "mlp-leaky", "--batch-size", 10, "--device"
QUICK = *QUICK, "cpu", "--epochs", 6, "--patience", 2, "--validation", 3
OF_RUN = [5.0, 4.0, 7.0, 7.0, 3.0, 6.0]  # FIDs by epoch of four steps


@pytest.fixture
def run(command, monkeypatch):  # noqa: F811
    """Run the command on 43 images, four batches in an epoch, with known FIDs.

    run.compared holds the images of each measurement.
    """
    compared = []

    class Known(FIDCallback):
        def __init__(self, images, every, device):
            self._every, self.latest = every, None
            compared.append(images)

        def measure(self, trainer):
            return OF_RUN[trainer.step_count // 4 - 1]

    monkeypatch.setattr("gan.commands.evaluating.image_evaluation.FIDCallback", Known)
    monkeypatch.setattr("gan.runs.history.save_curves", lambda path, history: path.touch())
    monkeypatch.setattr("gan.training.recording.schedule.RECORDS", 1)
    images = digits(43).reshape(-1, 1, 28, 28)
    monkeypatch.setattr(
        "gan.runs.starting.training_data.load",
        lambda *args, **kwargs: (images, np.arange(43) % 10),
    )

    def call(*words):
        return command(train, *words)

    call.compared = compared
    return call


def test_a_run_stops_early_and_keeps_its_best_weights(run, tmp_path, monkeypatch):
    status, out, err = run(*QUICK, "--out", "here")
    assert status == 0
    assert "on 40 images of mnist-sample" in out and "3 digits more, which are held out" in out
    assert "stopped early after 16 steps" in out and "--resume" in out
    assert "no new minimum for 2 measurements" in out
    assert out.splitlines()[-1] == (
        "best FID 4.000, after step 8, on 3 images held out: its weights are in here/best.npz"
    )
    assert f"predict --weights {tmp_path}/here/best.npz" in out
    assert load_weights("here/best.npz")[1]["training"]["steps_done"] == 8
    config = json.loads((tmp_path / "here" / "config.json").read_text())
    assert (config["patience"], config["validation"], config["evaluate_every"]) == (2, 3, 1)
    assert config["images"] == 40
    (images,) = run.compared
    held = hold_out(digits(43), None, 3)[2]
    assert images[:, 0, 0, 0].tolist() == held[:, 0].tolist()
    orders = read_checkpoint("here/checkpoint.npz").arrays["order.0"]
    assert len(orders) == 40

    assert run("--resume", "here", "--quiet") == (0, "", "")  # as before
    assert load_weights("here/weights.npz")[1]["training"]["steps_done"] == 16
    assert run("--resume", "here", "--quiet", "--patience", 3) == (0, "", "")
    assert load_weights("here/weights.npz")[1]["training"]["steps_done"] == 24
    assert load_weights("here/best.npz")[1]["training"]["steps_done"] == 20  # FID 3.0
    assert "no new minimum for 1 measurement;" in run(*QUICK, "--patience", 1, "--out", "one")[1]


@pytest.mark.parametrize("stop", [10, 12])  # within an epoch, and at the end of one
def test_an_interrupted_run_stops_where_the_whole_one_does(run, tmp_path, monkeypatch, stop):
    words = *QUICK, "--quiet"
    assert run(*words, "--out", "whole") == (0, "", "")
    interrupted_run(run, monkeypatch, *words, "--out", "broken", at=stop)
    assert run("--resume", "broken", "--quiet") == (0, "", "")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
    best = [(tmp_path / name / "best.npz").read_bytes() for name in ("whole", "broken")]
    assert best[0] == best[1]


@pytest.mark.parametrize(
    "words, message",
    [
        (["--validation", 3], "--validation: expected --evaluate-every or --patience with it"),
        (["--patience", 2, "--validation", 43], "validation: expected 2 to 42 images to hold out"),
        (["--patience", 0], "--patience: expected a whole number of at least 1, got 0"),
        (
            ["--patience", 2, "--dataset", "stacked-mnist"],
            "--patience: expected images that have a FID, got stacked-mnist",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(run, tmp_path, words, message):
    quick = ["--recipe", "mlp-smoothed", "--quiet", "--batch-size", 10, "--epochs", 1]
    data = [] if "--dataset" in words else ["--dataset", "mnist-sample"]
    assert_refused(run(*quick, *data, *words), message)
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_split_cannot_get_one(run, tmp_path):
    assert run(*QUICK[:-6], "--epochs", 1, "--quiet", "--out", "here") == (0, "", "")
    resume = "--resume", "here", "--epochs", 2, "--quiet"
    assert_refused(run(*resume, "--patience", 2), "--patience: expected a run with images held out")
    assert_refused(run(*resume, "--validation", 2), "--validation: a resumed run keeps its")
