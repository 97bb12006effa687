"""Runs of the lab on points: the plane, changes on the way, own data and drawings."""

import time
from dataclasses import replace

import numpy as np
import pytest

from gan.data.points.point_set import PointSet
from gan.errors import RunError
from gan.lab.listing import Listing
from gan.lab.train import plane
from gan.lab.train.starting import OPTIONS, Place, resume_run, start_run
from gan.objectives.named import OBJECTIVES
from gan.recipes import RECIPES
from gan.runs.resume import restore
from gan.runs.run import Run
from gan.runs.settings import settings
from gan.runs.starting.prepared import prepare
from gan.training.trainer import Trainer
from nn.ops import get_ops
from tests.support.lab import SHIPPED, ask, decode, make_lab, serving

OPTION = dict.fromkeys(OPTIONS) | {"recipe": "points", "dataset": "circle"}
SMALL = replace(RECIPES["points"], batch_size=16)
POINTS = np.random.default_rng(0).uniform(-1, 1, (40, 2))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("gan.data.points.point_set.EPOCH", 640)
    monkeypatch.setitem(RECIPES, "points", SMALL)
    monkeypatch.setattr("gan.runs.history.save_curves", lambda path, history: path.touch())


@pytest.fixture
def lab(tmp_path):
    lab = make_lab(tmp_path / "runs")
    yield lab
    lab.close()


def new_folder(path):
    path.mkdir()
    return path


def weights(trainer):
    networks = trainer.generator, trainer.generator_ema
    return [network.parameters.value.flat.tobytes() for network in networks]


def wait_for(session, *states):
    end = time.monotonic() + 60
    while session.state not in states:
        assert time.monotonic() < end and session.state != "failed", session.about()
        time.sleep(0.005)


# ---- the plane


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_pull_is_the_negative_slope_of_each_points_own_loss(objective):
    trainer = Trainer(replace(SMALL, objective=OBJECTIVES[objective]), PointSet(POINTS))
    trainer.fit(steps=3)
    x = trainer.generator(trainer.fixed_inputs[:40]).astype(np.float64)
    seen = []
    plane.PlaneCallback(lambda name, message: seen.append(decode(message))).on_start(trainer)
    header, arrays = seen[-1]
    assert header["step"] == 3 and np.allclose(arrays["made"][:40], (x + 1) / 2, atol=1e-6)
    assert np.allclose(seen[0][1]["data"], trainer.batches.unit)

    D = trainer.discriminator
    middle = (np.arange(plane.SIDE) + 0.5) / plane.SIDE
    corner = D(np.array([[2 * middle[-1] - 1, 2 * middle[0] - 1]], np.float32))
    assert arrays["logits"][0, -1] == pytest.approx(float(corner[0, 0]), abs=1e-5)

    real = np.resize(trainer.ops.to_host(trainer.batches.images), (len(x), 2))

    def loss(k, point):
        logit, more = D(point[None].astype(np.float32)), {}
        if trainer.recipe.objective.pairs:
            more = {"real": D(real[k : k + 1].astype(np.float32))}
        return float(trainer.recipe.objective.generator(logit, D.cache(), **more)[0][0])

    step, n_wrong = 3e-3 * np.eye(2), 0
    for k, point in enumerate(x):
        slope = [(loss(k, point + e) - loss(k, point - e)) / 6e-3 for e in step]
        error = np.abs(-2 * arrays["pull"][k] - slope).max()
        n_wrong += error > 0.05 * np.abs(slope).max() + 3e-4
    assert n_wrong <= 4  # D has kinks, across which a difference is no slope
    assert header["d_made"] == pytest.approx(
        (1 / (1 + np.exp(-D(trainer.generator(trainer.fixed_inputs[: plane.MOST_POINTS]))))).mean()
    )


def test_pages_see_the_plane_of_the_latest_step(lab):
    with serving(lab) as served, served.page() as page:
        ask(page, "start", recipe="points", dataset="spirals", steps=9)
        seen = {}
        while seen.get("training", {}).get("state") != "done":
            header, _ = decode(page.recv(timeout=20))
            seen[header["kind"]] = header
        assert seen["plane"]["step"] == 9 and seen["training"]["points"]
        with served.page() as late:
            kinds = {decode(late.recv(timeout=20))[0]["kind"] for _ in range(5)}
            assert {"plane", "data", "samples"} <= kinds


# ---- other settings on the way, and resuming


