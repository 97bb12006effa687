"""What `nn.processes` sends, on a rank: python -m tests.support.ranks.arrays.

Rank 0 prints the name of each check that has passed.
"""

import copy
import pickle
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from nn import BatchNorm
from nn.errors import ProcessesError
from nn.layers.batchnorm import synchronize_batchnorm
from nn.ops import NumpyOps
from nn.processes import SINGLE, get_processes, mpi
from nn.processes.sameness import check_same
from nn.processes.streams import SharedStream
from tests.support.strict import StrictOps

OPS = NumpyOps()
RUNS = 2000


def all_reduces(processes):
    """Random arrays, whose mean NumPy knows too: every rank draws those of all."""
    rng = np.random.default_rng(1)
    for k in range(RUNS):
        n = int(10 ** rng.uniform(0, 5 if k % 50 == 0 else 2.5))
        dtype = np.dtype(rng.choice(["float32", "float64"]))
        shape = (n,) if k % 2 else (1, n)
        all_x = rng.standard_normal((processes.size, *shape)).astype(dtype)
        x = all_x[processes.rank].copy()
        processes.allreduce_mean_(x, OPS)
        want = all_x.astype(np.float64).mean(axis=0)
        assert x.dtype == dtype and x.shape == shape
        scale = np.abs(all_x).max()
        assert np.abs(x - want).max() <= 4 * np.finfo(dtype).eps * scale, (k, n, dtype)
        if k % 100 == 0:  # the same bytes everywhere
            others = processes.gather(x.tobytes())
            assert all(other == others[0] for other in others)


def devices(processes):
    """Arrays that are not NumPy's pass through the host."""
    ops = StrictOps()
    x = ops.asarray(np.full((3, 5), processes.rank, np.float32))
    processes.allreduce_mean_(x, ops)
    assert np.allclose(ops.to_host(x), (processes.size - 1) / 2)
    y = ops.asarray(np.full(7, processes.rank + 1.5, np.float32))
    processes.broadcast_(y, ops)
    assert (ops.to_host(y) == 1.5).all()


def values(processes):
    """share, gather, agree, broadcast_, copies."""
    rank, size = processes.rank, processes.size
    assert processes.share({"rank": rank}) == {"rank": 0}
    assert processes.gather(rank) == (list(range(size)) if rank == 0 else [])
    assert processes.agree(rank, -rank, 7.5) == (size - 1, 0, 7.5)
    x = np.full(1000, float(rank))
    processes.broadcast_(x, OPS)
    assert (x == 0).all()
    assert copy.deepcopy(processes) is processes
    assert pickle.loads(pickle.dumps(processes)) is SINGLE
    assert get_processes("mpi") is get_processes("auto") is processes
    assert get_processes("single") is SINGLE


def turns(processes):
    """Rank 0 is first: what it writes, the others read."""
    path = Path(processes.share(tempfile.mkdtemp())) / "written"
    with processes.in_turn():
        if processes.rank == 0:
            time.sleep(0.05)
            path.write_text("42")
        assert path.read_text() == "42"
    processes.agree()
    if processes.rank == 0:
        shutil.rmtree(path.parent)


def repetition(processes):
    """The second of `twice` sends nothing, and receives what the first did."""
    x, received = np.zeros(3), []

    def compute():
        x[:] = processes.rank
        processes.allreduce_mean_(x, OPS)
        received.append(x.copy())

    def compute_if_first():
        if processes.rank == 0:  # alone: it must not wait for the others
            compute()

    processes.twice(compute, compute_if_first)
    assert all((each == (processes.size - 1) / 2).all() for each in received)
    compute()
    assert (x == (processes.size - 1) / 2).all()


def sameness(processes):
    """A fact that differs is named on all ranks."""
    check_same(processes, {"a": 1, "b": [2]}, "")
    last = processes.size - 1
    try:
        check_same(processes, {"a": 1, "b": processes.rank // last}, "do this")
    except ProcessesError as problem:
        assert str(problem) == f"b: expected 0 on rank {last} as on rank 0, got 1; do this"
        assert problem.everywhere
    else:
        raise AssertionError("expected an error")


def noise(processes):
    """The parts of all ranks are the noise of a single process."""
    for draw in ("normal_", "uniform_"):
        shared = SharedStream(OPS.stream(np.random.SeedSequence(3)), OPS, processes)
        alone = OPS.stream(np.random.SeedSequence(3))
        for shape in ((4, 3), (4, 3), (2, 1)):
            ours = getattr(shared, draw)(np.empty(shape, np.float32))
            whole = getattr(alone, draw)(np.empty((processes.size * shape[0], *shape[1:]), "f4"))
            mine = slice(processes.rank * shape[0], (processes.rank + 1) * shape[0])
            assert (ours == whole[mine]).all()
        assert shared.state == alone.state


def batch_norm(processes):
    """A synchronized layer does to its part what a single one does to the whole batch."""
    rng, n, size = np.random.default_rng(5), 4, processes.size
    for shape in ((n * size, 3), (n * size, 3, 2, 5)):
        x, dy = 5 + rng.standard_normal((2, *shape))
        layers = [BatchNorm(3).build(0, device=OPS, dtype="float64") for _ in range(2)]
        ours, alone = layers
        synchronize_batchnorm(ours, processes)
        for layer in layers:
            layer.W[...], layer.b[...] = [1.0, 2.0, 0.5], [0.0, 1.0, 2.0]
        mine = slice(processes.rank * n, (processes.rank + 1) * n)
        caches = [layer.cache() for layer in layers]
        y = ours.forward(x[mine], caches[0], train=True)
        want = alone.forward(x, caches[1], train=True)
        close(y, want[mine])
        # the mean of the ranks' losses: dy of a rank is `size` times that of the whole batch
        dx = ours.backward(size * dy[mine], caches[0])
        close(dx / size, alone.backward(dy.copy(), caches[1])[mine])
        processes.allreduce_mean_(ours.parameters.grad.flat, OPS)
        close(ours.parameters.grad.flat, alone.parameters.grad.flat)
        close(ours.running_mean, alone.running_mean)
        close(ours.running_var, alone.running_var)
        assert BatchNorm(3).processes is SINGLE


def deadlines(processes):
    """Once nothing is left to compile, a rank that hangs is noticed sooner."""
    processes.share(None)
    assert processes.time_left() == mpi.STEP_DEADLINE
    for _ in range(mpi.LATER):
        processes.allreduce_mean_(np.zeros(1), OPS)
    assert mpi.LATER_DEADLINE <= processes.time_left() < mpi.STEP_DEADLINE
    processes.deadline = 1.0
    assert processes.time_left() == 1.0


def close(got, want):
    assert np.abs(got - want).max() <= 1e-12 * np.abs(want).max()


if __name__ == "__main__":
    together = get_processes()
    checks = all_reduces, devices, values, turns, repetition, sameness, noise, batch_norm, deadlines
    for check in checks:
        check(together)
        together.agree()
        if together.rank == 0:
            print(check.__name__, flush=True)
