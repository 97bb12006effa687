import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from nn.ops import NumpyOps
from tests.nn.layers.test_conv import LAYOUTS
from tests.nn.ops.test_allocation import LIMIT, rise
from tests.support.strict import StrictOps
from tests.support.tools import assert_close, in_float64, normal, one_pass

LAYERS = {"shift": lambda: nn.RandomShift(2, fill=-1.0), "cutout": lambda: nn.Cutout(3, fill=-1.0)}
SHAPE = (4, 2, 5, 6)
each = pytest.mark.parametrize("name", LAYERS)


class Draws:
    """A stream of given numbers."""

    def __init__(self, draws):
        self.draws = draws

    def uniform_(self, out):
        out[...] = self.draws
        return out


def with_draws(layer, draws):
    layer = in_float64(layer)
    layer.stream = Draws(np.asarray(draws))
    return layer


def offsets(draws, reach):
    return np.floor(draws * (2 * reach + 1)).astype(int) - reach


def plain_shift(x, down, right, fill):
    """Pixel by pixel."""
    y, (H, W) = np.full_like(x, fill), x.shape[2:]
    for n, c, h, w in np.ndindex(x.shape):
        if 0 <= h - down[n] < H and 0 <= w - right[n] < W:
            y[n, c, h, w] = x[n, c, h - down[n], w - right[n]]
    return y


