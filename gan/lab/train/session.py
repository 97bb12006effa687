"""The run that the lab trains: it starts, pauses, makes one step, and stops."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from gan.data.datasets import load
from gan.data.sources import DIGIT_DATASETS
from gan.errors import CollapseWarning, RunError
from gan.evaluation.collapse import CollapseCallback
from gan.evaluation.evaluator import Evaluator
from gan.evaluation.fid_callback import SAMPLES, SEED
from gan.lab.messages import encode
from gan.lab.train.starting import NewFolder, StartedRun, start_run
from gan.lab.train.watching import Show, WatchCallback
from gan.runs.resume import length_left
from gan.sampling import Sampler
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn import ByhandError
from nn.ops.base import Ops

BUSY = ("starting", "running", "paused", "stopping")
MOST_WARNINGS = 20


class TrainingSession:
    """Trains one run at a time in a thread of its own; pages come and go.

    Pausing ends `Trainer.fit` after the current step, which writes a checkpoint; going on calls it
    again. So the run in the folder can be continued by the command line at any time.

    Parameters
    ----------
    ops
        The backend.
    new_folder
        Makes the folder of a run, given the recipe's name.
    show
        Called as show(name, message) with what all pages should see.

    Attributes
    ----------
    state
        "idle", "starting", "running", "paused", "stopping", "done", "stopped" or "failed".
    started
        The latest run, once it has started, and its trainer.
    """

    def __init__(self, ops: Ops, new_folder: NewFolder, show: Show) -> None:
        self._ops, self._new_folder, self._show = ops, new_folder, show
        self._changed = threading.Condition()
        self._wish = ""  # "run", "pause", "step" or "stop"
        self._thread: threading.Thread | None = None
        self.started: StartedRun | None = None
        self._watch: WatchCallback | None = None
        self._wants_fid = False
        self._fid_thread: threading.Thread | None = None
        self._evaluator: tuple[str, Evaluator] | None = None
        self.state, self._problem, self._fid = "idle", "", ""
        self._warnings: list[str] = []

    # ---- what a page asks for

    def start(self, options: Mapping[str, Any]) -> None:
        """Start a run with these options of `byhand train`; `RunError` while another is going."""
        with self._changed:
            if self.state in BUSY:
                raise RunError("start: expected no run in this lab, got one; stop it first")
            self._wish, self.started, self._watch = "run", None, None
            self._problem, self._fid, self._warnings = "", "", []
            self.state = "starting"
        self._announce()
        self._thread = threading.Thread(target=self._run, args=(options,), daemon=True)
        self._thread.start()

    def pause(self) -> None:
        """End after the current step, until `go_on` or `step`."""
        self._ask("pause", "running")

    def go_on(self) -> None:
        """Continue a paused run."""
        self._ask("run", "paused")

    def step(self) -> None:
        """Make one step of a paused run."""
        self._ask("step", "paused")

    def stop(self) -> None:
        """End the run with everything saved."""
        self._ask("stop", *BUSY)

    def measure_fid(self) -> None:
        """Measure FID of the generator as it is at the next look, beside the training."""
        if self.state not in ("running", "paused") or self.started is None:
            raise RunError("FID: expected a run that is going, got none; start one")
        if (dataset := self.started.config["dataset"]) not in DIGIT_DATASETS:
            raise RunError(f"FID: expected a dataset of digits, which it needs, got {dataset}")
        if self._fid_thread and self._fid_thread.is_alive():
            raise RunError("FID: expected one measurement at a time; wait for the one going on")
        self._fid, self._wants_fid = "measuring FID", True
        self._announce()
        if self.state == "paused":
            self._look(self.started.trainer)

    def while_paused(self, call: Callable[[Trainer], object]) -> None:
        """Call call(trainer) with the trainer of a paused run, which does nothing meanwhile."""
        with self._changed:
            if self.state != "paused" or self.started is None:
                raise RunError(
                    f"step: expected a run that is paused, got one that is {self.state}; pause it "
                    "in the view Train"
                )
            call(self.started.trainer)

    def close(self) -> None:
        """Stop, and wait until all is saved: the server ends."""
        with suppress(RunError):  # it may have just ended
            self.stop()
        self.wait()

    def wait(self) -> None:
        """Wait for the end of the run, if there is one."""
        if self._thread:
            self._thread.join()

    def about(self) -> dict[str, Any]:
        """The state, for a page."""
        started = self.started
        return {
            "state": self.state,
            "problem": self._problem,
            "warnings": self._warnings[-MOST_WARNINGS:],
            "fid": self._fid,
            "run": str(started.run.path) if started else None,
            "recipe": started.config["recipe"] if started else None,
            "dataset": started.config["dataset"] if started else None,
            "images": started.config["images"] if started else None,
        }

    def latest(self) -> dict[str, bytes]:
        """What the pages were shown last, for a page that has just come."""
        return dict(self._watch.latest) if self._watch else {}

    def _ask(self, wish: str, *states: str) -> None:
        with self._changed:
            if self.state not in states:
                raise RunError(
                    f"{wish}: expected a run that is {' or '.join(states)}, got one that is "
                    f"{self.state}; look at the page's first line"
                )
            self._wish = wish
            if wish in ("pause", "stop") and self.started:
                self.started.trainer.stop()
            if wish == "stop":
                self.state = "stopping"
            self._changed.notify_all()
        self._announce()

    # ---- the run's thread

    def _run(self, options: Mapping[str, Any]) -> None:
        """Train, and say how it ended."""
        end = "failed"
        try:
            started = start_run(options, self._ops, self._new_folder)
            self._watch = WatchCallback(self._show, self._look)
            self.started = started
            try:
                with self._collapse_warnings():
                    end = self._train(started)
            finally:
                started.run.finish(started.trainer)
        except (ByhandError, OSError, MemoryError) as problem:
            end, self._problem = "failed", str(problem) or type(problem).__name__
        except Exception as problem:
            end = "failed"
            self._problem = f"{type(problem).__name__}: {problem}; the terminal says more"
            raise
        finally:
            self._set_state(end)

    def _train(self, started: StartedRun) -> str:
        """Train as the pages wish; returns how it ended."""
        trainer, run = started.trainer, started.run
        is_digits = started.config["dataset"] in DIGIT_DATASETS
        assert self._watch is not None
        checks: list[Callback] = [CollapseCallback()] if is_digits else []
        callbacks = [self._watch, *run.callbacks, *checks]
        while left := length_left(started.config, trainer, run.history):
            wish = self._next_wish()
            if wish == "stop":
                return "stopped"
            trainer.fit(**({"steps": 1} if wish == "step" else left), callbacks=callbacks)
            if wish == "step":
                self._set_wish_unless_stopped("pause")
        return "done"

    def _next_wish(self) -> str:
        """What to do next; waits while the run is paused."""
        with self._changed:
            if self._wish == "pause":
                self.state = "paused"
                self._announce()
                self._changed.wait_for(lambda: self._wish != "pause")
            if self._wish != "stop":
                self.state = "running"
                self._announce()
            return self._wish

    def _set_wish_unless_stopped(self, wish: str) -> None:
        with self._changed:
            self._wish = "stop" if self._wish == "stop" else wish

    def _set_state(self, state: str) -> None:
        with self._changed:
            self.state = state
        self._announce()

    def _announce(self) -> None:
        self._show("training", encode("training", self.about(), {}))

    @contextmanager
    def _collapse_warnings(self) -> Iterator[None]:
        """Show each `CollapseWarning` on the pages."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", CollapseWarning)
            show = warnings.showwarning

            def keep(
                message: Warning | str, category: type[Warning], *where: Any, **more: Any
            ) -> None:
                if issubclass(category, CollapseWarning):
                    self._warnings.append(str(message))
                    self._announce()
                else:
                    show(message, category, *where, **more)

            warnings.showwarning = keep
            yield

    # ---- FID

    def _look(self, trainer: Trainer) -> None:
        """Begin to measure FID if a page has asked for it; a copy of the generator is measured."""
        if not self._wants_fid or self.started is None:
            return
        self._wants_fid = False
        sampler, dataset = copy.deepcopy(trainer.sampler), self.started.config["dataset"]
        self._fid_thread = threading.Thread(
            target=self._measure, args=(sampler, dataset, trainer.step_count), daemon=True
        )
        self._fid_thread.start()

    def _measure(self, sampler: Sampler, dataset: str, step: int) -> None:
        """Measure, and announce the result."""
        try:
            if self._evaluator is None or self._evaluator[0] != dataset:
                test_images, _ = load(dataset, "test", flat=False, quiet=True)
                self._evaluator = dataset, Evaluator(test_images, self._ops)
            fid = self._evaluator[1].fid(sampler.images(sampler.inputs(SAMPLES, SEED)))
            self._fid = f"FID {fid:.3f} at step {step:,}"
        except ByhandError as problem:
            self._fid = f"FID: {problem}"
        self._announce()