def test_a_change_does_what_resuming_with_that_option_does(lab, tmp_path):
    lab.session.start({**OPTION, "steps": 100_000})
    wait_for(lab.session, "running")
    while lab.session.started.trainer.step_count < 3:
        time.sleep(0.005)
    lab.session.pause()
    wait_for(lab.session, "paused")
    path = lab.session.started.run.path
    before = lab.session.started.trainer.step_count
    lab.session.change({"objective": "minimax", "penalty": 0.0, "g_learning_rate": 1e-3})
    while lab.session.about()["settings"]["penalty"] is None:
        time.sleep(0.005)
    lab.session.step()
    trainer = lab.session.started.trainer
    while lab.session.started.trainer.step_count == before or lab.session.state != "paused":
        time.sleep(0.005)
    lab.close()
    trainer = lab.session.started.trainer

    alone = {**OPTION, "steps": before}
    first = start_run(alone, get_ops("numpy"), lambda name: new_folder(tmp_path / "alone"))
    first.trainer.fit(steps=before, callbacks=first.run.callbacks)
    first.run.finish(first.trainer)
    run = Run.resume(tmp_path / "alone")
    options = {"resume": "alone", "steps": before + 1, "objective": "minimax", "penalty": 0.0}
    config = settings(options | {"g_learning_rate": 1e-3}, run.checkpoint)
    resumed = prepare(Place(), config, run.checkpoint, get_ops("numpy"), say=print).trainer
    restore(resumed, run.checkpoint, run.path)
    run.release()
    resumed.fit(steps=1)
    assert weights(trainer) == weights(resumed)
    kept = Run.resume(path)
    config = kept.checkpoint.config
    kept.release()
    assert (config["objective"], config["penalty"]) == ("minimax", 0)


def test_the_lab_resumes_a_run_to_the_same_bytes(lab):
    lab.session.start({**OPTION, "steps": 4})
    wait_for(lab.session, "done")
    folder = lab.session.started.run.path
    with serving(lab) as served, served.page() as page:
        assert ask(page, "resume", run="../secret")[0]["kind"] == "error"
        assert ask(page, "resume", run=folder.name, steps=7)[0]["state"] in ("starting", "running")
        lab.session.wait()
    assert lab.session.state == "done" and lab.session.started.trainer.step_count == 7
    whole = Trainer(SMALL, lab.session.started.prepared.data.images, device="numpy")
    whole.fit(steps=7)
    assert weights(lab.session.started.trainer) == weights(whole)


def test_a_run_that_another_process_trains_is_not_resumed(lab):
    lab.session.start({**OPTION, "steps": 2})
    wait_for(lab.session, "done")
    other = Run.resume(lab.session.started.run.path)
    with pytest.raises(RunError, match="in use|another|locked"):
        resume_run(other.path, None, get_ops("numpy"))
    other.release()


# ---- own data and drawings


def test_only_listed_data_are_read(tmp_path):
    np.savetxt(tmp_path / "mine.csv", POINTS, delimiter=",")
    lab = make_lab(tmp_path / "runs", data=[tmp_path / "mine.csv"])
    with serving(lab) as served, served.page() as page:
        (listed,) = ask(page, "choices")[0]["data"]
        assert listed == {"name": "mine.csv", "points": True}
        for name in (str(tmp_path / "mine.csv"), "../mine.csv", "drawn-points/points-1.csv"):
            header, _ = ask(page, "start", recipe="points", data=name)
            assert header["kind"] == "error" and "expected one of the 1 listed" in header["message"]
        ask(page, "start", recipe="points", data="mine.csv", steps=1)
        lab.session.wait()
        assert lab.session.state == "done"
        kept = Run.resume(lab.session.started.run.path)
        assert kept.checkpoint.data_dir == str(tmp_path / "mine.csv")
        kept.release()


def test_drawn_points_become_a_listed_file_that_a_run_is_trained_on(lab):
    drawn = POINTS.round(6).tolist()
    with serving(lab) as served, served.page() as page:
        name = ask(page, "draw points", points=drawn)[0]["data"]
        assert name == "drawn-points/points-1.csv"
        assert ask(page, "draw points", points=drawn)[0]["data"] == "drawn-points/points-2.csv"
        for wrong in ([[0, 0]], [[0, 0, 0]] * 3, [[0, 5]] * 3, [[0, 0]] * 3, "no"):
            assert ask(page, "draw points", points=wrong)[0]["kind"] == "error"
        ask(page, "start", recipe="points", data=name, steps=1)
        lab.session.wait()
    assert lab.session.state == "done" and lab.session.about()["dataset"] == "points-1.csv"
    points = lab.session.started.prepared.data.images.points
    assert np.allclose(points, drawn, atol=1e-5)


def test_data_of_one_name_are_told_apart(tmp_path):
    paths = [tmp_path / part / "photos" for part in "ab"]
    listing = Listing(SHIPPED, tmp_path, paths)
    assert listing.data() == {str(path): path for path in paths}
