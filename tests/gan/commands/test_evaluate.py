"""`byhand evaluate`."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan.commands.evaluating import digits as evaluating_digits
from gan.data.datasets import load
from gan.evaluation import Evaluator, as_images, evaluate
from gan.evaluation.feature_extractor import SHA256
from gan.evaluation.metrics import ROWS
from gan.generator_file import load_sampler
from gan.runs.weights import save_trained
from gan.training.trainer import Trainer
from tests.support.small import (  # noqa: F401
    CHECKOUT,
    TINY_BATCHNORM,
    assert_refused,
    command,
    digits,
    disk_is_full,
    example,
    trainer,
)

evaluate_command = example("evaluate")
N_TRAIN, N_TEST, N_VALIDATION, LEAST = 500, 300, 60, 200


@pytest.fixture(scope="module")
def sample():
    """A small part of the bundled sample: training and test images."""
    return {
        "train": load("mnist-sample", "train")[0][:N_TRAIN],
        "test": load("mnist-sample", "test")[0][:N_TEST],
    }


@pytest.fixture
def run(command, sample, monkeypatch):  # noqa: F811
    """Run the command with little data; run.loads lists the arguments of each load."""
    loads = []

    def little(name, split, *, data_dir, quiet):
        loads.append((name, split, data_dir, quiet))
        return sample[split], np.arange(len(sample[split])) % 10

    for name, value in {
        "load": little,
        "N_VALIDATION": N_VALIDATION,
        "LEAST": LEAST,
        "COUNT": 400,
        "AT_ONCE": 150,
    }.items():
        monkeypatch.setattr(evaluating_digits, name, value)

    def call(*words):
        return command(evaluate_command, *words)

    call.loads = loads
    return call


@pytest.fixture
def samples(tmp_path_factory, sample):
    """A file of real images, in a folder of its own."""
    path = tmp_path_factory.mktemp("made") / "samples.npz"
    np.savez(path, images=sample["train"][:250].reshape(-1, 28, 28))
    return path


def lines_besides_the_bar(err):
    """What a command printed on stderr, without its progress bar."""
    return [
        line for line in err.replace("\r", "\n").splitlines() if line.strip() and "|" not in line
    ]


def test_the_table_and_the_file_hold_the_same_figures(run, samples, sample):
    status, out, err = run("--samples", samples)
    assert status == 0 and lines_besides_the_bar(err) == [] and "%|" in err
    with open("metrics.json") as file:
        report = json.load(file)
    evaluator = Evaluator(sample["test"])
    validation = sample["train"][-N_VALIDATION:]
    expected = evaluate(as_images(sample["train"][:250]), evaluator, validation)
    assert "recognised" not in report["metrics"]
    for key, value in expected.items():  # the floor is of the same images
        assert report["metrics"][key] == report["floor"][key] == pytest.approx(value, rel=1e-4), key
    assert (report["images"], report["floor_images"], report["test_images"]) == (250, 250, N_TEST)
    assert (report["train_images"], report["validation_images"]) == (N_TRAIN, N_VALIDATION)
    assert (
        report["classifier"]["sha256"] == SHA256
        and report["samples"] == str(samples)
        and report["weights"] is None
    )
    lines = out.splitlines()
    assert (
        lines[0]
        == f"{samples}: 250 images against 300 test images; floor: 250 of 500 training images"
    )
    assert lines[1].split() == ["metric", "images", "floor", "better"]
    rows = [each for each in ROWS if each[0] != "recognised"]  # these are no digits asked for
    for (key, label, form, better), line in zip(rows, lines[2:]):
        assert line.startswith(label.rstrip()) and line.endswith(better)
        assert len(line.removesuffix(better).rstrip()) == lines[1].index("floor") + len(
            "floor"
        )  # the columns stand
        assert line[len(label) :].split()[:2] == [
            form.format(report["metrics"][key]),
            form.format(report["floor"][key]),
        ]
    assert lines[-2].split()[1:] == [
        f"{100 * share:.1f}" for share in report["floor"]["class_histogram"]
    ]
    assert lines[-1].startswith("metrics.json: ")


def test_a_generators_digits_are_evaluated(run, tmp_path, tmp_path_factory, sample):
    path = tmp_path_factory.mktemp("run")
    save_trained(path / "weights.npz", trainer(TINY_BATCHNORM), {})
    figures = []
    for out, seed in (("a", []), ("b", ["--seed", 0]), ("c", ["--seed", 1])):
        status, printed, err = run(
            "--weights", path / "weights.npz", "--quiet", "--out", f"{out}.json", *seed
        )
        assert (status, printed, err) == (0, "", "")
        with open(f"{out}.json") as file:
            figures.append(json.load(file))
    a, b, c = figures
    assert a["metrics"] == b["metrics"] != c["metrics"] and (a["seed"], c["seed"]) == (0, 1)
    assert a["images"] == a["floor_images"] == 400 and a["weights"] == str(path / "weights.npz")
    sampler = load_sampler(path / "weights.npz")
    expected = Evaluator(sample["test"]).fid(sampler.images(sampler.inputs(400, 0)))
    assert (
        a["metrics"]["fid"] == pytest.approx(expected, rel=1e-4)
        and expected > 10 * a["floor"]["fid"]
    )
    assert {p.name for p in tmp_path.iterdir()} == {"a.json", "b.json", "c.json"}


def test_digits_that_are_asked_for_are_recognised_or_not(run, tmp_path):
    recipe = replace(TINY_BATCHNORM, classes=10, clusters=2)
    labels = np.arange(40) % 10
    save_trained("weights.npz", Trainer(recipe, digits(40), labels, seed=0), {})
    status, out, _ = run("--weights", "weights.npz")
    assert status == 0 and "\nrecognised as the digit asked for  " in out
    report = json.loads(Path("metrics.json").read_text())
    sampler = load_sampler("weights.npz")
    inputs = sampler.inputs(400, 0)
    asked = inputs[:, sampler.latent.size :].argmax(axis=1) // 2  # two clusters of each digit
    evaluator = Evaluator(digits(40))
    named = evaluator.probabilities(evaluator.features(sampler.images(inputs))).argmax(axis=1)
    assert report["metrics"]["recognised"] == (named == asked).mean()
    # the floor: training images and their labels, which are wrong here
    real = load("mnist-sample", "train")[0][: N_TRAIN - N_VALIDATION][:400]
    named = evaluator.probabilities(evaluator.features(real)).argmax(axis=1)
    wrong = np.arange(len(real)) % 10
    assert report["floor"]["recognised"] == pytest.approx((named == wrong).mean())


def test_many_images_are_sampled_and_the_floor_excludes_validation_images(run, tmp_path, sample):
    np.save(
        tmp_path / "many.npy",
        np.concatenate([sample["train"][:400], np.zeros((150, 784), np.uint8)]),
    )
    status, out, _ = run("--samples", "many.npy")
    assert status == 0 and "400 images, drawn from 550, against" in out
    with open("metrics.json") as file:
        report = json.load(file)
    assert (
        report["metrics"]["fid"] > 2 * report["floor"]["fid"] and report["images"] == 400
    )  # the black ones at the end count too
    np.save(tmp_path / "all.npy", sample["train"])
    evaluating_digits.COUNT = 500  # the fixture restores it
    status, out, _ = run("--samples", "all.npy", "--out", "all.json")
    assert status == 0 and "500 images against" in out and "floor: 440 of 500" in out


def test_parzens_sigma_comes_from_the_protocols_validation_images(run, samples, monkeypatch):
    seen = []

    def look(images, evaluator, validation, *rest):
        seen.append(validation)
        return evaluate(images, evaluator, validation, *rest)

    monkeypatch.setattr(evaluating_digits, "evaluate", look)
    monkeypatch.setattr(evaluating_digits, "VALIDATION", 300)
    assert run("--samples", samples)[0] == 0
    train = evaluating_digits.load("mnist", "train", data_dir=None, quiet=False)[0]
    assert len(seen) == 2 and all(
        np.array_equal(each, train[300 : 300 + N_VALIDATION]) for each in seen
    )
    with open("metrics.json") as file:
        assert json.load(file)["floor_images"] == 250


def test_options_reach_the_data(run, samples):
    assert (
        run(
            "--samples", samples, "--data-dir", "somewhere", "--dataset", "mnist-sample", "--quiet"
        )[0]
        == 0
    )
    assert run.loads == [("mnist-sample", split, "somewhere", True) for split in ("train", "test")]


def test_results_are_never_overwritten(run, samples, tmp_path):
    for name in ("metrics.json", "metrics-2.json"):
        assert run("--samples", samples)[0] == 0 and (tmp_path / name).exists()
    before = (tmp_path / "metrics.json").read_bytes()
    assert_refused(
        run("--samples", samples, "--out", "metrics.json"), "metrics.json", "exists already"
    )
    assert (tmp_path / "metrics.json").read_bytes() == before


@pytest.mark.parametrize(
    "words, message",
    [
        ([], ["--weights", "--samples", "required"]),
        (["--samples", "a.npz", "--weights", "b.npz"], ["not allowed with"]),
        (["--samples", "a.npz", "--out", "a.txt"], ["a.txt", ".json"]),
        (["--samples", "a.npz", "--out", "no/a.json"], ["no/a.json", "cannot be written"]),
        (["--samples", "a.npz", "--seed", "-1"], ["--seed", "at least 0"]),
        (["--samples", "a.npz", "--dataset", "emnist"], ["--dataset", "emnist", "kmnist"]),
        (["--samples", "a.npz"], ["a.npz: ", "no such file"]),
        (["--weights", "b.npz"], ["b.npz: ", "no such file"]),
    ],
)
def test_an_invalid_argument_is_named(run, tmp_path, words, message):
    assert_refused(run(*words), *message)
    assert list(tmp_path.iterdir()) == [] and run.loads == []


@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((LEAST - 1, 28, 28), np.uint8), [f"at least {LEAST}", f"got {LEAST - 1}"]),
        (np.zeros((LEAST, 32, 32), np.uint8), ["(N, 28, 28)", "(200, 32, 32)"]),
        (np.full((LEAST, 784), np.nan), ["finite"]),
        (np.full((LEAST, 784), -1.0), ["[0, 1]", "(x + 1) / 2"]),
        (np.array([None] * LEAST), ["pickled"]),
    ],
)
def test_invalid_samples_are_named(run, tmp_path_factory, tmp_path, images, message):
    path = tmp_path_factory.mktemp("bad") / "bad.npz"
    np.savez(path, images=images)
    assert_refused(run("--samples", path), path, *message)
    assert list(tmp_path.iterdir()) == [] and run.loads == []


def test_a_full_disk_error_names_the_file(run, samples, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", disk_is_full)
    assert_refused(
        run("--samples", samples, "--out", "a.json", "--quiet"), "a.json: ", "No space left"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_command_in_a_real_process(tmp_path):
    np.savez(tmp_path / "few.npz", images=np.zeros((999, 784), np.uint8))
    words = [sys.executable, CHECKOUT / "examples" / "evaluate.py", "--samples", "few.npz"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert_refused(
        (done.returncode, done.stdout, done.stderr), "few.npz", "at least 1,000", "got 999"
    )
