"""What the view "Train" does: runs of the lab, what pages see of them, and other runs."""

import re
import threading
import time
import warnings

import numpy as np
import pytest

from gan.classifier import image_classifier
from gan.classifier.stored import StoredClassifier
from gan.errors import CollapseWarning, RunError
from gan.evaluation.image_evaluator import image_evaluator
from gan.lab.train import fid_on_request
from gan.lab.train import session as sessions
from gan.lab.train.layer_figures import dead_units, layer_norms
from gan.lab.train.other_runs import config_of, history_of, picture_of
from gan.lab.train.starting import OPTIONS
from gan.runs.resume import restore
from gan.runs.run import Run
from gan.runs.starting import prepared, training_data
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn import Dense, LeakyReLU, ReLU, Sequential
from tests.support.lab import ask, decode, make_lab, serving
from tests.support.small import STEPS_PER_EPOCH, TINY, digits, trainer, weights

OPTION = dict.fromkeys(OPTIONS) | {"recipe": "mlp-dropout", "dataset": "mnist-sample"}


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A lab whose runs take milliseconds."""
    monkeypatch.setattr(prepared, "get_recipe", lambda name: TINY)
    images, labels = digits().reshape(-1, 1, 28, 28), np.zeros(len(digits()), np.uint8)
    monkeypatch.setattr(training_data, "load", lambda *args, **settings: (images, labels))
    monkeypatch.setattr(sessions, "CollapseCallback", Callback)
    lab = make_lab(tmp_path / "runs")
    yield lab
    lab.close()


def wait_for(session, *states):
    end = time.monotonic() + 60
    while session.state not in states:
        assert time.monotonic() < end and session.state != "failed", session.about()
        time.sleep(0.005)


def same_as_command(steps):
    """The weights after that many steps without a lab."""
    alone = trainer(device="numpy")
    alone.fit(steps=steps)
    return weights(alone)


# ---- the lab's run


def test_a_run_ends_as_the_command_lines_does(lab):
    lab.session.start({**OPTION, "steps": 7})
    wait_for(lab.session, "done")
    about = lab.session.about()
    folder = lab.play.listing.folder / "tiny"
    assert about["run"] == str(folder) and not about["problem"]
    files = {path.name for path in folder.iterdir()}
    assert {"config.json", "weights.npz", "checkpoint.npz", "history.csv", "progress.gif"} <= files
    run = Run.resume(folder)
    resumed = trainer()
    restore(resumed, run.checkpoint, folder)
    run.release()
    assert resumed.step_count == 7 and weights(resumed) == same_as_command(7)


def test_a_paused_run_steps_goes_on_and_is_resumable_throughout(lab):
    session = lab.session
    session.start({**OPTION, "steps": 100_000})
    wait_for(session, "running")
    session.pause()
    wait_for(session, "paused")
    inner = session.started.trainer
    before = inner.step_count
    session.step()
    while inner.step_count == before or session.state != "paused":
        time.sleep(0.005)
    assert inner.step_count == before + 1
    assert weights(inner) == same_as_command(before + 1)
    session.go_on()
    wait_for(session, "running")
    while inner.step_count < before + 10:
        time.sleep(0.005)
    session.stop()
    wait_for(session, "stopped")
    run = Run.resume(session.started.run.path)  # its lock is free
    assert run.checkpoint.rest["step"] == inner.step_count
    run.release()


def test_wishes_that_do_not_fit_are_refused(lab):
    for wish in (lab.session.pause, lab.session.go_on, lab.session.step, lab.session.measure_fid):
        with pytest.raises(RunError, match="expected a run that is"):
            wish()
    lab.session.start({**OPTION, "steps": 100_000})
    with pytest.raises(RunError, match="expected no run in this lab, got one; stop it first"):
        lab.session.start(OPTION)
    lab.close()
    assert lab.session.state == "stopped"


def test_a_run_that_cannot_start_or_go_on_says_why(lab, monkeypatch):
    lab.session.start({**OPTION, "batch_size": 1000})
    lab.session.close()
    assert lab.session.state == "failed" and "batch" in lab.session.about()["problem"]

    def fail(self):
        raise RunError("step 3: a loss is no longer finite")

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", fail)
        lab.session.start({**OPTION, "steps": 5})
        lab.session.wait()
    assert lab.session.state == "failed" and "no longer finite" in lab.session.about()["problem"]
    lab.session.start({**OPTION, "steps": 5})
    wait_for(lab.session, "done")


def test_warnings_reach_the_pages(lab, monkeypatch):
    class Warns(Callback):
        def on_record(self, trainer, record):
            warnings.warn("epoch 1: stuck", CollapseWarning, stacklevel=1)

    monkeypatch.setattr(sessions, "CollapseCallback", Warns)
    lab.session.start({**OPTION, "steps": 2})
    wait_for(lab.session, "done")
    assert lab.session.about()["warnings"] == ["epoch 1: stuck"] * 2


def test_fid_is_that_of_the_step_it_names_though_training_goes_on(lab, monkeypatch):
    class Measures:
        def __init__(self, images, ops):
            inner = lab.session.started.trainer
            last = inner.step_count + 100
            while inner.step_count < last:
                time.sleep(0.005)

        def fid(self, images):
            return float(images.mean())

    monkeypatch.setattr(fid_on_request, "Evaluator", Measures)
    monkeypatch.setattr(fid_on_request, "SAMPLES", 20)
    lab.session.start({**OPTION, "steps": 1_000_000})
    wait_for(lab.session, "running")
    lab.session.measure_fid()
    end = time.monotonic() + 60
    while not (found := re.match(r"FID ([\d.]+) at step ([\d,]+)", lab.session.about()["fid"])):
        assert time.monotonic() < end
        time.sleep(0.01)
    alone = trainer(device="numpy")
    alone.fit(steps=int(found[2].replace(",", "")))
    images = alone.sampler.images(alone.sampler.inputs(20, fid_on_request.SEED))
    assert float(found[1]) == pytest.approx(images.mean(), abs=6e-4)


def paused(lab):
    lab.session.start({**OPTION, "steps": 100_000})
    wait_for(lab.session, "running")
    lab.session.pause()
    wait_for(lab.session, "paused")
    return lab.session


def test_nobody_looks_at_a_paused_trainer_while_its_settings_change(lab, monkeypatch):
    session, changing = paused(lab), threading.Event()
    with_settings = prepared.Prepared.with_settings

    def slow(self, changes):
        changing.set()
        time.sleep(0.2)
        made = with_settings(self, changes)
        changing.clear()
        return made

    monkeypatch.setattr(prepared.Prepared, "with_settings", slow)
    session.change({"penalty": None, "objective": "minimax"})
    assert changing.wait(20)
    looked = []
    session.while_paused(lambda trainer: looked.append((changing.is_set(), trainer)))
    assert looked == [(False, session.started.trainer)]


class Steady:
    """Stands for an `Evaluator` whose FID is 1.5, as soon as it may say so."""

    allowed = threading.Event()

    def __init__(self, images, ops):
        pass

    def fid(self, images):
        assert self.allowed.wait(20)
        return 1.5


@pytest.fixture
def steady(monkeypatch):
    monkeypatch.setattr(fid_on_request, "Evaluator", Steady)
    monkeypatch.setattr(fid_on_request, "SAMPLES", 20)
    Steady.allowed.set()


def wait_for_fid(session, pattern):
    end = time.monotonic() + 30
    while not re.search(pattern, session.about()["fid"]):
        assert time.monotonic() < end, session.about()
        time.sleep(0.005)


def test_fid_is_not_measured_of_a_trainer_that_rehearses(lab, steady):
    session = paused(lab)
    asks = threading.Thread(target=session.measure_fid)

    def rehearse(trainer):
        asks.start()
        asks.join(0.2)
        assert asks.is_alive()  # it waits

    session.while_paused(rehearse)
    asks.join()
    wait_for_fid(session, f"FID 1.500 at step {session.started.trainer.step_count:,}")


def test_fid_of_one_run_is_not_shown_with_the_next(lab, steady):
    session = paused(lab)
    Steady.allowed.clear()
    session.measure_fid()
    assert session.about()["fid"] == "measuring FID"
    session.stop()
    wait_for(session, "stopped")
    session.start({**OPTION, "steps": 3})
    wait_for(session, "done")
    (measuring,) = (thread for thread in threading.enumerate() if thread.name == "FID")
    Steady.allowed.set()
    measuring.join()
    assert session.about()["fid"] == ""


def test_fid_that_is_asked_for_at_the_last_moment_is_measured(lab, steady, monkeypatch):
    finish = Run.finish

    def late(self, trainer):
        lab.session.measure_fid()
        finish(self, trainer)

    monkeypatch.setattr(Run, "finish", late)
    lab.session.start({**OPTION, "steps": 3})
    wait_for(lab.session, "done")
    wait_for_fid(lab.session, "FID 1.500 at step 3")


def test_a_failure_to_measure_fid_is_shown(lab, steady, monkeypatch):
    def fail(self, images):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Steady, "fid", fail)
    session = paused(lab)
    session.measure_fid()
    wait_for_fid(session, "FID: .*No space left")


def test_fid_of_own_images_needs_the_classifier_that_evaluate_trains(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path / "data"))
    np.save(tmp_path / "own.npy", digits(100).reshape(-1, 28, 28))
    session = lab.session
    session.start({**OPTION, "dataset": None, "data": str(tmp_path / "own.npy"), "steps": 100_000})
    wait_for(session, "running")
    session.pause()
    wait_for(session, "paused")
    session.measure_fid()
    wait_for_fid(session, "FID: expected a trained classifier of these images, got none; .*byhand ")

    monkeypatch.setattr(image_classifier, "STEPS", 1)
    split, ops = session.started.prepared.data.split, session.started.trainer.ops
    stored = StoredClassifier(tmp_path / "data" / "classifiers", split)
    trainer = stored.trainer(ops)
    while not trainer.finished:
        trainer.epoch()
        stored.save(trainer)
    session.measure_fid()
    wait_for_fid(session, "^FID [0-9]")
    evaluator = image_evaluator(stored, split, ops)
    sampler = session.started.trainer.sampler
    fid = evaluator.fid(sampler.images(sampler.inputs(evaluator.count, fid_on_request.SEED)))
    step = session.started.trainer.step_count
    assert session.about()["fid"] == f"FID {fid:.3f} at step {step:,}"


# ---- what pages see


def test_pages_see_the_samples_losses_and_layers_of_the_trainer(lab):
    with serving(lab) as served, served.page() as page:
        header, _ = ask(
            page, "start", recipe="mlp-dropout", dataset="mnist-sample", steps=6, seed=0
        )
        assert header["state"] in ("starting", "running", "done")
        seen = {}
        while seen.get("training", ({}, {}))[0].get("state") != "done":
            header, arrays = decode(page.recv(timeout=20))
            seen[header["kind"]] = header, arrays
        trained = lab.session.started.trainer
        samples = np.rint(255 * trained.fixed_samples()).astype(np.uint8)
        assert np.array_equal(seen["samples"][1]["images"].ravel(), samples.ravel())
        assert seen["samples"][0]["step"] == 6
        assert seen["losses"][1]["step"][-1] == 6
        norms = {each["layer"]: each for each in seen["layers"][0]["G"]}
        assert norms["0 Dense"]["weights"] == pytest.approx(
            np.hypot(
                *(np.linalg.norm(trained.generator[0].parameters.value.views[k]) for k in "Wb")
            )
        )
        with served.page() as late:  # a page that comes late, or is reloaded
            kinds = {decode(late.recv(timeout=20))[0]["kind"] for _ in range(3)}
            assert kinds == {"samples", "losses", "layers"}
            assert ask(late, "training")[0]["state"] == "done"


def test_a_run_goes_on_without_pages(lab):
    with serving(lab) as served:
        with served.page() as page:
            ask(page, "start", recipe="mlp-dropout", dataset="mnist-sample", steps=100_000)
        wait_for(lab.session, "running")
    assert lab.session.state == "stopped"  # the server has ended: all is saved
    assert (lab.session.started.run.path / "checkpoint.npz").exists()


# ---- figures of layers


def test_norms_are_those_of_the_parameters_their_gradients_and_the_step():
    trained = trainer()
    trained.fit(steps=3)
    before = {k: v.copy() for k, v in trained.discriminator.parameters.value.views.items()}
    trained.fit(steps=1)
    found = layer_norms(trained.discriminator, trained.optimizers["D"])
    assert [each["layer"] for each in found] == ["0 Dense", "3 Dense"]
    value, grad = trained.discriminator.parameters.value, trained.discriminator.parameters.grad
    for each, index in zip(found, ("0", "3")):
        names = [f"{index}.W", f"{index}.b"]

        def norm(arrays, names=names):
            return np.sqrt(sum((arrays[name] ** 2).sum() for name in names))

        moved = {name: value.views[name] - before[name] for name in names}
        assert each["weights"] == pytest.approx(norm(value.views), rel=1e-5)
        assert each["gradients"] == pytest.approx(norm(grad.views), rel=1e-5)
        assert each["updates"] == pytest.approx(norm(moved), rel=1e-3)


def test_dead_units_are_those_that_no_sample_makes_positive():
    net = Sequential(Dense(3, 4), ReLU(), Dense(4, 2), LeakyReLU(0.2), Dense(2, 1)).build(seed=0)
    net[0].b[:] = [-100, 100, -100, -100]
    net[2].W[...] = 1
    found = dead_units(net, np.random.default_rng(0).standard_normal((9, 3), dtype=np.float32))
    assert [(each["layer"], each["dead"]) for each in found] == [
        ("1 ReLU", 0.75),
        ("3 LeakyReLU", 0),
    ]


# ---- other runs


def test_other_runs_are_read_as_far_as_they_can_be(lab):
    lab.session.start({**OPTION, "steps": STEPS_PER_EPOCH})
    wait_for(lab.session, "done")
    folder = lab.play.listing.folder / "tiny"
    assert config_of(folder)["dataset"] == "mnist-sample"
    assert history_of(folder)["step"][-1] == STEPS_PER_EPOCH
    assert picture_of(folder).tobytes() == (folder / "samples" / "latest.png").read_bytes()
    (folder / "config.json").write_text("[1]")
    (folder / "history.csv").write_text("step,d_loss\n1,nan\n2,x\n3\n")
    (folder / "samples" / "latest.png").write_bytes(b"no picture")
    assert config_of(folder) == {} and not len(picture_of(folder))
    history = history_of(folder)
    assert history["step"].tolist() == [1, 2, 3] and np.isnan(history["d_loss"]).all()
    (folder / "history.csv").write_bytes(b"\xff\0" * 20)
    assert history_of(folder) == {}


def test_only_listed_runs_are_watched(lab, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "config.json").write_text("{}")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "secret")
    with serving(lab) as served, served.page() as page:
        assert ask(page, "runs")[0]["runs"] == []
        for name in ("link", "../secret", str(tmp_path / "secret")):
            header, _ = ask(page, "watch", run=name)
            assert header["kind"] == "error" and "expected one of the 0 listed" in header["message"]
