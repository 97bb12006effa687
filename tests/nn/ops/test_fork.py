"""Forked children compute what their parent would. Each program runs in a process of its own, within a time limit."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import nn

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

ROOT = Path(nn.__file__).parent.parent
SECONDS = 120  # on a busy machine, with kernels to compile; else two
BEGIN = """
import multiprocessing, os, sys, threading
import numpy as np
import nn

def make(seed):
    rng = np.random.default_rng(seed)
    G = nn.Sequential(
        nn.Dense(32, 16 * 49), nn.BatchNorm(16 * 49), nn.LeakyReLU(0.2), nn.Reshape((16, 7, 7)), nn.ConvTranspose2d(16, 8, 4, 2, 1),
        nn.Tanh(), nn.Conv2d(8, 16, 4, 2, 1), nn.Flatten(), nn.Dense(784, 784),
    ).build(seed=seed, device=sys.argv[1])
    x = rng.standard_normal((128, 32), np.float32)
    cache = G.cache()
    def numbers():
        '''Every byte of a pass both ways.'''
        y = G.forward(x, cache, train=True).copy()
        G.backward(np.ones_like(y), cache, need_dx=False)
        return y.tobytes() + G.parameters.grad.flat.tobytes()
    return G.ops, numbers

def in_a_child(job):
    '''What a forked child says of it, one word.'''
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
            over, right = threading.Event(), []
            other = make(1)[1]
            a = np.ones((200, 200), np.float32)
            thread = threading.Thread(target=lambda: [other() if small else ops.gemm(a, a, out=a.copy()) for _ in iter(over.is_set, True)])
            thread.start()
            print(all(in_a_child(lambda: numbers() == want) == "True" for _ in range(5)))
            over.set()
            thread.join()
        print(numbers() == want)
    """,
    "a child while another thread compiles": """
        import numba
        from numba.core.compiler_lock import global_compiler_lock
        numba.config.CACHE_DIR = sys.argv[2]
        x = np.ones((64, 784), np.float32)
        thread = threading.Thread(target=lambda: ops.leaky_relu(x, 0.2, out=x.copy()))
        thread.start()
        while global_compiler_lock._lock.acquire(blocking=False):  # until the thread has it
            global_compiler_lock._lock.release()
        print(in_a_child(lambda: ops.leaky_relu_backward_(x.copy(), x, 0.2).sum() == x.size))
        thread.join()
    """,
}


def say(program, device, *arguments, **environment):
    lines = [line[8:] for line in PROGRAMS[program].splitlines()]
    code = BEGIN + "\n".join(["def again(i):", "    return numbers()", *lines])
    two = {
        "OPENBLAS_NUM_THREADS": "2",
        "MKL_NUM_THREADS": "2",
        "NUMBA_NUM_THREADS": "2",
        "OMP_WAIT_POLICY": "passive",
    }
    env = {**os.environ, **two, "PYTHONHASHSEED": "0", **environment}
    command, pipe = [sys.executable, "-c", code, device, *arguments], subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            said, complaint = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # it, and children that wait for ever
            raise
    assert process.returncode == 0 and complaint == "", complaint
    return said.split()


@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize("program", [name for name in PROGRAMS if "compiles" not in name])
def test_children(program, device):
    assert set(say(program, device)) == {"True"}


def test_a_child_while_another_thread_compiles(tmp_path):
    pytest.importorskip("numba")
    assert say("a child while another thread compiles", "cpu", str(tmp_path)) == ["True"]


def test_children_say_why_they_have_one_thread():
    pytest.importorskip("numba")
    PROGRAMS["said"] = """
        print(repr(ops)[-10:])
        numbers()
        print(in_a_child(lambda: (numbers(), repr(ops))[1]))
    """
    said = " ".join(say("said", "cpu"))
    assert said.startswith("2 threads)") and said.endswith(
        "1 thread: forked after the threads were started)"
    )
