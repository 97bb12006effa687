"""Every primitive on every backend against the reference, `NumpyOps`."""

import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest

import nn
from nn.errors import DeviceError, ShapeError
from nn.ops import NumpyOps, get_ops
from nn.ops.base import Ops
from tests.conftest import make_backend
from tests.support import primitives
from tests.support.strict import StrictOps

RELATIVE = {"float32": 1e-4, "float64": 1e-10}


def assert_close(got, want, dtype, where):
    """Float arrays are equal within rounding, element by element; others are equal."""
    assert got.dtype == want.dtype and got.shape == want.shape, where
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want, err_msg=where)
        return
    finite = np.abs(want[np.isfinite(want)])
    usual = np.median(finite) if finite.size else 0  # a sum may be small beside its terms
    rtol = RELATIVE[dtype]
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * usual / 10, err_msg=where)


@pytest.mark.parametrize("dtype", RELATIVE)
@pytest.mark.parametrize("name", primitives.NAMES)
def test_primitive(any_backend, name, dtype):
    for case, given in primitives.of(name, dtype):
        want = primitives.reference(name, given)
        got = primitives.run(any_backend, name, given, channels_last=case == "images")
        assert got.keys() == want.keys()
        for key in want:
            assert_close(got[key], want[key], dtype, f"{name} ({case}): {key}")


def test_every_primitive_has_a_case():
    cases = set(primitives.NAMES) | primitives.ELSEWHERE
    assert cases == primitives.CONTRACT, "add a case in tests/support/primitives/"


# public names beyond the contract, which primitives use and layers do not
BUILDING_BLOCKS = {
    "numpy": {"product", "exp_minus_abs", "sum_of_squares"},
    "numba": {"product", "exp_minus_abs", "sum_of_squares", "transposes"},
    "emulated": {"kernel", "launch"},
    "strict": {"freeze", "thaw"},  # what makes it strict
}


@pytest.mark.parametrize("name", BUILDING_BLOCKS)
def test_a_backend_has_the_primitives_of_the_contract_with_their_signatures(name, request):
    ops = NumpyOps() if name == "numpy" else make_backend(name, request)
    assert isinstance(ops.device, str)
    assert primitives.public(type(ops)) - {"device"} <= primitives.CONTRACT | BUILDING_BLOCKS[name]
    assert BUILDING_BLOCKS[name] <= primitives.public(type(ops))
    for primitive in primitives.CONTRACT:
        method = getattr(ops, primitive, None)
        assert method is not None, f"{type(ops).__name__} lacks {primitive}"
        assert parameters(method) == parameters(getattr(Ops, primitive))[1:], primitive


def parameters(method):
    """Names, kinds and defaults, without types: each backend has its own type of array."""
    signature = inspect.signature(method)
    return [(p.name, p.kind, p.default) for p in signature.parameters.values()]


def test_a_primitive_returns_its_output_array(backend):
    x, y = backend.zeros((3, 4), "float32"), backend.empty((3, 4), "float32")
    assert backend.sigmoid(x, out=y) is y
    assert backend.gemm(x, backend.zeros((4, 4), "float32"), out=y) is y
    assert backend.add_(y, x) is y
    for name in ("sigmoid_backward_", "divide_by_sigmoid_slope_", "tanh_backward_"):
        assert getattr(backend, name)(y, x) is y
    assert backend.leaky_relu_backward_(y, x, 0.2) is y


def test_arrays(backend):
    host = np.arange(12, dtype=np.float32).reshape(3, 4)
    x = backend.asarray(host)
    assert backend.is_array(x) and not backend.is_array(host) and not backend.is_array(1.0)
    assert x.shape == (3, 4)
    assert len(x) == 3
    assert x.size == 12
    assert x.dtype == "float32"
    assert x.flags.c_contiguous
    back = backend.to_host(x)
    assert type(back) is np.ndarray and np.array_equal(back, host)
    host[0, 0] = back[0, 1] = 99
    assert np.array_equal(backend.to_host(x), np.arange(12).reshape(3, 4))  # both are copies
    assert backend.asarray([1, 2], "float64").dtype == "float64"
    assert backend.empty((2, 3), "float64").shape == (2, 3)
    assert backend.empty((2, 3), "float64").dtype == "float64"
    assert np.array_equal(backend.to_host(backend.zeros((5,), "float32")), np.zeros(5))
    view = x[1:].reshape(8)
    backend.fill_(view, 7)
    assert np.array_equal(backend.to_host(x)[1:], np.full((2, 4), 7))
    assert not x.transpose(1, 0).flags.c_contiguous


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_all_finite(backend, bad):
    host = np.ones((70, 33), np.float32)
    assert backend.all_finite(backend.asarray(host)) is True
    host[-1, -1] = bad
    assert backend.all_finite(backend.asarray(host)) is False
    assert backend.all_finite(backend.asarray(host[:1])) is True  # an earlier result has no effect
    assert backend.all_finite(backend.zeros((0,), "float32")) is True


