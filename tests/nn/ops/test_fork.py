"""Forked children compute what their parent would.

Each program runs in a process of its own, within a time limit.
"""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import nn
from tests.support.threads import TWO_THREADS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

ROOT = Path(nn.__file__).parent.parent
SECONDS = 120  # on a busy machine that compiles the kernels first; usually two
BEGIN = """
import multiprocessing, os, sys, threading
import numpy as np
import nn

def make(seed):
    rng = np.random.default_rng(seed)
    G = nn.Sequential(
        nn.Dense(32, 16 * 49), nn.BatchNorm(16 * 49), nn.LeakyReLU(0.2),
        nn.Reshape((16, 7, 7)), nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.Tanh(),
        nn.Conv2d(8, 16, 4, 2, 1), nn.Flatten(), nn.Dense(784, 784),
    ).build(seed=seed, device=sys.argv[1])
    x = rng.standard_normal((48, 32), np.float32)  # enough for two threads
    cache = G.cache()
    def numbers():
        '''All bytes of a forward and a backward pass.'''
        y = G.forward(x, cache, train=True).copy()
        G.backward(np.ones_like(y), cache, need_dx=False)
        return y.tobytes() + G.parameters.grad.flat.tobytes()
    return G.ops, numbers

def in_a_child(job):
    '''The result of job() in a forked child, as text.'''
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(job()).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as said:
        return said.read()

ops, numbers = make(0)
def again(i):
    return numbers()
"""
PROGRAMS = {
    "a pool after a large pass": """
        want = numbers()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(all(got == want for got in pool.map(again, range(4))))
    """,
    "a child after a large pass, and its child": """
        want = numbers()
        print(in_a_child(lambda: numbers() == want and in_a_child(lambda: numbers() == want)))
        print(numbers() == want)
    """,
    "a child before any pass": """
        before = repr(ops)
        print(in_a_child(lambda: repr(ops) == before and hash(numbers())) == str(hash(numbers())))
        print(in_a_child(lambda: hash(numbers())) == str(hash(numbers())))
    """,
    "children while another thread is in a pass": """
        want = numbers()
        for small in (True, False):
            over = threading.Event()
            other = make(1)[1]
            a = np.ones((200, 200), np.float32)
            work = other if small else lambda: ops.gemm(a, a, out=a.copy())
            thread = threading.Thread(target=lambda: [work() for _ in iter(over.is_set, True)])
            thread.start()
            print(all(in_a_child(lambda: numbers() == want) == "True" for _ in range(3)))
            over.set()
            thread.join()
        print(numbers() == want)
    """,
}
WHILE_COMPILING = """
    import numba
    from numba.core import event
    numba.config.CACHE_DIR = sys.argv[2]
    compiling = threading.Event()
    class Listener(event.Listener):
        def on_start(self, event):
            compiling.set()
        def on_end(self, event):
            pass
    event.register("numba:compile", Listener())
    x = np.ones((64, 784), np.float32)
    thread = threading.Thread(target=lambda: ops.leaky_relu(x, 0.2, out=x.copy()))
    thread.start()
    compiling.wait()
    print(in_a_child(lambda: ops.leaky_relu_backward_(x.copy(), x, 0.2).sum() == x.size))
    thread.join()
"""
REPRS = """
    print(repr(ops)[-10:])
    numbers()
    print(in_a_child(lambda: (numbers(), repr(ops))[1]))
"""


def output_of(program, device, *arguments):
    """The words that a program prints."""
    code = BEGIN + textwrap.dedent(program)
    env = {**os.environ, **TWO_THREADS, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", code, device, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True, **pipes) as process:
        try:
            output, errors = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with children that would wait for ever
            raise
    assert process.returncode == 0 and errors == "", errors
    return output.split()


@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_children(program, device):
    assert set(output_of(PROGRAMS[program], device)) == {"True"}


def test_a_child_while_another_thread_compiles(tmp_path):
    pytest.importorskip("numba")
    assert output_of(WHILE_COMPILING, "cpu", str(tmp_path)) == ["True"]


def test_children_say_why_they_have_one_thread():
    pytest.importorskip("numba")
    said = " ".join(output_of(REPRS, "cpu"))
    assert said.startswith("2 threads)")
    assert said.endswith("1 thread: forked after the threads were started)")
