"""`byhand train`."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan.commands.shared import closing, outputs
from gan.commands.shared.pasting import to_paste
from gan.commands.shared.signals import on_signals
from gan.data import datasets
from gan.evaluation.fid_callback import FIDCallback
from gan.recipes import DEFAULT, DIGITS, RECIPES, recipes_for, table
from gan.runs.checkpoint import read_checkpoint
from gan.training.trainer import Trainer
from nn import load_weights
from nn.ops.numpy.ops import NumpyOps
from tests.support.small import CHECKOUT, assert_refused, command, digits, disk_is_full, example  # noqa: F401

train = example("train_mnist_gan")
SAMPLE = "--dataset", "mnist-sample"
QUICK = *SAMPLE, "--recipe", "mlp-leaky", "--quiet"
EVERYTHING = {
    "weights.npz",
    "checkpoint.npz",
    "samples",
    "fixed_samples.npz",
    "losses.png",
    "progress.gif",
    "history.csv",
    "config.json",
}


@pytest.fixture
def run(command, monkeypatch):  # noqa: F811
    """Run the command without curves and FID, which take most of the time of a short run."""
    monkeypatch.setattr("gan.commands.shared.closing.measured_fid", lambda trainer: 12.3456)
    monkeypatch.setattr(
        "gan.runs.history.save_curves", lambda path, history: path.write_bytes(b"curves")
    )
    monkeypatch.delenv("BYHAND_DATA_DIR", raising=False)
    return lambda *words: command(train, *words)


@pytest.fixture
def few_images(monkeypatch):
    """43 images: an epoch is four batches of ten."""
    monkeypatch.setattr(
        "gan.runs.starting.training_data.load", lambda *args, **kwargs: (digits(43), None)
    )


# ---- a run


def test_the_default_recipe_writes_all_files(run, tmp_path):
    status, out, err = run(*SAMPLE, "--steps", 2, "--device", "cpu", "--seed", 5, "--out", "here")
    assert status == 0
    assert {p.name for p in (tmp_path / "here").iterdir()} == EVERYTHING
    assert (
        "10,000 images of mnist-sample" in out
        and f"byhand predict --weights {tmp_path}/here/weights.npz" in out
    )
    assert "step/s" in err and "2/2" in err  # the bar
    assert "0/2 [" in err and "0step [" not in err  # it has its total from the start
    lines = out.splitlines()
    assert lines[0].startswith(f"{DEFAULT} on 10,000 images of mnist-sample, on cpu (NumPy ")
    assert lines[1] == "k-means: sorting 10,000 images into 400 clusters"
    assert f"watch {Path('here', 'samples', 'latest.png')}" in lines[2:]
    (done,) = (i for i, line in enumerate(lines) if line.startswith("done after 2 steps in "))
    assert "here/progress.gif" in lines[done + 1] and "predict" in lines[done + 2]
    assert lines[done + 3].startswith("measuring FID on 10,000 digits")
    assert lines[done + 4].startswith("FID 12.346, ")
    _, info = load_weights("here/weights.npz")
    assert info["recipe"] == DEFAULT and info["training"]["steps_done"] == 2
    config = json.loads((tmp_path / "here" / "config.json").read_text())
    assert (config["recipe"], config["steps"], config["epochs"], config["seed"]) == (
        DEFAULT,
        2,
        None,
        5,
    )
    assert (config["dataset"], config["images"], config["device"]) == (
        "mnist-sample",
        10_000,
        "cpu",
    )
    assert (config["batch_size"], config["learning_rate"]) == (
        RECIPES[DEFAULT].batch_size,
        RECIPES[DEFAULT].learning_rate,
    )


def test_options_reach_the_trainer(run, few_images):
    words = "--batch-size", 10, "--learning-rate", 0.25, "--epochs", 1, "--out", "here"
    assert run(*QUICK, *words) == (0, "", "")  # quiet
    info = load_weights("here/weights.npz")[1]["training"]
    assert (info["steps_done"], info["batch_size"], info["learning_rate"], info["epochs"]) == (
        4,
        10,
        0.25,
        1,
    )


def test_tf32_reaches_the_gpu_and_is_refused_without_one(
    run, few_images, emulated_cupy_ops, monkeypatch
):
    assert_refused(
        run(*QUICK, "--tf32", "--device", "cpu", "--out", "here"),
        "TF32: expected device 'cuda'",
        "got 'cpu'",
    )
    monkeypatch.setitem(sys.modules, "nn.ops.cuda.ops", emulated_cupy_ops)
    status, out, err = run(*QUICK[:-1], "--tf32", "--batch-size", 10, "--steps", 1, "--out", "here")
    assert status == 0 and "TF32 products" in out


def test_training_a_classifier_takes_tf32_too(command):  # noqa: F811
    assert_refused(
        command(example("train_mnist_classifier"), "--tf32", "--device", "cpu"),
        "TF32: expected device 'cuda'",
        "got 'cpu'",
    )


def test_without_out_the_folder_is_named_after_recipe_and_time(run, tmp_path):
    assert run(*QUICK, "--steps", 1)[0] == 0
    (folder,) = (tmp_path / "runs").iterdir()
    time.strptime(folder.name, "mlp-leaky-%Y%m%d-%H%M%S")


def test_a_run_started_in_the_same_second_keeps_its_folder(run, tmp_path, monkeypatch):
    monkeypatch.setattr(outputs.time, "strftime", lambda form: "now")
    taken = tmp_path / "runs" / "mlp-leaky-now"

    def load(*args, **kwargs):
        taken.mkdir(parents=True)
        (taken / "config.json").write_bytes(b"another's")
        return digits(64).reshape(-1, 1, 28, 28), None

    monkeypatch.setattr("gan.runs.starting.training_data.load", load)
    assert run(*QUICK, "--steps", 1) == (0, "", "")
    assert [p.name for p in taken.iterdir()] == ["config.json"]
    assert {p.name for p in (tmp_path / "runs" / "mlp-leaky-now-2").iterdir()} == EVERYTHING


def test_equal_seeds_give_equal_weights_and_pictures(run, tmp_path):
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run(*QUICK, "--steps", 2, "--seed", seed, "--out", out)[0] == 0
    networks = [
        load_weights(f"{out}/weights.npz")[0]["G"].parameters.value.flat.tobytes() for out in "abc"
    ]
    pictures = [(tmp_path / out / "samples" / "step_000002.png").read_bytes() for out in "abc"]
    for a, b, c in (networks, pictures):
        assert a == b != c


def test_minutes_end_a_run(run):
    assert run(*QUICK, "--minutes", 0.0005, "--out", "here")[0] == 0
    assert 1 <= load_weights("here/weights.npz")[1]["training"]["steps_done"] < 156


def test_data_dir_and_the_environment_name_the_data_folder(run, tmp_path, monkeypatch):
    """The files of fashion-mnist are those of the sample here."""
    sample, fashion = datasets.SOURCES["mnist-sample"], datasets.SOURCES["fashion-mnist"]
    monkeypatch.setitem(
        datasets.SOURCES, "fashion-mnist", datasets.Source("fashion-mnist", sample.files, ())
    )
    assert fashion.files != sample.files
    shutil.copytree(CHECKOUT / "data" / "mnist-sample", tmp_path / "mine")
    words = "--recipe", "mlp-leaky", "--quiet", "--dataset", "fashion-mnist", "--steps", 1
    assert run(*words, "--data-dir", tmp_path / "mine", "--out", "a") == (0, "", "")
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path / "mine"))
    assert run(*words, "--out", "b") == (0, "", "")


def test_list_recipes_is_the_table(run, tmp_path):
    assert run("--list-recipes") == (0, table() + "\n", "")
    assert list(tmp_path.iterdir()) == []


# ---- bad input


@pytest.mark.parametrize(
    "words, message",
    [
        (["--recipe", "mlp"], ["recipe", "'mlp'", *recipes_for(DIGITS)]),
        (["--dataset", "cifar"], ["--dataset", "'cifar'", "mnist", "fashion-mnist", "kmnist"]),
        (["--epochs", "0"], ["--epochs", "at least 1", "got 0"]),
        (["--epochs", "two"], ["--epochs", "at least 1", "got two"]),
        (["--steps", "-3"], ["--steps", "at least 1", "got -3"]),
        (["--steps", "1.5"], ["--steps", "whole number", "got 1.5"]),
        (["--minutes", "0"], ["--minutes", "above 0", "got 0"]),
        (["--minutes", "nan"], ["--minutes", "above 0", "got nan"]),
        (["--batch-size", "0"], ["--batch-size", "at least 1", "got 0"]),
        ([*SAMPLE, "--quiet", "--batch-size", "10001"], ["batch size", "10,000", "got 10001"]),
        (["--learning-rate", "-1"], ["--learning-rate", "above 0", "got -1"]),
        (["--learning-rate", "inf"], ["--learning-rate", "finite", "got inf"]),
        (["--seed", "-1"], ["--seed", "at least 0", "got -1"]),
        (["--device", "tpu"], ["--device", "tpu", "auto", "cpu", "cuda"]),
        (["--reciep", "x"], ["--reciep", "--help"]),
        (["--epochs"], ["--epochs", "expected one argument"]),
    ],
)
def test_an_invalid_argument_is_named(run, tmp_path, words, message):
    assert_refused(run(*words), *message)
    assert list(tmp_path.iterdir()) == []


def test_cuda_without_cupy_says_what_to_install(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.delitem(sys.modules, "nn.ops.cuda.ops", raising=False)
    assert_refused(run(*QUICK, "--device", "cuda"), "cuda", "CuPy", "pip install", "device 'cpu'")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "missing", "file", "n" * 300])
def test_a_data_folder_without_the_data_is_named(run, tmp_path, monkeypatch, name):
    monkeypatch.setitem(
        datasets.SOURCES, "kmnist", datasets.Source("kmnist", datasets.SOURCES["kmnist"].files, ())
    )  # no mirror
    (tmp_path / "file").write_bytes(b"mine")
    folder = tmp_path / name
    assert_refused(run("--dataset", "kmnist", "--data-dir", folder, "--out", "here"), folder)
    assert not (tmp_path / "here").exists()


def test_a_damaged_data_file_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(
        datasets.SOURCES, "kmnist", datasets.Source("kmnist", datasets.SOURCES["kmnist"].files, ())
    )
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(b"\x1f\x8b damaged")
    assert_refused(
        run("--dataset", "kmnist", "--data-dir", tmp_path, "--out", "here"), file, "official"
    )


def test_a_run_is_never_overwritten(run, tmp_path):
    assert run(*QUICK, "--steps", 1, "--out", "here")[0] == 0
    before = {p: p.read_bytes() for p in (tmp_path / "here").rglob("*") if p.is_file()}
    assert_refused(run(*QUICK, "--steps", 1, "--out", "here"), "here", "--out")
    assert {p: p.read_bytes() for p in (tmp_path / "here").rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("out", ["file", "file/below", "n" * 300])
def test_a_folder_that_cannot_be_written_is_named(run, tmp_path, out):
    (tmp_path / "file").write_bytes(b"mine")
    assert_refused(run(*QUICK, "--steps", 1, "--out", out), out, "--out")
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_full_disk_is_an_error_without_a_traceback(run, tmp_path, monkeypatch):
    monkeypatch.setattr("gan.runs.history.write_history", disk_is_full)
    assert_refused(run(*QUICK, "--steps", 1, "--out", "here"), "here", "No space left")
    load_weights("here/weights.npz")


def test_a_loss_that_is_not_finite_names_the_step_and_keeps_good_weights(run, tmp_path):
    assert_refused(
        run(*QUICK, "--steps", 9, "--learning-rate", "1e30", "--out", "here"),
        "step ",
        "1e+30",
        "learning rate",
    )
    networks, info = load_weights("here/weights.npz")  # refuses weights that are not finite
    assert set(networks) == {"G", "D"}
    first = Trainer(RECIPES["mlp-leaky"], np.zeros((64, 784), np.uint8))
    assert np.array_equal(
        networks["G"].parameters.value.flat, first.generator.parameters.value.flat
    )


def test_a_later_loss_that_is_not_finite_loses_no_epoch(run, tmp_path, monkeypatch, few_images):
    monkeypatch.setattr("gan.training.recording.schedule.RECORDS", 2)
    step = Trainer.step

    def poisoned(self):
        if self.step_count == 5:
            self.generator.parameters.value.flat[3] = np.nan
        step(self)

    monkeypatch.setattr(Trainer, "step", poisoned)
    assert_refused(
        run(*QUICK, "--batch-size", 10, "--epochs", 3, "--out", "here"),
        "step 6:",
        "weights are those of step 4,",
    )
    assert {p.name for p in (tmp_path / "here").iterdir()} == EVERYTHING
    lines = (tmp_path / "here" / "history.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [["1", "1"], ["1", "2"], ["1", "4"]]
    with Image.open("here/progress.gif") as gif:
        assert gif.n_frames == 4


# ---- signals


@pytest.mark.parametrize(
    "number, expected", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_after_the_step_with_everything_saved(
    run, tmp_path, monkeypatch, number, expected
):
    step = Trainer.step

    def interrupted(self):
        step(self)
        if self.step_count == 3:
            signal.raise_signal(number)

    monkeypatch.setattr(Trainer, "step", interrupted)
    assert run(*QUICK, "--steps", 1000, "--out", "here") == (expected, "", "")
    assert {p.name for p in (tmp_path / "here").iterdir()} == EVERYTHING
    assert load_weights("here/weights.npz")[1]["training"]["steps_done"] == 3
    assert (tmp_path / "here" / "samples" / "step_000003.png").exists()


def test_only_the_first_signal_is_caught():
    caught, inside = [], []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with on_signals(caught.append):
            signal.raise_signal(signal.SIGINT)
            inside += [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught == [signal.SIGINT] and inside == [signal.SIG_DFL] * 2


def test_an_interrupt_while_loading_is_no_traceback(run, monkeypatch, tmp_path):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("gan.runs.starting.training_data.load", interrupted)
    status, out, err = run(*QUICK)
    assert status == 130 and "Traceback" not in err


def test_a_second_signal_ends_it_at_once_and_the_last_checkpoint_is_whole(tmp_path):
    """The second signal arrives while the first is handled."""
    slow = "import runpy, time, gan.runs.run as module, sys\n"
    slow += "module.Run.finish = lambda *_: (print('finishing', flush=True), time.sleep(3600))\n"
    slow += "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    words = [
        CHECKOUT / "examples" / "train_mnist_gan.py",
        *SAMPLE,
        "--recipe",
        "mlp-leaky",
        "--device",
        "numpy",
        "--quiet",
        "--checkpoint-minutes",
        1e-9,
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", slow, *map(str, words), "--out", "here"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    try:
        while (
            not (tmp_path / "here" / "history.csv").exists() and process.poll() is None
        ):  # the first checkpoint has no step
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "finishing\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=300) == -signal.SIGINT  # 130 in a shell
    finally:
        process.kill()
        process.communicate()
    assert read_checkpoint(tmp_path / "here" / "checkpoint.npz").rest["step"] > 0


def test_warnings_are_lines_on_stderr(run, monkeypatch):
    monkeypatch.setattr("gan.training.stuck_loss.PINNED", 1e9)
    monkeypatch.setattr("gan.training.stuck_loss.MIN_STEPS", 1)
    status, out, err = run(*QUICK, "--epochs", 1, "--batch-size", 2000, "--out", "here")
    assert status == 0 and out == "" and err.count("\n") == err.count("warning: epoch 1: the ") == 2


def test_ctrl_c_in_a_real_process(tmp_path):
    """Started in another folder, and interrupted after its first epoch."""
    words = [
        sys.executable,
        CHECKOUT / "examples" / "train_mnist_gan.py",
        *SAMPLE,
        "--recipe",
        "mlp-leaky",
        "--batch-size",
        "500",
    ]
    words += ["--epochs", "100000"]  # more than it can train before it is interrupted
    process = subprocess.Popen(
        [*words, "--out", "here"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not (tmp_path / "here" / "losses.png").exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert "Traceback" not in err and "Warning" not in err and "stopped after" in out
    stopping = "stopping after this step, then saving to here ..."
    assert out.index(stopping) < out.index("stopped after")
    assert "FID" not in out and f"--resume {tmp_path}/here" in out and "predict" in out
    assert {p.name for p in (tmp_path / "here").iterdir()} == EVERYTHING
    pictures = len(list((tmp_path / "here" / "samples").glob("step_*.png")))
    assert len((tmp_path / "here" / "history.csv").read_text().splitlines()) == pictures
    with Image.open(tmp_path / "here" / "progress.gif") as gif:
        assert gif.n_frames == pictures  # the first is untrained, and not in the history
    load_weights(tmp_path / "here" / "weights.npz")


def test_numpy_alone_says_in_its_first_line_what_numba_would_bring(
    run, few_images, monkeypatch, tmp_path
):
    monkeypatch.setattr("nn.ops.find_numba", lambda: (None, ""))
    monkeypatch.setattr(closing, "find_numba", lambda: (None, ""))
    words = *QUICK[:-1], "--batch-size", 10, "--steps", 2, "--out", "here"
    status, out, _ = run(*words)
    first, *rest = out.splitlines()
    assert status == 0 and closing.NUMBA_FACTOR in first
    assert f"pip install -e {CHECKOUT}[numba]" in first.replace("'", "")
    assert "FID" not in out and f"evaluate --weights {Path.cwd()}/here/weights.npz" in rest[-1]


def test_the_hint_is_for_those_who_lack_numba(monkeypatch):
    monkeypatch.setattr(closing, "find_numba", lambda: (None, ""))
    assert closing.numba_hint(NumpyOps(), "numpy") == ""  # they chose it
    monkeypatch.chdir(CHECKOUT)
    assert closing.numba_hint(NumpyOps(), "auto").endswith("pip install -e '.[numba]'")
    monkeypatch.setattr(closing, "in_checkout", lambda: False)
    assert closing.numba_hint(NumpyOps(), "cpu").endswith("pip install 'byhand[numba]'")
    monkeypatch.setattr(closing, "find_numba", lambda: (None, "Numba cannot start: x"))
    assert closing.numba_hint(NumpyOps(), "cpu") == ""  # the backend's repr says why


def test_the_factor_is_that_of_the_table():
    text = (CHECKOUT / "docs" / "speed.md").read_text()
    table = re.findall(r"pip install -e '\.\[bench,numba\]'.*?```\n\n(.*?)\n\n", text, re.DOTALL)[0]
    rows = [line.split("|") for line in table.splitlines()[2:]]
    factors = [float(row[3]) / float(row[2]) for row in rows]
    low, high = (round(f(factors), 1) for f in (min, max))
    assert f"{low:g} to {high:g} times" == closing.NUMBA_FACTOR


def test_a_fid_that_was_measured_is_not_measured_again(run, few_images, monkeypatch):
    monkeypatch.setattr(FIDCallback, "measure", lambda self, trainer: 7.5)
    monkeypatch.setattr("gan.commands.shared.closing.measured_fid", None)
    words = *QUICK[:-1], "--batch-size", 10, "--steps", 2, "--evaluate-every", 1, "--out", "here"
    status, out, _ = run(*words)
    assert status == 0 and "measuring" not in out and "FID 7.500, " in out.splitlines()[-1]


def test_the_fid_of_other_images_is_left_to_another_command(run, monkeypatch, few_images):
    monkeypatch.setattr("gan.commands.shared.closing.measured_fid", None)
    words = "--dataset", "fashion-mnist", "--recipe", "mlp-leaky", "--batch-size", 10
    status, out, _ = run(*words, "--steps", 2, "--out", "here")
    *_, before, last = out.splitlines()
    assert status == 0 and before == "measure how good they are with"
    assert last.strip() == to_paste("evaluate", "--weights", Path("here/weights.npz"))


def test_the_default_length_is_the_recipes_and_is_recorded(run, tmp_path, monkeypatch):
    lengths = []
    monkeypatch.setattr(Trainer, "fit", lambda self, **length: lengths.append(length))
    assert run(*QUICK, "--out", "here")[0] == 0
    recipe = RECIPES["mlp-leaky"]
    config = json.loads((tmp_path / "here" / "config.json").read_text())
    assert (config["epochs"], config["steps"], config["minutes"]) == (
        recipe.epochs,
        recipe.steps,
        None,
    )
    assert (lengths[0]["steps"], lengths[0]["minutes"]) == (
        recipe.epochs * (10_000 // recipe.batch_size),
        None,
    )


def test_the_folder_is_checked_before_the_data(run, tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    assert_refused(
        run("--recipe", "mlp-leaky", "--data-dir", "nowhere", "--out", "file/below"),
        "file/below",
        "--out",
    )
