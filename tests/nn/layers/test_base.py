"""The protocol of nn/layers/base.py, tested on every layer; each layer also has its own file."""

import re

import numpy as np
import pytest

import nn
from nn.checking.passes import has_double_backward
from nn.layers.config import LAYERS
from nn.ops import NumpyOps
from tests.support.strict import StrictOps
from tests.support.tools import (
    Vector,
    away_from_zero,
    buffers,
    in_float64,
    normal,
    one_pass,
    set_parameters,
)

CASES = {
    "dense": (lambda: nn.Dense(6, 4), (5, 6)),
    "relu": (nn.ReLU, (5, 6)),
    "leaky": (lambda: nn.LeakyReLU(0.2), (5, 6)),
    "leaky_images": (lambda: nn.LeakyReLU(0.2), (5, 2, 3, 4)),
    "sigmoid": (nn.Sigmoid, (5, 6)),
    "tanh": (nn.Tanh, (5, 6)),
    "gelu": (nn.GELU, (5, 6)),
    "silu": (nn.SiLU, (5, 6)),
    "dropout": (lambda: nn.Dropout(0.4), (5, 6)),
    "batchnorm": (lambda: nn.BatchNorm(6, momentum=0.2), (5, 6)),
    "batchnorm_images": (lambda: nn.BatchNorm(2), (5, 2, 3, 4)),
    "max_pool_apart": (lambda: nn.MaxPool2d(2), (3, 2, 4, 6)),
    "avg_pool_overlapping": (lambda: nn.AvgPool2d(3, stride=2, padding=1), (3, 2, 4, 6)),
    "flatten": (nn.Flatten, (5, 2, 3, 4)),
    "reshape": (lambda: nn.Reshape((2, 3)), (5, 6)),
    "conv": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), (4, 2, 5, 6)),
    "conv_wide": (lambda: nn.Conv2d(8, 6, 3, padding=1), (4, 8, 5, 6)),
    "conv_transpose": (lambda: nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1), (4, 2, 3, 2)),
    "conv_transpose_wide": (
        lambda: nn.ConvTranspose2d(8, 6, (4, 3), stride=(2, 1), padding=1),
        (4, 8, 3, 2),
    ),
    "max_pool": (lambda: nn.MaxPool2d(3, stride=2, padding=1), (4, 2, 5, 6)),
    "avg_pool": (lambda: nn.AvgPool2d(2), (4, 2, 4, 6)),
    "global_avg_pool": (nn.GlobalAvgPool2d, (4, 3, 2, 5)),
    "upsample": (lambda: nn.Upsample(2), (4, 2, 3, 2)),
    "spectral": (lambda: nn.SpectralNorm(nn.Dense(6, 4)), (5, 6)),
    "spectral_conv": (
        lambda: nn.SpectralNorm(nn.Conv2d(2, 3, 3, stride=2, padding=1)),
        (4, 2, 5, 6),
    ),
    "spectral_conv_transpose": (
        lambda: nn.SpectralNorm(nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1)),
        (4, 2, 3, 2),
    ),
    "residual": (
        lambda: nn.Residual(nn.Sequential(nn.Dense(6, 4), nn.Tanh(), nn.Dense(4, 6))),
        (5, 6),
    ),
    "residual_shortcut": (
        lambda: nn.Residual(
            nn.Sequential(nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.BatchNorm(3), nn.ReLU()),
            shortcut=nn.Conv2d(2, 3, 1, stride=2),
        ),
        (4, 2, 5, 6),
    ),
    "layernorm": (lambda: nn.LayerNorm(6), (5, 6)),
    "layernorm_images": (lambda: nn.LayerNorm((2, 3, 4)), (5, 2, 3, 4)),
    "groupnorm": (lambda: nn.GroupNorm(2, 4), (5, 4, 3, 2)),
    "pixelnorm": (lambda: nn.PixelNorm(1e-4), (5, 6)),
    "pixelnorm_images": (lambda: nn.PixelNorm(1e-4), (5, 3, 2, 4)),
    "embedding": (lambda: nn.Sequential(nn.Sigmoid(), nn.Embedding(3, 4)), (5, 6)),
    "attention": (lambda: nn.SelfAttention2d(4, 3), (2, 4, 3, 2)),
    "shift": (lambda: nn.RandomShift(2, fill=-1.0), (4, 2, 5, 6)),
    "cutout": (lambda: nn.Cutout(3, fill=-1.0), (4, 2, 5, 6)),
    "own": (lambda: Vector(6), (5, 6)),
    "network": (
        lambda: nn.Sequential(
            nn.Dense(6, 8),
            nn.BatchNorm(8),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.3),
            nn.Dense(8, 4),
            nn.Tanh(),
            nn.Reshape((2, 2)),
            nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Sigmoid()),
        ),
        (5, 6),
    ),
}
each = pytest.mark.parametrize("name", CASES)
both_modes = pytest.mark.parametrize("train", [True, False], ids=["training", "evaluation"])


