"""`NumbaOps` gives the same bytes as `NumpyOps` where it sums nothing, else the same to rounding.

test_numba_processes.py runs these tests with two threads and as plain Python.
"""

import numpy as np
import pytest

import nn
from nn.ops import NumpyOps
from tests.support import primitives

pytest.importorskip("numba")

from nn.ops.numba.arrays import fits, flat  # noqa: E402
from nn.ops.numba.ops import NumbaOps  # noqa: E402

# primitives that add in another order than NumPy's
SUMS = {
    *("affine", "normalize", "sum_rows", "sum_product_rows", "bce_with_logits", "mean_sigmoid"),
    *("softmax", "absolute_error"),
}
CONVOLUTIONS = {"conv", "conv_weight_grad", "conv_transpose"}
OVERRIDDEN = {
    name for name in primitives.CONTRACT if getattr(NumbaOps, name) is not getattr(NumpyOps, name)
}
EXACT = sorted(OVERRIDDEN - SUMS - CONVOLUTIONS - {"stream"})


def bits(x):
    """The bytes of an array as integers, with all NaN equal."""
    return np.where(np.isnan(x), np.nan, x).view(f"u{x.itemsize}") if x.dtype.kind == "f" else x


def assert_same_bytes(got, want, where):
    assert got.keys() == want.keys()
    for key in want:
        assert got[key].dtype == want[key].dtype, where
        np.testing.assert_array_equal(bits(got[key]), bits(want[key]), err_msg=f"{where}: {key}")


def large_cases(dtype):
    """Matrices of several blocks, some with so few columns that rows are joined."""
    rng = np.random.default_rng(3)

    def normal(*shape):
        return rng.standard_normal(shape).astype(dtype)

    for shape in ((300, 784), (9000, 32), (4097, 3)):
        row = shape[1]
        x, y, a, b = normal(*shape), normal(*shape), normal(row), normal(row)
        statistics = {"mean": normal(row), "var": normal(row), "inv_std": normal(row)}
        rows = {"W": a, "inv_std": b, "dW": b, "db": a}
        loss = {"target": 0.9, "weight": 0.5, "dz": y, "value": normal(1)}
        yield "add_", {"y": x, "x": a}
        yield "leaky_relu", {"x": x, "slope": 0.01, "out": y}
        yield "leaky_relu_backward_", {"dy": x, "y": y, "slope": 0.3}
        yield "sigmoid", {"x": 20 * x, "out": y}
        yield "sigmoid_backward_", {"dy": y, "x": 20 * x}
        yield "silu_backward_", {"dy": x, "y": y, "s": x + y}
        yield "gelu", {"x": 3 * x, "out": y, "t": np.empty_like(x)}
        yield "gelu_backward_", {"dy": y, "x": 3 * x, "t": np.tanh(y)}
        yield "softmax", {"x": 20 * x, "out": y}
        for target in (y, 0.3):
            given = {"y": x, "target": target, "weight": 0.5}
            yield "absolute_error", {**given, "dy": np.empty_like(x), "value": normal(1)}
        yield "bce_with_logits", {"z": 9 * x, **loss}
        yield "mean_sigmoid", {"z": 9 * x, "out": normal(1)}
        yield "normalize", {"x": x + 3, "eps": 1e-5, "out": y, **statistics}
        yield "sum_rows", {"x": x, "out": a}
        yield "sum_rows", {"x": x, "out": a, "add": True}
        yield "sum_product_rows", {"x": x, "y": y, "out": a}
        yield "normalize_backward", {"dy": x, "xhat": y, **rows, "out": np.empty_like(x)}
        yield "scale_shift", {"x": x, "scale": a, "shift": b, "out": y}
        yield "moving_average_", {"average": x, "value": y, "weight": 0.01}
    images, dy = np.round(normal(2, 33, 31, 17)), normal(2, 16, 15, 17)
    winner = rng.integers(0, 9, dy.shape).astype(np.uint8)
    windows = {"kernel": (3, 3), "stride": (2, 2), "padding": (0, 0)}
    yield "max_pool", {"x": images, **windows, "out": dy, "winner": winner}
    yield "max_pool_backward", {"dy": dy, "winner": winner, **windows, "out": images}


def cases_of(primitive, dtype):
    """The cases of a primitive, then the large ones: [(id, arguments), ...]."""
    large = [("large", given) for name, given in large_cases(dtype) if name == primitive]
    return primitives.of(primitive, dtype) + large


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", EXACT)
def test_a_primitive_gives_the_same_bytes_as_numpys(name, dtype):
    for case, given in cases_of(name, dtype):
        for channels_last in {case == primitives.IMAGES, False}:
            got = primitives.run(NumbaOps(), name, given, channels_last=channels_last)
            want = primitives.run(NumpyOps(), name, given, channels_last=channels_last)
            assert_same_bytes(got, want, f"{name} ({case})")


