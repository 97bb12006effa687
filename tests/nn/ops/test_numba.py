"""`NumbaOps` does what `NumpyOps` does, to the byte where nothing is summed; test_ops.py and test_trajectories.py compare the
rest. One of its tests runs all of this with two threads."""

import ctypes
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

import nn
from nn.ops import NumpyOps, get_ops
from tests.support import primitives

numba = pytest.importorskip("numba")

from numba import prange  # noqa: E402

from nn.ops import blas  # noqa: E402
from nn.ops.numba import conv as numba_conv  # noqa: E402
from nn.ops.numba.arrays import fits, flat  # noqa: E402
from nn.ops.numba.compiling import shared  # noqa: E402
from nn.ops.numba.ops import NumbaOps  # noqa: E402
from nn.ops.numba.threads import BLAS, POOL  # noqa: E402

ROOT = Path(nn.__file__).parent.parent
SUMS = {
    "affine",
    "normalize",
    "sum_rows",
    "sum_product_rows",
    "bce_with_logits",
    "mean_sigmoid",
}  # in another order than NumPy's
CONVOLUTIONS = {"conv", "conv_weight_grad", "conv_transpose"}
OWN = {
    name for name in primitives.CONTRACT if getattr(NumbaOps, name) is not getattr(NumpyOps, name)
}
EXACT = sorted(OWN - SUMS - CONVOLUTIONS - {"stream"})
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
        yield (
            "bce_with_logits",
            {"z": 9 * x, "target": 0.9, "weight": 0.5, "dz": y, "value": normal(1)},
        )
        yield "mean_sigmoid", {"z": 9 * x, "out": normal(1)}
        yield (
            "normalize",
            {
                "x": x + 3,
                "eps": 1e-5,
                "out": y,
                "mean": normal(row),
                "var": normal(row),
                "inv_std": normal(row),
            },
        )
        yield "sum_rows", {"x": x, "out": a}
        yield "sum_rows", {"x": x, "out": a, "add": True}
        yield "sum_product_rows", {"x": x, "y": y, "out": a}
        yield (
            "normalize_backward",
            {"dy": x, "xhat": y, "W": a, "inv_std": b, "dW": b, "db": a, "out": np.empty_like(x)},
        )
        yield "scale_shift", {"x": x, "scale": a, "shift": b, "out": y}
        yield "moving_average_", {"average": x, "value": y, "weight": 0.01}


