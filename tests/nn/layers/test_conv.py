"""Conv2d and ConvTranspose2d: two layers on three primitives, each with several algorithms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from nn.ops.numpy import columns as numpy_columns
from nn.ops.numpy import winograd as numpy_winograd
from tests.oracles import load
from tests.support.strict import StrictOps
from tests.support.tools import assert_close, in_float64, normal, one_pass, set_parameters

# the layers of tests/oracles/make_conv_oracles.py
ORACLES = {
    "plain": nn.Conv2d(2, 3, 3),
    "strided": nn.Conv2d(3, 4, 4, stride=2, padding=1),
    "rectangular": nn.Conv2d(5, 2, (3, 2), stride=(2, 3), padding=(0, 2)),
    "one_by_one": nn.Conv2d(6, 5, 1),
    "same": nn.Conv2d(8, 6, 3, padding=1),
    "transposed": nn.ConvTranspose2d(2, 3, 3),
    "doubling": nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1),
    "to_one_channel": nn.ConvTranspose2d(6, 1, 4, stride=2, padding=1),
    "output_padding": nn.ConvTranspose2d(
        3, 6, 3, stride=(2, 3), padding=(1, 0), output_padding=(1, 2)
    ),
    "gaps": nn.ConvTranspose2d(2, 5, (1, 2), stride=(2, 3)),
    "same_transposed": nn.ConvTranspose2d(6, 8, 3, padding=1),
}


def channels_last(x):
    """The same images, channels-last (N, H, W, C) in memory."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


LAYOUTS = pytest.mark.parametrize("memory", [np.ascontiguousarray, channels_last])


def links(layer, x_shape, y_shape):
    """Every (input, output, tap) that Conv2d links, in loops; reversed for ConvTranspose2d."""
    transposed = isinstance(layer, nn.ConvTranspose2d)
    (N, _, H, W), (_, _, P, Q) = (y_shape, x_shape) if transposed else (x_shape, y_shape)
    K, kh, kw, C = layer.W.shape
    (sh, sw), (ph, pw) = layer.stride_hw, layer.padding_hw
    for n in range(N):
        for p in range(P):
            for q in range(Q):
                for i in range(kh):
                    for j in range(kw):
                        h, w = p * sh + i - ph, q * sw + j - pw
                        for k in range(K):
                            for c in range(C):
                                if 0 <= h < H and 0 <= w < W:
                                    small, large = (n, k, p, q), (n, c, h, w)
                                    yield (
                                        (small, large, (k, i, j, c))
                                        if transposed
                                        else (large, small, (k, i, j, c))
                                    )


def plain(layer, x, dy):
    """y, dx, dW and db by loops."""
    y = np.zeros(dy.shape) + layer.b[:, None, None]
    dx, dW = np.zeros(x.shape), np.zeros(layer.W.shape)
    for source, target, tap in links(layer, x.shape, dy.shape):
        y[target] += layer.W[tap] * x[source]
        dx[source] += layer.W[tap] * dy[target]
        dW[tap] += x[source] * dy[target]
    return y, dx, dW, dy.sum(axis=(0, 2, 3))


def assert_is_plain(layer, x, dy, tolerance=1e-12):
    layer.parameters.grad.flat[...] = np.nan  # must be overwritten
    y, dx = one_pass(layer, x, dy)
    for got, want in zip((y, dx, layer.dW, layer.db), plain(layer, x, dy), strict=True):
        assert_close(got, want, tolerance)


@pytest.mark.parametrize("name", ORACLES)
@LAYOUTS
def test_matches_pytorch(name, memory):
    want = {
        key.removeprefix(f"{name}."): value
        for key, value in load("conv_layers").items()
        if key.startswith(f"{name}.")
    }
    layer = in_float64(ORACLES[name])
    set_parameters(layer, W=want["before.weight"].transpose(0, 2, 3, 1), b=want["before.bias"])
    y, dx = one_pass(layer, memory(want["x"]), memory(want["dy"]))
    assert_close(y, want["y"], 1e-13)
    assert_close(dx, want["dx"], 1e-13)
    assert_close(layer.dW, want["d.weight"].transpose(0, 2, 3, 1), 1e-13)
    assert_close(layer.db, want["d.bias"], 1e-13)