@pytest.mark.parametrize("name", sorted(SUMS - {"affine"}))
def test_large_sums_are_accurate(name):
    """In float32, against NumPy's in float64."""
    pairs = zip(cases_of(name, "float32"), cases_of(name, "float64"), strict=True)
    for (_, given), (_, exact) in pairs:
        if given[next(iter(given))].size > 1000:
            got = primitives.run(NumbaOps(), name, given)
            want = primitives.reference(name, exact)
            for key in want:
                atol = 2e-5 * np.abs(want[key]).max()
                np.testing.assert_allclose(got[key], want[key], rtol=2e-5, atol=atol, err_msg=key)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_of_the_absolute_error_has_numpys_bytes(dtype):
    y = np.array([2, 1, 0, -1, np.nan, np.inf, -0.0] * 3, dtype)
    for weight, target in ((0.7, 0.0), (-0.7, 1.0), (0.7, y[::-1].copy())):
        given = {"y": y, "target": target, "weight": weight}
        with np.errstate(invalid="ignore"):
            got, want = (
                primitives.run(
                    ops, "absolute_error", {**given, "dy": y.copy(), "value": np.zeros(1, dtype)}
                )
                for ops in (NumbaOps(), NumpyOps())
            )
        assert np.array_equal(bits(got["dy"]), bits(want["dy"]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stream_draws_the_same_numbers_as_numpys(dtype):
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
            assert np.array_equal(ours.normal_(drawn[0]), its.normal_(drawn[1]))
            assert ours.state == its.state
        ours.state = its.state = ours.state


def test_numpy_draws_where_its_state_is_elsewhere(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(np.ctypeslib, "as_array", lambda words: np.zeros(4, np.uint64))
        ours = NumbaOps().stream(np.random.SeedSequence(8))
    its = NumpyOps().stream(np.random.SeedSequence(8))
    a, b = np.empty((40, 90), np.float32), np.empty((40, 90), np.float32)
    assert np.array_equal(ours.dropout_mask_(a, 0.3), its.dropout_mask_(b, 0.3))
    assert ours.state == its.state


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("add_", ()),
        ("leaky_relu", (0.2,)),
        ("sigmoid", ()),
        ("tanh_backward_", ()),
        ("sigmoid_backward_", ()),
        ("moving_average_", (0.1,)),
    ],
)
def test_numpy_takes_arrays_with_gaps(name, arguments):
    def run(ops):
        x = np.linspace(-3, 3, 120, dtype=np.float32).reshape(10, 12)
        y = np.linspace(1, 2, 120, dtype=np.float32).reshape(10, 12)
        x_, y_ = x[::2, ::3], y[::2, ::3]
        if name in ("leaky_relu", "sigmoid"):
            getattr(ops, name)(x_, *arguments, out=y_)
        else:
            getattr(ops, name)(x_, y_, *arguments)
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
def test_numpy_takes_rows_and_vectors_with_gaps(name):
    for case, arguments in primitives.of(name, "float32"):
        got, want = (run_with_gaps(ops, name, arguments) for ops in (NumbaOps(), NumpyOps()))
        if name in SUMS:
            for key in want:
                np.testing.assert_allclose(got[key], want[key], rtol=1e-4, atol=1e-5)
        else:
            assert_same_bytes(got, want, f"{name} ({case})")


def run_with_gaps(ops, name, given):
    """Call a primitive on every other column of arrays twice as wide; return these arrays."""
    arrays = {key: x for key, x in given.items() if isinstance(x, np.ndarray)}
    step_and_rate = {key: arrays.pop(key).copy() for key in given if key == "step_and_rate"}
    wide = {key: np.repeat(x, 2, axis=-1) for key, x in arrays.items()}
    with_gaps = {key: x[..., ::2] for key, x in wide.items()}
    getattr(ops, name)(**given | step_and_rate | with_gaps)
    return wide


def test_numpy_raises_the_error_for_arrays_that_do_not_fit():
    ops, x = NumbaOps(), np.zeros((4, 6), np.float32)
    for wrong in (
        lambda: ops.add_(x, np.zeros(5, np.float32)),
        lambda: ops.leaky_relu(x, 0.2, out=np.zeros((4, 5), np.float32)),
        lambda: ops.scale_shift(x, x[0], np.zeros(5, np.float32), out=x),
        lambda: ops.adam_step_(x[0], x[1], x[2, :3], x[3], np.array([0, 1.0]), 0.9, 0.9, 1e-8, 0.0),
    ):
        with pytest.raises(ValueError, match="broadcast"):
            wrong()


def test_which_arrays_the_kernels_take():
    x, images = np.zeros((4, 6), np.float32), np.zeros((2, 4, 5, 3), np.float32)
    assert fits(x, x)
    assert not fits(x, x.astype(np.float64))
    assert not fits(x[:, ::2])
    assert not fits(x.astype(np.int32))
    assert fits(x, rows=(x[0],)) and not fits(x, rows=(x[0, :5],)) and not fits(x, x[:3])
    (vector,) = flat(images.transpose(0, 3, 1, 2))
    assert vector.shape == (120,) and np.shares_memory(vector, images)
    assert flat(x, x[:2]) is None and flat(x[:, ::2]) is None
    other_order = np.zeros((2, 3, 4, 5), np.float32).transpose(0, 2, 3, 1)
    assert flat(images, other_order) is None


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.gradcheck
def test_gradients_of_the_layers(train):
    dense = nn.Dense(5, 12), nn.BatchNorm(12), nn.LeakyReLU(0.2)
    images = nn.Reshape((3, 2, 2)), nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1)
    normalized = nn.BatchNorm(2), nn.ReLU(), nn.Flatten()
    last = nn.Dense(32, 4), nn.Tanh(), nn.Dense(4, 3), nn.Sigmoid()
    G = nn.Sequential(*dense, *images, *normalized, *last)
    G.build(seed=3, dtype="float64", device=NumbaOps())
    report = nn.gradcheck(G, np.random.default_rng(1).standard_normal((6, 5)), train=train)
    assert report.ok, report