def a_case(name, dtype="float32"):
    """A built layer with random parameters, x, dy, and another x."""
    make, shape = CASES[name]
    layer = make().build(seed=3, dtype=dtype)
    for view in layer.parameters.value.views.values():
        view[...] = normal(*view.shape, seed=4)
    x, other = (
        away_from_zero(*shape, seed=1, dtype=dtype),
        away_from_zero(*shape, seed=2, dtype=dtype),
    )
    y = layer(x)
    return layer, x, normal(*y.shape, seed=5, dtype=dtype), other


def same_draws(layer, action):
    """The action's result; the stream and the statistics are restored afterwards."""
    state, statistics = layer.stream.state, layer.parameters.statistics.flat.copy()
    result = action()
    layer.stream.state, layer.parameters.statistics.flat[...] = state, statistics
    return result


def test_every_layer_of_the_package_is_covered():
    layers = [make() for make, _ in CASES.values()]
    made = {type(leaf) for layer in layers for _, leaf in layer.modules()}
    assert made | set(map(type, layers)) >= set(LAYERS.values())


@each
@both_modes
def test_a_later_pass_does_not_affect_an_earlier_one(name, train):
    """Real forward, fake forward, then the real backward, which depends on the real batch only."""
    layer, x, dy, other = a_case(name, "float64")
    layer.stream.state = state = layer.stream.state
    caches = layer.cache(tracks_statistics=False), layer.cache(tracks_statistics=False)
    y = layer.forward(x, caches[0], train=train).copy()
    dx = layer.backward(dy.copy(), caches[0]).copy()
    grad = layer.parameters.grad.flat.copy()
    layer.stream.state = state
    y_again = layer.forward(x, caches[0], train=train)
    layer.forward(other, caches[1], train=train)
    assert (y_again == y).all()  # not overwritten by the other pass
    dx_again = layer.backward(dy.copy(), caches[0])
    assert (dx_again == dx).all() and (layer.parameters.grad.flat == grad).all()
    layer.backward(dy.copy(), caches[1])
    assert (dx_again == dx).all()


@each
@both_modes
def test_write_replaces_add_adds_and_skip_keeps_the_parameter_gradients(name, train):
    layer, x, dy, _ = a_case(name, "float64")
    grad = layer.parameters.grad.flat

    def passes(how):
        return same_draws(layer, lambda: one_pass(layer, x, dy, train=train, grads=how)[1])

    grad[...] = 7.0
    written_dx = passes("write")
    written = {key: view.copy() for key, view in layer.parameters.grad.items()}
    assert all((view != 7).all() for view in written.values())
    grad[...] = 7.0
    added_dx = passes("add")
    for key, view in layer.parameters.grad.items():
        np.testing.assert_allclose(view, 7 + written[key], rtol=1e-13)
    before = grad.copy()
    skipped_dx = passes("skip")
    assert grad.tobytes() == before.tobytes()
    assert (skipped_dx == written_dx).all() and (added_dx == written_dx).all()


