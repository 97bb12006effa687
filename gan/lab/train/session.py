"""The run that the lab trains: it starts, pauses, makes one step, and stops."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gan.data.sources import DIGIT_DATASETS
from gan.errors import CollapseWarning, RunError
from gan.evaluation.collapse import CollapseCallback
from gan.lab.messages import encode
from gan.lab.train.fid_on_request import FIDOnRequest
from gan.lab.train.plane import PlaneCallback
from gan.lab.train.starting import CHANGEABLE, NewFolder, StartedRun, resume_run, start_run
from gan.lab.train.watching import Show, WatchCallback
from gan.runs.resume import length_left
from gan.runs.run import write_config
from gan.runs.starting.own_images import name_of_data
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
        self._announcing, self._version = threading.Lock(), 0
        self._wish = ""  # "run", "pause", "step" or "stop"
        self._thread: threading.Thread | None = None
        self.started: StartedRun | None = None
        self._watches: list[WatchCallback | PlaneCallback] = []
        self._changes: dict[str, Any] = {}
        self._fid = FIDOnRequest(ops, self._announce)
        self.state, self._problem = "idle", ""
        self._warnings: list[str] = []

    # ---- what a page asks for

    def start(self, options: Mapping[str, Any]) -> None:
        """Start a run with these options of `byhand train`; `RunError` while another is going."""
        self._begin(lambda: start_run(options, self._ops, self._new_folder))

    def resume(self, folder: Path, steps: int | None) -> None:
        """Continue the run in a folder to a step, or to its own length; `RunError` as `start`."""
        self._begin(lambda: resume_run(folder, steps, self._ops))

    def _begin(self, make: Callable[[], StartedRun]) -> None:
        with self._changed:
            if self.state in BUSY:
                raise RunError("start: expected no run in this lab, got one; stop it first")
            self._wish, self.started, self._watches = "run", None, []
            self._problem, self._warnings = "", []
            self._fid.forget()
            self._changes.clear()
            self.state = "starting"
            self._announce()
            self._thread = threading.Thread(target=self._run, args=(make,), daemon=True)
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

    def change(self, changes: Mapping[str, Any]) -> None:
        """Give a run that is going, or paused, other settings of CHANGEABLE after this step."""
        with self._changed:
            if self.state not in ("running", "paused") or self.started is None:
                raise RunError(
                    f"change: expected a run that is going, got one that is {self.state}; start one"
                )
            self._changes |= changes
            if self.state == "running":
                self.started.trainer.stop()
            self._changed.notify_all()

    def stop(self) -> None:
        """End the run with everything saved."""
        self._ask("stop", *BUSY)

    def measure_fid(self) -> None:
        """Measure FID of the generator as it is at the next look, beside the training."""
        with self._changed:  # a paused trainer does nothing meanwhile
            if self.state not in ("running", "paused") or self.started is None:
                raise RunError("FID: expected a run that is going, got none; start one")
            self._fid.ask(self.started)
            if self.state == "paused":
                self._fid.look(self.started.trainer)

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
            "version": self._version,  # a page may get an answer after what came later
            "state": self.state,
            "problem": self._problem,
            "warnings": self._warnings[-MOST_WARNINGS:],
            "fid": self._fid.result,
            "run": str(started.run.path) if started else None,
            "recipe": started.config["recipe"] if started else None,
            "dataset": name_of_data(started.config) if started else None,
            "images": started.config["images"] if started else None,
            "points": started.are_points if started else False,
            "settings": {name: started.config[name] for name in CHANGEABLE} if started else {},
        }

    def latest(self) -> dict[str, bytes]:
        """What the pages were shown last, for a page that has just come."""
        shown = [watch.latest.copy() for watch in self._watches]  # a run may add to them
        return {name: message for latest in shown for name, message in latest.items()}

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

    def _run(self, make: Callable[[], StartedRun]) -> None:
        """Train, and say how it ended."""
        end = "failed"
        try:
            started = make()
            self._watches = [WatchCallback(self._show, self._fid.look)]
            if started.are_points:
                self._watches.append(PlaneCallback(self._show))
            self.started = started
            try:
                with self._collapse_warnings():
                    end = self._train(started)
            finally:
                started.run.finish(started.trainer)
                self._fid.look(started.trainer)  # asked for too late for the last look
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
        run = started.run
        is_digits = started.config["dataset"] in DIGIT_DATASETS
        checks: list[Callback] = [CollapseCallback()] if is_digits else []
        callbacks = [*self._watches, *run.callbacks, *checks]
        while left := length_left(started.config, started.trainer, run.history):
            wish = self._next_wish()
            if wish == "stop":
                return "stopped"
            if wish == "change":
                self._apply_changes(started)
                continue
            started.trainer.fit(**({"steps": 1} if wish == "step" else left), callbacks=callbacks)
            if wish == "step":
                self._set_wish_unless_stopped("pause")
        return "done"

    def _next_wish(self) -> str:
        """What to do next; waits while the run is paused."""
        with self._changed:
            if self._wish == "pause":
                self.state = "paused"
                self._announce()
                self._changed.wait_for(lambda: self._wish != "pause" or self._changes)
            if self._changes and self._wish != "stop":
                return "change"
            if self._wish != "stop":
                self.state = "running"
                self._announce()
            return self._wish

    def _apply_changes(self, started: StartedRun) -> None:
        """Continue with other settings, as `byhand train --resume` with options does."""
        with self._changed:  # throughout: who looks at a paused trainer holds it too
            changes = dict(self._changes)
            self._changes.clear()
            try:
                started.prepared = started.prepared.with_settings(changes)
                write_config(started.run.path, started.config)
            except ByhandError as problem:
                self._warnings.append(f"the settings stay as they were: {problem}")
            for watch in self._watches:
                watch.on_start(started.trainer)  # it may be paused
        self._announce()

    def _set_wish_unless_stopped(self, wish: str) -> None:
        with self._changed:
            self._wish = "stop" if self._wish == "stop" else wish

    def _set_state(self, state: str) -> None:
        with self._changed:
            self.state = state
        self._announce()

    def _announce(self) -> None:
        with self._announcing:  # so that no older state replaces a newer one
            self._version += 1
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