def given_to(name, dtype):
    """The cases of a primitive, then the large ones: [(case, arguments), ...]."""
    return primitives.of(name, dtype) + [
        ("large", arguments) for large, arguments in large_cases(dtype) if large == name
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", EXACT)
def test_a_primitive_gives_numpys_bytes(name, dtype):
    for case, arguments in given_to(name, dtype):
        for channels_last in {case == "images", False}:
            got = primitives.run(NumbaOps(), name, arguments, channels_last=channels_last)
            want = primitives.run(NumpyOps(), name, arguments, channels_last=channels_last)
            assert_same_bytes(got, want, f"{name} ({case})")


@pytest.mark.parametrize("name", sorted(SUMS - {"affine"}))
def test_large_sums_keep_their_digits(name):
    """In float32, against NumPy's in float64."""
    for (_, arguments), (_, exact) in zip(
        given_to(name, "float32"), given_to(name, "float64"), strict=True
    ):
        if arguments[next(iter(arguments))].size > 1000:
            got, want = (
                primitives.run(NumbaOps(), name, arguments),
                primitives.reference(name, exact),
            )
            for key in want:
                np.testing.assert_allclose(
                    got[key], want[key], rtol=2e-5, atol=2e-5 * np.abs(want[key]).max(), err_msg=key
                )


PRODUCTS = [
    (64, 784, 512),
    (20, 20, 20),
    (128, 100, 33),
    (17, 300, 1000),
    (1, 64, 784),
    (300, 7, 1),
    (5, 2, 3),
    (130, 64, 70),
]


@pytest.mark.parametrize("m, k, n", PRODUCTS)
@pytest.mark.parametrize(
    "trans_a, trans_b", [(False, False), (True, False), (False, True), (True, True)]
)
def test_a_product_is_numpys_and_writes_nothing_else(m, k, n, trans_a, trans_b):
    rng, ops = np.random.default_rng(0), NumbaOps()
    a, b = (
        rng.standard_normal((k, m) if trans_a else (m, k)),
        rng.standard_normal((n, k) if trans_b else (k, n)),
    )
    want = (a.T if trans_a else a) @ (b.T if trans_b else b)
    around = rng.standard_normal((m + 2, n)).astype(np.float32)
    for add in (False, True):
        whole = around.copy()
        ops.gemm(
            a.astype("f"), b.astype("f"), out=whole[1:-1], trans_a=trans_a, trans_b=trans_b, add=add
        )
        np.testing.assert_allclose(whole[1:-1], want + add * around[1:-1], rtol=1e-4, atol=1e-4)
        assert np.array_equal(whole[[0, -1]], around[[0, -1]])


def test_a_stack_of_products():
    rng, ops = np.random.default_rng(0), NumbaOps()
    a, b, out = (
        rng.standard_normal(shape, np.float32) for shape in ((6, 20, 30), (6, 9, 30), (6, 20, 9))
    )
    ops.product(a, b.transpose(0, 2, 1), out=out)
    np.testing.assert_allclose(out, a @ b.transpose(0, 2, 1), rtol=1e-4, atol=1e-4)
    ops.product(a, b.transpose(0, 2, 1), out=out, add=True)
    np.testing.assert_allclose(out, 2 * a @ b.transpose(0, 2, 1), rtol=1e-4, atol=1e-4)
    ops.product(a, b[0].T, out=out)  # one matrix for the whole stack is left to NumPy
    np.testing.assert_allclose(out, a @ b[0].T, rtol=1e-4, atol=1e-4)
    ops.product(a[None], b.transpose(0, 2, 1)[None], out=out[None])  # and so is a stack of stacks
    np.testing.assert_allclose(out, a @ b.transpose(0, 2, 1), rtol=1e-4, atol=1e-4)
    sums = ops.product(
        a.transpose(0, 2, 1), out, out=np.empty((6, 30, 9), np.float32)
    )  # as of a weight gradient
    np.testing.assert_allclose(sums, a.transpose(0, 2, 1) @ out, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gaps_in", ["a", "b", "out"])
def test_a_product_of_matrices_with_gaps_is_left_to_numpy(gaps_in):
    rng, ops = np.random.default_rng(0), NumbaOps()
    wide = {name: rng.standard_normal((6, 12), np.float32) for name in ("a", "b", "out")}
    x = {
        name: array[:, ::2] if name == gaps_in else array[:, :6].copy()
        for name, array in wide.items()
    }
    ops.gemm(**x)
    np.testing.assert_allclose(x["out"], x["a"].astype("d") @ x["b"], rtol=1e-4, atol=1e-4)


# (N, H, W, C), (K, kh, kw), stride, padding: images enough for two threads; one image; windows wholly outside; pixels in no window
GEOMETRIES = [
    ((9, 19, 15, 9), (7, 4, 3), (2, 1), (1, 2)),
    ((1, 70, 80, 3), (5, 3, 3), (1, 1), (1, 1)),
    ((5, 12, 11, 40), (4, 2, 2), (1, 3), (4, 5)),
    ((5, 31, 29, 5), (3, 2, 1), (3, 4), (0, 0)),
]


@pytest.mark.parametrize("block", [1, 20_000, 1 << 20], ids=["a line", "some lines", "all lines"])
@pytest.mark.parametrize("x_shape, kernels, stride, padding", GEOMETRIES)
def test_convolutions_are_numpys_whatever_a_block_holds(
    monkeypatch, x_shape, kernels, stride, padding, block
):
    monkeypatch.setattr(numba_conv, "BLOCK_BYTES", block)
    rng, ours, its = np.random.default_rng(0), NumbaOps(), NumpyOps()
    (N, *size, C), (K, *kernel) = x_shape, kernels
    P, Q = ((n + 2 * p - k) // s + 1 for n, p, k, s in zip(size, padding, kernel, stride))
    x, W, y, b, c = (
        rng.standard_normal(n, np.float32) for n in (x_shape, (K, *kernel, C), (N, P, Q, K), K, C)
    )
    assert max(x.size, y.size) > numba_conv.LARGE

    def same(name, *arrays, shape, **options):
        around, want = np.ones((3 * shape[0], *shape[1:]), np.float32), np.ones(shape, np.float32)
        got = around[shape[0] : 2 * shape[0]]
        for ops, out in ((ours, got), (its, want)):
            getattr(ops, name)(*arrays, stride, padding, out=out, **options)
        assert np.all(around[: shape[0]] == 1) and np.all(around[2 * shape[0] :] == 1)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * np.abs(want).max())

    for row, pixel in ((b, c), (None, None)):
        same("conv", x, W, row, shape=y.shape)
        same("conv_transpose", y, W, pixel, shape=x.shape)
    for add in (False, True):
        same("conv_weight_grad", x, y, shape=W.shape, add=add)


@pytest.mark.parametrize("name", sorted(CONVOLUTIONS))
def test_convolutions_of_doubles_or_without_blas_are_numpys(monkeypatch, name):
    called = []
    note = lambda self, *arrays, **options: called.append(name)  # noqa: E731
    monkeypatch.setattr(numba_conv.NumpyConv, name, note)
    x, W = np.zeros((1, 4, 4, 4)), np.zeros((4, 1, 1, 4))
    arrays, out = ((x, x), W) if name == "conv_weight_grad" else ((x, W, None), x)

    def call(dtype):
        here = [a.astype(dtype) if isinstance(a, np.ndarray) else a for a in arrays]
        getattr(NumbaOps(), name)(*here, (1, 1), (0, 0), out=out.astype(dtype))

    call("float32")
    assert called == []
    call("float64")
    monkeypatch.setattr(numba_conv, "BLAS", None)
    call("float32")
    assert called == [name, name]


@pytest.mark.parametrize("wrong", [{"b": 3}, {"b": 6}, {"c": 2}, {"k": 4}, {"k": 6}])
def test_convolutions_of_wrong_shapes_are_numpys_errors(wrong):
    n = {"b": 5, "c": 3, "k": 5} | wrong
    x, W, b, y = (
        np.ones(shape, np.float32)
        for shape in ((2, 6, 6, 3), (5, 3, 3, n["c"]), n["b"], (2, 4, 4, n["k"]))
    )
    with pytest.raises(ValueError):
        NumbaOps().conv(x, W, b, (1, 1), (0, 0), out=y)
    if "b" not in wrong:
        with pytest.raises(ValueError):
            NumbaOps().conv_weight_grad(x, y, (1, 1), (0, 0), out=W)
        with pytest.raises(ValueError):
            NumbaOps().conv_transpose(y, W, None, (1, 1), (0, 0), out=x)
    y, W, c = (np.ones(shape, np.float32) for shape in ((2, 4, 4, 5), (5, 3, 3, 3), 2))
    with pytest.raises(ValueError):
        NumbaOps().conv_transpose(y, W, c, (1, 1), (0, 0), out=x)


def test_a_product_that_does_not_fit_is_numpys_error():
    ops, x = NumbaOps(), np.zeros((4, 6), np.float32)
    for b, out in (
        (x, x),
        (x.T, x),
        (x.T.astype("d"), np.zeros((4, 5), np.float32)),
        (x[:5].T, np.zeros((4, 4, 1), np.float32)),
    ):
        with pytest.raises(ValueError):
            ops.gemm(x, b, out=out)
    with pytest.raises(ValueError):
        ops.affine(x, x.T.copy(), x[0], out=np.zeros((4, 4), np.float32))


@shared(least=100)
def note_threads(ids):
    for i in prange(ids.size):
        ids[i] = numba.get_thread_id()


@pytest.mark.skipif(
    POOL.threads == 1, reason="one thread here; test_two_threads_do_the_same runs it with two"
)
def test_threads_share_what_is_large():
    """Both ways of a kernel are compiled, and kept apart on disk, where the next process finds them."""
    for n, threads in ((1000, POOL.threads), (99, 1)):  # the first starts the threads
        ids = np.full(n, -1)
        note_threads(ids)
        assert len(set(ids.tolist())) == threads


def test_which_blas(monkeypatch, tmp_path):
    """MKL where it is installed, in GCC's threads if those are there; else NumPy's; None where neither can be called."""
    assert (
        blas.openblas().name == "OpenBLAS"
        and blas.addresses("no library", tmp_path / "none.so", "f") is None
    )
    assert blas.addresses("no function", blas.numpy_linalg(), "no_such_function") is None
    found = []
    monkeypatch.setattr(blas, "files", lambda name: [PackagePath()])
    monkeypatch.setattr(
        blas, "addresses", lambda *call: found.append(call) or blas.Blas(call[0], 1, 2, 3, 4)
    )
    for openmp, layer in ((True, "GNU"), (False, "SEQUENTIAL")):
        monkeypatch.delenv("MKL_THREADING_LAYER", raising=False)
        assert blas.find_blas(openmp).name == "MKL" and os.environ["MKL_THREADING_LAYER"] == layer
    assert found[0][1].endswith("libmkl_rt.so.2")
    monkeypatch.setattr(blas, "files", not_installed)
    assert blas.find_blas(True).name == "OpenBLAS" == found[-1][0]


class PackagePath:
    name = "libmkl_rt.so.2"

    def locate(self):
        return f"/somewhere/lib/{self.name}"


def not_installed(name):
    raise PackageNotFoundError(name)


def test_products_leave_blas_its_threads():
    for threads in (2, 1):
        ctypes.CFUNCTYPE(None, ctypes.c_int)(BLAS.set_threads)(threads)
        for shape in (
            (8, 8),
            (64, 64),
            (3, 64, 64),
        ):  # small, shared between threads where there are any, and a stack
            x = np.ones(shape, np.float32)
            NumbaOps().product(x, x, out=np.empty(shape, np.float32))
            assert ctypes.CFUNCTYPE(ctypes.c_int)(BLAS.get_threads)() == threads


def test_two_threads_do_the_same():
    """All tests of this file, and those of the primitives, in a process with two; they wait asleep, as other tests want the cores."""
    two = {"OPENBLAS_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    code = "from nn.ops.numba.threads import POOL; assert POOL.threads == 2, POOL"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **two}, check=True)
    left_out = "two_threads or plain_python or emulated or strict or import or trainings"
    tests = [
        "tests/nn/ops/test_numba.py",
        "tests/nn/ops/test_ops.py",
        "tests/nn/ops/test_threads.py",
        "-k",
        f"not ({left_out})",
    ]
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **two}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_as_plain_python_the_kernels_do_the_same_and_stay_within_their_arrays():
    """Compiled, they check no index. Random numbers wrap around where Python's do not."""
    plain = {"NUMBA_DISABLE_JIT": "1", "OPENBLAS_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2"}
    left_out = "two_threads or plain_python or stream or emulated or strict or import or dropout or draws or share_what or which_backend"
    tests = [
        "tests/nn/ops/test_numba.py",
        "tests/nn/ops/test_ops.py",
        "-k",
        f"numba and not ({left_out})",
        "-W",
        "ignore::RuntimeWarning",
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n0",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.support.interpreted",
        *tests,
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **plain}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


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
            assert (
                np.array_equal(ours.normal_(drawn[0]), its.normal_(drawn[1]))
                and ours.state == its.state
            )
        ours.state = its.state = ours.state


def test_numpy_draws_where_its_state_lies_elsewhere(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(np.ctypeslib, "as_array", lambda words: np.zeros(4, np.uint64))
        ours = NumbaOps().stream(np.random.SeedSequence(8))
    its = NumpyOps().stream(np.random.SeedSequence(8))
    a, b = np.empty((40, 90), np.float32), np.empty((40, 90), np.float32)
    assert (
        np.array_equal(ours.dropout_mask_(a, 0.3), its.dropout_mask_(b, 0.3))
        and ours.state == its.state
    )


@pytest.mark.parametrize(
    "name",
    ["add_", "leaky_relu", "sigmoid", "tanh_backward_", "sigmoid_backward_", "moving_average_"],
)
def test_arrays_with_gaps_are_left_to_numpy(name):
    def run(ops):
        x, y = (
            np.linspace(-3, 3, 120, dtype=np.float32).reshape(10, 12),
            np.linspace(1, 2, 120, dtype=np.float32).reshape(10, 12),
        )
        x_, y_ = x[::2, ::3], y[::2, ::3]
        arguments = {
            "leaky_relu": {"slope": 0.2, "out": y_},
            "sigmoid": {"out": y_},
            "moving_average_": {"weight": 0.1},
        }
        getattr(ops, name)(
            x_, *([] if name in ("leaky_relu", "sigmoid") else [y_]), **arguments.get(name, {})
        )
        return {"x": x, "y": y}

    assert_same_bytes(run(NumbaOps()), run(NumpyOps()), name)


@pytest.mark.parametrize(
    "name",
    [
        "normalize",
        "normalize_backward",
        "scale_shift",
        "shift_scale",
        "sgd_step_",
        "rmsprop_step_",
        "adam_step_",
        "gather_rows",
    ],
)
def test_rows_and_vectors_with_gaps_are_left_to_numpy(name):
    for case, arguments in primitives.of(name, "float32"):
        got, want = (run_with_gaps(ops, name, arguments) for ops in (NumbaOps(), NumpyOps()))
        if name in SUMS:
            for key in want:
                np.testing.assert_allclose(got[key], want[key], rtol=1e-4, atol=1e-5)
        else:
            assert_same_bytes(got, want, f"{name} ({case})")


def run_with_gaps(ops, name, given):
    """Call a primitive on every other column, or element, of arrays that are twice as wide; all of the arrays, afterwards."""
    wide = {
        key: np.repeat(x, 2, axis=-1)
        for key, x in given.items()
        if isinstance(x, np.ndarray) and key != "step_and_rate"
    }
    here = given | {key: x.copy() for key, x in given.items() if key == "step_and_rate"}
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
    assert (
        fits(x, x)
        and not fits(x, x.astype(np.float64))
        and not fits(x[:, ::2])
        and not fits(x.astype(np.int32))
    )
    assert fits(x, rows=(x[0],)) and not fits(x, rows=(x[0, :5],)) and not fits(x, x[:3])
    (vector,) = flat(images.transpose(0, 3, 1, 2))
    assert vector.shape == (120,) and np.shares_memory(vector, images)
    assert flat(x, x[:2]) is None and flat(x[:, ::2]) is None
    assert (
        flat(images, np.zeros((2, 3, 4, 5), np.float32).transpose(0, 2, 3, 1)) is None
    )  # two memory orders


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.gradcheck
def test_gradients_of_the_layers(train):
    G = nn.Sequential(
        nn.Dense(5, 12),
        nn.BatchNorm(12),
        nn.LeakyReLU(0.2),
        nn.Reshape((3, 2, 2)),
        nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1),
        nn.BatchNorm(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dense(32, 4),
        nn.Tanh(),
        nn.Dense(4, 3),
        nn.Sigmoid(),
    ).build(seed=3, dtype="float64", device=NumbaOps())
    report = nn.gradcheck(G, np.random.default_rng(1).standard_normal((6, 5)), train=train)
    assert report.ok, report


def test_which_backend_one_gets():
    assert type(get_ops("cpu")) is NumbaOps and type(get_ops("numpy")) is NumpyOps
    assert "Numba" in repr(get_ops("cpu")) and "Numba" not in repr(get_ops("numpy"))
    assert get_ops("numpy").device == get_ops("cpu").device == "cpu"


def test_importing_the_package_does_not_import_numba():
    code = "import sys, nn; assert 'numba' not in sys.modules; nn.Dense(2, 3).build(seed=0); assert 'numba' in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