def draws(backend, dtype="float32", seed=5, n=20_000):
    """Every kind of draw from one stream, on the host, and the stream itself."""
    stream = backend.stream(np.random.SeedSequence(seed))
    out = backend.empty((n // 100, 100), dtype)
    found = {"normal": backend.to_host(stream.normal_(out))}
    found["uniform"] = backend.to_host(stream.uniform_(out, -1.0, 3.0))
    found["mask"] = backend.to_host(stream.dropout_mask_(out, 0.3))
    found["order"] = backend.to_host(stream.shuffle_(backend.asarray(np.arange(1000))))
    return found, stream


@pytest.mark.parametrize("dtype", RELATIVE)
def test_streams_draw_the_distributions(backend, dtype):
    found, _ = draws(backend, dtype)
    normal, uniform, mask, order = found.values()
    n = normal.size
    assert {x.dtype.name for x in (normal, uniform, mask)} == {dtype}
    # means within five standard errors
    assert abs(normal.mean()) < 5 / n**0.5 and abs((normal**2).mean() - 1) < 5 * (2 / n) ** 0.5
    assert abs((np.abs(normal) > 1.959964).mean() - 0.05) < 5 * (0.05 * 0.95 / n) ** 0.5
    assert abs((normal[:, 1:] * normal[:, :-1]).mean()) < 5 / n**0.5  # neighbours
    assert uniform.min() >= -1
    assert uniform.max() <= 3
    assert abs(uniform.mean() - 1) < 5 * (16 / 12 / n) ** 0.5
    counts = np.histogram(uniform, 20, (-1, 3))[0]
    chi_squared = ((counts - n / 20) ** 2 / (n / 20)).sum()  # of 19 degrees of freedom
    assert chi_squared < 50  # 1 in 10,000 exceeds it
    (dropped, scale), p = np.unique(mask), (mask == 0).mean()
    assert dropped == 0
    assert abs(scale * 0.7 - 1) < 0.003
    assert abs(scale * (1 - p) - 1) < 5 * (0.3 / 0.7 / n) ** 0.5
    assert sorted(order) == list(range(1000)) and not np.array_equal(order, np.arange(1000))


def test_streams_repeat_and_differ_by_seed(backend):
    (first, _), (again, _), (other, _) = draws(backend), draws(backend), draws(backend, seed=6)
    for kind in first:
        assert np.array_equal(first[kind], again[kind])
        assert not np.array_equal(first[kind], other[kind])
    from_number, from_sequence = backend.stream(5), backend.stream(np.random.SeedSequence(5))
    assert from_number.state == from_sequence.state


def test_a_stream_continues_from_its_state(backend):
    _, stream = draws(backend)
    state = json.loads(json.dumps(stream.state))
    x = backend.empty((50,), "float32")
    first = backend.to_host(stream.normal_(x))
    assert not np.array_equal(backend.to_host(stream.normal_(x)), first)
    stream.state = state
    assert np.array_equal(backend.to_host(stream.normal_(x)), first)
    other = backend.stream(np.random.SeedSequence(99))
    other.state = state
    assert np.array_equal(backend.to_host(other.normal_(x)), first)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_a_state_of_another_size_is_refused(device):
    stream = get_ops(device).stream(5)
    state = stream.state
    with pytest.raises(ShapeError, match=r"random state: expected four words, got .*\(3,\)"):
        stream.state = {**state, "state": {"state": state["state"]["state"][:3]}}
    assert stream.state == state


def test_draws_fill_channels_last_images(backend):
    stream = backend.stream(np.random.SeedSequence(2))
    out = backend.zeros((8, 9, 7, 3), "float32").transpose(0, 3, 1, 2)
    for draw in (stream.normal_, stream.uniform_, lambda x: stream.dropout_mask_(x, 0.5)):
        backend.fill_(out, 100)
        assert draw(out) is out and np.abs(backend.to_host(out)).max() < 10


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_all_permutations_are_equally_likely(backend, n):
    stream = backend.stream(np.random.SeedSequence(1))
    index = backend.asarray(np.arange(n))
    places = np.zeros((n, n))
    for _ in range(300):
        places[np.arange(n), backend.to_host(stream.shuffle_(index))] += 1
    expected = 300 / n
    assert ((places - expected) ** 2 / expected).sum() < 4 * max(1, (n - 1) ** 2) + 20


def test_repr_names_the_card(backend):
    assert re.fullmatch(r"(strict|cuda) \(.+\)", repr(backend))


# ---- get_ops


def test_get_ops():
    ops = StrictOps()
    assert get_ops(ops) is ops
    assert get_ops("cpu").device == "cpu"
    assert get_ops("auto").device in ("cpu", "cuda")
    with pytest.raises(DeviceError, match="expected one of auto, cpu, numpy, cuda, got 'gpu'"):
        get_ops("gpu")
    for device in ("cpu", "numpy"):
        with pytest.raises(DeviceError, match=f"TF32: expected device 'cuda'.*got '{device}'"):
            get_ops(device, tf32=True)


def test_only_cuda_ops_imports_cupy():
    root = Path(nn.__file__).parent.parent
    cupy = re.compile(r"^\s*(import|from) cupy\b", re.MULTILINE)
    for path in [*root.glob("nn/**/*.py"), *root.glob("gan/**/*.py"), *root.glob("examples/*.py")]:
        imports = cupy.search(path.read_text(encoding="utf-8"))
        assert not imports or path.parts[-3:] == ("ops", "cuda", "ops.py"), path


def test_a_product_that_is_added_may_have_a_factor_in_scratch_memory():
    """The product goes through scratch memory too, which must not be the factor's."""
    ops, rng = NumpyOps(), np.random.default_rng(0)
    a, b, out = rng.random((1, 4)), rng.random((4, 3)), np.ones((1, 3))
    factor = ops.scratch(b.shape, b.dtype)
    factor[...] = b
    ops.product(a, factor, out=out, add=True)
    assert np.array_equal(factor, b) and np.allclose(out, 1 + a @ b)


# primitives whose out may be one of these arguments, by the contract
MAY_BE = {
    "multiply": ("x", "y"),
    "divide": ("x", "y"),
    "subtract": ("x", "y"),
    "scale_shift": ("x",),
    "shift_scale": ("x",),
    "normalize": ("x",),
    "normalize_backward": ("dy", "xhat"),
    "inverse_std": ("var",),
    "cut_out": ("x",),
}


@pytest.mark.parametrize("name", MAY_BE)
def test_out_may_be_an_input_where_the_contract_says_so(any_backend, name):
    for _, given in primitives.of(name, "float32"):
        separate = primitives.run(any_backend, name, given)["out"]
        for key in MAY_BE[name]:
            here = primitives.on_device(any_backend, given)
            if getattr(here[key], "shape", None) == here["out"].shape:
                getattr(any_backend, name)(**here | {"out": here[key]})
                assert_close(any_backend.to_host(here[key]), separate, "float32", f"{name}: {key}")


def test_a_staging_brings_what_was_written_before_it_was_sent(any_backend):
    pair = [any_backend.staging((2, 3), "uint8") for _ in range(2)]
    sums = any_backend.asarray(np.zeros((2, 3), "float32"))
    index, image = any_backend.asarray(np.arange(2)), any_backend.empty((2, 3), "float32")
    for k in range(5):
        here = pair[k % 2]
        here.begin()[...] = 10 * k
        here.send()
        any_backend.gather_rows(here.receive(), index, 1.0, float(k), out=image)
        any_backend.add_(sums, image)
    assert np.array_equal(any_backend.to_host(sums), np.full((2, 3), 110))


def test_free_memory_is_that_of_a_device_with_its_own(any_backend):
    free = any_backend.free_bytes()
    assert free is None if any_backend.device in ("cpu", "strict") else free > 0
