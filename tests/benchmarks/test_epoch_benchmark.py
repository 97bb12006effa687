"""benchmarks/epoch.py, scaling.py and draw.py: that their sides do the work they say; no test here looks at a clock."""

import csv
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import draw, epoch, scaling
from benchmarks.harness import epoch_contenders as epoch_sides
from benchmarks.harness import rounds as turns
from benchmarks.harness.epoch_contenders import Ours, Steps, training_images
from gan import recipes
from gan.errors import RunError
from tests.support.small import N_IMAGES, STEPS_PER_EPOCH, TINY, TINY_BATCHNORM, digits, weights


@pytest.fixture
def tiny(monkeypatch):
    """The tiny recipe, known by its name."""
    monkeypatch.setitem(recipes.RECIPES, "tiny", TINY)
    return TINY


def table(monkeypatch, capsys, module, *words):
    """What a command prints, as rows of cells."""
    monkeypatch.setattr(sys, "argv", ["command", "--markdown", *words])
    assert module.main() == 0
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]


def faked(times, asked):
    """A `take_turns` that takes its milliseconds from a function of side and round."""

    def turns(names, what, rounds, steps, sides):
        asked.append((names, what, rounds, steps, sides))
        return {name: [times(name, i) for i in range(rounds)] for name in names}

    return turns


# ---- the sides


def test_an_epoch_is_a_training_with_all_its_files():
    side = Ours(TINY, digits(), 2)
    side()
    side()  # the same training goes on
    assert side.trainer.step_count == 4 * STEPS_PER_EPOCH
    pictures = ["latest.png", *(f"step_{n:06}.png" for n in range(4 * STEPS_PER_EPOCH + 1))]
    assert sorted(path.name for path in side.folder.glob("samples/*")) == pictures
    assert {"weights.npz", "checkpoint.npz", "losses.png", "config.json"} <= {path.name for path in side.folder.iterdir()}
    with open(side.folder / "history.csv", newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, 21))
    side.finish()
    assert (side.folder / "progress.gif").exists()


def test_steps_alone_train_as_the_epochs_do():
    ours, steps = Ours(TINY, digits(), 2), Steps(TINY, digits(), 2)
    ours()
    steps()
    assert weights(ours.trainer) == weights(steps.trainer) and steps.trainer.step_count == 2 * STEPS_PER_EPOCH
    assert not steps.folder.exists()


def test_the_lead_in_leaves_an_epoch_to_begin_where_it_begins():
    side = Ours(TINY, digits(), 1)
    assert turns.timed(side, 1) >= 0
    assert side.trainer.step_count == STEPS_PER_EPOCH


def test_what_has_a_lead_in_is_not_called_untimed():
    class Long:
        calls, lead_ins = 0, 0

        def __call__(self):
            self.calls += 1

        def lead_in(self):
            self.lead_ins += 1

    step = Long()
    turns.timed(step, 2)
    assert step.calls == 2 and step.lead_ins >= turns.MIN_STEPS


def test_images_are_random_bytes_or_those_of_a_folder(monkeypatch):
    assert training_images(7).shape == (7, 28, 28) and training_images(7).dtype == np.uint8
    asked = []
    monkeypatch.setattr(epoch_sides, "load", lambda *what, **how: asked.append((what, how["data_dir"])) or (digits(), None))
    np.testing.assert_array_equal(training_images(5, "folder"), digits()[:5])
    assert asked == [(("mnist",), "folder")]


def test_a_side_is_made_from_words(tiny):
    side = epoch_sides.make_step("steps", "tiny", "24", "3")
    assert (side.trainer.steps_per_epoch, side.epochs) == (3, 3)


@pytest.mark.parametrize("make, average", [("eager", 0.9), ("tuned", None)])
def test_pytorch_has_a_picture_a_line_and_a_checkpoint_an_epoch(monkeypatch, make, average):
    torch = pytest.importorskip("torch")
    from benchmarks.harness.torch_epochs import SIDES

    side = SIDES[make](replace(TINY_BATCHNORM, ema_decay=average), digits(), 2)
    calls, kind = [], type(side.step)
    step = kind.__call__
    monkeypatch.setattr(kind, "__call__", lambda self: calls.append(step(self)) or calls[-1])
    side()
    assert len(calls) == 2 * STEPS_PER_EPOCH
    assert {path.name for path in side.folder.iterdir()} == {"epoch_001.png", "epoch_002.png", "history.csv", "checkpoint.pt"}
    lines = list(csv.reader((side.folder / "history.csv").read_text().splitlines()))
    first = [np.mean([pair[k].item() for pair in calls[:STEPS_PER_EPOCH]]) for k in (0, 1)]
    assert [line[0] for line in lines] == ["1", "2"]
    np.testing.assert_allclose(np.array(lines[0][1:], float), first, rtol=1e-6)
    saved = torch.load(side.folder / "checkpoint.pt", weights_only=True)
    assert saved.keys() == {"G", "D", "g_optimizer", "d_optimizer"} | ({"average"} if average else set())
    assert side.step.G.training


# ---- the tables


def test_the_epochs_table(monkeypatch, capsys):
    asked, ms = [], {"ours": 4400, "steps": 4000, "eager": 8800, "tuned": 6600}
    monkeypatch.setattr(epoch, "take_turns", faked(lambda side, i: ms[side] * (i + 1), asked))
    monkeypatch.setattr(epoch.importlib.util, "find_spec", lambda name: name)
    rows = table(monkeypatch, capsys, epoch, "--rounds", "3", "--epochs", "4", "--images", "900", "--data-dir", "here")
    assert asked == [(["ours", "steps", "eager", "tuned"], ("mlp-dropout", "900", "4", "here"), 3, 1, "benchmarks.harness.epoch_contenders")]
    assert rows[0] == ["recipe", "ours, s", "steps, s", "eager, s", "tuned, s", "ours / steps", "eager / ours", "tuned / ours"]
    spread = ["1.10 (1.10-1.10)", "2.00 (2.00-2.00)", "1.50 (1.50-1.50)"]
    assert rows[2] == ["mlp-dropout", "2.20", "2.00", "4.40", "3.30", *spread]


