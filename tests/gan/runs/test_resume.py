"""`--resume`: a run that was stopped or killed ends with the files of an uninterrupted one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan.errors import RunError
from gan.runs.checkpoint import read_checkpoint, write_checkpoint
from gan.runs.checkpoint_callback import CheckpointCallback
from gan.runs.history import History
from gan.runs.lock import RunLock
from gan.runs.run import Run
from gan.runs.starting import training_data
from gan.training.trainer import Trainer
from nn import load_weights
from tests.support.small import CHECKOUT, assert_refused, command, digits, disk_is_full, example  # noqa: F401

train = example("train_mnist_gan")
QUICK = (
    "--dataset",
    "mnist-sample",
    "--recipe",
    "mlp-smoothed",
    "--batch-size",
    10,
    "--quiet",
    "--device",
    "cpu",
)


@pytest.fixture
def run(command, monkeypatch):  # noqa: F811
    """Run the command with four batches of ten per epoch and without curves."""
    monkeypatch.setattr(
        "gan.runs.history.save_curves", lambda path, history: path.write_bytes(b"curves")
    )
    monkeypatch.setattr(
        "gan.runs.starting.training_data.load",
        lambda *args, **kwargs: (digits(43).reshape(-1, 1, 28, 28), np.arange(43) % 10),
    )
    return lambda *words: command(train, *words)


def rows(folder):
    """The cells of history.csv, without times."""
    lines = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    return [
        [
            cell
            for name, cell in zip(lines[0], line, strict=True)
            if name not in ("seconds", "images_per_second")
        ]
        for line in lines
    ]


def stopping_at(stop, step=Trainer.step):
    """A `Trainer.step` that stops training at that step."""
    return lambda self: (step(self), self.step_count == stop and self.stop())


def interrupted_run(run, monkeypatch, *words, at):
    """Run the command, which is stopped at that step."""
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", stopping_at(at))
        assert run(*words)[0] == 0


def fails_at(step, on_record=History.on_record):
    """A `History.on_record` whose disk is full at that step."""

    def failing(self, trainer, record):
        if record["step"] == step:
            disk_is_full()
        on_record(self, trainer, record)

    return failing


def assert_same_run(a, b):
    assert (a / "weights.npz").read_bytes() == (b / "weights.npz").read_bytes()
    assert rows(a) == rows(b)
    assert {p.name: p.read_bytes() for p in (a / "samples").iterdir()} == {
        p.name: p.read_bytes() for p in (b / "samples").iterdir()
    }
    for name in ("progress.gif", "fixed_samples.npz", "config.json"):
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


@pytest.mark.parametrize("recipe", ["mlp-smoothed", "conv-r1r2-classes"])
def test_a_run_that_was_interrupted_goes_on_to_the_same_files(run, tmp_path, monkeypatch, recipe):
    """Steps 1 and 4 have a record; steps 6 and 11 only if the run is interrupted there."""
    monkeypatch.setattr("gan.training.recording.schedule.RECORDS", 3)
    words = *QUICK, "--recipe", recipe, "--steps", 13, "--seed", 7
    assert run(*words, "--out", "whole")[0] == 0
    step = Trainer.step
    for stop in 1, 4, 6, 11:

        def interrupted(self, stop=stop):
            step(self)
            if self.step_count == stop:
                signal.raise_signal(signal.SIGTERM)

        broken = f"broken-{stop}"
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "step", interrupted)
            assert run(*words, "--out", broken)[0] == 143
        assert run("--resume", broken, "--quiet") == (0, "", "")
        assert_same_run(tmp_path / "whole", tmp_path / broken)
        assert run("--resume", broken, "--quiet") == (0, "", "")  # nothing is left to do
        assert_same_run(tmp_path / "whole", tmp_path / broken)


def test_a_numpy_run_is_resumed_on_numpy(run, tmp_path, monkeypatch):
    """Numba's sums differ in their last digits."""
    words = *QUICK[:-1], "numpy"
    assert run(*words, "--steps", 12, "--out", "whole")[0] == 0
    interrupted_run(run, monkeypatch, *words, "--steps", 12, "--out", "broken", at=3)
    assert run("--resume", "broken", "--quiet") == (0, "", "")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_a_longer_training(run, tmp_path):
    assert run(*QUICK, "--epochs", 3, "--out", "whole")[0] == 0
    assert run(*QUICK, "--epochs", 1, "--out", "longer")[0] == 0
    assert run("--resume", "longer", "--epochs", 3, "--quiet")[0] == 0
    assert_same_run(tmp_path / "whole", tmp_path / "longer")  # each has a record per step
    assert run("--resume", "longer", "--steps", 13, "--learning-rate", 0.5, "--quiet")[0] == 0
    info = load_weights("longer/weights.npz")[1]["training"]
    assert (info["steps_done"], info["steps"], info["epochs"], info["learning_rate"]) == (
        13,
        13,
        None,
        0.5,
    )