@pytest.mark.parametrize("name", ORACLES)
def test_both_passes_match_plain_loops(name):
    layer, shape = in_float64(ORACLES[name]), load("conv_layers")[f"{name}.x"].shape
    set_parameters(layer, b=normal(*layer.b.shape))
    assert_is_plain(
        layer, normal(*shape, seed=1), normal(shape[0], *layer.output_shape(shape[1:]), seed=2)
    )


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.gradcheck
def test_gradients_match_finite_differences(name):
    report = nn.gradcheck(ORACLES[name], load("conv_layers")[f"{name}.x"])
    assert report.ok and len(report.entries) == 3, report


sizes = st.tuples(st.integers(1, 4), st.integers(1, 4))


@st.composite
def geometries(draw):
    """A random layer and the shape of a batch for it, often with rows that no window covers."""
    kernel, stride, padding = (
        draw(sizes),
        draw(sizes),
        draw(st.tuples(st.integers(0, 3), st.integers(0, 3))),
    )
    c_in, c_out = draw(st.sampled_from([1, 2, 4, 5, 7])), draw(st.sampled_from([1, 3, 4, 6]))
    if draw(st.booleans()):
        extra = tuple(draw(st.integers(0, s - 1)) for s in stride)
        layer = nn.ConvTranspose2d(c_in, c_out, kernel, stride, padding, extra)
        lowest = [
            max(1, -(-(2 * p - k - e + 1) // s) + 1)
            for k, s, p, e in zip(kernel, stride, padding, extra)
        ]
    else:
        layer = nn.Conv2d(c_in, c_out, kernel, stride, padding)
        lowest = [max(1, k - 2 * p) for k, p in zip(kernel, padding)]
    return layer, (draw(st.integers(1, 3)), c_in, *(n + draw(st.integers(0, 4)) for n in lowest))


@settings(max_examples=80, deadline=None)
@given(geometries(), st.sampled_from([1, 2_000, numpy_columns.COLUMN_BYTES]), st.integers(0, 99))
def test_any_geometry_and_slice_size_matches_plain_loops(geometry, column_bytes, seed):
    layer, shape = geometry
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numpy_columns, "COLUMN_BYTES", column_bytes)
        patch.setattr(numpy_columns, "MIN_ROWS", 1 if column_bytes == 1 else 512)
        in_float64(layer, seed)
        x, dy = (
            normal(*shape, seed=seed),
            normal(shape[0], *layer.output_shape(shape[1:]), seed=seed + 1),
        )
        assert_is_plain(layer, channels_last(x) if seed % 2 else x, dy)


@settings(max_examples=60, deadline=None)
@given(
    st.data(),
    st.sampled_from([nn.Conv2d, nn.ConvTranspose2d]),
    st.sampled_from([1, 8, 256]),
    st.integers(0, 99),
)
def test_winograd_matches_plain_loops(data, kind, tiles_at_once, seed):
    padding = data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    layer = in_float64(
        kind(data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4)), 3, padding=padding), seed
    )
    lowest = [max(1, 2 * p - 1 if kind is nn.ConvTranspose2d else 3 - 2 * p) for p in padding]
    shape = (
        data.draw(st.integers(1, 4)),
        layer.c_in,
        *(n + data.draw(st.integers(0, 8)) for n in lowest),
    )
    x, dy = (
        normal(*shape, seed=seed),
        normal(shape[0], *layer.output_shape(shape[1:]), seed=seed + 1),
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("CHANNELS", 0), ("TILES", 1), ("GAIN", 0), ("AT_ONCE", tiles_at_once)):
            patch.setattr(numpy_winograd, name, value)
        patch.setattr(numpy_columns, "as_strided", None)  # nothing else is at work
        assert_is_plain(layer, x, dy)
        before = layer.dW.copy()
        one_pass(layer, x, dy, grads="add")
        assert_close(layer.dW, 2 * before, 1e-14)