def diffaugment_mask(draws, size, H, W):
    """1 outside the squares and 0 inside: DiffAugment's rand_cutout in NumPy, with given draws."""
    mask = np.ones((len(draws), H, W))
    offset_x = np.floor(draws[:, 0] * (H + (1 - size % 2))).astype(int).reshape(-1, 1, 1)
    offset_y = np.floor(draws[:, 1] * (W + (1 - size % 2))).astype(int).reshape(-1, 1, 1)
    grid_batch, grid_x, grid_y = np.meshgrid(
        np.arange(len(draws)), np.arange(size), np.arange(size), indexing="ij"
    )
    grid_x = np.clip(grid_x + offset_x - size // 2, 0, H - 1)
    grid_y = np.clip(grid_y + offset_y - size // 2, 0, W - 1)
    mask[grid_batch, grid_x, grid_y] = 0
    return mask[:, None]


def plain(layer, x, dy, draws):
    """y and dx of either layer."""
    if isinstance(layer, nn.RandomShift):
        down, right = offsets(draws, layer.reach).T
        return plain_shift(x, down, right, layer.fill), plain_shift(dy, -down, -right, 0)
    mask = diffaugment_mask(draws, layer.size, *x.shape[2:])
    return np.where(mask, x, layer.fill), dy * mask


# ---- forward and backward


@settings(max_examples=80, deadline=None)
@given(
    st.data(),
    st.sampled_from([nn.RandomShift, nn.Cutout]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_any_geometry_matches_plain_loops(data, kind, n, c, seed):
    h, w = data.draw(st.integers(2, 9)), data.draw(st.integers(2, 9))
    setting = data.draw(st.integers(1, min(h, w) - (kind is nn.RandomShift)))
    draws = np.random.default_rng(seed).random((n, 2))
    layer = with_draws(kind(setting, fill=0.5), draws)
    x, dy = normal(n, c, h, w, seed=seed), normal(n, c, h, w, seed=seed + 1)
    for got, want in zip(one_pass(layer, x, dy), plain(layer, x, dy, draws), strict=True):
        assert (got == want).all()


@each
@LAYOUTS
def test_images_in_either_memory_layout(name, memory):
    draws = np.random.default_rng(3).random((4, 2))
    layer, x, dy = with_draws(LAYERS[name](), draws), normal(*SHAPE), normal(*SHAPE, seed=1)
    y, dx = plain(layer, x, dy, draws)
    cache = layer.cache()
    got = layer.forward(memory(x), cache, train=True)
    assert (got == y).all() and got.transpose(0, 2, 3, 1).flags.c_contiguous
    assert (layer.backward(memory(dy).copy(order="K"), cache) == dx).all()


def test_edges_are_filled_and_zero_in_the_gradient():
    """One image shifted down by one and right by two."""
    layer = with_draws(nn.RandomShift(2, fill=-1.0), [[3.5 / 5, 4.5 / 5]])
    x = np.arange(1.0, 13).reshape(1, 1, 3, 4)
    y, dx = one_pass(layer, x, x)
    assert y[0, 0].tolist() == [[-1, -1, -1, -1], [-1, -1, 1, 2], [-1, -1, 5, 6]]
    assert dx[0, 0].tolist() == [[7, 8, 0, 0], [11, 12, 0, 0], [0, 0, 0, 0]]


def test_square_is_filled_and_zero_in_the_gradient():
    """An even square whose centre is the image's lower left corner, (3, 0)."""
    layer = with_draws(nn.Cutout(2, fill=-1.0), [[3.5 / 4, 0.1]])
    x = np.arange(1.0, 13).reshape(1, 1, 3, 4)
    y, dx = one_pass(layer, x, x)
    assert y[0, 0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [-1, 10, 11, 12]]
    assert dx[0, 0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [0, 10, 11, 12]]


@each
@pytest.mark.gradcheck
def test_gradients_match_finite_differences(name):
    for train in (True, False):
        report = nn.gradcheck(LAYERS[name](), normal(*SHAPE), train=train)
        assert report.ok, report


@each
@pytest.mark.gradcheck
def test_gradients_through_a_gan_match_finite_differences(name):
    """The gradient reaches the generator through the augmentation."""
    G = nn.Sequential(nn.Dense(4, 60), nn.Tanh(), nn.Reshape((2, 5, 6)))
    D = nn.Sequential(
        LAYERS[name](), nn.Conv2d(2, 3, 2), nn.LeakyReLU(0.2), nn.Flatten(), nn.Dense(60, 1)
    )
    report = nn.gradcheck([G, D], normal(5, 4), loss=nn.BCEWithLogits(), target=0.9)
    assert report.ok, report


def test_backward_is_the_adjoint_of_forward():
    x, dy = normal(*SHAPE, seed=1), normal(*SHAPE, seed=2)
    layer = in_float64(nn.RandomShift(3))
    y, dx = one_pass(layer, x, dy)
    assert_close(np.sum(y * dy), np.sum(x * dx), 1e-13)


@each
@pytest.mark.parametrize("train", [True, False])
def test_double_backward_transforms_v_as_forward_does_x(name, train):
    """dx is linear in dy: P = <dx, r> has the derivative <B d, r> along d, whatever dy."""
    layer, r, d = in_float64(LAYERS[name]()), normal(*SHAPE, seed=3), normal(*SHAPE, seed=4)
    cache, dy = layer.cache(double_backward=True), normal(*SHAPE, seed=2)
    layer.forward(normal(*SHAPE), cache, train=train)
    at = [np.sum(layer.backward(dy + k * d, cache) * r) for k in (-1, 1)]
    ddy, dx = layer.double_backward(r.copy(), cache)
    assert dx is None
    assert_close(np.sum(ddy * d), (at[1] - at[0]) / 2, 1e-12)


def test_penalty_gradient_of_a_whole_discriminator():
    """P = <dL/dx, r> of a network that starts with both, along a random weight direction."""
    D = in_float64(
        nn.Sequential(
            nn.RandomShift(2),
            nn.Cutout(3),
            nn.Conv2d(2, 3, 2),
            nn.Tanh(),
            nn.Flatten(),
            nn.Dense(60, 1),
        )
    )
    cache, x, r, state = (
        D.cache(double_backward=True),
        normal(*SHAPE),
        normal(*SHAPE, seed=1),
        D.stream.state,
    )
    values, direction, at = (
        D.parameters.value.flat,
        normal(D.parameters.value.flat.size, seed=2),
        [],
    )
    here = values.copy()

    def penalty():
        D.stream.state = state
        D.forward(x, cache, train=True)
        return np.sum(D.backward(np.ones((4, 1)), cache, grads="skip") * r)

    penalty()
    D.parameters.grad.flat[...] = 0
    D.double_backward(r.copy(), cache)
    for k in (-2, -1, 1, 2):
        values[...] = here + k * 1e-4 * direction
        at.append(penalty())
    assert_close(
        np.sum(D.parameters.grad.flat * direction),
        (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / 12e-4,
        1e-8,
    )


# ---- the draws


def assert_as_likely(values, expected):
    """Chi-squared test at a probability of 1 in 100,000 or less, for up to 50 values."""
    found, counts = np.unique(values, return_counts=True)
    assert found.tolist() == list(expected)
    mean = len(values) / len(found)
    assert np.sum((counts - mean) ** 2 / mean) < len(found) - 1 + 6 * np.sqrt(2 * len(found)) + 12


def test_shifts_are_uniform_for_each_image_and_axis():
    reach, n = 3, 8000
    layer = nn.RandomShift(reach).build(seed=0)
    x = np.zeros((n, 1, 9, 9), np.float32)
    x[:, 0, 4, 4] = 1
    _, _, rows, columns = np.nonzero(layer.forward(x, layer.cache(), train=True))
    assert len(rows) == n
    assert_as_likely(rows - 4, range(-reach, reach + 1))
    assert_as_likely(columns - 4, range(-reach, reach + 1))
    assert_as_likely((rows - 1) * 7 + columns - 1, range(49))  # the axes are independent
    # neighbours in the batch are independent too
    assert_as_likely((rows[1:] - 1) * 7 + rows[:-1] - 1, range(49))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_centres_are_uniform_for_each_image_and_axis(size):
    n, side = 8000, 5
    layer = nn.Cutout(size, fill=2.0).build(seed=1)
    cut = (
        layer.forward(np.zeros((n, 1, side, side), np.float32), layer.cache(), train=True)[:, 0]
        == 2
    )
    tops, ends = (
        [np.argmax(any_row[:, ::step], axis=1) for any_row in (cut.any(2), cut.any(1))]
        for step in (1, -1)
    )
    centres = [
        np.where(top > 0, top + size // 2, side - end - size + size // 2)
        for top, end in zip(tops, ends)
    ]
    places = range(side + 1 - size % 2)
    for axis in centres:
        assert_as_likely(axis, places)
    assert_as_likely(centres[0] * len(places) + centres[1], range(len(places) ** 2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [lambda: nn.RandomShift(14), lambda: nn.Cutout(29)])
def test_largest_draw_stays_in_range(make, dtype):
    """29 times the largest number below one is still below 29."""
    layer, x = make().build(dtype=dtype), np.ones((2, 1, 29, 29), dtype)
    layer.stream = Draws(np.nextafter(np.ones(2, dtype), 0, dtype=dtype))
    y = layer.forward(x, layer.cache(), train=True)
    assert y.sum() == 2 * (15 * 15 if isinstance(layer, nn.RandomShift) else 29 * 29 - 15 * 15)


@each
def test_each_pass_draws_anew_and_the_seed_determines_it(name):
    x = normal(*SHAPE, dtype="float32")
    passes = []
    for seed in (7, 7, 8):
        layer = LAYERS[name]().build(seed=seed)
        cache = layer.cache()
        passes.append([layer.forward(x, cache, train=True).copy() for _ in range(2)])
    (first, second), (again, _), (other, _) = passes
    assert (first == again).all() and (first != second).any() and (first != other).any()


@each
def test_each_live_pass_keeps_its_own_draws(name):
    layer, x, dy = in_float64(LAYERS[name]()), normal(*SHAPE), normal(*SHAPE, seed=1)
    caches = layer.cache(), layer.cache()
    first, second = (layer.forward(x, cache, train=True).copy() for cache in caches)
    assert (first != second).any()
    for cache in caches:
        assert (layer.backward(dy.copy(), cache) == plain(layer, x, dy, cache.draws)[1]).all()


@each
def test_evaluation_is_identity_draws_nothing_and_clears_draws(name):
    layer, x = LAYERS[name]().build(seed=0), normal(*SHAPE, dtype="float32")
    cache = layer.cache()
    layer.forward(x, cache, train=True)
    state = layer.stream.state
    assert (layer.forward(x, cache) == x).all() and (layer(x) == x).all()
    assert (layer.backward(x.copy(), cache) == x).all()
    assert (layer.double_backward(x.copy(), cache)[0] == x).all()
    assert layer.stream.state == state


# ---- a layer like any other


def test_settings_survive_a_weights_file(tmp_path):
    net = nn.Sequential(
        nn.RandomShift(3, fill=-1), nn.Cutout(np.int64(14), fill=np.float64(0.5)), nn.RandomShift(2)
    )
    assert list(map(repr, net)) == [
        "RandomShift(3, fill=-1.0)",
        "Cutout(14, fill=0.5)",
        "RandomShift(2)",
    ]
    nn.save_weights(
        tmp_path / "w.npz", {"D": nn.Sequential(*net, nn.Flatten(), nn.Dense(784, 1)).build(seed=0)}
    )
    (again,) = nn.load_weights(tmp_path / "w.npz")[0].values()
    assert list(map(repr, again[:3])) == list(map(repr, net))


@pytest.mark.parametrize("kind, setting", [(nn.RandomShift, "reach"), (nn.Cutout, "size")])
@pytest.mark.parametrize("value", [0, -1, 1.5, "3", True, None, (2, 2)])
def test_settings_out_of_range_are_refused(kind, setting, value):
    with pytest.raises(
        nn.ShapeError,
        match=f"{kind.__name__}: expected {setting} to be an integer of at least 1, got",
    ):
        kind(value)
    with pytest.raises(nn.WeightsError):
        nn.Layer.from_config({"type": kind.__name__, setting: value})


@pytest.mark.parametrize("kind, setting", [(nn.RandomShift, "reach"), (nn.Cutout, "size")])
@pytest.mark.parametrize(
    "fill", [float("nan"), float("inf"), "0", None, [1], 1e39, pytest.param(10**400, id="huge")]
)
def test_fill_that_is_not_finite_is_refused(kind, setting, fill):
    with pytest.raises(
        nn.ShapeError, match=f"{kind.__name__}: expected fill to be a finite number, got"
    ):
        kind(2, fill=fill)
    with pytest.raises(nn.WeightsError):
        nn.Layer.from_config({"type": kind.__name__, setting: 2, "fill": fill})


@each
@pytest.mark.parametrize("train", [True, False])
def test_x_that_does_not_fit_is_refused(name, train):
    layer = LAYERS[name]().build(name="D")
    for shape in ((4, 784), (4, 1, 1, 28), (4, 1, 28, 2)):
        with pytest.raises(
            nn.ShapeError, match=f"{type(layer).__name__} 'D': expected (x of shape|images)"
        ):
            layer.forward(np.zeros(shape, np.float32), layer.cache(), train=train)
        with pytest.raises(nn.ShapeError, match="expected images"):
            layer.output_shape(shape[1:])
    with pytest.raises(nn.DtypeError, match="expected x of float32, got float64"):
        layer(np.zeros(SHAPE))


def test_smallest_images_that_fit():
    message = (
        r"RandomShift\(3\): expected images \(C, H, W\) larger than the reach of 3, got \(1, 9, 3\)"
    )
    with pytest.raises(nn.ShapeError, match=message):
        nn.RandomShift(3).output_shape((1, 9, 3))
    with pytest.raises(
        nn.ShapeError,
        match=r"Cutout\(3\): expected images \(C, H, W\) no smaller than the square of 3, got",
    ):
        nn.Cutout(3).output_shape((1, 2, 9))
    assert nn.RandomShift(3).output_shape((1, 4, 4)) == (1, 4, 4) and nn.Cutout(3).output_shape(
        (1, 3, 3)
    ) == (1, 3, 3)


# ---- steps


def training(ops, dtype="float32", draws=None):
    """A forward and a backward pass, as a function of the batch size."""
    D = nn.Sequential(nn.RandomShift(3, fill=-1.0), nn.Cutout(5, fill=-1.0)).build(
        seed=1, device=ops, dtype=dtype
    )
    cache, x, dy = (
        D.cache(double_backward=True),
        *(ops.asarray(normal(64, 2, 9, 8, seed=seed, dtype=dtype)) for seed in (2, 3)),
    )
    if draws is not None:
        for layer, drawn in zip(D, draws):
            layer.stream = OnDevice(ops, drawn)

    def step(n=64):
        y = D.forward(x[:n], cache, train=True)
        dx = D.backward(dy[:n], cache)
        return y, dx, D.double_backward(dx, cache)[0]

    return step


class OnDevice(Draws):
    """The same numbers on any backend."""

    def __init__(self, ops, draws):
        self.ops, self.draws = ops, draws

    def uniform_(self, out):
        self.ops.copy_(out, self.ops.asarray(self.draws, out.dtype))
        return out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_step_reads_and_allocates_nothing_and_gives_the_same_bytes(dtype):
    ops = StrictOps()
    strict, plain = training(ops, dtype), training(NumpyOps(), dtype)
    strict(), plain()
    ops.freeze()
    got = strict()
    ops.thaw()
    for array, want in zip(got, plain(), strict=True):
        assert ops.to_host(array).tobytes() == np.array(want).tobytes() and array.dtype == dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_backends_agree(backend, dtype):
    # so that rounding cannot differ
    draws = np.random.default_rng(4).random((2, 64, 2)).astype(np.float32)
    here, want = training(backend, dtype, draws)(), training(NumpyOps(), dtype, draws)()
    for array, numbers in zip(here, want, strict=True):
        assert (backend.to_host(array) == numbers).all()


def test_step_on_emulated_cuda_reads_and_allocates_nothing(emulated_cupy_ops, emulated_cupy):
    ops = emulated_cupy_ops.CudaOps()
    step = training(ops)
    first = [ops.to_host(array) for array in step()]
    emulated_cupy.guard.frozen = True
    try:
        arrays = step()
    finally:
        emulated_cupy.guard.frozen = False
    assert any((ops.to_host(array) != before).any() for array, before in zip(arrays, first))


def test_step_allocates_no_array():
    before = np.setbufsize(16)
    try:
        step = training(NumpyOps())
        step()
        for n in (64, 40, 64):
            step(n)
            peak, held = rise(step, n)
            assert peak < LIMIT and held == 0
    finally:
        np.setbufsize(before)


def test_shift_and_cutout_together_reach_every_pixel():
    """In sequence, as in DiffAugment: each pixel is sometimes cut and sometimes not."""
    net = nn.Sequential(nn.RandomShift(1), nn.Cutout(4)).build(seed=0)
    y = net.forward(np.ones((500, 1, 8, 8), np.float32), net.cache(), train=True)
    for h, w in itertools.product(range(8), repeat=2):
        assert set(np.unique(y[:, 0, h, w])) == {0, 1}