def test_a_longer_training_keeps_its_records_and_makes_new_ones_less_often(
    run, tmp_path, monkeypatch
):
    monkeypatch.setattr("gan.training.recording.schedule.RECORDS", 4)
    assert run(*QUICK, "--steps", 24, "--out", "whole")[0] == 0
    assert run(*QUICK, "--steps", 8, "--out", "longer")[0] == 0
    first = rows(tmp_path / "longer")
    assert [row[1] for row in first[1:]] == ["1", "2", "4", "6", "8"]
    assert run("--resume", "longer", "--steps", 24, "--quiet")[0] == 0
    later = rows(tmp_path / "longer")
    assert later[: len(first)] == first
    assert [row[1] for row in later[len(first) :]] == ["12", "18", "24"]
    steps = [0, 1, 2, 4, 6, 8, 12, 18, 24]
    names = {path.name for path in (tmp_path / "longer" / "samples").iterdir()}
    assert names == {"latest.png", *(f"step_{step:06}.png" for step in steps)}
    with np.load(tmp_path / "longer" / "fixed_samples.npz") as fixed:
        assert fixed["steps"].tolist() == steps
    for name in ("weights.npz", "samples/latest.png", "samples/step_000012.png"):
        assert (tmp_path / "longer" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("steps", [11, 20])
def test_an_interrupted_run_may_be_given_another_length(run, tmp_path, monkeypatch, steps):
    """The record at the step of the interruption is continued, and its picture replaced."""
    monkeypatch.setattr("gan.training.recording.schedule.RECORDS", 4)
    interrupted_run(run, monkeypatch, *QUICK, "--steps", 40, "--out", "here", at=9)
    assert [row[1] for row in rows(tmp_path / "here")[1:]] == ["1", "2", "4", "8", "9"]
    assert (tmp_path / "here" / "samples" / "step_000009.png").exists()
    assert run("--resume", "here", "--steps", steps, "--quiet")[0] == 0
    later = {11: ["11"], 20: ["10", "15", "20"]}[steps]
    assert [row[1] for row in rows(tmp_path / "here")[1:]] == ["1", "2", "4", "8", *later]
    names = {path.name for path in (tmp_path / "here" / "samples").iterdir()}
    kept = [0, 1, 2, 4, 8, *map(int, later)]
    assert names == {"latest.png", *(f"step_{step:06}.png" for step in kept)}


def test_the_best_weights_equal_those_of_an_uninterrupted_run(run, tmp_path, monkeypatch):
    """FID is measured after complete epochs; the checkpoint contains the lowest."""
    monkeypatch.setattr("gan.evaluation.fid_callback.SAMPLES", 200)
    for reader in ("runs.starting.training_data", "commands.evaluating.image_evaluation"):
        monkeypatch.setattr(
            f"gan.{reader}.load",
            lambda name, split, **how: (
                digits(43 if split == "train" else 300).reshape(-1, 1, 28, 28),
                None,
            ),
        )
    words = *QUICK, "--epochs", 4, "--evaluate-every", 2
    assert run(*words, "--out", "whole")[0] == 0
    for stop in 6, 8, 9:
        broken = f"broken-{stop}"
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "step", stopping_at(stop))
            assert run(*words, "--out", broken)[0] == 0
        assert run("--resume", broken, "--quiet")[0] == 0
        assert_same_run(tmp_path / "whole", tmp_path / broken)
        assert (tmp_path / "whole" / "best.npz").read_bytes() == (
            tmp_path / broken / "best.npz"
        ).read_bytes()


