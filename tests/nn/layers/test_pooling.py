import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from tests.nn.layers.test_conv import LAYOUTS, sizes
from tests.oracles import load
from tests.support.tools import assert_close, away_from_zero, in_float64, normal, one_pass

# the layers of tests/oracles/make_conv_oracles.py
ORACLES = {
    "max": nn.MaxPool2d(2),
    "max_overlapping": nn.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 1)),
    "max_ties": nn.MaxPool2d(3, stride=1, padding=1),
    "avg": nn.AvgPool2d(2),
    "avg_overlapping": nn.AvgPool2d((3, 2), stride=(2, 1), padding=(1, 1)),
    "upsample": nn.Upsample((2, 3)),
}


def plain_pool(layer, x, dy):
    """y and dx, window by window."""
    (H, W), (kh, kw), (sh, sw), (ph, pw) = (
        x.shape[2:],
        layer.kernel_hw,
        layer.stride_hw,
        layer.padding_hw,
    )
    y, dx = np.zeros_like(dy), np.zeros_like(x)
    for n, c, p, q in np.ndindex(dy.shape):
        rows = [p * sh + i - ph for i in range(kh)]
        columns = [q * sw + j - pw for j in range(kw)]
        window = [(n, c, h, w) for h in rows for w in columns if 0 <= h < H and 0 <= w < W]
        if isinstance(layer, nn.MaxPool2d):
            winner = max(window, key=lambda place: x[place])  # the first of equal ones
            y[n, c, p, q] = x[winner]
            dx[winner] += dy[n, c, p, q]
        else:
            y[n, c, p, q] = sum(x[place] for place in window) / (kh * kw)
            for place in window:
                dx[place] += dy[n, c, p, q] / (kh * kw)
    return y, dx


@pytest.mark.parametrize("name", ORACLES)
@LAYOUTS
def test_matches_pytorch(name, memory):
    want, layer = load("conv_layers"), in_float64(ORACLES[name])
    y, dx = one_pass(layer, memory(want[f"{name}.x"]), memory(want[f"{name}.dy"]))
    assert_close(y, want[f"{name}.y"], 1e-15)
    assert_close(dx, want[f"{name}.dx"], 1e-14)


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.gradcheck
def test_gradients_match_finite_differences(name):
    shape = load("conv_layers")[f"{name}.x"].shape
    report = nn.gradcheck(ORACLES[name], away_from_zero(*shape))
    assert report.ok, report


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]), sizes, sizes, st.integers(0, 99))
def test_any_geometry_matches_plain_loops(data, kind, kernel, stride, seed):
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    layer = in_float64(kind(kernel, stride, padding))
    lowest = [max(1, k - 2 * p) for k, p in zip(kernel, padding)]
    shape = (
        data.draw(st.integers(1, 3)),
        data.draw(st.integers(1, 3)),
        *(n + data.draw(st.integers(0, 5)) for n in lowest),
    )
    x = normal(*shape, seed=seed)
    x = np.round(x) if seed % 2 else x  # with ties
    dy = normal(shape[0], *layer.output_shape(shape[1:]), seed=seed + 1)
    for got, want in zip(one_pass(layer, x, dy), plain_pool(layer, x, dy), strict=True):
        assert_close(got, want, 1e-13)


@given(sizes, sizes)
def test_upsampling_repeats_pixels_and_backward_sums_over_copies(factor, size):
    layer, x = in_float64(nn.Upsample(factor)), normal(2, 3, *size)
    dy = normal(2, 3, size[0] * factor[0], size[1] * factor[1], seed=1)
    y, dx = one_pass(layer, x, dy)
    assert (y == np.kron(x, np.ones(factor))).all()
    assert_close(
        dx, dy.reshape(2, 3, size[0], factor[0], size[1], factor[1]).sum(axis=(3, 5)), 1e-14
    )


def test_more_samples_than_fit_in_a_block():
    x, dy = normal(300, 4, 9, 9), normal(300, 4, 4, 4, seed=1)
    for layer in map(in_float64, (nn.MaxPool2d(3, 2), nn.AvgPool2d(3, 2))):
        for got, want in zip(one_pass(layer, x, dy), plain_pool(layer, x, dy), strict=True):
            assert_close(got, want, 1e-13)


def test_padding_is_never_the_maximum_and_counts_as_zeros_in_means():
    x = np.full((1, 1, 2, 2), -5.0)
    assert (in_float64(nn.MaxPool2d(3, stride=1, padding=1))(x) == -5).all()
    assert_close(
        in_float64(nn.AvgPool2d(3, stride=1, padding=1))(x), np.full((1, 1, 2, 2), -20 / 9), 1e-15
    )


def test_maximum_of_minus_infinities_is_the_first_pixel():
    y, dx = one_pass(
        in_float64(nn.MaxPool2d(2)), np.full((3, 1, 2, 2), -np.inf), np.ones((3, 1, 1, 1))
    )
    assert (y == -np.inf).all() and (dx[:, 0, 0, 0] == 1).all() and dx.sum() == 3


def test_nan_is_the_maximum():
    x = np.zeros((1, 1, 2, 2))
    x[0, 0, 0, 1] = np.nan
    x[0, 0, 1, 0] = 7
    assert np.isnan(in_float64(nn.MaxPool2d(2))(x)).all()


def test_default_stride_is_the_kernel():
    assert nn.MaxPool2d((2, 3)).output_shape((4, 8, 9)) == (4, 4, 3)
    assert nn.AvgPool2d(3, 1).output_shape((4, 8, 9)) == (4, 6, 7)