@each
def test_skip_computes_no_parameter_gradient(name):
    """Nor computes and discards it: the gradient arrays do not even exist."""
    layer, x, dy, _ = a_case(name)
    cache = layer.cache()
    layer.forward(x, cache, train=True)
    for _, leaf in layer.modules():
        for key in leaf.parameter_shapes:
            delattr(leaf, "d" + key)
    layer.backward(dy, cache, grads="skip")


@each
@both_modes
def test_without_need_dx_no_dx_is_computed(name, train):
    layer, x, dy, _ = a_case(name)
    _, with_dx = same_draws(layer, lambda: one_pass(layer, x, dy, train=train))
    grad = layer.parameters.grad.flat.copy()
    cache = layer.cache()
    layer.forward(x, cache, train=train)
    assert with_dx is not None
    assert layer.backward(dy.copy(), cache, need_dx=False) is None
    assert layer.parameters.grad.flat.tobytes() == grad.tobytes()
    first = (cache.parts or [cache])[0]
    # batch norm allocates the buffer anyway
    assert "dx" not in buffers(first) or isinstance(layer, nn.BatchNorm)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, (make, _) in CASES.items()
        if isinstance(
            make(),
            (
                nn.Dense,
                nn.BatchNorm,
                nn.Conv2d,
                nn.ConvTranspose2d,
                nn.MaxPool2d,
                nn.AvgPool2d,
                nn.Upsample,
                nn.Sequential,
            ),
        )
    ],
)
def test_dy_of_wrong_shape_or_dtype_is_an_error(name):
    """For layers that would return a wrong shape or fail in a product otherwise."""
    layer, x, dy, _ = a_case(name)
    cache = layer.cache()
    with pytest.raises(
        nn.ShapeError,
        match="expected a forward pass through this cache before backward, got none yet",
    ):
        layer.backward(dy, cache)
    layer.forward(x, cache, train=True)
    for wrong in (dy[:-1], dy[..., :1], dy[None]):
        with pytest.raises(
            nn.ShapeError,
            match=re.escape(f"expected dy of y's shape {dy.shape}, got {wrong.shape}"),
        ):
            layer.backward(wrong, cache)
    with pytest.raises(nn.DtypeError, match="expected dy of float32, got float64"):
        layer.backward(dy.astype(np.float64), cache)


@each
@both_modes
def test_x_and_the_other_cache_are_never_written(name, train):
    layer, x, dy, other = a_case(name)
    caches = layer.cache(), layer.cache()
    layer.forward(other, caches[1], train=train)
    x_before, held = x.copy(), {key: array.copy() for key, array in buffers(caches[1]).items()}
    layer.forward(x, caches[0], train=train)
    assert x.tobytes() == x_before.tobytes()
    layer.backward(dy, caches[0])
    assert x.tobytes() == x_before.tobytes()
    for key, array in buffers(caches[1]).items():
        assert array.tobytes() == held[key].tobytes(), key


@each
@both_modes
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_the_networks_everywhere(name, train, dtype):
    layer, x, dy, _ = a_case(name, dtype)
    cache = layer.cache()
    y = layer.forward(x, cache, train=train)
    dx = layer.backward(dy, cache)
    arrays = {"y": y, "dx": dx, **buffers(cache)}
    for _, leaf in layer.modules():
        arrays |= {key: value for key, value in vars(leaf).items() if isinstance(value, np.ndarray)}
    floats = {key: array.dtype.name for key, array in arrays.items() if array.dtype.kind == "f"}
    assert floats == dict.fromkeys(floats, dtype) and {"y", "dx"} <= floats.keys()


@each
def test_float64_settings_do_not_widen_float32(name):
    make, shape = CASES[name]
    layer = make()
    for _, leaf in layer.modules():
        for key in leaf.settings():
            if isinstance(value := getattr(leaf, key), float):
                setattr(leaf, key, np.float64(value))
    layer.build(seed=0)
    y, dx = one_pass(layer, x := normal(*shape, dtype=np.float32), np.ones_like(layer(x)))
    assert y.dtype == dx.dtype == np.float32