def test_fid_can_be_requested_on_resume(run, tmp_path, monkeypatch):
    monkeypatch.setattr("gan.evaluation.fid_callback.SAMPLES", 200)
    for reader in ("runs.starting.training_data", "commands.evaluating.image_evaluation"):
        monkeypatch.setattr(
            f"gan.{reader}.load",
            lambda name, split, **how: (
                digits(43 if split == "train" else 300).reshape(-1, 1, 28, 28),
                None,
            ),
        )
    assert run(*QUICK, "--epochs", 1, "--out", "here")[0] == 0
    assert run("--resume", "here", "--epochs", 2, "--evaluate-every", 1, "--quiet")[0] == 0
    header, *lines = rows(tmp_path / "here")
    assert header[-1] == "fid" and len(lines) == 8
    assert all(line[-1] == "" for line in lines[:-1]) and float(lines[-1][-1]) > 0


def test_minutes_are_those_of_the_whole_run(run, tmp_path):
    assert run(*QUICK, "--minutes", 0.002, "--out", "here")[0] == 0
    done = load_weights("here/weights.npz")[1]["training"]["steps_done"]
    assert run("--resume", "here", "--quiet")[0] == 0
    assert load_weights("here/weights.npz")[1]["training"]["steps_done"] == done


def test_minutes_that_run_out_in_a_checkpoint_leave_a_line_in_the_history(run, tmp_path):
    assert run(*QUICK, "--steps", 6, "--out", "here")[0] == 0
    checkpoint = read_checkpoint(tmp_path / "here" / "checkpoint.npz")
    rewritten(
        tmp_path / "here",
        config=checkpoint.config | {"steps": None, "minutes": 1e-9},
        history=checkpoint.history[:4],
        frames={step: checkpoint.frames[step] for step in range(5)},
    )
    assert run("--resume", "here", "--quiet") == (0, "", "")
    lines = [row[:2] for row in rows(tmp_path / "here")[1:]]
    assert lines == [["1", "1"], ["1", "2"], ["1", "3"], ["1", "4"], ["2", "7"]]
    assert run("--resume", "here", "--quiet") == (0, "", "")
    assert rows(tmp_path / "here")[-1][:2] == ["2", "7"]


def test_checkpoints_within_an_epoch(run, tmp_path, monkeypatch):
    """The run is killed at a record, before its row is written."""
    monkeypatch.setattr(
        "gan.runs.starting.training_data.load",
        lambda *args, **kwargs: (digits(60).reshape(-1, 1, 28, 28), None),
    )
    monkeypatch.setattr("gan.training.recording.schedule.RECORDS", 33)
    words = *QUICK, "--batch-size", 2, "--steps", 66
    assert run(*words, "--out", "whole")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr(History, "on_record", fails_at(30))
        patch.setattr(Run, "finish", lambda self, trainer: self.release())
        assert run(*words, "--checkpoint-minutes", 1e-9, "--out", "broken")[0] == 2
    first_steps = []
    monkeypatch.setattr(
        Trainer,
        "fit",
        lambda self, fit=Trainer.fit, **how: (
            first_steps.append(self.step_count),
            fit(self, **how),
        ),
    )
    assert run("--resume", "broken", "--checkpoint-minutes", 2, "--quiet")[0] == 0
    assert first_steps == [28]  # the last checkpoint, at the last record before
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
    assert (tmp_path / "broken" / "weights.npz").read_bytes() == (
        tmp_path / "whole" / "weights.npz"
    ).read_bytes()


