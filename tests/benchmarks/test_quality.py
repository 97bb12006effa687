"""The table of sample quality, from runs that are there and runs that are not."""

import json
import subprocess
import types

import pytest

from benchmarks import quality
from gan.runs.run import Run
from tests.support.small import command, trainer  # noqa: F401

METRICS = {
    "fid": 12.3456, "mnist_score": 9.5, "precision": 0.71234, "recall": 0.65, "digits_drawn": 10, "kl_to_uniform": 0.00512,
    "parzen_log_likelihood": 226.04,
}  # fmt: skip
FLOOR = {**METRICS, "fid": 0.7}


def finished(folder, recipe, seed):
    """What both commands leave behind."""
    trained(folder, recipe, seed)
    judged(folder)
    (folder / "digits.png").touch()


def trained(folder, recipe, seed):
    t, run = trainer(), Run.create(folder, {"recipe": recipe, "seed": seed, "images": 43})
    t.fit(epochs=1, callbacks=run.callbacks)


def judged(folder):
    (folder / "metrics.json").write_text(json.dumps({"metrics": METRICS, "floor": FLOOR}))


@pytest.fixture
def called(monkeypatch, tmp_path):
    """The commands that were run; each leaves behind what it must."""
    commands = []

    def run(words):
        commands.append([str(word) for word in words][1:])
        out = tmp_path / words[words.index("--out") + 1]
        if "--recipe" in words:
            trained(out, words[words.index("--recipe") + 1], 0)
        elif out.name == "metrics.json":
            judged(out.parent)
        else:
            out.touch()
        return types.SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_a_recipe_is_trained_once_and_judged_once(command, called, tmp_path):  # noqa: F811
    words = "--recipe", "two-layer", "--minutes", 2, "--data-dir", "D", "--out", "q", "--dataset", "mnist-sample"
    status, out, err = command(quality, *words)
    assert status == 0
    train, evaluate, predict = called
    assert train[0].endswith("train_mnist_gan.py") and evaluate[0].endswith("evaluate.py")
    name = "q/two-layer-0-mnist-sample-2-minutes"
    assert train[1:] == [
        "--recipe", "two-layer", "--seed", "0", "--dataset", "mnist-sample", "--out", f"{name}.part", "--minutes", "2.0"
    ]  # fmt: skip
    assert evaluate[1:] == ["--weights", f"{name}/weights.npz", "--out", f"{name}/metrics.json", "--data-dir", "D"]
    assert predict[1:] == ["--weights", f"{name}/weights.npz", "--out", f"{name}/digits.png", "--count", "16", "--seed", "0"]
    again = command(quality, *words)
    assert len(called) == 3 and again[1] == out


def test_the_data_folder_serves_the_training_on_all_of_mnist(command, called):  # noqa: F811
    assert command(quality, "--recipe", "dcgan", "--data-dir", "D", "--out", "q")[0] == 0
    assert all(words[-2:] == ["--data-dir", "D"] for words in called[:2])


def test_the_table_has_every_run_of_the_folder_and_the_floor(command, called, tmp_path):  # noqa: F811
    finished(tmp_path / "q" / "dcgan-3", "dcgan", 3)
    finished(tmp_path / "q" / "a-0", "mlp-leaky", 0)
    finished(tmp_path / "q" / "mlp-leaky-0", "mlp-leaky", 0)
    status, out, err = command(quality, "--recipe", "mlp-leaky", "--out", "q", "--markdown")
    lines = out.splitlines()
    assert status == 0 and not called and len(lines) == 6
    assert [line.split(" | ")[0:2] for line in lines[2:4]] == [["| dcgan", "43"], ["| mlp-leaky", "43"]]
    assert lines[2].endswith("| 12.346 | 9.500 | 0.7123 | 0.6500 | 10 | 0.0051 | 226.0 |") and "| 0.700 |" in lines[5]


def test_a_training_that_fails_ends_it(command, monkeypatch):  # noqa: F811
    monkeypatch.setattr(subprocess, "run", lambda words: types.SimpleNamespace(returncode=2))
    status, out, err = command(quality, "--recipe", "dcgan")
    assert status == 2 and out == "" and "error: train_mnist_gan.py did not finish" in err


def test_a_run_that_was_interrupted_is_trained_anew(command, called, tmp_path):  # noqa: F811
    (tmp_path / "q" / "dcgan-0.part").mkdir(parents=True)
    (tmp_path / "q" / "dcgan-0.part" / "weights.npz").write_bytes(b"half of it")
    assert command(quality, "--recipe", "dcgan", "--out", "q")[0] == 0
    assert len(called) == 3 and [path.name for path in (tmp_path / "q").iterdir()] == ["dcgan-0"]
