"""The CUDA backend without a GPU: its kernels run in the emulation, without races."""

import json

import numpy as np
import pytest

from nn.errors import DeviceError, DtypeError, ShapeError
from nn.ops import get_ops
from tests.support import primitives
from tests.support.gan_step import GanStep


@pytest.fixture
def ops(emulated_cupy_ops, emulated_cupy):
    yield emulated_cupy_ops.CudaOps()
    emulated_cupy.guard.frozen = False
    emulated_cupy.reverse(False)


@pytest.mark.parametrize("name", primitives.NAMES)
def test_no_primitive_depends_on_the_order_of_threads(ops, emulated_cupy, name):
    for case, given in primitives.of(name, "float32"):
        emulated_cupy.reverse(False)
        forwards = primitives.run(ops, name, given)
        emulated_cupy.reverse(True)
        backwards = primitives.run(ops, name, given)
        for key in forwards:
            np.testing.assert_array_equal(forwards[key], backwards[key], err_msg=f"{case}: {key}")


@pytest.mark.parametrize("name", primitives.NAMES)
def test_no_primitive_reads_or_allocates_once_warm(ops, emulated_cupy, name):
    for _, given in primitives.of(name, "float32"):
        here = primitives.on_device(ops, given)
        getattr(ops, name)(**here)
        emulated_cupy.guard.frozen = True
        getattr(ops, name)(**here)
        emulated_cupy.guard.frozen = False


def test_draws_neither_read_nor_allocate_once_warm_and_have_no_race(ops, emulated_cupy):
    results = []
    for backwards in (False, True):
        emulated_cupy.reverse(backwards)
        stream = ops.stream(np.random.SeedSequence(3))
        x, index = ops.empty((7, 9), "float32"), ops.asarray(np.arange(50))
        stream.shuffle_(index)
        emulated_cupy.guard.frozen = True
        for _ in range(2):
            stream.normal_(x)
            stream.uniform_(x)
            stream.dropout_mask_(x, 0.5)
            stream.shuffle_(index)
            stream.normal_(x)
        emulated_cupy.guard.frozen = False
        results.append((ops.to_host(x), ops.to_host(index), stream.state))
    for first, second in zip(*results):
        np.testing.assert_equal(first, second)


def philox(key, counter):
    """Philox 4x32-10 as in the paper: four words from two words of key and four of counter."""
    k, c = list(key), list(counter)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & 0xFFFFFFFF, a >> 32 ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def test_the_stream_is_philox(ops):
    # vectors published by the authors of the paper (Random123, kat_vectors)
    assert philox([0, 0], [0, 0, 0, 0]) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    key, counter = [0xA4093822, 0x299F31D0], [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    assert philox(key, counter) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]

    def word(low, high):
        return high << 32 | low

    stream = ops.stream(np.random.SeedSequence(0))
    state = {
        "bit_generator": "Philox4x32-10",
        "key": word(*key),
        "stream": word(*counter[2:]),
        "position": word(*counter[:2]),
    }
    stream.state = state
    drawn = ops.to_host(stream.uniform_(ops.empty((3,), "float64")))
    words = [philox(key, [counter[0] + i, *counter[1:]]) for i in range(3)]
    assert drawn.tolist() == [(word(w[1], w[0]) >> 11) / 2**53 for w in words]
    after = {**state, "position": state["position"] + 3}
    assert stream.state == after == json.loads(json.dumps(stream.state))


def test_streams_of_different_seeds_share_neither_key_nor_stream(ops):
    states = [ops.stream(seed).state for seed in np.random.SeedSequence(1).spawn(20)]
    for part in ("key", "stream"):
        assert len({state[part] for state in states}) == 20


def test_a_state_of_another_device_is_refused(ops):
    here, cpu = (backend.stream(np.random.SeedSequence(0)) for backend in (ops, get_ops("cpu")))
    with pytest.raises(DeviceError, match="expected one of Philox4x32-10.*got SFC64"):
        here.state = cpu.state
    with pytest.raises(DeviceError, match="expected one of SFC64.*got Philox4x32-10"):
        cpu.state = here.state


def test_kernels_of_raw_pointers_refuse_what_they_cannot_read(ops):
    x = ops.zeros((4, 4), "float32")
    with pytest.raises(DtypeError, match="sum_rows: expected arrays of float32, got float64"):
        ops.sum_rows(x, out=ops.zeros((4,), "float64"))
    with pytest.raises(ShapeError, match="sum_rows: expected arrays in C order, got one of shape"):
        ops.sum_rows(x.transpose(1, 0), out=ops.zeros((4,), "float32"))


def test_kernels_are_made_once(emulated_cupy_ops, ops):
    assert emulated_cupy_ops.elementwise("sigmoid") is emulated_cupy_ops.elementwise("sigmoid")
    assert emulated_cupy_ops.reductions() is emulated_cupy_ops.reductions()


def test_each_step_launches_the_same_kernels_with_the_same_arguments(ops, monkeypatch):
    """And yet each step draws new numbers and advances.

    Step count, learning rate, bias corrections and random counters are on the device, so the host
    passes the same arguments in each step.
    """
    step, launches = GanStep(ops, "bce-adam"), []
    start_kernel, start_launch = ops.kernel, ops.launch

    def address(x):
        return x if isinstance(x, int | float) else x.host.ctypes.data

    def kernel(name):
        def call(*args, **kwargs):
            launches.append((name, *map(address, args)))
            return start_kernel(name)(*args, **kwargs)

        return call

    def launch(name, grid, block, arrays, *rest):
        launches.append((name, grid, block, *map(address, arrays), *map(str, rest)))
        return start_launch(name, grid, block, arrays, *rest)

    monkeypatch.setattr(ops, "kernel", kernel, raising=False)
    monkeypatch.setattr(ops, "launch", launch)
    step()
    steps, results = [], []
    for _ in range(3):
        launches.clear()
        step()
        steps.append(list(launches))
        results.append(step.results()[1])
    assert steps[0] == steps[1] == steps[2]
    names = {launched[0] for launched in steps[0]}
    assert {"adam", "adam_schedule", "dropout_mask", "normal"} <= names
    assert not np.array_equal(results[0], results[1]) and not np.array_equal(results[1], results[2])
    assert ops.to_host(step.g_optimizer.step_state)[0] == 4


def test_arrays_pass_through_pinned_memory(ops):
    """What processes send each other; the memory is allocated once."""
    x = ops.asarray(np.arange(6.0, dtype=np.float32).reshape(2, 3))
    host = ops.to_pinned(x)
    assert host.tolist() == [[0, 1, 2], [3, 4, 5]] and host.dtype == np.float32
    host *= 2
    ops.from_pinned_(x, host)
    assert ops.to_pinned(x) is host
    assert ops.to_host(x).tolist() == [[0, 2, 4], [6, 8, 10]]


def test_each_process_of_a_machine_takes_a_card(emulated_cupy_ops, emulated_cupy, monkeypatch):
    monkeypatch.setattr(emulated_cupy, "chosen", chosen := [0])
    emulated_cupy_ops.CudaOps()
    assert chosen == [0]  # a process alone stays on the current one
    monkeypatch.setattr(emulated_cupy_ops.launcher, "local_size", lambda: 4)
    monkeypatch.setattr(emulated_cupy_ops.launcher, "local_rank", lambda: 3)
    emulated_cupy_ops.CudaOps()
    assert chosen == [0, 1]
