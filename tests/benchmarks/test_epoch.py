"""benchmarks.epoch and benchmarks.scaling. No test depends on the time."""

import csv
import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import epoch, scaling
from benchmarks.harness.contenders import epochs, scaled_epochs
from benchmarks.harness.contenders.epochs import Ours, Steps, training_images
from benchmarks.harness.rounds import timed
from gan import recipes
from gan.errors import RunError
from tests.benchmarks.support import fake_interleaved, run_table
from tests.support.small import N_IMAGES, STEPS_PER_EPOCH, TINY, TINY_BATCHNORM, digits, weights

ONCE = "1.00 (1.00-1.00)"


@pytest.fixture
def tiny(monkeypatch):
    """The tiny recipe, known by its name."""
    monkeypatch.setitem(recipes.RECIPES, "tiny", TINY)
    return TINY


# ---- the contenders


def test_an_epoch_is_a_run_with_all_its_files():
    contender = Ours(TINY, digits(), 2)
    contender()
    contender()  # the same run continues
    assert contender.trainer.step_count == 4 * STEPS_PER_EPOCH
    samples = sorted(path.name for path in contender.folder.glob("samples/*"))
    pictures = [f"step_{n:06}.png" for n in range(4 * STEPS_PER_EPOCH + 1)]
    assert samples == ["latest.png", *pictures]
    files = {path.name for path in contender.folder.iterdir()}
    assert {"weights.npz", "checkpoint.npz", "losses.png", "config.json"} <= files
    with open(contender.folder / "history.csv", newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, 21))
    contender.finish()
    assert (contender.folder / "progress.gif").exists()


def test_the_folder_of_a_contender_is_removed_with_it():
    contender = Ours(TINY, digits(), 1)
    folder = contender.folder.parent
    contender.run.release()
    assert folder.exists()
    del contender
    assert not folder.exists()


def test_bare_steps_train_as_the_epochs_do():
    ours, steps = Ours(TINY, digits(), 2), Steps(TINY, digits(), 2)
    ours()
    steps()
    assert weights(ours.trainer) == weights(steps.trainer)
    assert steps.trainer.step_count == 2 * STEPS_PER_EPOCH


def test_after_the_lead_in_an_epoch_starts_at_its_start():
    contender = Ours(TINY, digits(), 1)
    assert timed(contender, 1) >= 0
    assert contender.trainer.step_count == STEPS_PER_EPOCH


def test_images_are_random_bytes_or_those_of_a_folder(monkeypatch):
    assert training_images(7).shape == (7, 28, 28) and training_images(7).dtype == np.uint8
    calls = []

    def load(name, *, data_dir, **options):
        calls.append((name, data_dir))
        return digits(), None

    monkeypatch.setattr(epochs, "load", load)
    np.testing.assert_array_equal(training_images(5, "folder"), digits()[:5])
    assert calls == [("mnist", "folder")]


def test_a_contender_is_made_from_words(tiny):
    contender = epochs.make_step("steps", "tiny", "24", "3")
    assert (contender.trainer.steps_per_epoch, contender.epochs) == (3, 3)


@pytest.mark.parametrize("name, decay", [("eager", 0.9), ("tuned", None)])
def test_pytorch_writes_a_picture_a_line_and_a_checkpoint_per_epoch(monkeypatch, name, decay):
    torch = pytest.importorskip("torch")
    from benchmarks.harness.pytorch.epochs import make_epochs

    recipe = replace(TINY_BATCHNORM, ema_decay=decay)
    contender = make_epochs(name, recipe, digits(), 2)
    calls, kind = [], type(contender.step)
    step = kind.__call__

    def recorded_step(self):
        calls.append(step(self))
        return calls[-1]

    monkeypatch.setattr(kind, "__call__", recorded_step)
    contender()
    assert len(calls) == 2 * STEPS_PER_EPOCH
    files = {path.name for path in contender.folder.iterdir()}
    assert files == {"epoch_001.png", "epoch_002.png", "history.csv", "checkpoint.pt"}
    lines = list(csv.reader((contender.folder / "history.csv").read_text().splitlines()))
    first = [np.mean([pair[k].item() for pair in calls[:STEPS_PER_EPOCH]]) for k in (0, 1)]
    assert [line[0] for line in lines] == ["1", "2"]
    np.testing.assert_allclose(np.array(lines[0][1:], float), first, rtol=1e-6)
    saved = torch.load(contender.folder / "checkpoint.pt", weights_only=True)
    expected = {"G", "D", "g_optimizer", "d_optimizer"} | ({"generator_ema"} if decay else set())
    assert saved.keys() == expected
    assert contender.step.G.training


# ---- the tables


