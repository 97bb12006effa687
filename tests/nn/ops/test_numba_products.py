"""Products of `NumbaOps` against NumPy's, and the BLAS library behind them."""

import ctypes
import os
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from nn.ops import blas

pytest.importorskip("numba")

from nn.ops.numba.ops import NumbaOps  # noqa: E402
from nn.ops.numba.products import pays_transposed  # noqa: E402
from nn.ops.numba.threads import BLAS, POOL  # noqa: E402


def assert_close(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


SHAPES = [
    (64, 784, 512),
    (20, 20, 20),
    (128, 100, 33),
    (17, 300, 1000),
    (1, 64, 784),
    (300, 7, 1),
    (5, 2, 3),
    (130, 64, 70),
]


@pytest.mark.parametrize("m, k, n", SHAPES)
@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
def test_a_product_matches_numpy_and_writes_nothing_else(m, k, n, trans_a, trans_b):
    rng, ops = np.random.default_rng(0), NumbaOps()
    a = rng.standard_normal((k, m) if trans_a else (m, k))
    b = rng.standard_normal((n, k) if trans_b else (k, n))
    want = (a.T if trans_a else a) @ (b.T if trans_b else b)
    around = rng.standard_normal((m + 2, n)).astype(np.float32)
    for add in (False, True):
        whole = around.copy()
        options = {"trans_a": trans_a, "trans_b": trans_b, "add": add}
        ops.gemm(a.astype("f"), b.astype("f"), out=whole[1:-1], **options)
        assert_close(whole[1:-1], want + add * around[1:-1])
        assert np.array_equal(whole[[0, -1]], around[[0, -1]])


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("m, k, n", SHAPES)
def test_each_number_of_a_bias_is_added_to_its_column(monkeypatch, m, k, n, parts):
    monkeypatch.setattr(POOL, "parts", parts)
    rng, ops = np.random.default_rng(0), NumbaOps()
    x, W = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
    b, around = rng.standard_normal(n, np.float32), rng.standard_normal((m + 2, n), np.float32)
    whole = around.copy()
    ops.affine(x, W, b, out=whole[1:-1])
    assert_close(whole[1:-1], x.astype("d") @ W + b)
    assert np.array_equal(whole[[0, -1]], around[[0, -1]])


@pytest.mark.parametrize("m, k, n", SHAPES)
def test_a_product_computed_transposed(monkeypatch, m, k, n):
    monkeypatch.setattr("nn.ops.numba.products.pays_transposed", lambda m, n, k: True)
    rng, ops = np.random.default_rng(0), NumbaOps()
    ops.transposes = True
    a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((n, k), np.float32)
    around = rng.standard_normal((m + 2, n)).astype(np.float32)
    called, replayed = around.copy(), around.copy()
    ops.gemm(a, b, out=called[1:-1], trans_b=True)
    assert_close(called[1:-1], a.astype("d") @ b.T)
    assert np.array_equal(called[[0, -1]], around[[0, -1]])
    program = ops.capture(lambda: ops.gemm(a, b, out=replayed[1:-1], trans_b=True))
    replayed[...] = around
    program()
    assert np.array_equal(called, replayed)


def test_a_product_is_computed_transposed_where_that_is_faster():
    """Few rows and a large factor b, with OpenBLAS's kernels for AVX-512 only."""
    shapes = [(32, 3136, 200), (64, 784, 512), (64, 784, 128), (512, 512, 64), (64, 64, 64)]
    assert [pays_transposed(*shape) for shape in shapes] == [True, True, True, False, False]
    assert NumbaOps.transposes == (BLAS.core in ("SkylakeX", "Cooperlake", "SapphireRapids"))


def test_a_stack_of_products():
    rng, ops = np.random.default_rng(0), NumbaOps()
    shapes = (6, 20, 30), (6, 9, 30), (6, 20, 9)
    a, b, out = (rng.standard_normal(shape, np.float32) for shape in shapes)
    a_T, b_T = a.transpose(0, 2, 1), b.transpose(0, 2, 1)
    ops.product(a, b_T, out=out)
    assert_close(out, a @ b_T)
    ops.product(a, b_T, out=out, add=True)
    assert_close(out, 2 * a @ b_T)
    ops.product(a, b[0].T, out=out)  # NumPy takes one matrix for the whole stack
    assert_close(out, a @ b[0].T)
    ops.product(a[None], b_T[None], out=out[None])  # NumPy takes a stack of stacks
    assert_close(out, a @ b_T)
    sums = ops.product(a_T, out, out=np.empty((6, 30, 9), np.float32))  # as for a weight gradient
    assert_close(sums, a_T @ out)


@pytest.mark.parametrize("gaps_in", ["a", "b", "out"])
def test_numpy_takes_matrices_with_gaps(gaps_in):
    rng, ops = np.random.default_rng(0), NumbaOps()
    wide = {name: rng.standard_normal((6, 12), np.float32) for name in ("a", "b", "out")}
    x = {name: array[:, :6].copy() for name, array in wide.items()}
    x[gaps_in] = wide[gaps_in][:, ::2]
    ops.gemm(**x)
    assert_close(x["out"], x["a"].astype("d") @ x["b"])


def test_numpy_raises_the_error_for_matrices_that_do_not_fit():
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


def test_which_blas(monkeypatch, tmp_path):
    """MKL if installed, on GCC's threads if available; else NumPy's; None if neither works."""
    assert blas.openblas().name == "OpenBLAS"
    assert blas.addresses("no library", tmp_path / "none.so", "f") is None
    assert blas.addresses("no function", blas.numpy_linalg(), "no_such_function") is None
    found = []

    def addresses(*call):
        found.append(call)
        return blas.Blas(call[0], 1, 2, 3, 4)

    monkeypatch.setattr("importlib.metadata.files", lambda name: [PackagePath()])
    monkeypatch.setattr(blas, "addresses", addresses)
    for openmp, layer in ((True, "GNU"), (False, "SEQUENTIAL")):
        monkeypatch.delenv("MKL_THREADING_LAYER", raising=False)
        assert blas.find_blas(openmp).name == "MKL" and os.environ["MKL_THREADING_LAYER"] == layer
    assert found[0][1].endswith("libmkl_rt.so.2")
    monkeypatch.setattr("importlib.metadata.files", not_installed)
    assert blas.find_blas(True).name == "OpenBLAS" == found[-1][0]


class PackagePath:
    name = "libmkl_rt.so.2"

    def locate(self):
        return f"/somewhere/lib/{self.name}"


def not_installed(name):
    raise PackageNotFoundError(name)


def test_products_restore_the_thread_count_of_blas():
    for threads in (2, 1):
        ctypes.CFUNCTYPE(None, ctypes.c_int)(BLAS.set_threads)(threads)
        for shape in ((8, 8), (64, 64), (3, 64, 64)):  # small, large enough for threads, a stack
            x = np.ones(shape, np.float32)
            NumbaOps().product(x, x, out=np.empty(shape, np.float32))
            assert ctypes.CFUNCTYPE(ctypes.c_int)(BLAS.get_threads)() == threads
