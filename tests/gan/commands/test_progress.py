"""The progress bar, and what the library reports while a command works."""

import io
import logging
import threading

import numpy as np
import pytest
from tqdm import tqdm

from gan.commands.shared.announcements import announcing
from gan.commands.shared.progress import IN_A_FILE, IN_A_TERMINAL, ProgressBar, repeated
from gan.commands.shared.signals import Stopper
from gan.data.clusters import find_clusters
from gan.training.callback import Callback
from tests.support.small import digits, trainer


class Terminal(io.StringIO):
    """A terminal that keeps what is written."""

    def isatty(self):
        return True


class AtStep(Callback):
    """Calls a function with the bar after each step; `on_log` comes later."""

    def __init__(self, t, call):
        step = t.step
        t.step = lambda: (step(), call())


def bar(file=None, **settings):
    return tqdm(file=Terminal() if file is None else file, unit="step", ncols=120, **settings)


def test_the_bar_has_its_total_and_steps_before_the_first_losses():
    t, shown = trainer(), []
    with bar() as b:
        progress = ProgressBar(b)

        def look():
            progress.draw()
            shown.append((b.n, b.total, b.postfix))

        AtStep(t, look)
        t.fit(steps=3, callbacks=[progress])
        assert [(n, total) for n, total, _ in shown] == [(1, 3), (2, 3), (3, 3)]
        assert shown[0][2] == "" and shown[1][2].startswith("D ")
        assert b.postfix.startswith("D ")
    assert "0/3 [" in b.fp.getvalue() and "3/3 [" in b.fp.getvalue()


def test_the_total_of_a_resumed_run_counts_the_steps_before():
    t = trainer()
    t.fit(steps=2)
    with bar(initial=2) as b:
        t.fit(steps=3, callbacks=[ProgressBar(b, {"steps": 3, "minutes": None})])
        assert (b.n, b.total) == (5, 5)


def test_a_run_of_minutes_shows_its_time():
    t = trainer()
    t.fit(steps=2)
    length = {"steps": None, "minutes": 0.005}
    with bar(initial=2) as b:
        t.fit(**length, callbacks=[ProgressBar(b, length)])
        assert b.total == pytest.approx(0.3) and b.n == b.total
        assert b.postfix.startswith(f"step {t.step_count:,}, D ")
    assert "100%" in b.fp.getvalue() and "/step" not in b.fp.getvalue()


def test_the_bar_says_what_goes_on_and_is_drawn_seldom_in_a_file():
    t, activity = trainer(), ["compiling kernel 3"]
    for file, pause in ((Terminal(), IN_A_TERMINAL), (io.StringIO(), IN_A_FILE)):
        with bar(file) as b:
            progress = ProgressBar(b, activity=lambda: activity[0])
            progress.on_start(t)
            assert b.mininterval == pause
        assert "compiling kernel 3" in file.getvalue()


def test_a_bar_that_is_switched_off_writes_nothing():
    t, file = trainer(), Terminal()
    with bar(file, disable=True) as b:
        t.fit(steps=1, callbacks=[progress := ProgressBar(b)])
        progress.draw()
    assert file.getvalue() == ""


def test_repeated_calls_come_from_another_thread_and_end():
    called, threads = threading.Event(), set()

    def call():
        threads.add(threading.current_thread())
        called.set()

    with repeated([call], 1e-3):
        assert called.wait(60)
    (thread,) = threads
    assert thread is not threading.main_thread() and not thread.is_alive()


def test_a_stop_is_announced_once():
    stopper, said = Stopper(), []
    handler = stopper.stopping(lambda: None)
    stopper.announce(lambda: said.append("saving"))
    assert said == []
    handler(2)
    for _ in range(2):
        stopper.announce(lambda: said.append("saving"))
    assert said == ["saving"]


def test_k_means_is_silent_in_the_library_and_a_line_in_a_command(capfd):
    images, lines = digits(90).reshape(-1, 28, 28), []
    before = find_clusters(images, 3, 0)
    with announcing(lines.append):
        inside = find_clusters(images, 3, 0)
    find_clusters(images, 3, 0)
    assert np.array_equal(before, inside)
    assert lines == ["k-means: sorting 90 images into 3 clusters"]
    assert capfd.readouterr() == ("", "")


def test_kernels_are_announced_when_they_are_compiled_and_not_from_disk(tmp_path, monkeypatch):
    numba = pytest.importorskip("numba")
    from nn.ops.numba.compiling import compiled

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def process():
        """What a new process would do with a kernel, for two types."""
        kernel, lines = compiled()(add_one), []
        with announcing(lines.append) as compilation:
            for dtype in (np.float32, np.float64):
                kernel(np.zeros(3, dtype))
                assert compilation.activity() == ""
        return lines, compilation

    (line,), compilation = process()
    assert line.startswith("compiling kernels, once on this machine")
    assert compilation.count == 2 and compilation.seconds > 0
    assert compilation.summary().endswith("s of it compiling 2 kernels for this machine")
    lines, compilation = process()
    assert lines == [] and compilation.summary() == ""


@pytest.mark.parametrize("inner", ["inner", "outer"])  # a task of a program has its kernel's name
def test_a_kernel_within_another_is_not_counted(inner):
    logger = logging.getLogger("nn.ops.numba")

    def report(kernel, is_compiled):
        logger.info("-", extra={"kernel": kernel, "is_compiled": is_compiled})

    with announcing(lambda line: None) as compilation:
        report("outer", False)
        assert compilation.activity() == "compiling kernel 1"
        report(inner, False)
        report(inner, True)
        assert compilation.activity() == "compiling kernel 1"
        report("outer", True)
    assert compilation.activity() == "" and compilation.count == 1
    assert compilation.summary().endswith("compiling a kernel for this machine")


def add_one(x):
    for i in range(x.size):
        x[i] += 1


def test_the_loggers_are_left_as_they_were():
    loggers = [logging.getLogger(name) for name in ("gan.data.clusters", "nn.ops.numba")]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    with announcing(print):
        assert all(logger.isEnabledFor(logging.INFO) for logger in loggers)
    assert [(logger.level, logger.handlers) for logger in loggers] == before