def test_winograd_matrices_filter():
    """y = A ((G g) * (B d)) for four outputs of three taps."""
    A, G, B = (
        x.reshape(shape)
        for x, shape in zip(
            numpy_winograd.matrices("float64"), ((4, 4, 6, 6), (6, 6, 3, 3), (6,) * 4)
        )
    )
    d, g = normal(6, 6), normal(3, 3)
    transformed = np.einsum("abij,ij->ab", G, g) * np.einsum("abij,ij->ab", B, d)
    y = np.einsum("pqab,ab->pq", A, transformed)
    want = [[np.sum(d[p : p + 3, q : q + 3] * g) for q in range(4)] for p in range(4)]
    assert_close(y, want, 1e-13)


def test_winograd_is_used_for_many_channels_only():
    def taken(layer, size, n=64):
        rows = (n, *layer.output_shape((layer.c_in, *size))[1:], layer.c_out)
        return numpy_winograd.pays(
            layer.parameter_shapes["W"], layer.stride_hw, layer.padding_hw, rows
        )

    wide = nn.ConvTranspose2d(256, 128, 3, padding=1)
    assert taken(wide, (7, 7))
    assert not taken(wide, (7, 7), n=4) and not taken(wide, (1, 1)) and not taken(wide, (5, 1))
    assert not taken(nn.Conv2d(256, 32, 3, padding=1), (7, 7))
    assert not taken(nn.Conv2d(256, 128, 3, stride=2, padding=1), (14, 14))
    assert not taken(nn.Conv2d(256, 128, (3, 1)), (14, 14)) and not taken(
        nn.Conv2d(256, 128, 3, padding=3), (7, 7)
    )


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(128, 256, 3, padding=1), nn.ConvTranspose2d(256, 128, 3, padding=1)],
    ids=repr,
)
def test_float32_is_accurate_with_many_channels(layer):
    x, dy = normal(32, layer.c_in, 7, 7), normal(32, layer.c_out, 7, 7, seed=1)
    results = []
    for dtype in ("float64", "float32"):
        layer.build(seed=0, dtype=dtype)
        results.append([*one_pass(layer, x.astype(dtype), dy.astype(dtype)), layer.dW, layer.db])
    for wide, narrow in zip(*results, strict=True):
        assert narrow.dtype == np.float32
        assert np.sqrt(np.mean((narrow - wide) ** 2) / np.mean(wide**2)) < 3e-6
        assert np.abs(narrow - wide).max() < 1e-5 * np.abs(wide).max()