class Draws:
    """The same numbers in float32 and float64."""

    def uniform_(self, out):
        out[...] = np.random.default_rng(6).random(out.shape)
        return out


@each
def test_float32_agrees_with_float64(name):
    results = []
    for dtype in ("float32", "float64"):
        layer, x, dy, _ = a_case(name, dtype)
        for _, leaf in layer.modules():
            if isinstance(leaf, nn.Dropout):
                leaf.p = 0.0
            elif isinstance(leaf, (nn.RandomShift, nn.Cutout)):
                leaf.stream = Draws()
        results.append([*one_pass(layer, x, dy), *layer.parameters.grad.views.values()])
    for narrow, wide in zip(*results, strict=True):
        # the gradient of a bias before batch norm is 0
        assert np.abs(narrow - wide).max() < 1e-4 * np.abs(wide).max() + 1e-7


@each
@both_modes
def test_a_layer_holds_no_activations(name, train):
    """A pass keeps all in its cache; the layer's attributes are the same objects as before."""
    layer, x, dy, _ = a_case(name)
    parts = [layer, *(leaf for _, leaf in layer.modules())]
    before = [dict(vars(part)) for part in parts]
    one_pass(layer, x, dy, train=train)
    for part, held in zip(parts, before, strict=True):
        assert vars(part).keys() == held.keys() and all(
            vars(part)[key] is value for key, value in held.items()
        )


@each
def test_a_second_pass_reuses_the_memory_of_its_cache(name):
    layer, x, dy, _ = a_case(name)
    cache = layer.cache()
    held = []
    for _ in range(2):
        layer.forward(x, cache, train=True)
        layer.backward(dy.copy(), cache)
        held.append({key: array.ctypes.data for key, array in buffers(cache).items()})
    assert held[0] == held[1]


def two_rounds(name, ops, train):
    """Results of two passes, the second with reads and allocations refused, on the host."""
    make, shape = CASES[name]
    layer = make().build(seed=3, device=ops)
    twice = has_double_backward(layer)
    cache = layer.cache(double_backward=twice)
    x, v = (away_from_zero(*shape, seed=seed, dtype=np.float32) for seed in (1, 2))
    dy = normal(len(x), *layer.output_shape(shape[1:]), seed=5, dtype=np.float32)
    x, rounds = ops.asarray(x), [(ops.asarray(dy), ops.asarray(v)) for _ in range(2)]
    for n, (dy, v) in enumerate(rounds):
        if n == 1 and isinstance(ops, StrictOps):
            ops.freeze()
        arrays = [layer.forward(x, cache, train=train), layer.backward(dy, cache)]
        if twice:
            arrays += [array for array in layer.double_backward(v, cache) if array is not None]
    if isinstance(ops, StrictOps):
        ops.thaw()
    return [ops.to_host(array) for array in (*arrays, layer.parameters.grad.flat)]


@each
@both_modes
def test_passes_on_the_strict_double_read_and_allocate_nothing(name, train):
    """After the first; results are those of the NumPy backend, byte for byte."""
    results = two_rounds(name, StrictOps(), train), two_rounds(name, NumpyOps(), train)
    for strict, plain in zip(*results, strict=True):
        assert strict.tobytes() == plain.tobytes() and np.isfinite(plain).all()


DRAWN = ("dropout", "network", "shift", "cutout")  # each backend has its own random numbers


@pytest.mark.parametrize("name", [name for name in CASES if name not in DRAWN])
def test_passes_on_emulated_cuda_agree_with_numpy(name, emulated_cupy_ops):
    results = (two_rounds(name, ops, True) for ops in (emulated_cupy_ops.CudaOps(), NumpyOps()))
    for got, want in zip(*results, strict=True):
        assert np.abs(got - want).max(initial=0) <= 1e-5 * np.abs(want).max(initial=0) + 1e-6