@pytest.mark.parametrize("kind", [nn.MaxPool2d, nn.AvgPool2d])
def test_impossible_geometry_error_shows_the_arithmetic(kind):
    layer = kind((2, 4), stride=3).build(name="D")
    with pytest.raises(nn.ShapeError) as error:
        layer(np.zeros((1, 1, 2, 3), np.float32))
    arithmetic = "expected an output width of at least 1, got (3 + 2*0 - 4) // 3 + 1 = 0"
    assert str(error.value) == f"{kind.__name__} 'D': {arithmetic}"


@pytest.mark.parametrize("kind", [nn.MaxPool2d, nn.AvgPool2d])
@pytest.mark.parametrize(
    "settings, what",
    [
        ({"kernel": 0}, "expected kernel to be an integer of at least 1"),
        ({"kernel": 2, "stride": 0}, "expected stride to be an integer of at least 1"),
        ({"kernel": 3, "padding": 2}, "expected a padding of at most half the kernel, got 2 for 3"),
        ({"kernel": (4, 2), "padding": (2, 2)}, "expected a padding of at most half the kernel"),
    ],
)
def test_settings_out_of_range_are_refused(kind, settings, what):
    with pytest.raises(nn.ShapeError, match=f"{kind.__name__}: {what}"):
        kind(**settings)


def test_kernel_with_more_taps_than_a_byte_can_index_is_refused():
    assert nn.MaxPool2d(16).output_shape((1, 16, 16)) == (1, 1, 1)
    x = np.zeros((1, 1, 16, 16))
    x[0, 0, 15, 15] = 1
    _, dx = one_pass(in_float64(nn.MaxPool2d(16)), x, np.ones((1, 1, 1, 1)))
    assert dx[0, 0, 15, 15] == 1 == dx.sum()
    with pytest.raises(
        nn.ShapeError, match="MaxPool2d: expected a kernel of at most 256 taps, got 17"
    ):
        nn.MaxPool2d(17)


def test_upsampling_factor_below_one_is_refused():
    with pytest.raises(
        nn.ShapeError,
        match="Upsample: expected factor to be an integer of at least 1, or a pair of them, got 0",
    ):
        nn.Upsample(0)


@pytest.mark.parametrize("layer", [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Upsample(2)], ids=repr)
def test_x_that_is_not_images_is_refused(layer):
    with pytest.raises(
        nn.ShapeError,
        match=rf"{type(layer).__name__}\(.*\): expected samples of shape \(C, H, W\), got \(4,\)",
    ):
        layer.output_shape((4,))
    built = layer.build()
    with pytest.raises(nn.ShapeError, match=r"expected x of shape \(N, C, H, W\), got \(4, 4\)"):
        built(np.zeros((4, 4), np.float32))


def pytorchs_winner(window):
    """The index in a list of numbers: the first of the largest, or the last NaN."""
    best = 0
    for i, value in enumerate(window):
        if value > window[best] or np.isnan(value):
            best = i
    return best


@pytest.mark.parametrize(
    "values",
    [
        [-np.inf],
        [-np.inf, np.inf],
        [-np.inf, np.nan],
        [np.nan],
        [-np.inf, np.nan, np.inf, 0.0, 1.0],
    ],
)
@pytest.mark.parametrize(
    "kernel, stride, padding",
    [((2, 2), (2, 2), (1, 1)), ((3, 4), (2, 1), (1, 2)), ((3, 3), (1, 1), (0, 0))],
)
def test_infinities_and_nan_win_inside_the_image(any_backend, values, kernel, stride, padding):
    """A window of -inf gives -inf, NaN is kept, and no gradient goes into the padding."""
    ops, (N, H, W, C), (kh, kw), (sh, sw), (ph, pw) = (
        any_backend,
        (3, 7, 6, 2),
        kernel,
        stride,
        padding,
    )
    x = np.random.default_rng(0).choice(np.array(values, np.float32), (N, H, W, C))
    P, Q = (H + 2 * ph - kh) // sh + 1, (W + 2 * pw - kw) // sw + 1
    y, winner, dx = (
        ops.empty((N, P, Q, C), "float32"),
        ops.empty((N, P, Q, C), "uint8"),
        ops.empty(x.shape, "float32"),
    )
    ops.max_pool(ops.asarray(x), kernel, stride, padding, out=y, winner=winner)
    dy = normal(N, P, Q, C, dtype=np.float32)
    ops.max_pool_backward(ops.asarray(dy), winner, kernel, stride, padding, out=dx)
    got_y, got_winner, want_dx = ops.to_host(y), ops.to_host(winner), np.zeros_like(x)
    for n, p, q, c in np.ndindex(dy.shape):
        taps = [
            (a, b)
            for a in range(kh)
            for b in range(kw)
            if 0 <= p * sh + a - ph < H and 0 <= q * sw + b - pw < W
        ]
        a, b = taps[pytorchs_winner([x[n, p * sh + a - ph, q * sw + b - pw, c] for a, b in taps])]
        place = n, p * sh + a - ph, q * sw + b - pw, c
        assert (
            np.array_equal(got_y[n, p, q, c], x[place], equal_nan=True)
            and got_winner[n, p, q, c] == a * kw + b
        )
        want_dx[place] += dy[n, p, q, c]
    assert_close(ops.to_host(dx), want_dx, 1e-6)


def test_an_infinite_gradient_reaches_the_winner_alone(any_backend):
    ops = any_backend
    x = ops.asarray(np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1))
    y, winner = (ops.empty((1, 1, 1, 1), dtype) for dtype in ("float32", "uint8"))
    ops.max_pool(x, (2, 2), (2, 2), (0, 0), out=y, winner=winner)
    ops.fill_(y, np.inf)
    ops.max_pool_backward(y, winner, (2, 2), (2, 2), (0, 0), out=x)
    assert ops.to_host(x).reshape(-1).tolist() == [0, 0, 0, np.inf]
