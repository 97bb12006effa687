"""`--dataset stacked-mnist` of `byhand train` and `byhand evaluate`."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gan.commands.evaluating import stacked as evaluating
from gan.data.datasets import load
from gan.data.stacked import random_triples
from gan.evaluation.feature_extractor import load_feature_extractor
from gan.evaluation.stacked_modes import modes, sample_triples
from gan.generator_file import load_sampler
from gan.recipes import RECIPES
from gan.runs.checkpoint import read_checkpoint
from gan.runs.starting import training_data
from nn import Dense, Flatten, Reshape, Sequential, Tanh
from tests.support.small import assert_refused, command, example  # noqa: F401

train, evaluate, predict = example("train_mnist_gan"), example("evaluate"), example("predict")
N_SAMPLES = 12
STACKED = "--dataset", "stacked-mnist", "--quiet"
CPU = *STACKED, "--device", "numpy"
QUICK = *CPU, "--recipe", "tiny"


@pytest.fixture
def run(command, monkeypatch):  # noqa: F811
    """Run a command on few digits, with a tiny recipe and without curves."""
    images, labels = (each[:40] for each in load("mnist-sample", "train", flat=False))
    for module in (training_data, evaluating):
        monkeypatch.setattr(module, "load", lambda *args, **kwargs: (images, labels))
    monkeypatch.setattr(evaluating, "N_SAMPLES", N_SAMPLES)
    monkeypatch.setattr("gan.data.stacked.N_TRIPLES", 64)
    monkeypatch.setattr("gan.runs.starting.training_data.N_TRIPLES", 64)
    monkeypatch.setattr(evaluating, "N_TRIPLES", 64)
    monkeypatch.setattr(
        "gan.runs.history.save_curves", lambda path, history: path.write_bytes(b"curves")
    )
    tiny = replace(
        RECIPES["stacked-ours"],
        name="tiny",
        batch_size=8,
        make_generator=lambda n_in: Sequential(Dense(n_in, 3 * 784), Reshape((3, 28, 28)), Tanh()),
        make_discriminator=lambda n_out: Sequential(
            Flatten(), Dense(3 * 784, n_out), input_shape=(3, 28, 28)
        ),
    )
    monkeypatch.setitem(RECIPES, "tiny", tiny)
    clusters = replace(tiny, name="tiny-clusters", clusters=4, clusters_per_image=3)
    monkeypatch.setitem(RECIPES, "tiny-clusters", clusters)
    command.labels = labels
    return command


@pytest.mark.parametrize("recipe", ["tiny", "tiny-clusters"])
def test_a_run_resumes_and_its_modes_are_counted(recipe, run, tmp_path):
    assert run(train, *CPU, "--recipe", recipe, "--steps", 4, "--out", "whole") == (0, "", "")
    assert run(train, *CPU, "--recipe", recipe, "--steps", 2, "--out", "parts") == (0, "", "")
    assert run(train, "--resume", "parts", "--steps", 4, "--quiet") == (0, "", "")
    ends = [read_checkpoint(f"{name}/checkpoint.npz") for name in ("whole", "parts")]
    for name, array in ends[0].arrays.items():
        assert np.array_equal(array, ends[1].arrays[name]), name
    assert ends[0].config["images"] == 64

    assert run(evaluate, "--weights", "parts/weights.npz", "--out", "m.json")[0] == 0
    report = json.loads((tmp_path / "m.json").read_text())
    floor = modes(run.labels[random_triples(40, 64, 0)[:N_SAMPLES]])
    assert report["floor"] == dict(zip(("modes", "reverse_kl"), floor))
    sampler = load_sampler("parts/weights.npz")
    triples = sample_triples(sampler, load_feature_extractor(), N_SAMPLES, 0)
    assert report["metrics"] == dict(zip(("modes", "reverse_kl"), modes(triples)))

    saved = "--save-samples", "s.npz", "--count", N_SAMPLES, "--seed", 0
    assert run(predict, "--weights", "parts/weights.npz", *saved)[0] == 0
    status, out, _ = run(evaluate, "--samples", "s.npz", "--dataset", "stacked-mnist")
    assert status == 0
    assert out.splitlines()[0].split()[-3:] == ["reverse", "KL,", "nats"]
    assert out.splitlines()[2].split()[:3] == ["samples", "12", str(report["metrics"]["modes"])]


def test_its_default_recipe_is_for_it(run, monkeypatch, tmp_path):
    monkeypatch.setattr("gan.runs.settings.STACKED_DEFAULT", "tiny")
    assert run(train, *STACKED, "--device", "numpy", "--steps", 1, "--out", "here")[0] == 0
    assert json.loads((tmp_path / "here/config.json").read_text())["recipe"] == "tiny"


@pytest.mark.parametrize(
    "module, words, message",
    [
        (train, ("--recipe", "conv-clusters"), "expected one without classes or clusters"),
        (train, ("--recipe", "dcgan"), "recipe dcgan: expected images of 28 x 28 in grey"),
        (train, ("--evaluate-every", 1), "whose modes are counted"),
        (evaluate, ("--samples", "x.npz", "--neighbours"), "--neighbours: expected images"),
        (evaluate, ("--samples", "x.npz", "--size", 32), "--size: expected images of your own"),
    ],
)
def test_what_does_not_fit_is_refused(run, tmp_path, module, words, message):
    assert_refused(run(module, *STACKED, *words), message)
    assert not list(tmp_path.iterdir())
