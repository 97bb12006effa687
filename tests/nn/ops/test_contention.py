"""One thread takes all parts while other programs want the cores, and computes the same bytes."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba")

from gan.recipes import RECIPES, get_recipe
from gan.training.trainer import Trainer
from nn.ops.numba import contention
from nn.ops.numba.contention import LONGEST, PERIOD, SHORTEST, Contention, seconds_waited
from nn.ops.numba.threads import POOL

ON_ONE_CORE = """
import hashlib, os, threading
from nn.ops.numba.contention import seconds_waited
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
data, before = bytes(1 << 22), seconds_waited()
found = threading.Event()  # the time that an ended thread waited counts no more
def work():
    while not found.is_set():
        hashlib.sha256(data)  # without the GIL
        if seconds_waited() - before > 0.05:
            found.set()
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("waited")
"""


class Clock:
    """Time passes when the test says so, and with it the time that threads wait."""

    def __init__(self, monkeypatch):
        self.now, self.waited, self.looks = 100.0, 0.0, 0
        monkeypatch.setattr(contention.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(contention, "seconds_waited", self.look)

    def look(self):
        self.looks += 1
        return self.waited

    def after(self, seconds, waiting, state):
        """What `state` says after this time, of which the threads waited this share."""
        self.now += seconds
        self.waited += waiting * seconds
        return state.is_present()


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_a_quiet_machine(clock):
    state = Contention(threads=2)
    assert not any(clock.after(PERIOD, 0.3, state) for _ in range(20))


def test_threads_that_wait_give_way_to_one_thread_for_a_pause(clock):
    state = Contention(threads=2)
    assert not state.is_present()
    assert clock.after(1.01 * PERIOD, 0.5, state)
    assert clock.after(0.9 * SHORTEST, 0, state)  # one thread waits for nobody
    assert not clock.after(0.2 * SHORTEST, 0, state)  # all threads for a period
    assert not clock.after(1.01 * PERIOD, 0, state)


def test_the_pause_grows_while_contention_lasts_and_shrinks_when_it_ends(clock):
    state, pauses = Contention(threads=2), []
    state.is_present()
    for _ in range(8):
        assert clock.after(1.01 * PERIOD, 0.5, state)
        pauses.append(state.next - clock.now)
        assert not clock.after(1.01 * pauses[-1], 0.5, state)
    assert pauses == pytest.approx([min(SHORTEST * 2**i, LONGEST) for i in range(8)])
    assert not clock.after(1.01 * PERIOD, 0, state)
    assert clock.after(1.01 * PERIOD, 0.5, state)
    assert state.next - clock.now == pytest.approx(SHORTEST)


def test_many_threads_must_wait_more_in_all(clock):
    state = Contention(threads=8)
    state.is_present()
    assert not any(clock.after(PERIOD, 1.0, state) for _ in range(20))
    assert clock.after(1.01 * PERIOD, 4.0, state)


def test_a_thread_that_ended_is_no_contention(clock):
    state, clock.waited = Contention(threads=2), 5.0
    state.is_present()
    assert not clock.after(1.01 * PERIOD, -50, state)


def test_it_looks_once_a_period(clock):
    state = Contention(threads=2)
    for _ in range(1000):
        clock.after(PERIOD / 100, 0, state)
    assert 9 <= clock.looks <= 12


@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="needs Linux")
def test_threads_on_one_core_wait_for_it():
    done = subprocess.run(
        [sys.executable, "-c", ON_ONE_CORE], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "waited\n", done.stderr


def test_systems_that_do_not_count(monkeypatch, tmp_path):
    monkeypatch.setattr(contention, "THREADS", str(tmp_path / "none"))
    assert seconds_waited() == 0
    (tmp_path / "1").mkdir()  # a thread that ended after it was listed
    monkeypatch.setattr(contention, "THREADS", str(tmp_path))
    assert seconds_waited() == 0


class ComesAndGoes:
    """Contention at every other call."""

    def __init__(self):
        self.present = False

    def is_present(self):
        self.present = not self.present
        return self.present


@pytest.mark.needs_threads
@pytest.mark.parametrize(
    "recipe, batch_size",
    [("mlp-dropout", 64), ("mlp-batchnorm", 128), ("conv-clusters", 16), ("dcgan", 16)],
)
def test_the_same_bytes(recipe, batch_size, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (256, 28, 28), np.uint8)

    def weights():
        trainer = Trainer(
            replace(get_recipe(recipe), batch_size=batch_size),
            images,
            np.arange(256) % max(RECIPES[recipe].classes, 1),
        )
        for _ in range(3):
            trainer.step()
        return trainer.generator.parameters.value.flat.tobytes()

    quiet = weights()
    monkeypatch.setattr(POOL, "contention", ComesAndGoes())
    assert weights() == quiet
