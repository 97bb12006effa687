"""`NumbaOps` gives the bytes of `NumpyOps`: in each primitive, in the layers' gradients, and over a whole training."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nn
from gan.recipes import RECIPES
from gan.training import Trainer
from nn.ops import NumpyOps, get_ops
from tests import primitives

pytest.importorskip("numba")

from nn.ops.numba_ops import NumbaOps, fits, flat  # noqa: E402

ROOT = Path(nn.__file__).parent.parent
OVERRIDDEN = sorted(name for name in vars(NumbaOps) if not name.startswith("_") and name != "stream")
LARGE = (300, 784)  # more than a block of the cache-sized ones


def bits(x):
    """An array's bytes as integers, every NaN as the same one."""
    return np.where(np.isnan(x), np.nan, x).view(f"u{x.itemsize}") if x.dtype.kind == "f" else x


def assert_same_bytes(got, want, where):
    assert got.keys() == want.keys()
    for key in want:
        assert got[key].dtype == want[key].dtype, where
        np.testing.assert_array_equal(bits(got[key]), bits(want[key]), err_msg=f"{where}: {key}")


def large_cases(dtype):
    """Arrays of several blocks for the primitives that walk in blocks, and columns of which few and many go into a row."""
    rng = np.random.default_rng(3)

    def normal(*shape):
        return rng.standard_normal(shape).astype(dtype)

    n = LARGE[1]
    for (rows, columns), row in ((LARGE, n), ((9000, 32), 32), ((4097, 3), 3)):
        x, y, a, b = normal(rows, columns), normal(rows, columns), normal(row), normal(row)
        yield "add_", {"y": x, "x": a}
        yield "leaky_relu", {"x": x, "slope": 0.01, "out": y}
        yield "leaky_relu_backward_", {"dy": x, "y": y, "slope": 0.3}
        yield "sigmoid", {"x": 20 * x, "out": y}
        yield "sigmoid_backward_", {"dy": y, "x": 20 * x}
        yield "bce_with_logits", {"z": 9 * x, "target": 0.9, "weight": 0.5, "dz": y, "value": normal(1)}
        yield "normalize", {"x": x, "eps": 1e-5, "out": y, "mean": normal(row), "var": normal(row), "inv_std": normal(row)}
        yield "normalize_backward", {"dy": x, "xhat": y, "W": a, "inv_std": b, "dW": b, "db": a, "out": np.empty_like(x)}
        yield "scale_shift", {"x": x, "scale": a, "shift": b, "out": y}
        yield "moving_average_", {"average": x, "value": y, "weight": 0.01}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OVERRIDDEN)
def test_a_primitive_gives_numpys_bytes(name, dtype):
    given = [(case, arguments) for case, arguments in primitives.of(name, dtype)]
    given += [("large", arguments) for large, arguments in large_cases(dtype) if large == name]
    assert given
    for case, arguments in given:
        for channels_last in {case == "images", False}:
            got = primitives.run(NumbaOps(), name, arguments, channels_last=channels_last)
            want = primitives.run(NumpyOps(), name, arguments, channels_last=channels_last)
            assert_same_bytes(got, want, f"{name} ({case})")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stream_draws_numpys_numbers(dtype):
    ours, its = (ops.stream(np.random.SeedSequence(8)) for ops in (NumbaOps(), NumpyOps()))
    for _ in range(2):
        for p, shape in ((0.3, (7, 11)), (0.5, (1, 8)), (0.01, (33, 100)), (0.3, (3, 5))):
            drawn = [np.full(shape, np.nan, dtype) for _ in range(2)]
            for stream, out in zip((ours, its), drawn):
                assert stream.dropout_mask_(out, p) is out
            assert np.array_equal(*drawn) and ours.state == its.state
            images = [np.zeros((*shape, 2, 3), dtype).transpose(0, 3, 1, 2) for _ in range(2)]
            for stream, out in zip((ours, its), images):
                stream.dropout_mask_(out, p)
            assert np.array_equal(*images) and images[0].any()
            assert np.array_equal(ours.normal_(drawn[0]), its.normal_(drawn[1])) and ours.state == its.state
        ours.state = its.state = ours.state


def test_numpy_draws_where_its_state_lies_elsewhere(monkeypatch):
    ours, its = (ops.stream(np.random.SeedSequence(8)) for ops in (NumbaOps(), NumpyOps()))
    monkeypatch.setattr(ours, "_words_of_state", None)
    a, b = np.empty((40, 90), np.float32), np.empty((40, 90), np.float32)
    assert np.array_equal(ours.dropout_mask_(a, 0.3), its.dropout_mask_(b, 0.3)) and ours.state == its.state


@pytest.mark.parametrize("name", ["add_", "leaky_relu", "sigmoid", "tanh_backward_", "sigmoid_backward_", "moving_average_"])
def test_arrays_with_gaps_are_left_to_numpy(name):
    def run(ops):
        x, y = (
            np.linspace(-3, 3, 120, dtype=np.float32).reshape(10, 12),
            np.linspace(1, 2, 120, dtype=np.float32).reshape(10, 12),
        )
        x_, y_ = x[::2, ::3], y[::2, ::3]
        arguments = {"leaky_relu": {"slope": 0.2, "out": y_}, "sigmoid": {"out": y_}, "moving_average_": {"weight": 0.1}}
        getattr(ops, name)(x_, *([] if name in ("leaky_relu", "sigmoid") else [y_]), **arguments.get(name, {}))
        return {"x": x, "y": y}

    assert_same_bytes(run(NumbaOps()), run(NumpyOps()), name)


