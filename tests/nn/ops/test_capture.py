"""Programs: a recorded step does again what it did."""

import copy
import gc
import pickle
import threading
import tracemalloc

import numpy as np
import pytest

from nn import SGD, Adam, BCEWithLogits, Dense, Dropout, LeakyReLU, Sequential, Tanh
from nn.ops import NumpyOps
from tests.support import primitives

pytest.importorskip("numba")

from nn.ops.numba.ops import NumbaOps  # noqa: E402

PIXELS = 300  # wide enough for two parts of a product and of a pass


class Training:
    """A step of a small network on inputs that change from step to step."""

    def __init__(self, optimizer=Adam, seed=0):
        self.ops = NumbaOps()
        self.net = Sequential(
            Dense(PIXELS, 64), LeakyReLU(0.2), Dropout(0.3), Dense(64, 64), Tanh(), Dense(64, 1)
        ).build(seed, device=self.ops)
        self.optimizer = optimizer(self.net, 0.01)
        self.cache, self.loss = self.net.cache(), BCEWithLogits()
        self.x, self.dy = (self.ops.empty((64, n), "float32") for n in (PIXELS, 1))
        self.value = self.ops.empty((1,), "float32")
        self.rng = np.random.default_rng(seed)

    def step(self):
        y = self.net.forward(self.x, self.cache, train=True)
        self.loss(y, 1.0, self.cache, dy=self.dy, value=self.value)
        self.net.backward(self.dy, self.cache, need_dx=False)
        self.optimizer.step()

    def run(self, step, times=3):
        """The bytes of all results after each step."""
        results = []
        for _ in range(times):
            self.x[...] = self.rng.standard_normal(self.x.shape)
            step()
            parameters = self.net.parameters
            arrays = parameters.value.flat, parameters.grad.flat, self.value
            results.append(b"".join(x.tobytes() for x in arrays))
        return results

    def captured(self):
        """A program, after some steps."""
        self.run(self.step, 2)
        programs = []
        self.run(lambda: programs.append(self.ops.capture(self.step)), 1)
        return programs[0]


def uncaptured(times, **settings):
    training = Training(**settings)
    training.run(training.step)
    return training.run(training.step, times)


def test_a_program_gives_the_same_bytes():
    training = Training()
    program = training.captured()
    assert training.run(program, 5) == uncaptured(5)
    assert not any(call.method.__name__ == "empty" for call in program.calls)


def test_numbers_that_change_are_not_part_of_a_program():
    """Adam's bias correction, and the learning rate, also where Python calls the primitive."""
    for optimizer in (Adam, SGD):
        training, other = Training(optimizer), Training(optimizer)
        program = training.captured()
        other.run(other.step)
        for rate in (0.02, 0.005):
            training.optimizer.learning_rate = other.optimizer.learning_rate = rate
            assert training.run(program, 2) == other.run(other.step, 2)


def test_a_program_holds_all_it_needs():
    training = Training()
    program = training.captured()
    x, value, rng = training.x, training.value, training.rng
    del training
    gc.collect()
    held = [np.full(100_000, 7.0) for _ in range(20)]  # takes the memory, were it free
    for wanted in uncaptured(3):
        x[...] = rng.standard_normal(x.shape)
        program()
        assert wanted.endswith(value.tobytes())
    assert all((array == 7).all() for array in held)


def test_a_replay_allocates_nothing():
    training = Training()
    program = training.captured()
    program()
    tracemalloc.start()
    try:
        for _ in range(3):
            program()
        assert tracemalloc.get_traced_memory()[1] < 2_000  # Python's own frames and numbers
    finally:
        tracemalloc.stop()


def test_a_replay_after_an_exception():
    training = Training(SGD)
    program = training.captured()
    call = next(call for call in program.calls if not call.is_noted)
    method = call.method

    def fails(*args, **kwargs):
        raise MemoryError

    before, state = training.net.parameters.value.flat.copy(), training.net.stream.state
    call.method = fails
    with pytest.raises(MemoryError):
        program()
    call.method = method
    training.net.parameters.value.flat[...] = before
    training.net.stream.state = state
    assert training.run(program) == uncaptured(3, optimizer=SGD)


def test_two_programs_run_in_two_threads():
    trainings = [Training(seed=seed) for seed in (0, 1)]
    programs, results = [t.captured() for t in trainings], {}

    def run(i):
        results[i] = trainings[i].run(programs[i], 40)

    threads = [threading.Thread(target=run, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[0], results[1]] == [uncaptured(40, seed=seed) for seed in (0, 1)]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_program_cannot_be_copied(copied):
    ops = NumbaOps()
    x = ops.zeros((3,), "float32")
    program = ops.capture(lambda: ops.fill_(x, 1.0))
    with pytest.raises(TypeError, match="Program: cannot be copied or pickled"):
        copied(program)


def test_a_program_describes_itself():
    lines = Training().captured().describe().splitlines()
    assert lines[0].startswith("20 primitives: ") and lines[0].endswith(" 0 calls from Python")
    assert lines[2].split() == "affine 170,240 x 64x300, W 300x64, b 64, out 64x64".split()
    assert [line.split()[0] for line in lines[2:7]] == [
        "affine",
        "leaky_relu",
        "dropout_mask_",
        "multiply",
        "affine",
    ]


def test_backends_without_programs():
    class Own(NumbaOps):
        def tanh(self, x, *, out):
            return np.tanh(x, out=out)

    patched = NumbaOps()
    patched.tanh = lambda x, *, out: np.tanh(x, out=out)
    for ops in (NumpyOps(), Own(), patched):
        steps = []
        assert ops.capture(lambda steps=steps: steps.append(1)) is None
        assert steps == [1]


@pytest.mark.parametrize("name", primitives.NAMES)
def test_each_primitive_in_a_program(name):
    """A program of one primitive gives the bytes of the primitive, on other numbers too."""
    for case, given in primitives.of(name, "float32"):
        ops = NumbaOps()
        here = primitives.on_device(ops, given, channels_last=case == "images")
        arrays = {key: x for key, x in here.items() if ops.is_array(x)}
        program = ops.capture(lambda ops=ops, here=here: getattr(ops, name)(**here))
        for scale in (1.0, 0.5):
            for key, x in arrays.items():
                x[...] = given[key] * scale if x.dtype.kind == "f" else given[key]
            before = {key: x.copy() for key, x in arrays.items()}
            getattr(ops, name)(**here)
            wanted = {key: x.tobytes() for key, x in arrays.items()}
            for key, x in arrays.items():
                x[...] = before[key]
            program()
            assert {key: x.tobytes() for key, x in arrays.items()} == wanted, case
