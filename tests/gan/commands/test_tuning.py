"""Options of `byhand train` for rates, schedules, clipping, weight decay and updates."""

import csv
import json

import numpy as np
import pytest

from gan.runs.checkpoint import read_checkpoint, write_checkpoint
from gan.runs.settings import LATER
from gan.training.trainer import Trainer
from nn import CosineSchedule, WarmupSchedule, load_weights
from tests.gan.runs.test_resume import assert_same_run, interrupted_run
from tests.support.small import assert_refused, command, digits, example  # noqa: F401

train = example("train_mnist_gan")
QUICK = "--dataset", "mnist-sample", "--recipe", "mlp-leaky", "--batch-size", 10, "--quiet"
QUICK = *QUICK, "--device", "cpu"
TUNED = "--g-learning-rate", 0.003, "--schedule", "cosine", "--warmup", 2, "--clip-norm", 0.5
TUNED = *TUNED, "--clip-value", 0.1, "--weight-decay", 0.01, "--n-critic", 2


@pytest.fixture
def run(command, monkeypatch):  # noqa: F811
    """Run the command on 43 images, four batches in an epoch; run.trainers holds its trainers."""
    trainers = []

    def make(*args, **kwargs):
        trainers.append(Trainer(*args, **kwargs))
        return trainers[-1]

    monkeypatch.setattr("gan.runs.starting.prepared.Trainer", make)
    monkeypatch.setattr("gan.runs.history.save_curves", lambda path, history: path.touch())
    images = digits(43).reshape(-1, 1, 28, 28)
    monkeypatch.setattr(
        "gan.runs.starting.training_data.load",
        lambda *args, **kwargs: (images, np.arange(43) % 10),
    )

    def call(*words):
        return command(train, *words)

    call.trainers = trainers
    return call


def test_options_reach_the_recipe_and_the_files(run, tmp_path):
    words = *QUICK, *TUNED, "--learning-rate", 0.01, "--epochs", 3
    assert run(*words, "--out", "here") == (0, "", "")
    recipe = run.trainers[0].recipe
    assert recipe.schedule == WarmupSchedule(2, then=CosineSchedule(10))
    assert (recipe.learning_rate, recipe.g_learning_rate, recipe.d_learning_rate) == (
        0.01,
        0.003,
        None,
    )
    assert (recipe.clip_norm, recipe.clip_value, recipe.weight_decay) == (0.5, 0.1, 0.01)
    assert recipe.n_critic == 2
    config = json.loads((tmp_path / "here" / "config.json").read_text())
    assert (config["g_learning_rate"], config["schedule"], config["warmup"]) == (0.003, "cosine", 2)
    assert (config["clip_norm"], config["weight_decay"], config["n_critic"]) == (0.5, 0.01, 2)
    with open("here/history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-2:] == ["d_grad_norm", "g_grad_norm"]
    assert all(float(row["d_grad_norm"]) > 0 for row in rows)


@pytest.mark.parametrize("stop", [3, 4])  # before an update of G, and after one
def test_a_tuned_run_that_was_interrupted_goes_on_to_the_same_files(
    run, tmp_path, monkeypatch, stop
):
    monkeypatch.setattr("gan.training.recording.schedule.RECORDS", 3)
    words = *QUICK, *TUNED, "--steps", 7
    assert run(*words, "--out", "whole") == (0, "", "")
    interrupted_run(run, monkeypatch, *words, "--out", "broken", at=stop)
    assert run("--resume", "broken", "--quiet") == (0, "", "")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_a_resumed_run_keeps_its_settings_unless_options_change_them(run):
    assert run(*QUICK, *TUNED, "--steps", 3, "--out", "here") == (0, "", "")
    resume = "--resume", "here", "--quiet", "--steps", 4
    assert run(*resume, "--schedule", "constant", "--weight-decay", 0.5) == (0, "", "")
    training = load_weights("here/weights.npz")[1]["training"]
    assert (training["schedule"], training["weight_decay"], training["clip_value"]) == (
        "constant",
        0.5,
        0.1,
    )
    assert run.trainers[-1].recipe.schedule == WarmupSchedule(2)
    for option, name, kept in (("--clip-norm", "clip_norm", 0.5), ("--n-critic", "n_critic", 2)):
        done = run(*resume, option, 1)
        assert_refused(done, f"{option}: a resumed run keeps its {name}, {kept}; start another run")


def test_a_run_of_an_earlier_version_resumes(run, tmp_path):
    """Its settings lack the new ones."""
    for name in ("whole", "old"):
        assert run(*QUICK, "--steps", 2, "--out", name) == (0, "", "")
    checkpoint = read_checkpoint("old/checkpoint.npz")
    for name in LATER:
        del checkpoint.config[name]
    write_checkpoint("old/checkpoint.npz", checkpoint)
    assert run("--resume", "old", "--steps", 4, "--quiet") == (0, "", "")
    assert run("--resume", "whole", "--steps", 4, "--quiet") == (0, "", "")
    networks = [load_weights(f"{name}/weights.npz")[0]["G"] for name in ("whole", "old")]
    values = [network.parameters.value.flat.tobytes() for network in networks]
    assert values[0] == values[1]
    done = run("--resume", "old", "--clip-norm", 1, "--quiet")
    assert_refused(done, "--clip-norm: a resumed run keeps its clip_norm, none")


def test_a_checkpoint_with_a_setting_of_another_type_is_refused(run):
    assert run(*QUICK, "--steps", 1, "--out", "here") == (0, "", "")
    checkpoint = read_checkpoint("here/checkpoint.npz")
    checkpoint.config["warmup"] = "two"
    write_checkpoint("here/checkpoint.npz", checkpoint)
    assert_refused(run("--resume", "here", "--quiet"), "expected the run's warmup, got 'two'")


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["--schedule", "cosin"],
            "expected one of constant, linear, cosine, step, inverse-sqrt, got 'cosin'",
        ),
        (["--schedule", "step"], "--schedule step: expected --schedule-steps with it"),
        (["--schedule", "cosine", "--minutes", 1], "--schedule cosine: expected a run of known"),
        (
            ["--schedule-factor", 0.5],
            "--schedule-factor: expected a schedule of linear, cosine or step with it, got none",
        ),
        (["--schedule", "linear", "--warmup", 9, "--steps", 9], "--warmup: expected fewer than"),
        (["--clip-norm", 0], "--clip-norm: expected a finite number above 0, got 0"),
        (["--weight-decay", -1], "--weight-decay: expected a finite number of at least 0, got -1"),
        (["--n-critic", 0], "--n-critic: expected a whole number of at least 1, got 0"),
    ],
    ids=str,
)
def test_an_invalid_setting_is_named(run, tmp_path, words, message):
    assert_refused(run(*QUICK, *words), message)
    assert list(tmp_path.iterdir()) == []
