"""Several threads at once compute what one thread does.

test_numba_processes.py also runs these tests with two threads in the pool and in BLAS.
"""

import ctypes
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import nn
from gan.classifier.pictures import read_digit
from gan.recipes import get_recipe
from gan.training.trainer import Trainer
from nn.ops.blas import openblas


def perceptron():
    hidden = nn.Dense(32, 256), nn.BatchNorm(256), nn.LeakyReLU(0.2)
    return nn.Sequential(*hidden, nn.Dense(256, 784), nn.Tanh())


def convolutions():
    first = nn.Conv2d(1, 16, 4, 2, 1), nn.BatchNorm(16), nn.ReLU()
    more = nn.Conv2d(16, 64, 3, 1, 1), nn.Sigmoid(), nn.Conv2d(64, 64, 3, 1, 1)
    last = nn.MaxPool2d(2), nn.Flatten(), nn.SpectralNorm(nn.Dense(64 * 49, 8))
    return nn.Sequential(*first, *more, *last)


def images():
    first = nn.Dense(16, 8 * 49), nn.Reshape((8, 7, 7)), nn.ConvTranspose2d(8, 16, 4, 2, 1)
    last = nn.ConvTranspose2d(16, 3, 5, 1, 2), nn.AvgPool2d(2), nn.Sigmoid()
    return nn.Sequential(*first, nn.Upsample(2), nn.Dropout(0.5), *last)


NETWORKS = {  # name: (function that makes it, shape of its input)
    "perceptron": (perceptron, (64, 32)),
    "convolutions": (convolutions, (8, 1, 28, 28)),
    "images": (images, (16, 16)),
}


def at_once(jobs):
    """The results of functions, each run in a thread of its own. All start together."""
    start = threading.Barrier(len(jobs))

    def run(job):
        start.wait()
        return job()

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # seconds: threads interleave as finely as possible
    try:
        with ThreadPoolExecutor(len(jobs)) as pool:
            return list(pool.map(run, jobs))
    finally:
        sys.setswitchinterval(usual)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_one_network_called_by_several_threads(device, name):
    make, shape = NETWORKS[name]
    net, rng = make().build(seed=0, device=device), np.random.default_rng(0)
    xs = [rng.standard_normal(shape, np.float32) for _ in range(4)]
    want = [net(x).copy() for x in xs]
    for results in at_once([lambda x=x: [net(x) for _ in range(12)] for x in xs]):
        x = next(i for i, y in enumerate(want) if np.array_equal(y, results[0]))
        assert all(np.array_equal(y, want[x]) for y in results)


@pytest.mark.parametrize("name", NETWORKS)
def test_forward_and_backward_in_several_threads(name):
    """Each thread has a network and a cache of its own, on the same backend."""
    make, shape = NETWORKS[name]
    ops, rng = nn.get_ops(), np.random.default_rng(0)
    x = rng.standard_normal(shape, np.float32)

    def gradients():
        net = make().build(seed=0, device=ops)
        cache = net.cache()
        for _ in range(5):
            dx = net.backward(net.forward(x, cache, train=True).copy(), cache)
        return dx.tobytes(), net.parameters.grad.flat.tobytes()

    assert set(at_once([gradients] * 4)) == {gradients()}


@pytest.mark.parametrize("recipe", ["mlp-dropout", "dcgan"])
@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_trainings_in_several_threads(device, recipe):
    images = np.random.default_rng(0).integers(0, 256, (64, 784), dtype=np.uint8)

    def train(seed):
        trainer = Trainer(
            replace(get_recipe(recipe), batch_size=4), images, seed=seed, device=device
        )
        trainer.fit(steps=2)
        return [
            trainer.generator.parameters.value.flat.tobytes(),
            trainer.discriminator.parameters.value.flat.tobytes(),
        ]

    assert at_once([lambda seed=seed: train(seed) for seed in range(3)]) == [
        train(seed) for seed in range(3)
    ]


def test_each_thread_has_scratch_memory_of_its_own(any_backend):
    """On every backend, one primitive's while another thread is inside the same one."""
    ops = getattr(any_backend, "cpu", any_backend)
    mine = (8,), "float32", "mine"
    here = ops.scratch(*mine)
    (there,) = at_once([lambda: ops.scratch(*mine)])
    ops.fill_(here, 1)
    ops.fill_(there, 2)
    assert ops.to_host(ops.scratch(*mine)).tolist() == ops.to_host(here).tolist() == [1] * 8


@pytest.mark.parametrize("threads", [1, 2])
def test_the_thread_count_of_blas_stays(threads):
    """After products of all kinds in several threads, some of which raise errors."""
    blas, ops = openblas(), nn.get_ops()
    ctypes.CFUNCTYPE(None, ctypes.c_int)(blas.set_threads)(threads)
    x, images, W = np.ones((64, 64), "f"), np.ones((2, 8, 8, 4), "f"), np.ones((4, 3, 3, 4), "f")
    stack, y = np.ones((3, 64, 64), "f"), np.empty((2, 6, 6, 4), "f")

    def multiply():
        for _ in range(100):
            ops.gemm(x, x, out=np.empty_like(x))
            ops.product(stack, stack, out=np.empty_like(stack))
            ops.conv(images, W, None, (1, 1), (0, 0), out=y.copy())
            with pytest.raises(ValueError):
                ops.gemm(x, x, out=np.empty((3, 3), "f"))

    at_once([multiply] * 4)
    assert ctypes.CFUNCTYPE(ctypes.c_int)(blas.get_threads)() == threads


def test_a_thread_count_that_is_set_during_a_product_stays():
    """The product does not restore the count from before it."""
    products = pytest.importorskip("nn.ops.numba.parts.products")
    if products.BLAS.sets_each_thread:
        pytest.skip("in MKL, each thread has a count of its own")
    blas, calls = openblas(), products.calls
    ctypes.CFUNCTYPE(None, ctypes.c_int)(blas.set_threads)(1)
    # another thread is inside a product, before which the count was three
    calls[products.RUNNING], calls[products.BEFORE] = 1, 3
    x = np.ones((8, 8), "f")
    nn.get_ops().gemm(x, x, out=np.empty_like(x))
    assert ctypes.CFUNCTYPE(ctypes.c_int)(blas.get_threads)() == 1 and calls[products.RUNNING] == 1
    calls[products.RUNNING] = 0


def test_several_threads_write_and_read_files(tmp_path):
    """The warning filters, which the process shares, stay unchanged."""
    filters = list(warnings.filters)
    Image.fromarray(np.tri(28, dtype=np.uint8) * 255).save(tmp_path / "digit.png")
    digit = read_digit(tmp_path / "digit.png").tobytes()

    def save_and_load(seed):
        for k in range(8):
            path = tmp_path / f"{seed}-{k}.npz"
            net = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4)).build(seed=seed)
            nn.save_weights(path, {"net": net}, {"seed": seed})
            networks, info = nn.load_weights(path)
            assert info == {"seed": seed}
            assert np.array_equal(networks["net"].parameters.value.flat, net.parameters.value.flat)
            assert read_digit(tmp_path / "digit.png").tobytes() == digit
        return path.read_bytes()

    written = at_once([lambda seed=seed: save_and_load(seed) for seed in range(4)])
    assert written == [save_and_load(seed) for seed in range(4)]
    assert list(warnings.filters) == filters