@pytest.mark.parametrize("name", [
    "normalize", "normalize_backward", "scale_shift", "shift_scale", "sgd_step_", "rmsprop_step_", "adam_step_", "gather_rows",
])  # fmt: skip
def test_rows_and_vectors_with_gaps_are_left_to_numpy(name):
    for case, arguments in primitives.of(name, "float32"):
        got, want = (run_with_gaps(ops, name, arguments) for ops in (NumbaOps(), NumpyOps()))
        assert_same_bytes(got, want, f"{name} ({case})")


def run_with_gaps(ops, name, given):
    """Call a primitive on every other column, or element, of arrays that are twice as wide; all of the arrays, afterwards."""
    wide = {key: np.repeat(x, 2, axis=-1) for key, x in given.items() if isinstance(x, np.ndarray) and key != "clock"}
    here = given | {key: x.copy() for key, x in given.items() if key == "clock"}
    getattr(ops, name)(**here | {key: x[..., ::2] for key, x in wide.items()})
    return wide


def test_what_does_not_fit_is_numpys_error():
    ops, x = NumbaOps(), np.zeros((4, 6), np.float32)
    for wrong in (
        lambda: ops.add_(x, np.zeros(5, np.float32)),
        lambda: ops.leaky_relu(x, 0.2, out=np.zeros((4, 5), np.float32)),
        lambda: ops.scale_shift(x, x[0], np.zeros(5, np.float32), out=x),
        lambda: ops.adam_step_(x[0], x[1], x[2, :3], x[3], np.array([0, 1.0]), 0.9, 0.9, 1e-8, 0.0),
    ):
        with pytest.raises(ValueError, match="broadcast"):
            wrong()


def test_what_the_kernels_take():
    x, images = np.zeros((4, 6), np.float32), np.zeros((2, 4, 5, 3), np.float32)
    assert fits(x, x) and not fits(x, x.astype(np.float64)) and not fits(x[:, ::2]) and not fits(x.astype(np.int32))
    assert fits(x, rows=(x[0],)) and not fits(x, rows=(x[0, :5],)) and not fits(x, x[:3])
    (vector,) = flat(images.transpose(0, 3, 1, 2))
    assert vector.shape == (120,) and np.shares_memory(vector, images)
    assert flat(x, x[:2]) is None and flat(x[:, ::2]) is None
    assert flat(images, np.zeros((2, 3, 4, 5), np.float32).transpose(0, 2, 3, 1)) is None  # two memory orders


@pytest.mark.parametrize("train", [True, False])
def test_gradients_of_the_layers(train):
    G = nn.Sequential(
        nn.Dense(5, 12), nn.BatchNorm(12), nn.LeakyReLU(0.2), nn.Reshape((3, 2, 2)),
        nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1), nn.BatchNorm(2), nn.ReLU(), nn.Flatten(), nn.Dense(32, 4), nn.Tanh(),
        nn.Dense(4, 3), nn.Sigmoid(),
    ).build(seed=3, dtype="float64", device=NumbaOps())  # fmt: skip
    nn.gradcheck(G, np.random.default_rng(1).standard_normal((6, 5)), train=train)


def trained(recipe, device, steps):
    rng = np.random.default_rng(0)
    images, labels = (rng.integers(0, 256, (256, 28, 28), dtype=np.uint8), rng.integers(0, 10, 256))
    trainer = Trainer(recipe, images, labels, seed=4, device=device, batch_size=16)
    for _ in range(steps):
        trainer.step()
    return trainer


@pytest.mark.parametrize("recipe", sorted(set(RECIPES) - {"conv-clusters-hour"}))
def test_a_training_gives_numpys_bytes(recipe):
    got, want = trained(recipe, "cpu", 6), trained(recipe, "numpy", 6)
    assert type(got.ops) is NumbaOps and type(want.ops) is NumpyOps
    for name in ("generator", "discriminator", "artist"):
        ours, its = getattr(got, name).parameters, getattr(want, name).parameters
        assert np.array_equal(ours.value.flat, its.value.flat) and np.array_equal(ours.statistics.flat, its.statistics.flat)
    assert got.log.read() == want.log.read()
    np.testing.assert_array_equal(got.fixed_images(), want.fixed_images())


def test_which_backend_one_gets(monkeypatch):
    assert type(get_ops("cpu")) is NumbaOps and type(get_ops("numpy")) is NumpyOps
    assert "Numba" in repr(get_ops("cpu")) and "Numba" not in repr(get_ops("numpy"))
    assert get_ops("numpy").device == get_ops("cpu").device == "cpu"
    monkeypatch.setitem(sys.modules, "nn.ops.numba_ops", None)
    assert type(get_ops("cpu")) is NumpyOps  # Numba cannot be imported


def test_importing_the_package_does_not_import_numba():
    code = "import sys, nn; assert 'numba' not in sys.modules; nn.Dense(2, 3).build(seed=0); assert 'numba' in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_no_folder_for_machine_code_is_no_error(tmp_path):
    """As in a read-only installation without a home folder: each process compiles for itself."""
    nowhere = tmp_path / "a file"
    nowhere.touch()
    env = {**os.environ, "NUMBA_CACHE_DIR": str(nowhere / "below")}
    code = (
        "import numpy as np\n"
        "from nn.ops.numba_ops import NumbaOps\n"
        "x = np.array([-1.0, 2.0], np.float32)\n"
        "print(NumbaOps().leaky_relu(x, 0.5, out=x))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[-0.5  2. ]\n"