def test_the_table_of_epochs(monkeypatch, capsys):
    calls, ms = [], {"ours": 4400, "steps": 4000, "eager": 8800, "tuned": 6600}
    fake = fake_interleaved(lambda name, i: ms[name] * (i + 1), calls)
    monkeypatch.setattr(epoch, "interleaved", fake)
    monkeypatch.setattr(epoch, "require_peers", lambda peers: "PyTorch 2")
    words = ["--rounds", "3", "--epochs", "4", "--images", "900", "--data-dir", "here"]
    rows = run_table(monkeypatch, capsys, epoch, *words)
    settings = ("mlp-dropout", "900", "4", "here")
    assert calls == [(list(ms), settings, 3, 1, "benchmarks.harness.contenders.epochs")]
    times = ["ours, s", "steps, s", "eager, s", "tuned, s"]
    assert rows[0] == ["recipe", *times, "ours / steps", "eager / ours", "tuned / ours"]
    ratios = ["1.10 (1.10-1.10)", "2.00 (2.00-2.00)", "1.50 (1.50-1.50)"]
    assert rows[2] == ["mlp-dropout", "2.20", "2.00", "4.40", "3.30", *ratios]


@pytest.mark.parametrize("module", [epoch, scaling])
def test_an_unknown_recipe_is_an_error(monkeypatch, capsys, module):
    with pytest.raises(RunError, match="recipe: expected one of .*, got 'nothing'"):
        run_table(monkeypatch, capsys, module, "--recipe", "nothing")


def test_epochs_without_pytorch(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(epoch, "interleaved", fake_interleaved(lambda name, i: 1000, []))
    rows = run_table(monkeypatch, capsys, epoch, "--peers", "none")
    assert rows[2] == ["mlp-dropout", "0.33", "0.33", ONCE]
    with pytest.raises(RunError, match=r"pip install -e '\.\[bench\]'"):
        run_table(monkeypatch, capsys, epoch)


def test_the_cost_of_an_image_by_their_number_and_by_epoch(tiny, monkeypatch, capsys):
    calls = []

    def times(name, i):  # ms: 0.1 for each image in steps; five times that in epochs of few
        if name in ("ours", "steps"):
            return {"ours": 4.0 * (i + 1), "steps": 2.0}[name]  # epochs become longer
        return {"8 steps": 4.0, "8 ours": 20.0, "43 steps": 4.0, "43 ours": 4.0}[name]

    monkeypatch.setattr(scaling, "interleaved", fake_interleaved(times, calls))
    words = ["--recipe", "tiny", "--images", "43", "--images", "8"]
    words += ["--epochs", "10", "--data-dir", "here"]
    rows = run_table(monkeypatch, capsys, scaling, *words)
    names = ["8 steps", "8 ours", "43 steps", "43 ours"]
    contenders = "benchmarks.harness.contenders"
    assert calls == [
        (names, ("tiny", "43", "here"), 5, 1, f"{contenders}.scaled_epochs"),
        (["ours", "steps"], ("tiny", "43", "1", "here"), 10, 1, f"{contenders}.epochs"),
    ]
    # of 43 images, an epoch of batches of 8 has 40
    assert rows[2] == ["8", "100.0", ONCE, "500.0", "5.00 (5.00-5.00)"]
    assert rows[3] == ["43", "100.0", ONCE, "100.0", ONCE]
    assert rows[-5] == ["1-2", "150.0", "3.00 (2.50-3.50)"]
    assert rows[-1] == ["9-10", "950.0", "19.00 (18.50-19.50)"]


def test_blocks_of_epochs_contain_all_of_them():
    assert scaling.block_edges(20, 5) == [0, 4, 8, 12, 16, 20]
    assert scaling.block_edges(3, 3) == [0, 1, 2, 3]


def test_measurements_of_few_images_are_as_long_as_those_of_many(tiny):
    few, many = (scaled_epochs.make_step(f"{n} steps", "tiny", "43") for n in (8, 43))
    assert (few.epochs, few.trainer.steps_per_epoch) == (5, 1)
    assert (many.epochs, many.trainer.steps_per_epoch) == (1, STEPS_PER_EPOCH)


def test_the_full_length_is_one_run(tiny, monkeypatch, capsys):
    made = []

    def make(*args):
        made.append(Ours(*args))
        return made[-1]

    monkeypatch.setattr(scaling, "Ours", make)
    words = ["--recipe", "tiny", "--images", str(N_IMAGES), "--full"]
    rows = run_table(monkeypatch, capsys, scaling, *words)
    assert rows[2][:3] == ["tiny", str(TINY.epochs), str(N_IMAGES)]
    assert made[0].trainer.step_count == TINY.epochs * STEPS_PER_EPOCH
    assert (made[0].folder / "progress.gif").exists()
    error = "expected a recipe whose length is in epochs, mlp-smoothed has 24,000 steps"
    with pytest.raises(RunError, match=error):
        run_table(monkeypatch, capsys, scaling, "--recipe", "mlp-smoothed", "--full")