def test_a_run_goes_on_from_between_any_two_of_its_writes(run, tmp_path, monkeypatch):
    """A kill leaves the folder as it is copied here.

    There is a checkpoint at least every 3 steps, after a record or between two.
    """
    monkeypatch.setattr("gan.training.recording.schedule.RECORDS", 2)
    monkeypatch.setattr("gan.training.trainer.LOG_EVERY", 3)
    copies, replace = [], os.replace

    def copied(temporary, path):
        replace(temporary, path)
        if "whole" in Path(path).parts:  # not Numba's cache
            copies.append(tmp_path / f"copy-{len(copies)}")
            shutil.copytree("whole", copies[-1])

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", copied)
        assert (
            run(
                *QUICK,
                "--batch-size",
                5,
                "--steps",
                12,
                "--checkpoint-minutes",
                1e-9,
                "--out",
                "whole",
            )[0]
            == 0
        )
    resumable = [copy for copy in copies if (copy / "checkpoint.npz").exists()]
    assert (
        len(resumable) > 20
        and len({(copy / "checkpoint.npz").read_bytes() for copy in resumable}) == 8
    )
    for copy in resumable:
        assert run("--resume", copy, "--quiet") == (0, "", "")
        assert_same_run(tmp_path / "whole", copy)


def test_history_is_never_doubled_and_later_lines_come_again(run, tmp_path):
    """A kill between writing history.csv and the checkpoint leaves an extra line."""
    assert run(*QUICK, "--steps", 8, "--out", "here")[0] == 0
    history = tmp_path / "here" / "history.csv"
    before = history.read_text()
    history.write_text(before + before.splitlines()[-1].replace("2,8", "3,12", 1) + "\n")
    (tmp_path / "here" / "samples" / "step_000012.png").write_bytes(b"later")
    assert history.read_text() != before
    assert run("--resume", "here", "--quiet")[0] == 0
    assert history.read_text() == before
    assert not (tmp_path / "here" / "samples" / "step_000012.png").exists()


def test_only_temporary_files_of_a_killed_process_are_removed(run, tmp_path):
    assert run(*QUICK, "--steps", 1, "--out", "here")[0] == 0
    mine = {".hidden", ".a.b", "notes.txt.abcdefgh", ".weights.npz.short"}
    for name in mine | {
        ".weights.npz.0123456789abcdef.tmp",
        ".checkpoint.npz.0000000000000000.tmp",
    }:
        (tmp_path / "here" / name).write_bytes(b"")
    (tmp_path / "here" / "samples" / ".latest.png.fedcba9876543210.tmp").write_bytes(b"")
    assert run("--resume", "here", "--quiet")[0] == 0
    left = {
        p.name
        for p in (tmp_path / "here").rglob("*")
        if p.name.startswith(".")
        or "." in p.name
        and p.suffix not in (".npz", ".csv", ".json", ".png", ".gif")
    }
    assert left == mine


# ---- invalid requests and files


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--recipe", "dcgan", "mlp-smoothed"),
        ("--dataset", "mnist", "mnist-sample"),
        ("--batch-size", 20, "10"),
        ("--seed", 1, "0"),
        ("--out", "elsewhere", "here"),
    ],
)
def test_options_that_would_make_another_run_are_refused(run, tmp_path, option, value, message):
    assert run(*QUICK, "--steps", 1, "--out", "here")[0] == 0
    assert_refused(run("--resume", "here", option, value), option, message)


def test_other_images_are_refused(run, monkeypatch):
    assert run(*QUICK, "--steps", 1, "--out", "here")[0] == 0
    monkeypatch.setattr(
        "gan.runs.starting.training_data.load",
        lambda *args, **kwargs: (digits(43, seed=1).reshape(-1, 1, 28, 28), None),
    )
    assert_refused(run("--resume", "here"), "data", "43 images of mnist-sample", "--data-dir")


