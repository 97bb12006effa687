"""benchmarks.quality: the table of sample quality, from existing and new runs."""

import json
import subprocess
import types

import pytest

from benchmarks import quality
from gan.runs.run import Run
from tests.support.small import command, trainer  # noqa: F401

METRICS = {
    "fid": 12.3456,
    "mnist_score": 9.5,
    "precision": 0.71234,
    "recall": 0.65,
    "digits_drawn": 10,
    "kl_to_uniform": 0.00512,
    "unsure": 0.0071,
    "parzen_log_likelihood": 226.04,
}
FLOOR = {**METRICS, "fid": 0.7}


def finish(folder, recipe, seed):
    """Write what all three commands write."""
    train(folder, recipe, seed)
    evaluate(folder)
    (folder / "digits.png").touch()


def train(folder, recipe, seed):
    config = {"recipe": recipe, "seed": seed, "images": 43}
    trainer().fit(epochs=1, callbacks=Run.create(folder, config).callbacks)


def evaluate(folder):
    (folder / "metrics.json").write_text(json.dumps({"metrics": METRICS, "floor": FLOOR}))


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """The commands that were run; each writes the files that it should."""
    commands = []

    def run(words, stdout):
        assert stdout == quality.MESSAGES  # not among the lines of the table
        commands.append([str(word) for word in words][1:])
        out = tmp_path / words[words.index("--out") + 1]
        if "--recipe" in words:
            train(out, words[words.index("--recipe") + 1], 0)
        elif out.name == "metrics.json":
            evaluate(out.parent)
        else:
            out.touch()
        return types.SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_a_recipe_is_trained_once_and_evaluated_once(command, calls, tmp_path):  # noqa: F811
    words = ["--recipe", "two-layer", "--minutes", 2, "--data-dir", "D", "--out", "q"]
    words += ["--dataset", "mnist-sample"]
    status, out, err = command(quality, *words)
    assert status == 0
    training, evaluation, prediction = calls
    assert training[0].endswith("train_mnist_gan.py") and evaluation[0].endswith("evaluate.py")
    name = "q/two-layer-0-mnist-sample-2-minutes"
    options = ["--recipe", "two-layer", "--seed", "0", "--dataset", "mnist-sample"]
    assert training[1:] == [*options, "--out", f"{name}.part", "--minutes", "2.0"]
    weights = ["--weights", f"{name}/weights.npz"]
    against = ["--dataset", "mnist"]  # not the sample, which it was trained on
    report = ["--out", f"{name}/metrics.json"]
    assert evaluation[1:] == [*weights, *against, *report, "--data-dir", "D"]
    first = ["--count", "16", "--seed", "0"]
    assert prediction[1:] == [*weights, "--out", f"{name}/digits.png", *first]
    again = command(quality, *words)
    assert len(calls) == 3 and again[1] == out


def test_a_run_on_all_of_mnist_uses_the_data_folder(command, calls):  # noqa: F811
    assert command(quality, "--recipe", "dcgan", "--data-dir", "D", "--out", "q")[0] == 0
    assert all(words[-2:] == ["--data-dir", "D"] for words in calls[:2])


def test_the_table_has_every_run_of_the_folder_and_the_floor(
    command,  # noqa: F811
    calls,
    tmp_path,
):
    finish(tmp_path / "q" / "dcgan-3", "dcgan", 3)
    finish(tmp_path / "q" / "a-0", "mlp-leaky", 0)
    finish(tmp_path / "q" / "mlp-leaky-0", "mlp-leaky", 0)
    status, out, err = command(quality, "--recipe", "mlp-leaky", "--out", "q", "--markdown")
    lines = out.splitlines()
    assert status == 0 and not calls and len(lines) == 6
    starts = [line.split(" | ")[0:2] for line in lines[2:4]]
    assert starts == [["| dcgan", "43"], ["| mlp-leaky", "43"]]
    assert lines[2].endswith("| 0.7123 | 0.6500 | 10 | 0.0051 | 0.0071 |  | 226.0 |")
    assert "| 0.700 |" in lines[5]


def test_a_run_with_classes_says_how_many_are_recognised(command, calls, tmp_path):  # noqa: F811
    finish(tmp_path / "q" / "classes-0", "conv-classes-hour", 0)
    metrics = {**METRICS, "recognised": 0.9957}
    report = {"metrics": metrics, "floor": FLOOR}
    (tmp_path / "q" / "classes-0" / "metrics.json").write_text(json.dumps(report))
    finish(tmp_path / "q" / "conv-classes-hour-0", "conv-classes-hour", 0)
    words = "--recipe", "conv-classes-hour", "--out", "q", "--markdown"
    status, out, _ = command(quality, *words)
    assert status == 0 and "| 0.0051 | 0.0071 | 0.9957 | 226.0 |" in out


def test_a_run_that_fails_ends_the_command(command, monkeypatch):  # noqa: F811
    failed = types.SimpleNamespace(returncode=2)
    monkeypatch.setattr(subprocess, "run", lambda words, stdout: failed)
    status, out, err = command(quality, "--recipe", "dcgan")
    assert status == 2 and out == "" and "error: train_mnist_gan.py did not finish" in err


def test_an_interrupted_run_is_repeated(command, calls, tmp_path):  # noqa: F811
    unfinished = tmp_path / "q" / "dcgan-0.part"
    unfinished.mkdir(parents=True)
    (unfinished / "weights.npz").write_bytes(b"half of it")
    assert command(quality, "--recipe", "dcgan", "--out", "q")[0] == 0
    assert len(calls) == 3 and [path.name for path in (tmp_path / "q").iterdir()] == ["dcgan-0"]
