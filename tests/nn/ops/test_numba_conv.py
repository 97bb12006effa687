"""Convolutions of `NumbaOps` against those of `NumpyOps`."""

import numpy as np
import pytest

from nn.ops import NumpyOps
from nn.ops.numpy.conv import NumpyConv

pytest.importorskip("numba")

from nn.ops.numba import conv as numba_conv  # noqa: E402
from nn.ops.numba.conv_kernels import LARGE  # noqa: E402
from nn.ops.numba.ops import NumbaOps  # noqa: E402
from nn.ops.numba.threads import POOL  # noqa: E402

# (N, H, W, C), (K, kh, kw), stride, padding: enough images for two threads; one image; windows
# wholly outside the image; pixels in no window; one channel
GEOMETRIES = [
    ((9, 19, 15, 9), (7, 4, 3), (2, 1), (1, 2)),
    ((1, 70, 80, 3), (5, 3, 3), (1, 1), (1, 1)),
    ((5, 12, 11, 40), (4, 2, 2), (1, 3), (4, 5)),
    ((5, 31, 29, 5), (3, 2, 1), (3, 4), (0, 0)),
    ((25, 31, 28, 1), (5, 2, 2), (1, 1), (0, 0)),
]


@pytest.mark.parametrize("block", [1, 20_000, 1 << 20], ids=["a line", "some lines", "all lines"])
@pytest.mark.parametrize("x_shape, kernels, stride, padding", GEOMETRIES)
@pytest.mark.parametrize("parts", [1, 3])
def test_convolutions_match_numpy_for_any_size_of_block(
    monkeypatch, x_shape, kernels, stride, padding, block, parts
):
    monkeypatch.setattr(POOL, "parts", parts)
    monkeypatch.setattr(numba_conv, "BLOCK_BYTES", block)
    rng = np.random.default_rng(0)
    (N, *size, C), (K, *kernel) = x_shape, kernels
    P, Q = ((n + 2 * p - k) // s + 1 for n, p, k, s in zip(size, padding, kernel, stride))
    shapes = x_shape, (K, *kernel, C), (N, P, Q, K), K, C
    x, W, y, b, c = (rng.standard_normal(shape, np.float32) for shape in shapes)
    assert max(x.size, y.size) > LARGE

    def assert_same(name, *arrays, shape, **options):
        around, want = np.ones((3 * shape[0], *shape[1:]), np.float32), np.ones(shape, np.float32)
        got = around[shape[0] : 2 * shape[0]]
        for ops, out in ((NumbaOps(), got), (NumpyOps(), want)):
            getattr(ops, name)(*arrays, stride, padding, out=out, **options)
        assert np.all(around[: shape[0]] == 1) and np.all(around[2 * shape[0] :] == 1)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * np.abs(want).max())

    for row, pixel in ((b, c), (None, None)):
        assert_same("conv", x, W, row, shape=y.shape)
        assert_same("conv_transpose", y, W, pixel, shape=x.shape)
    for add in (False, True):
        assert_same("conv_weight_grad", x, y, shape=W.shape, add=add)


@pytest.mark.parametrize("name", ["conv", "conv_weight_grad", "conv_transpose"])
def test_numpy_takes_convolutions_of_float64_or_without_blas(monkeypatch, name):
    called = []

    def note(self, *arrays, **options):
        called.append(name)

    monkeypatch.setattr(NumpyConv, name, note)
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
def test_numpy_raises_the_error_for_wrong_shapes(wrong):
    n = {"b": 5, "c": 3, "k": 5} | wrong
    shapes = (2, 6, 6, 3), (5, 3, 3, n["c"]), n["b"], (2, 4, 4, n["k"])
    x, W, b, y = (np.ones(shape, np.float32) for shape in shapes)
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