def test_a_run_on_the_sample_stays_on_it_when_the_dataset_becomes_available(
    run, tmp_path, monkeypatch
):
    """The run started offline, and is resumed online."""
    given = training_data.load
    words = *QUICK, "--dataset", "mnist"
    assert run(*words, "--steps", 9, "--out", "whole")[0] == 0
    interrupted_run(run, monkeypatch, *words, "--steps", 9, "--out", "broken", at=3)
    full = digits(60, seed=1).reshape(-1, 1, 28, 28)
    monkeypatch.setattr(
        "gan.runs.starting.training_data.load",
        lambda name, *args, **how: given(name) if name == "mnist-sample" else (full, None),
    )
    assert run("--resume", "broken", "--quiet") == (0, "", "")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_a_missing_folder_or_checkpoint_is_refused(run, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"")
    assert_refused(run("--resume", "nowhere"), "nowhere", "--out")
    assert_refused(run("--resume", "file"), "file")
    assert_refused(run("--resume", "empty"), "empty", "checkpoint.npz", "--out")
    assert_refused(run("--resume", ""), "expected a checkpoint.npz")  # from an unset shell variable
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_damaged_checkpoint_is_named(run, tmp_path):
    assert run(*QUICK, "--steps", 1, "--out", "here")[0] == 0
    path = tmp_path / "here" / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-100])
    assert_refused(run("--resume", "here"), "here/checkpoint.npz", "damaged")


def test_two_runs_in_one_folder_the_second_is_refused(run, tmp_path):
    assert run(*QUICK, "--steps", 1, "--out", "here")[0] == 0
    lock = RunLock(tmp_path / "here")
    assert_refused(run("--resume", "here"), "here", "another run")
    lock.release()
    assert run("--resume", "here", "--quiet")[0] == 0
    (tmp_path / "new").mkdir()
    lock = RunLock(tmp_path / "new")
    assert_refused(run(*QUICK, "--steps", 1, "--out", "new"), "new", "another run")
    assert [p.name for p in (tmp_path / "new").iterdir()] == [".lock"]
    lock.release()
    assert list((tmp_path / "new").iterdir()) == []


def test_a_lock_dies_with_its_process(tmp_path):
    hold = f"import sys, time; sys.path.insert(0, {str(CHECKOUT)!r})\n"
    hold += "from gan.runs.lock import RunLock\n"
    hold += "lock = RunLock('.'); print('held', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", hold], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="another run"):
            RunLock(tmp_path)
    finally:
        process.kill()
        process.communicate()
    RunLock(tmp_path).release()


@pytest.mark.parametrize(
    "setting, value",
    [("recipe", 3), ("seed", "x"), ("images", None), ("epochs", "many"), ("batch_size", 1.5)],
)
def test_an_invalid_configuration_is_refused(run, tmp_path, monkeypatch, setting, value):
    write = CheckpointCallback.save

    def poisoned(self, trainer):
        self.config = {**self.config, setting: value}
        write(self, trainer)

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointCallback, "save", poisoned)
        assert run(*QUICK, "--steps", 1, "--out", "here")[0] == 0
    assert_refused(run("--resume", "here"), "here", setting)


def rewritten(folder, **change):
    """Replace a run's checkpoint by one with these changes."""
    path = folder / "checkpoint.npz"
    write_checkpoint(path, replace(read_checkpoint(path), **change))


def test_a_checkpoint_with_other_frames_or_clusters_is_refused(run, tmp_path):
    """The file is valid, but its frames or clusters do not fit the recipe."""
    assert run(*QUICK, "--recipe", "conv-clusters", "--steps", 5, "--out", "here")[0] == 0
    whole = (tmp_path / "here" / "checkpoint.npz").read_bytes()
    for change in (
        {"frames": {step: np.zeros((3, 28, 28), np.uint8) for step in (1, 2)}},
        {"clusters": np.zeros(42)},
        {"clusters": np.full(43, 200)},
        {"clusters": np.zeros((43, 1))},
    ):
        (tmp_path / "here" / "checkpoint.npz").write_bytes(whole)
        rewritten(tmp_path / "here", **change)
        assert_refused(
            run("--resume", "here", "--steps", 9, "--quiet"),
            "frames" if "frames" in change else "labels",
            "expected",
        )
    (tmp_path / "here" / "checkpoint.npz").write_bytes(whole)
    assert run("--resume", "here", "--steps", 9, "--quiet")[0] == 0