@each
def test_call_is_evaluation_in_new_memory(name):
    layer, x, _, other = a_case(name)
    statistics = layer.parameters.statistics.flat.copy()
    cache = layer.cache()
    before = x.copy()
    y = layer(x)
    want = layer.forward(x, cache, train=False)
    assert (y == want).all()
    kept = y.copy()
    layer(other)
    layer.forward(other, cache, train=False)
    assert (y == kept).all()
    assert (layer.parameters.statistics.flat == statistics).all()
    y[...] = 7  # must not alias anything
    assert (x == before).all() and (layer(x) == kept).all()
    images = np.ones((2, 3, 4, 5), np.float32).transpose(0, 3, 1, 2)
    assert nn.Tanh().build()(images).strides == images.strides  # in the layer's memory layout


class Identity(nn.Layer):
    def forward(self, x, cache, *, train=False):
        return x


class Reversed(nn.Layer):
    def forward(self, x, cache, *, train=False):
        return x[::-1]


class Weights(nn.Layer):
    """Returns its parameter."""

    def __init__(self):
        super().__init__()
        self.parameter_shapes = {"w": (5, 6)}

    def forward(self, x, cache, *, train=False):
        return self.w


class Table(nn.Layer):
    """Returns an array of its own."""

    def initialize(self, rng):
        self.table = self.ops.asarray(np.arange(30, dtype=np.float32).reshape(5, 6))

    def forward(self, x, cache, *, train=False):
        return self.table


@pytest.mark.parametrize(
    "make", [Identity, Reversed, Weights, Table, lambda: nn.Dropout(0.5), nn.Flatten]
)
@pytest.mark.parametrize(
    "wrap", [lambda layer: layer, nn.Sequential, lambda layer: nn.Sequential(nn.Sequential(layer))]
)
@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_call_copies_what_is_not_in_its_cache(make, wrap, device):
    net = wrap(make()).build(seed=0, device=StrictOps() if device == "strict" else device)
    x = net.ops.asarray(normal(5, 6, dtype=np.float32))
    y, want = net(x), net.forward(x, net.cache())
    kept = [a for _, leaf in net.modules() for a in vars(leaf).values() if net.ops.is_array(a)]
    for array in (x, want, net.parameters.value.flat, *kept):
        assert not np.shares_memory(*(getattr(a, "host", a) for a in (y, array)))
    assert y.dtype == want.dtype and np.array_equal(net.ops.to_host(y), net.ops.to_host(want))


@each
def test_repr_evaluates_to_the_layer(name):
    layer = CASES[name][0]()
    again = eval(repr(layer), vars(nn) | {"Vector": Vector})  # noqa: S307
    assert type(again) is type(layer) and repr(again) == repr(layer)
    assert [vars(a).get("parameter_shapes") for _, a in again.modules()] == [
        a.parameter_shapes for _, a in layer.modules()
    ]


@pytest.mark.parametrize(
    "code",
    [
        "Dense(784, 128)",
        "Dense(784, 128, init=Normal(std=0.02))",
        "ReLU()",
        "LeakyReLU(slope=0.2)",
        "LeakyReLU()",
        "Dropout(p=0.3)",
        "BatchNorm(8)",
        "BatchNorm(8, eps=0.001, momentum=0.2)",
        "Reshape((1, 28, 28))",
        "Flatten()",
    ],
)
def test_repr_shows_what_differs_from_the_defaults(code):
    assert repr(eval(code, vars(nn))) == code  # noqa: S307


@each
def test_output_shape_matches_forward(name):
    layer, x, *_ = a_case(name)
    assert layer.output_shape(x.shape[1:]) == layer(x).shape[1:]


@each
def test_equal_seeds_give_equal_bytes(name):
    builds = [CASES[name][0]().build(seed=seed) for seed in (11, 11, 12)]
    bytes_ = [layer.parameters.value.flat.tobytes() for layer in builds]
    assert bytes_[0] == bytes_[1]
    if any(isinstance(leaf, nn.Dense) for _, leaf in builds[0].modules()):
        assert bytes_[0] != bytes_[2]


def test_seed_may_be_a_generator_or_a_seed_sequence():
    made = [
        nn.Dense(3, 2).build(seed=make(5)).W
        for make in (int, np.random.SeedSequence, np.random.default_rng)
    ]
    assert (made[0] == made[1]).all() and (made[0] == made[2]).all()