@pytest.mark.parametrize("name", ["strided", "rectangular", "same", "plain"])
def test_transposed_convolution_is_the_adjoint(name):
    """<conv(x), y> = <x, conv_transpose(y)> for the same weights, without biases."""
    conv = in_float64(ORACLES[name])
    x = load("conv_layers")[f"{name}.x"]
    kernel, stride, padding = conv.kernel, conv.stride, conv.padding
    shape = conv.output_shape(x.shape[1:])
    bare = nn.ConvTranspose2d(conv.c_out, conv.c_in, kernel, stride, padding)
    extra = tuple(want - got for want, got in zip(x.shape[2:], bare.output_shape(shape)[1:]))
    adjoint = in_float64(nn.ConvTranspose2d(conv.c_out, conv.c_in, kernel, stride, padding, extra))
    set_parameters(conv, b=0.0)
    set_parameters(adjoint, W=conv.W, b=0.0)
    y = normal(len(x), *shape)
    left, right = np.sum(conv(x) * y), np.sum(x * adjoint(y))
    assert left == pytest.approx(right, rel=1e-12) and abs(left) > 0.1
    set_parameters(adjoint, W=-conv.W[:, ::-1])
    assert np.sum(x * adjoint(y)) != pytest.approx(right, rel=1e-3)  # the identity can fail


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(5, 6, 3, padding=1), nn.ConvTranspose2d(5, 6, 4, stride=2, padding=1)],
    ids=repr,
)
def test_batches_larger_than_a_slice_then_smaller_ones(layer, monkeypatch):
    monkeypatch.setattr(numpy_columns, "COLUMN_BYTES", 30_000)
    monkeypatch.setattr(numpy_columns, "MIN_ROWS", 1)
    in_float64(layer)
    cache = layer.cache()
    for n in (11, 3, 11):
        x = normal(n, 5, 6, 7, seed=n)
        dy = normal(n, *layer.output_shape((5, 6, 7)), seed=n + 1)
        y = layer.forward(x, cache)
        alone = [layer.forward(x[i : i + 1], layer.cache())[0] for i in range(n)]
        assert_close(y, np.array(alone), 1e-13)
        dx = layer.backward(dy.copy(), cache).copy()
        dW = layer.dW.copy()
        total = np.zeros_like(dW)
        for i in range(n):
            _, dx_alone = one_pass(layer, x[i : i + 1], dy[i : i + 1])
            assert_close(dx[i], dx_alone[0], 1e-13)
            total += layer.dW
        assert_close(dW, total, 1e-12)


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(2, 6, 3), nn.ConvTranspose2d(2, 6, 3, stride=2)], ids=repr
)
@pytest.mark.parametrize("lying", ["NCHW", "NHWC"])
def test_images_in_either_layout_are_copied_at_most_once(layer, lying):
    """On the strict double, implicit copies and new arrays after a warm-up are errors."""
    ops = StrictOps()
    layer.build(device=ops)
    shapes = (2, 5, 5), layer.output_shape((2, 5, 5))
    if lying == "NCHW":
        x, dy = (ops.zeros((2, *shape), "float32") for shape in shapes)
    else:
        x, dy = (ops.zeros((2, h, w, c), "float32").transpose(0, 3, 1, 2) for c, h, w in shapes)
    cache = layer.cache()
    layer.forward(x, cache)
    layer.backward(dy, cache)
    ops.freeze()
    layer.forward(x, cache)
    layer.backward(dy, cache)


def test_bias_gradient_is_one_sum_per_channel():
    layer, dy = in_float64(nn.Conv2d(2, 3, 3)), normal(4, 3, 5, 5)
    one_pass(layer, normal(4, 2, 7, 7), dy)
    assert_close(layer.db, dy.sum(axis=(0, 2, 3)), 1e-13)
    assert np.ptp(layer.db) > 1


def test_uncovered_pixels_get_the_bias_and_no_gradient():
    transposed = in_float64(nn.ConvTranspose2d(2, 5, 1, stride=3, output_padding=2))
    set_parameters(transposed, b=np.arange(1.0, 6))
    y = transposed(normal(2, 2, 3, 3))
    covered = np.zeros((9, 9), bool)
    covered[::3, ::3] = True
    assert (y[:, :, ~covered] == np.arange(1.0, 6)[:, None]).all() and (
        y[:, :, covered] != np.arange(1.0, 6)[:, None]
    ).all()
    conv = in_float64(nn.Conv2d(5, 2, 2, stride=3))
    _, dx = one_pass(conv, normal(2, 5, 7, 7), normal(2, 2, 2, 2))
    assert not dx[:, :, 5:].any() and not dx[:, :, 2].any() and dx[:, :, 4].any()


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_default_initialization_is_pytorchs(kind):
    layer = kind(8, 40, (3, 5)).build(seed=0)
    for key, ours in (("weight", layer.W), ("bias", layer.b)):
        spread, largest = load("conv_layers")[f"first.{kind.__name__}.{key}"]
        assert ours.std() == pytest.approx(spread, rel=0.02 if key == "weight" else 0.3)
        assert np.abs(ours).max() == pytest.approx(largest, rel=0.01 if key == "weight" else 0.15)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_initializer_gets_the_fans_and_bias_is_zero(kind):
    layer = kind(20, 30, (3, 5), init=nn.GlorotNormal()).build(seed=0)
    assert layer.W.std() == pytest.approx((2 / (20 * 15 + 30 * 15)) ** 0.5, rel=0.03)
    assert not layer.b.any()


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("shape", [(4, 2, 5), (4, 3, 5, 5), (2, 5, 5), ()])
def test_x_of_wrong_shape_is_an_error(kind, shape):
    layer = nn.Sequential(kind(2, 3, 3)).build(seed=0, name="D")
    with pytest.raises(nn.ShapeError) as error:
        layer(np.zeros(shape, np.float32))
    assert (
        str(error.value) == f"{kind.__name__} 'D.0': expected x of shape (N, 2, H, W), got {shape}"
    )