@pytest.mark.parametrize("folder", ["a\0b", "\ud800"])
def test_an_impossible_data_folder_is_refused(run, tmp_path, folder):
    assert run(*QUICK, "--steps", 1, "--out", "here")[0] == 0
    rewritten(tmp_path / "here", data_dir=folder)
    assert_refused(run("--resume", "here"), "here", "not a checkpoint")


def test_any_settings_in_a_checkpoint_are_used_or_refused(run, tmp_path, monkeypatch):
    """For any untrusted file, `--resume` succeeds or prints one line."""
    monkeypatch.setattr("gan.evaluation.fid_callback.SAMPLES", 200)
    assert run(*QUICK, "--steps", 5, "--out", "here")[0] == 0
    whole, config = (
        (tmp_path / "here" / "checkpoint.npz").read_bytes(),
        read_checkpoint(tmp_path / "here" / "checkpoint.npz").config,
    )
    values = (
        None,
        True,
        0,
        1,
        -1,
        7,
        10**30,
        10**400,
        0.5,
        float("nan"),
        float("inf"),
        "",
        "cpu",
        "dcgan",
        "\n\ud800",
        [],
        {},
    )
    changes = [{"epochs": 10**400, "steps": 6}, {"minutes": 10**400, "steps": 6}, {}]
    changes += [{name: values[5 * k % len(values)]} for k, name in enumerate(sorted(config))]
    for each in changes:
        (tmp_path / "here" / "checkpoint.npz").write_bytes(whole)
        rewritten(tmp_path / "here", config=config | each)
        status, out, err = run(
            "--resume", "here", "--quiet", *([] if len(each) == 2 else ["--steps", "6"])
        )
        assert (status, err) == (0, "") or (
            status == 2 and err.count("\n") == 1 and err.startswith("error: ")
        ), (each, err)


# ---- the folder is removed, or the disk fills up, during training


def test_a_folder_removed_during_training_is_an_error(run, tmp_path, monkeypatch):
    import shutil

    step = Trainer.step
    monkeypatch.setattr(
        Trainer, "step", lambda self: (step(self), self.step_count == 6 and shutil.rmtree("here"))
    )
    assert_refused(run(*QUICK, "--steps", 13, "--out", "here"), "here", "No such file")


def test_setting_the_clock_back_is_harmless(run, tmp_path, monkeypatch):
    now = iter(range(2_000_000_000, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: next(now))
    assert run(*QUICK, "--steps", 9, "--out", "here")[0] == 0
    history = (tmp_path / "here" / "history.csv").read_text().splitlines()
    assert all(float(line.split(",")[2]) > 0 for line in history[1:])


@pytest.mark.parametrize("n_bytes", [200_000])
def test_a_disk_that_fills_up_in_a_checkpoint(tmp_path, n_bytes):
    """A limit on the size of files stands in. The run can be resumed when there is room."""
    words = [
        sys.executable,
        CHECKOUT / "examples" / "train_mnist_gan.py",
        *map(str, QUICK[:-1]),
        "numpy",
    ]
    limited = "import resource, os, sys\n"
    limited += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({n_bytes},) * 2)\n"
    limited += "os.execv(sys.argv[1], sys.argv[1:])"
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [*words, "--steps", "2", "--out", "here"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    before = (tmp_path / "here" / "checkpoint.npz").read_bytes()
    resume = [*words[:2], "--resume", "here", "--steps", "4", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", limited, *resume],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert_refused(
        (done.returncode, done.stdout, done.stderr),
        "here",
        "File too large",
        "saved before is whole",
    )
    assert (tmp_path / "here" / "checkpoint.npz").read_bytes() == before
    done = subprocess.run(resume, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "here" / "config.json").read_text())["steps"] == 4