@pytest.mark.parametrize("module", [epoch, scaling])
def test_an_unknown_recipe_is_an_error(monkeypatch, module):
    monkeypatch.setattr(sys, "argv", ["command", "--recipe", "nothing"])
    with pytest.raises(RunError, match="recipe: expected one of .*, got 'nothing'"):
        module.main()


def test_epochs_without_pytorch(monkeypatch, capsys):
    monkeypatch.setattr(epoch.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(epoch, "take_turns", faked(lambda side, i: 1000, []))
    assert table(monkeypatch, capsys, epoch, "--peers", "none")[2] == ["mlp-dropout", "0.33", "0.33", "1.00 (1.00-1.00)"]
    with pytest.raises(RunError, match=r"pip install -e '\.\[bench\]'"):
        table(monkeypatch, capsys, epoch)


def test_the_cost_of_an_image_by_their_number_and_by_epoch(tiny, monkeypatch, capsys):
    asked = []

    def times(side, i):  # milliseconds: 0.1 for each image in steps; in epochs, five times that where there are few
        if side in ("ours", "steps"):
            return {"ours": 4.0 * (i + 1), "steps": 2.0}[side]  # an epoch takes longer and longer
        return {"8 steps": 4.0, "8 ours": 20.0, "43 steps": 4.0, "43 ours": 4.0}[side]

    monkeypatch.setattr(scaling, "take_turns", faked(times, asked))
    words = ["--recipe", "tiny", "--images", "43", "--images", "8", "--epochs", "10", "--data-dir", "here"]
    rows = table(monkeypatch, capsys, scaling, *words)
    assert asked[0] == (["8 steps", "8 ours", "43 steps", "43 ours"], ("tiny", "43", "here"), 5, 1, "benchmarks.scaling")
    assert asked[1] == (["ours", "steps"], ("tiny", "43", "1", "here"), 10, 1, "benchmarks.harness.epoch_contenders")
    once = "1.00 (1.00-1.00)"  # of 43 images, an epoch of batches of 8 has 40
    assert rows[2:4] == [["8", "100.0", once, "500.0", "5.00 (5.00-5.00)"], ["43", "100.0", once, "100.0", once]]
    assert rows[-5] == ["1-2", "150.0", "3.00 (2.50-3.50)"] and rows[-1] == ["9-10", "950.0", "19.00 (18.50-19.50)"]


def test_blocks_of_epochs_cover_all_of_them():
    assert scaling.edges(20, 5) == [0, 4, 8, 12, 16, 20] and scaling.edges(3, 3) == [0, 1, 2, 3]


def test_turns_of_few_images_are_as_long_as_those_of_many(tiny):
    few, many = (scaling.make_step(f"{n} steps", "tiny", "43") for n in (8, 43))
    assert (few.epochs, few.trainer.steps_per_epoch) == (5, 1)
    assert (many.epochs, many.trainer.steps_per_epoch) == (1, STEPS_PER_EPOCH)


def test_the_full_length_is_one_training(tiny, monkeypatch, capsys):
    made = []
    monkeypatch.setattr(scaling, "Ours", lambda *what: made.append(Ours(*what)) or made[-1])
    rows = table(monkeypatch, capsys, scaling, "--recipe", "tiny", "--images", str(N_IMAGES), "--full")
    assert rows[2][:3] == ["tiny", str(TINY.epochs), str(N_IMAGES)]
    assert made[0].trainer.step_count == TINY.epochs * STEPS_PER_EPOCH and (made[0].folder / "progress.gif").exists()
    with pytest.raises(RunError, match="expected a recipe whose length is in epochs, mlp-smoothed has 24,000 steps"):
        table(monkeypatch, capsys, scaling, "--recipe", "mlp-smoothed", "--full")


# ---- samples


@pytest.mark.parametrize("name", ["mlp-batchnorm", "conv-clusters"])
def test_every_side_draws_so_many_images(name):
    ours, numpy = (draw.make_step(side, name, "3")() for side in ("ours", "numpy"))
    assert ours.shape == (3, 28, 28) and 0 <= ours.min() < ours.max() <= 1
    np.testing.assert_allclose(ours, numpy, atol=1e-5)
    pytest.importorskip("torch")
    theirs = draw.make_step("pytorch", name, "3")()
    assert theirs.size == ours.size and 0 <= theirs.min() < theirs.max() <= 1


def test_samples_are_those_of_the_recipes_of_dense_layers(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(draw, "take_turns", faked(lambda side, i: {"ours": 200}.get(side, 500), asked))
    monkeypatch.setattr(draw.importlib.util, "find_spec", lambda name: None)
    rows = table(monkeypatch, capsys, draw, "--rounds", "2", "--count", "50")
    assert [row[0] for row in rows[2:]] == ["mlp-smoothed", "mlp-dropout", "two-layer", "mlp-batchnorm", "mlp-leaky"]
    assert rows[2][1:] == ["0.200", "0.500", "2.50 (2.50-2.50)"]
    assert asked[0] == (["ours", "numpy"], ("mlp-smoothed", "50"), 2, 1, "benchmarks.draw")