def test_x_of_wrong_dtype_or_type_is_an_error():
    layer = nn.Conv2d(1, 1, 1).build(seed=0)
    with pytest.raises(nn.DtypeError, match="Conv2d 'net': expected x of float32, got float64"):
        layer(np.zeros((1, 1, 2, 2)))
    with pytest.raises(
        nn.DtypeError, match="Conv2d 'net': expected x as an array on cpu.*, got list"
    ):
        layer([[1.0]])


def test_impossible_geometry_error_shows_the_arithmetic():
    layer = nn.Conv2d(1, 2, (3, 5), stride=2, padding=1).build(seed=0, name="D")
    arithmetic = (
        "Conv2d 'D': expected an output width of at least 1, got (2 + 2*1 - 5) // 2 + 1 = 0"
    )
    with pytest.raises(nn.ShapeError) as error:
        layer(np.zeros((1, 1, 3, 2), np.float32))
    assert str(error.value) == arithmetic
    layer = nn.ConvTranspose2d(1, 2, 3, stride=2, padding=3, output_padding=1)
    with pytest.raises(nn.ShapeError) as error:
        nn.Sequential(layer, input_shape=(1, 9, 2))
    arithmetic = "expected an output width of at least 1, got (2 - 1)*2 - 2*3 + 3 + 1 = 0"
    assert (
        str(error.value)
        == f"ConvTranspose2d(1, 2, 3, stride=2, padding=3, output_padding=1): {arithmetic}"
    )
    with pytest.raises(
        nn.ShapeError,
        match=r"Conv2d\(1, 2, 3\): expected samples of shape \(1, H, W\), got \(2, 5, 5\)",
    ):
        nn.Conv2d(1, 2, 3).output_shape((2, 5, 5))


@pytest.mark.parametrize("extra, stride", [(1, 1), (2, 2), ((0, 3), 3), ((2, 0), (2, 1))])
def test_output_padding_must_be_below_the_stride(extra, stride):
    with pytest.raises(
        nn.ShapeError, match="ConvTranspose2d: expected output_padding below stride, got"
    ):
        nn.ConvTranspose2d(1, 1, 3, stride=stride, output_padding=extra)


@pytest.mark.parametrize(
    "changes",
    [
        {"kernel": 0},
        {"kernel": (3, 0)},
        {"stride": 0},
        {"padding": -1},
        {"kernel": 2.0},
        {"kernel": (1, 2, 3)},
        {"stride": "2"},
    ],
)
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_settings_out_of_range_are_refused(kind, changes):
    [name] = changes
    with pytest.raises(
        nn.ShapeError,
        match=f"{kind.__name__}: expected {name} to be an integer of at least [01], or a pair",
    ):
        kind(**{"c_in": 1, "c_out": 1, "kernel": 3} | changes)


@pytest.mark.parametrize("channels", [(0, 1), (1, 0)])
def test_channels_below_one_are_refused(channels):
    with pytest.raises(
        nn.ShapeError, match="Conv2d: expected c_(in|out) to be an integer of at least 1"
    ):
        nn.Conv2d(*channels, 3)


def test_repr_keeps_pairs_and_weights_files_take_them(tmp_path):
    layer = nn.ConvTranspose2d(2, 3, (4, 3), stride=(2, 1), padding=1)
    assert repr(layer) == "ConvTranspose2d(2, 3, (4, 3), stride=(2, 1), padding=1)"
    net = nn.Sequential(layer, input_shape=(2, 3, 3)).build(seed=0)
    nn.save_weights(tmp_path / "w.npz", {"G": net})
    again = nn.load_weights(tmp_path / "w.npz")[0]["G"]
    x = normal(2, 2, 3, 3, dtype=np.float32)
    assert repr(again) == repr(net) and (again(x) == net(x)).all()
