"""What a run writes into its folder."""

import csv
import json
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gan.errors import RunError
from gan.folders import new_folder, write_history
from gan.images import GAP, SCALE
from gan.runs import pictures
from gan.runs.checkpoint import read_checkpoint
from gan.runs.run import Run
from gan.training.callback import Callback
from gan.training.recording import schedule
from gan.training.setup import N_FIXED
from nn import load_weights
from tests.support.small import TINY, TINY_BATCHNORM, disk_is_full, held, trainer, weights

CONFIG = {"recipe": "tiny", "seed": 0, "epochs": 2}
GRID_SIDE = SCALE * (8 * (28 + GAP) + GAP)  # pixels, for 8 x 8 digits


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder after two epochs and two steps of a third, its trainer, and the history."""
    path = tmp_path_factory.mktemp("runs") / "a" / "run"
    t, folder = trainer(TINY_BATCHNORM), Run.create(path, CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "RECORDS", 3)
        history = t.fit(steps=12, callbacks=folder.callbacks)
    folder.finish(t)
    return path, t, history


STEPS = 1, 2, 4, 8, 12  # of the records of that run


@pytest.fixture
def no_curves(monkeypatch):
    """Without curves, which would take most of the time of a test."""
    monkeypatch.setattr("gan.runs.history.save_curves", lambda path, history: None)


def test_exactly_the_documented_files_are_written(run):
    path, _, _ = run
    pictures = {"samples", "losses.png", "progress.gif"}
    names = pictures | {
        "weights.npz",
        "checkpoint.npz",
        "fixed_samples.npz",
        "history.csv",
        "config.json",
    }
    assert {p.name for p in path.iterdir()} == names
    samples = {p.name for p in (path / "samples").iterdir()}
    assert samples == {"latest.png", *(f"step_{k:06}.png" for k in (0, *STEPS))}


def test_the_weights_are_the_trainers_and_describe_how_to_draw(run):
    path, t, _ = run
    networks, info = load_weights(path / "weights.npz")
    assert held(networks["G"], networks["D"]) == weights(t)
    assert info["recipe"] == "tiny" and info["image_range"] == [-1, 1]
    assert info["latent"] == {"size": 4, "distribution": "normal"}
    assert info["training"] == {**CONFIG, "steps_done": 12}


def test_the_pictures_are_of_the_fixed_inputs(run):
    path, t, _ = run
    with np.load(path / "fixed_samples.npz", allow_pickle=False) as fixed:
        images, noise, steps = fixed["images"], fixed["noise"], fixed["steps"].tolist()
    assert images.shape == (6, N_FIXED, 28, 28) and images.dtype == np.uint8
    assert steps == [0, *STEPS]
    assert np.array_equal(noise, t.fixed_inputs)
    assert np.array_equal(images[-1], np.rint(255 * t.fixed_samples()).reshape(N_FIXED, 28, 28))
    untrained = np.rint(255 * trainer(TINY_BATCHNORM).fixed_samples())
    assert np.array_equal(images[0], untrained.reshape(N_FIXED, 28, 28))
    assert not np.array_equal(images[0], images[1])
    latest = (path / "samples" / "latest.png").read_bytes()
    assert latest == (path / "samples" / "step_000012.png").read_bytes()
    for step, frame in zip(steps, images):
        with Image.open(path / "samples" / f"step_{step:06}.png") as picture:
            assert picture.size == (GRID_SIDE, GRID_SIDE)
            pixels = np.array(picture)[::SCALE, ::SCALE]
        assert np.array_equal(pixels[GAP : GAP + 28, GAP : GAP + 28], frame[0])
        assert np.array_equal(pixels[-GAP - 28 : -GAP, -GAP - 28 : -GAP], frame[-1])


def test_the_gif_starts_untrained_and_has_a_frame_per_record(run):
    path, _, _ = run
    with Image.open(path / "progress.gif") as gif:
        assert gif.n_frames == 6 and gif.size == (GRID_SIDE, GRID_SIDE)


def test_the_history_has_a_line_per_record(run):
    path, _, history = run
    with open(path / "history.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(history) == len(STEPS)
    for line, record in zip(lines, history):
        assert list(line) == list(record)
        for name, value in record.items():
            assert np.isclose(float(line[name]), value, rtol=1e-5)
    assert [line["epoch"] for line in lines] == ["1", "1", "1", "2", "3"]
    assert [int(line["step"]) for line in lines] == list(STEPS)


def test_the_config_is_what_was_given(run):
    path, _, _ = run
    assert json.loads((path / "config.json").read_text()) == CONFIG
    with Image.open(path / "losses.png") as picture:
        assert picture.format == "PNG"


def test_all_files_but_the_gif_exist_after_the_first_epoch(tmp_path):
    t, folder = trainer(), Run.create(tmp_path / "run", CONFIG)
    t.fit(epochs=1, callbacks=folder.callbacks)
    for name in (
        "weights.npz",
        "samples/latest.png",
        "samples/step_000005.png",
        "losses.png",
        "history.csv",
        "config.json",
    ):
        assert (tmp_path / "run" / name).stat().st_size > 0, name


def test_a_run_without_steps_leaves_its_weights(tmp_path):
    t, folder = trainer(), Run.create(tmp_path / "run", CONFIG)
    folder.finish(t)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "config.json",
        "samples",
        "weights.npz",
    }


# ---- side effects and errors


def test_saving_does_not_change_training(tmp_path, monkeypatch, no_curves):
    plain, saved = trainer(TINY_BATCHNORM), trainer(TINY_BATCHNORM)
    folder = Run.create(tmp_path / "run", CONFIG)
    buffers = [net.parameters.value.flat for net in (saved.generator, saved.discriminator)]
    plain.fit(epochs=3)
    saved.fit(epochs=1, callbacks=folder.callbacks)
    folder.finish(saved)
    monkeypatch.setattr(pictures, "LOOK_EVERY", 0)
    monkeypatch.setattr(schedule, "RECORDS", 3)
    saved.fit(epochs=2, callbacks=folder.callbacks)
    assert weights(saved) == weights(plain)
    assert all(
        a is net.parameters.value.flat
        for a, net in zip(buffers, (saved.generator, saved.discriminator))
    )
    assert saved.generator.dtype == np.float32 and saved.generator.ops.device == "cpu"


def test_a_long_gif_drops_late_frames_in_checkpoints_too(tmp_path, monkeypatch, no_curves):
    monkeypatch.setattr(pictures, "MAX_FRAMES", 8)
    made = {}
    t, folder = trainer(replace(TINY, epochs=8)), Run.create(tmp_path / "run", CONFIG)

    class Frames(Callback):
        def on_record(self, trainer, record):
            images = np.rint(255 * trainer.fixed_samples()).astype(np.uint8)
            made[record["step"]] = images.reshape(N_FIXED, 28, 28)
            with Image.open(tmp_path / "run" / "samples" / "latest.png") as latest:
                made_now = np.array(latest)
            assert np.array_equal(made_now, pictures.grid(made[record["step"]] / 255))

    t.fit(steps=22, callbacks=[*folder.callbacks, Frames()])
    frames = read_checkpoint(tmp_path / "run" / "checkpoint.npz").frames
    assert len(frames) == 8 and list(frames)[:3] == [0, 1, 2] and list(frames)[-1] == 22
    folder.finish(t)
    with np.load(tmp_path / "run" / "fixed_samples.npz") as fixed:
        assert fixed["steps"].tolist() == list(frames)
        for step, images in zip(fixed["steps"].tolist()[1:], fixed["images"][1:]):
            assert np.array_equal(images, made[step])
    with Image.open(tmp_path / "run" / "progress.gif") as gif:
        assert gif.n_frames == len(frames)


def test_a_long_gif_is_even_on_a_logarithmic_scale():
    steps = [0]
    for step in range(1, 20_000):
        steps.append(step)
        if len(steps) > 100:
            steps.remove(pictures.least_needed(steps))
    assert len(steps) == 100 and steps[0] == 0 and steps[-1] == 19_999
    assert np.max(np.diff(steps) / np.maximum(steps[1:], 20)) < 0.25


def test_a_folder_with_files_is_refused_and_unchanged(tmp_path):
    (tmp_path / "weights.npz").write_bytes(b"mine")
    with pytest.raises(RunError, match="holds files already.*--out") as error:
        Run.create(tmp_path, CONFIG)
    assert str(tmp_path) in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.npz"] and (
        tmp_path / "weights.npz"
    ).read_bytes() == b"mine"


def test_an_empty_folder_or_a_new_path_is_accepted(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "a" / "b" / "c"):
        assert Run.create(path, CONFIG).path == path and (path / "samples").is_dir()


@pytest.mark.parametrize("name", ["file", "file/below", "n" * 300])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, name):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(RunError, match="--out") as error:
        new_folder(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_whenever_a_kill_comes_the_history_has_whole_lines_and_the_checkpoint_is_whole(
    tmp_path, monkeypatch, no_curves
):
    """Both are read each time before and after a file is moved into place."""
    path, seen, replace = tmp_path / "run", [], os.replace

    def look():
        history, checkpoint = path / "history.csv", path / "checkpoint.npz"
        lines = history.read_text() if history.exists() else ""
        seen.append(
            (lines, len(read_checkpoint(checkpoint).history) if checkpoint.exists() else None)
        )

    monkeypatch.setattr(os, "replace", lambda a, b: (look(), replace(a, b), look()))
    t, folder = trainer(), Run.create(path, CONFIG)
    t.fit(steps=12, callbacks=folder.callbacks)
    final = (path / "history.csv").read_text()
    assert final.count("\n") == 13 and len(seen) > 60
    wholes = ["", *("".join(final.splitlines(True)[:n]) for n in range(2, 14))]
    for lines, n_records in seen:
        assert lines in wholes
        # a checkpoint comes after the history, at the end of an epoch of five steps
        assert n_records in (None, *range(0, wholes.index(lines) + 1, 5), wholes.index(lines))
    assert [n for _, n in seen][-1] == 12


def test_a_history_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    write_history(tmp_path, [{"epoch": 1}])
    monkeypatch.setattr("os.fsync", disk_is_full)
    with pytest.raises(OSError):
        write_history(tmp_path, [{"epoch": 1}, {"epoch": 2}])
    assert (tmp_path / "history.csv").read_text() == "epoch\n1\n" and [
        p.name for p in tmp_path.iterdir()
    ] == ["history.csv"]


def test_a_full_disk_while_the_folder_is_made_is_an_error(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.mkdir", lambda *args, **how: disk_is_full())
        with pytest.raises(RunError, match="cannot be written .No space left on device.*--out"):
            new_folder(tmp_path / "run")
    monkeypatch.setattr("os.fsync", disk_is_full)
    with pytest.raises(RunError, match="cannot be written .No space left on device"):
        Run.create(tmp_path / "run", CONFIG)
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize("when", ["on_start", "on_log", "on_record", "on_epoch", "finish"])
def test_a_full_disk_is_an_error_and_leaves_complete_files(tmp_path, monkeypatch, no_curves, when):
    t, folder = trainer(), Run.create(tmp_path / "run", CONFIG)
    history = t.fit(epochs=1, callbacks=folder.callbacks)
    before = (tmp_path / "run" / "weights.npz").read_bytes()

    t.record_due = False
    monkeypatch.setattr(pictures, "LOOK_EVERY", 0)
    monkeypatch.setattr("os.fsync", disk_is_full)
    with pytest.raises(RunError, match="cannot be written .No space left on device") as error:
        if when == "finish":
            folder.finish(t)
        for callback in folder.callbacks:
            getattr(callback, when)(t, *[] if when == "on_start" else [history[0]])
    assert str(tmp_path / "run") in str(error.value)
    assert (tmp_path / "run" / "weights.npz").read_bytes() == before
    assert {p.name for p in (tmp_path / "run").rglob(".*")} <= {".lock"}  # no temporary files


def test_the_latest_picture_is_there_before_the_first_step_and_follows(
    tmp_path, monkeypatch, no_curves
):
    monkeypatch.setattr(pictures, "LOOK_EVERY", 0)
    monkeypatch.setattr(schedule, "RECORDS", 2)
    t, folder = trainer(), Run.create(tmp_path / "run", CONFIG)
    samples, seen = tmp_path / "run" / "samples", {}

    class Watch(Callback):
        def on_start(self, trainer):
            seen[0] = (samples / "latest.png").read_bytes()

        def on_log(self, trainer, record):
            seen[record["step"]] = (samples / "latest.png").read_bytes()

    t.fit(steps=12, callbacks=[*folder.callbacks, Watch()])
    assert seen[0] == (samples / "step_000000.png").read_bytes()
    between = [seen[5], seen[10]]  # the ends of epochs, which have no record
    recorded = [path.read_bytes() for path in samples.glob("step_*.png")]
    assert len(recorded) == 6 and len({*recorded, *between}) == 8


def test_the_latest_picture_of_a_resumed_run_is_there_at_once(tmp_path, no_curves):
    t, folder = trainer(), Run.create(tmp_path / "run", CONFIG)
    t.fit(epochs=1, callbacks=folder.callbacks)
    latest = tmp_path / "run" / "samples" / "latest.png"
    before = latest.read_bytes()
    latest.unlink()
    for callback in folder.callbacks:
        callback.on_start(t)
    assert latest.read_bytes() == before


def test_records_after_another_state_replace_later_ones(tmp_path, no_curves):
    """As after a divergence, when training continues from the last good step."""
    t, folder = trainer(), Run.create(tmp_path / "run", CONFIG)
    t.fit(steps=3, callbacks=folder.callbacks)
    state = t.state_dict()
    t.fit(steps=4, callbacks=folder.callbacks)
    t.load_state_dict(state)
    t.fit(steps=1, callbacks=folder.callbacks)
    assert [row["step"] for row in folder.history] == [1, 2, 3, 4]
    names = {path.name for path in (tmp_path / "run" / "samples").iterdir()}
    assert names == {"latest.png", *(f"step_{k:06}.png" for k in range(5))}
    folder.finish(t)
    with Image.open(tmp_path / "run" / "progress.gif") as gif:
        assert gif.n_frames == 5
