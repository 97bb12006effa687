"""Events for TensorBoard, read back from the file."""

import io
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan.errors import RunError
from gan.images import grid
from gan.training.callback import Callback
from gan.training.recording.tensorboard import TensorBoardCallback
from nn import LinearSchedule
from tests.support.small import TINY, assert_refused, command, digits, example, trainer  # noqa: F401


def events(folder):
    """The events in the files of a folder, oldest file first."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(Path(folder).iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)  # then 4 bytes of checksum
            yield Event.FromString(data[at + 12 : at + 12 + length])
            at += 12 + length + 4


def scalars(folder):
    """{tag: {step: value}}."""
    found = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "board").touch()
    board = TensorBoardCallback(tmp_path / "board")
    with pytest.raises(
        RunError, match=r"board to be a folder for events, .*; remove what is there"
    ):
        trainer().fit(steps=1, callbacks=[board])


class FixedFID(Callback):
    """Stands in for a FIDCallback."""

    latest = None

    def on_epoch(self, trainer, record):
        self.latest = 40.0 / record["epoch"] if record["epoch"] == 1 else None


class Keep(Callback):
    """Keeps what is logged."""

    def __init__(self):
        self.logged = []

    def on_log(self, trainer, record):
        self.logged.append(record)


def test_losses_rates_norms_fid_and_samples_are_written(tmp_path):
    t = trainer(replace(TINY, clip_norm=1.0, schedule=LinearSchedule(20)))
    fid, keep = FixedFID(), Keep()
    with TensorBoardCallback(tmp_path, fid) as board:
        records = t.fit(epochs=2, callbacks=[fid, keep, board])
    found = scalars(tmp_path)
    assert set(found) == {
        *("loss/D", "loss/D_real", "loss/D_fake", "loss/penalty", "loss/G"),
        *("output/D_real", "output/D_fake", "grad_norm/D", "grad_norm/G"),
        *("learning_rate/D", "learning_rate/G", "speed/images_per_second", "FID"),
    }
    for tag, name in (("loss/D", "d_loss"), ("loss/G", "g_loss"), ("grad_norm/G", "g_grad_norm")):
        want = {record["step"]: record[name] for record in keep.logged}
        assert found[tag] == pytest.approx(want, rel=1e-6)
    assert found["FID"] == {5: 40.0}
    assert found["learning_rate/G"][10] == pytest.approx(0.01 * (1 - 9 / 20))
    pictures = [
        (event.step, value.image)
        for event in events(tmp_path)
        for value in event.summary.value
        if value.HasField("image")
    ]
    assert [step for step, _ in pictures] == [record["step"] for record in records]
    with Image.open(io.BytesIO(pictures[-1][1].encoded_image_string)) as picture:
        shown = np.array(picture.convert("L"))
    assert np.array_equal(shown, grid(t.fixed_samples().reshape(-1, 28, 28)))


def test_a_run_that_is_continued_hides_later_events_of_its_first_attempt(tmp_path, monkeypatch):
    """Also within one second, which the names of event files count in."""
    monkeypatch.setattr("time.time", lambda: 1e9)
    t = trainer()
    for _ in range(2):
        with TensorBoardCallback(tmp_path) as board:
            t.fit(steps=4, callbacks=[board])
    starts = [event.step for event in events(tmp_path) if event.HasField("session_log")]
    assert starts == [5] and set(scalars(tmp_path)["loss/D"]) == set(range(1, 9))


def test_without_the_package_the_error_says_what_to_install(monkeypatch, command):  # noqa: F811
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(RunError, match=r"tensorboardX, .*byhand\[tensorboard\]"):
        TensorBoardCallback("here")
    done = command(example("train_mnist_gan"), "--tensorboard", "--dataset", "mnist-sample")
    assert_refused(done, "TensorBoard: expected the package tensorboardX")
    assert not Path("runs").exists()


def test_the_command_writes_them_into_the_folder_of_the_run(command, monkeypatch):  # noqa: F811
    train = example("train_mnist_gan")
    images = digits(43).reshape(-1, 1, 28, 28)
    monkeypatch.setattr(
        "gan.runs.starting.training_data.load", lambda *args, **kwargs: (images, None)
    )
    monkeypatch.setattr("gan.runs.history.save_curves", lambda path, history: path.touch())
    words = "--dataset", "mnist-sample", "--recipe", "mlp-leaky", "--batch-size", 10, "--quiet"
    assert command(train, *words, "--steps", 2, "--tensorboard", "--out", "here") == (0, "", "")
    assert set(scalars("here/tensorboard")["loss/D"]) == {1, 2}
    assert command(train, "--resume", "here", "--steps", 3, "--quiet") == (0, "", "")
    assert set(scalars("here/tensorboard")["loss/D"]) == {1, 2, 3}
