"""What the view "One update" asks, and what it is told."""

import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from gan.data.images.split import Split
from gan.errors import RunError
from gan.lab.train import session as sessions
from gan.lab.update import open_step, opening
from gan.recipes import get_recipe
from gan.runs.checkpoint import NAME, Checkpoint, write_checkpoint
from gan.runs.run import Run
from gan.runs.settings import SOURCE, settings
from gan.runs.starting import prepared, training_data
from gan.training.callback import Callback
from gan.training.rehearsal import rehearse
from gan.training.trainer import Trainer
from nn.ops import get_ops
from tests.gan.lab.train.test_train import OPTION, wait_for
from tests.gan.lab.update.steps import CONV, PROBABILITIES
from tests.support.lab import ask, decode, make_lab, serving
from tests.support.small import digits, trainer, weights

RECIPE = {"source": "recipe", "recipe": "conv-r1r2", "dataset": "mnist-sample", "seed": 0}
OPEN = {**RECIPE, "batch_size": 8, "steps": 0}


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A lab whose recipes are all CONV, of 43 images."""
    images, labels = digits().reshape(-1, 1, 28, 28), np.zeros(43, np.uint8)
    for module in (opening, prepared):
        monkeypatch.setattr(module, "get_recipe", lambda name: CONV)
    for module in (opening, training_data):
        monkeypatch.setattr(module, "load", lambda *args, **settings: (images, labels))
    monkeypatch.setattr(sessions, "CollapseCallback", Callback)
    lab = make_lab(tmp_path / "runs")
    yield lab
    lab.close()


@pytest.fixture
def page(lab):
    with serving(lab) as served, served.page() as page:
        yield page


def opened(page, **changed):
    """Open a step; the walk as pages see it, and a function that asks about it."""
    page.send(json.dumps({"kind": "update open", "id": 7, **OPEN, **changed}))
    walk = None
    while True:
        header, _ = decode(page.recv(timeout=30))
        if header["kind"] == "update":
            walk = header
        elif header.get("to") == 7:
            break
    while walk is None:
        header, _ = decode(page.recv(timeout=30))
        walk = header if header["kind"] == "update" else None
    return walk, lambda kind, **fields: ask(
        page, f"update {kind}", walk=walk["walk"], **{"sample": 0, **fields}
    )


def stations(walk):
    return [station for chapter in walk["chapters"] for station in chapter["stations"]]


def test_what_is_shown_equals_the_arrays_of_the_step(page):
    walk, look = opened(page, steps=2)
    alone = trainer(CONV, device="numpy")
    for _ in range(2):
        alone.step()
    events = [e for e in rehearse(alone).events if "discriminator_loss" not in e.within]
    assert walk["step"] == 3 and len(stations(walk)) == len(events)
    assert [chapter["title"] for chapter in walk["chapters"]] == [
        *("Batch", "G draws", "D scores", "D’s loss", "Back through D"),
        *("Penalty: D’s slope", "Penalty: its own backward", "Adam moves D"),
        *("D scores again", "G’s loss", "Back through frozen D", "Back through G"),
        *("Adam moves G", "Moving average"),
    ]
    for station, event in zip(stations(walk), events):
        header, arrays = look("look", index=station["index"])
        for item in header["items"]:
            if (array := event.arrays.get(item["name"])) is None:
                continue
            assert item["shape"] == list(array.shape)
            assert item["figures"]["norm"] == pytest.approx(np.linalg.norm(array), rel=1e-5)
            shown = arrays[f"{item['name']}.picture"]
            assert np.isin(shown[~np.isnan(shown)], array.astype(np.float32)).all()
            assert arrays[f"{item['name']}.histogram"].sum() == array.size
    index = next(s["index"] for s in stations(walk) if s["what"] == "double_backward")
    header, arrays = look("look", index=index)
    event = events[index].arrays
    assert [each["name"] for each in header["items"]][:4] == ["v", "ddy", "added_dW", "added_db"]
    added = (event["dW"] - event["dW_before"])[:, :, :, 0]
    assert np.array_equal(arrays["added_dW.picture"][:4, :4], added[0])
    header, arrays = look("numbers", index=index, array="dW", row=1, column=3)
    assert np.array_equal(arrays["numbers"], event["dW"].reshape(3, -1)[1:, 3:11])
    header, _ = look("place", index=index, array="dW", x=6, y=1)
    assert header["index"] == [1, 1, 1, 0] and header["value"] == event["dW"][1, 1, 1, 0]


def test_marks_say_what_is_frozen_drawn_or_of_the_batch(page):
    walk, _ = opened(page)
    marks = {(s["title"], s["what"]): s["marks"] for s in stations(walk)}
    assert marks["D.0 Conv2d", "backward"] == ["frozen"]  # the last of them, in G's update
    assert marks["D.1 LeakyReLU", "backward"] == []
    assert marks["G.2 BatchNorm", "forward"] == ["batch statistics"]
    assert marks["G.0 Dense", "backward"] == ["no ∂L/∂x"]


def test_with_batch_norm_d_passes_real_and_generated_images_apart(page, monkeypatch):
    monkeypatch.setattr(opening, "get_recipe", lambda name: PROBABILITIES)
    walk, _ = opened(page)
    chapters = {chapter["title"]: chapter["stations"] for chapter in walk["chapters"]}
    for title in ("D scores", "Back through D"):
        assert [each["images"] for each in chapters[title]] == ["real"] * 3 + ["generated"] * 3
    assert [each["marks"] for each in chapters["Back through D"]][3:] == [
        *(["adds"], ["adds"], ["no ∂L/∂x", "adds"]),
    ]
    assert {each["images"] for each in chapters["D scores again"]} == {""}


def test_a_change_of_a_number_is_compared_with_the_gradient(page):
    walk, look = opened(page)
    index = next(
        station["index"]
        for chapter in walk["chapters"]
        for station in chapter["stations"]
        if chapter["title"] == "Back through G" and station["title"] == "G.0 Dense"
    )
    header, _ = look("change", index=index, array="dW", place=5, by=1e-4)
    assert (header["stage"], header["what"]) == ("G's update", "W")
    assert header["slope"] == pytest.approx(header["gradient"], rel=1e-3)
    assert header["double"] == pytest.approx(header["slope"], rel=1e-6)
    assert header["quotient"] == pytest.approx(header["gradient"], rel=0.05)
    assert header["after"] - header["before"] == pytest.approx(1e-4 * header["quotient"], rel=1e-3)
    for array, by, words in (("dy", 0.1, "a parameter, or a pixel"), ("dW", 0, "other than 0")):
        header, _ = look("change", index=index, array=array, place=5, by=by)
        assert words in header["message"]
    header, _ = look("certain", shift=-20)
    norms = {each["name"]: each["norm"] for each in header["objectives"]}
    assert norms["saturating"] < 1e-6 < norms["non_saturating"]
    header, _ = look("penalty")
    assert header["with"]["slope"] < header["without"]["slope"]


def test_all_pages_see_the_open_step_and_an_earlier_one_is_closed(lab):
    with serving(lab) as served, served.page() as one:
        first, look = opened(one)
        with served.page() as other:  # or a reload
            header, _ = decode(other.recv(timeout=20))
            assert (header["kind"], header["walk"]) == ("update", first["walk"])
            second, _ = opened(other, seed=1)
        assert second["walk"] > first["walk"]
        header, _ = look("look", index=0)
        assert "an earlier one" in header["message"]


def test_messages_are_bounded(page):
    _, look = opened(page)
    for kind, fields, words in (
        ("look", {"index": 10**6}, "index: expected a whole number"),
        ("look", {"index": -1}, "index"),
        ("look", {"index": 1, "sample": 99}, "sample"),
        ("numbers", {"index": 1, "array": "../x", "row": 0, "column": 0}, "expected one of z, got"),
        ("numbers", {"index": 1, "array": "z", "row": 8, "column": 0}, "row"),
        ("place", {"index": 1, "array": "z", "x": 4, "y": 0}, "x: expected"),
        ("place", {"index": 0, "array": "x", "x": 28, "y": 0}, "the gap between two"),
        ("change", {"index": 2, "array": "W", "place": 10**6, "by": 1}, "place"),
        ("change", {"index": 2, "array": "W", "place": 0, "by": 1e9}, "by"),
        ("certain", {"shift": 1e9}, "shift"),
    ):
        header, _ = look(kind, **fields)
        assert header["kind"] == "error" and words in header["message"], (kind, header)


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"source": "folder"}, "one of session, run, recipe"),
        ({"source": "run", "run": "../../etc"}, "expected one of the 0 listed runs"),
        ({"source": "session"}, "expected a run that is paused, got one that is idle"),
        ({"recipe": "x"}, "recipe: expected one of"),
        ({"dataset": "/etc/passwd"}, "dataset: expected one of"),
        ({"batch_size": 5000}, "batch_size"),
        ({"steps": 10**6}, "steps"),
    ],
)
def test_only_what_is_listed_is_opened(page, changed, words):
    header, _ = ask(page, "update open", **{**OPEN, **changed})
    assert header["kind"] == "error" and words in header["message"]
    header, _ = ask(page, "update look", walk=1, index=0, sample=0)
    assert "got none; open one" in header["message"]


def test_the_memory_of_a_step_is_bounded(page, monkeypatch):
    monkeypatch.setattr(open_step, "MOST_BYTES", 200_000)
    header, _ = ask(page, "update open", **OPEN)
    assert "take a smaller batch" in header["message"]


def test_one_step_is_opened_at_a_time(lab, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    kept = open_step.new_trainer

    def slow(*args):
        begun.set()
        go.wait(20)
        return kept(*args)

    monkeypatch.setattr(open_step, "new_trainer", slow)
    with serving(lab) as served, served.page() as one, served.page() as other:
        one.send(json.dumps({"kind": "update open", "id": 7, **OPEN}))
        assert begun.wait(20)
        header, _ = ask(other, "update open", **OPEN)
        go.set()
        assert "expected one to be opened at a time" in header["message"]


def test_the_server_ends_while_a_recipe_is_trained_before_its_step(lab, monkeypatch):
    begun = threading.Event()

    def slow(self):
        begun.set()
        time.sleep(0.02)

    monkeypatch.setattr(Trainer, "step", slow)
    with serving(lab) as served, served.page() as page:
        page.send(json.dumps({"kind": "update open", "id": 7, **OPEN, "steps": 500}))
        assert begun.wait(20)
        ended = time.monotonic()
    assert time.monotonic() - ended < 8  # not the 10 s that the steps would take


def test_the_labs_run_is_opened_where_it_is_paused_and_goes_on_as_if_it_was_not(lab):
    session = lab.session
    session.start({**OPTION, "steps": 100_000})
    wait_for(session, "running")
    with pytest.raises(RunError, match="expected a run that is paused, got one that is running"):
        session.while_paused(lambda trainer: None)
    session.pause()
    wait_for(session, "paused")
    inner = session.started.trainer
    before = inner.step_count
    with serving(lab) as served, served.page() as page:
        sources = ask(page, "update sources")[0]
        assert sources["session"]["step"] == before and sources["runs"] == ["tiny"]
        walk, look = opened(page, source="session")
        assert walk["step"] == before + 1
        session.step()
        while inner.step_count == before or session.state != "paused":
            time.sleep(0.005)
        alone = trainer(CONV, device="numpy")
        alone.fit(steps=before + 1)
        assert weights(inner) == weights(alone)
        index = next(s["index"] for s in reversed(stations(walk)) if s["title"] == "G.0 Dense")
        _, arrays = look("numbers", index=index, array="W_after", row=0, column=0)
        assert np.array_equal(arrays["numbers"], inner.generator[0].W[:12, :8])
        session.stop()
        wait_for(session, "stopped")

        # and from its checkpoint, which stays free
        again, _ = opened(page, source="run", run="tiny")
        assert again["step"] == before + 2 and again["title"] == "tiny"
    run = Run.resume(session.started.run.path)
    run.release()
    (session.started.run.path / NAME).unlink()
    with pytest.raises(RunError, match="expected a checkpoint, got none yet"):
        opening.trainer_of_run(session.started.run.path, get_ops("numpy"))


def test_a_step_of_points_is_opened(lab, monkeypatch):
    monkeypatch.setattr(prepared, "get_recipe", get_recipe)
    session = lab.session
    session.start({**OPTION, "recipe": "points", "dataset": "circle", "steps": 100_000})
    wait_for(session, "running")
    session.pause()
    wait_for(session, "paused")
    with serving(lab) as served, served.page() as page:
        walk, look = opened(page, source="session")
        batch = session.started.config["batch_size"] or session.started.trainer.recipe.batch_size
        assert walk["batch"] == batch and walk["step"] == session.started.trainer.step_count + 1
        header, arrays = look("look", index=0)
        assert header["items"][0]["shape"] == [batch, 2]
        index = next(s["index"] for s in reversed(stations(walk)) if s["title"] == "G.0 Dense")
        header, _ = look("change", index=index, array="W", place=3, by=1e-4)
        assert header["slope"] == pytest.approx(header["gradient"], rel=1e-2, abs=1e-6)


@pytest.mark.parametrize("clusters", [0, 3])
def test_a_run_on_own_images_is_opened_with_its_images(clusters, monkeypatch, tmp_path):
    """And with its number of clusters, which is smaller than the recipe's."""
    np.save(tmp_path / "own.npy", digits(43).reshape(-1, 28, 28))
    monkeypatch.setattr(opening, "get_recipe", lambda name: replace(CONV, clusters=3 * clusters))
    own = opening.own_images(str(tmp_path / "own.npy"), {})
    made = trainer(replace(CONV, clusters=clusters), Split(own), device="numpy")
    made.fit(steps=2)
    source = {"name": "own.npy", **dict.fromkeys(SOURCE)}
    config = settings({**OPTION, "batch_size": 8, "learning_rate": 0.01}, None)
    config |= {"dataset": None, "source": source, "images": 43, "data": own.digest}
    config |= {"clusters": clusters} if clusters else {}
    state = made.state_dict()
    where, found = str(tmp_path / "own.npy"), made.cluster_ids
    checkpoint = Checkpoint(config, where, *state, {}, found, [], None)
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run" / NAME, checkpoint)
    again = opening.trainer_of_run(tmp_path / "run", get_ops("numpy"))
    assert again.step_count == 2 and weights(again) == weights(made)
    (tmp_path / "own.npy").unlink()
    with pytest.raises(RunError, match="own.npy"):
        opening.trainer_of_run(tmp_path / "run", get_ops("numpy"))