def test_building_leaves_numpys_global_generator_untouched():
    before = np.random.get_state()[1].copy()
    net = nn.Sequential(nn.Dense(4, 4), nn.Dropout(0.5)).build(seed=0)
    net.forward(np.ones((2, 4), np.float32), net.cache(), train=True)
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize(
    "use", [lambda layer: layer.cache(), lambda layer: layer(np.zeros((2, 784), np.float32))]
)
@pytest.mark.parametrize(
    "make, name",
    [(lambda: nn.Dense(784, 2), "Dense"), (lambda: nn.Sequential(nn.ReLU()), "Sequential")],
)
def test_layer_that_is_not_built_is_an_error(use, make, name):
    with pytest.raises(
        nn.ShapeError, match=rf"{name} has no memory yet: call \.build\(seed=\.\.\.\)"
    ):
        use(make())


@pytest.mark.parametrize("dtype", ["float16", "int32", "f4x"])
def test_unsupported_dtype_is_refused(dtype):
    with pytest.raises(
        nn.DtypeError, match=f"build: expected dtype float32 or float64, got {dtype}"
    ):
        nn.Dense(3, 2).build(dtype=dtype)


def test_unknown_device_is_refused():
    with pytest.raises(
        nn.DeviceError, match="device: expected one of auto, cpu, numpy, cuda, got 'tpu'"
    ):
        nn.Dense(3, 2).build(device="tpu")


def test_users_layer_without_a_pass_is_an_error_that_names_it():
    class Half(nn.Layer):
        pass

    layer = Half().build()
    with pytest.raises(TypeError, match=r"Half does not define forward\(x, cache"):
        layer(np.zeros((1, 1), np.float32))
    with pytest.raises(TypeError, match=r"Half does not define backward\(dy, cache"):
        layer.backward(np.zeros((1, 1), np.float32), layer.cache())


def test_parameters_and_gradients_are_views_of_the_flat_buffers():
    net = in_float64(nn.Sequential(nn.Dense(3, 2), nn.BatchNorm(2)))
    assert np.shares_memory(net[0].W, net.parameters.value.flat) and np.shares_memory(
        net[0].db, net.parameters.grad.flat
    )
    assert np.shares_memory(net[1].running_var, net.parameters.statistics.flat)
    set_parameters(net[0], W=5.0)
    assert (net.parameters.value["0.W"] == 5).all() and not (net.parameters.value["0.b"] == 5).any()


def test_output_can_be_written_to_a_given_array():
    net = nn.Sequential(nn.Dense(3, 4), nn.ReLU(), nn.Tanh()).build(seed=0)
    cache, mine, x = net.cache(), np.zeros((2, 4), np.float32), np.ones((3, 3), np.float32)
    cache.write_output_to(mine)
    assert net.forward(x[:2], cache) is mine and np.array_equal(mine, net(x[:2]))
    kept = mine.copy()
    # another shape: the cache's own memory
    assert net.forward(x, cache) is not mine and np.array_equal(mine, kept)


def test_buffer_reuses_its_memory_until_it_grows():
    cache = nn.Dense(3, 4).build(seed=0).cache()
    held = cache.buffer("y", (4, 3))
    for shape in ((2, 3), (3, 4), (12,)):
        again = cache.buffer("y", shape)
        assert again.shape == shape and np.shares_memory(again, held)
    assert not np.shares_memory(cache.buffer("y", (13,)), held)


def test_buffer_like_x_has_the_memory_layout_of_x():
    cache, images = nn.Dense(3, 4).build(seed=0).cache(), normal(2, 4, 5, 3, dtype=np.float32)
    for x in (images[0, 0], images, images.transpose(0, 3, 1, 2)):
        buffer = cache.buffer_like("y", x)
        assert buffer.shape == x.shape and buffer.strides == x.strides
    assert cache.buffer_like("y", images[0, 0, ::2]).flags.c_contiguous
