import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from nn.ops import NumpyOps
from nn.serialization.torch_state import to_torch_state
from tests.nn.ops.test_allocation import LIMIT, rise
from tests.oracles import load
from tests.support.strict import StrictOps
from tests.support.tools import assert_close, in_float64, normal, one_pass, set_parameters

LAYERS = {
    "dense": (lambda: nn.Dense(6, 4), (5, 6)),
    "dense_one": (lambda: nn.Dense(6, 1), (5, 6)),
    "conv": (lambda: nn.Conv2d(2, 3, (3, 2), stride=2, padding=1), (3, 2, 5, 6)),
    "transposed": (
        lambda: nn.ConvTranspose2d(3, 2, (4, 3), stride=(2, 1), padding=1),
        (3, 3, 3, 4),
    ),
}  # those of tests/oracles/make_spectral_oracles.py
each = pytest.mark.parametrize("name", LAYERS)
both_modes = pytest.mark.parametrize("train", [True, False], ids=["training", "evaluation"])


def a_case(name, dtype="float64", seed=0):
    """A built layer with a nonzero bias, x and dy."""
    make, shape = LAYERS[name]
    layer = nn.SpectralNorm(make()).build(seed=seed, dtype=dtype)
    layer.b[...] = normal(*layer.b.shape, seed=3)
    x = normal(*shape, seed=1, dtype=dtype)
    return layer, x, normal(len(x), *layer.output_shape(shape[1:]), seed=2, dtype=dtype)


def matrix(layer, W=None):
    """M from W, entry by entry: one row per output, columns in the order of v."""
    W = layer.W if W is None else W
    if isinstance(layer.layer, nn.Conv2d):
        return np.array([W[k].ravel() for k in range(W.shape[0])])
    return np.array([W[..., k].ravel() for k in range(W.shape[-1])])


def converge(layer):
    """Set u and v to M's first singular vectors; returns sigma."""
    left, sigma, right = np.linalg.svd(matrix(layer), full_matrices=False)
    set_parameters(layer, u=left[:, 0], v=right[0])
    return sigma[0]


def plain_twin(layer, sigma):
    """The inner layer, with weights divided by sigma."""
    twin = nn.Layer.from_config(layer.layer.to_config()).build(dtype=layer.dtype)
    set_parameters(twin, W=layer.W / sigma, b=layer.b)
    return twin


# ---- forward


@each
@both_modes
def test_y_is_the_layers_with_w_divided_by_its_largest_singular_value(name, train):
    layer, x, _ = a_case(name)
    sigma = converge(layer)
    y = layer.forward(x, layer.cache(), train=train)
    assert_close(y, plain_twin(layer, sigma)(x), 1e-14)
    assert_close(layer(x), y, 1e-14)


@each
def test_initial_u_and_v_are_near_the_singular_vectors(name):
    for seed in range(20):
        layer, x, _ = a_case(name, seed=seed)
        cache = layer.cache()
        layer.forward(x, cache)
        sigma = np.linalg.svd(matrix(layer))[1][0]
        assert 0.9 * sigma < cache.sigma[0] < sigma * (1 + 1e-14)
        assert_close(np.linalg.norm(layer.u), 1, 1e-14)
        assert_close(np.linalg.norm(layer.v), 1, 1e-14)


def test_seed_determines_the_initial_vectors():
    """If all singular values are 1, the power iteration stays at its start."""
    first, again, other = (
        nn.SpectralNorm(nn.Dense(4, 4, init=lambda rng, shape, **fans: np.eye(*shape))).build(
            seed=seed
        )
        for seed in (1, 1, 2)
    )
    assert (first.u == again.u).all() and (first.v == again.v).all()
    assert (first.u != other.u).any()


@each
def test_a_training_pass_is_one_power_iteration(name):
    layer, x, _ = a_case(name)
    set_parameters(layer, u=normal(layer.u.size, seed=4), v=normal(layer.v.size, seed=5))
    M = matrix(layer)
    u = M @ layer.v / np.linalg.norm(M @ layer.v)
    v = M.T @ u / np.linalg.norm(M.T @ u)
    cache = layer.cache()
    layer.forward(x, cache, train=True)
    assert_close(layer.u, u, 1e-14)
    assert_close(layer.v, v, 1e-14)
    assert_close(cache.sigma, [u @ M @ v], 1e-14)


@each
def test_training_passes_converge_to_the_largest_singular_value(name):
    layer, x, _ = a_case(name)
    cache = layer.cache()
    for seed in range(3):
        layer.W[...] = normal(*layer.W.shape, seed=seed)
        for _ in range(300):
            layer.forward(x, cache, train=True)
        assert_close(cache.sigma, np.linalg.svd(matrix(layer))[1][:1], 1e-6)


@each
def test_only_a_training_pass_that_tracks_statistics_updates_u_and_v(name):
    layer, x, dy = a_case(name)
    set_parameters(layer, u=normal(layer.u.size, seed=4), v=normal(layer.v.size, seed=5))
    before = layer.parameters.statistics.flat.copy()
    for cache, train in ((layer.cache(tracks_statistics=False), True), (layer.cache(), False)):
        layer.forward(x, cache, train=train)
        layer.backward(dy.copy(), cache)
        assert layer.parameters.statistics.flat.tobytes() == before.tobytes()
    layer(x)
    assert layer.parameters.statistics.flat.tobytes() == before.tobytes()
    layer.forward(x, layer.cache(), train=True)
    assert (layer.u != before[: layer.u.size]).any()


def test_layer_is_1_lipschitz():
    layer, x, _ = a_case("dense")
    converge(layer)
    for seed in range(50):
        step = normal(*x.shape, seed=10 + seed)
        assert (
            np.linalg.norm(layer(x + step) - layer(x), axis=1)
            <= np.linalg.norm(step, axis=1) * (1 + 1e-12)
        ).all()
    along = np.outer(np.ones(len(x)), layer.v)
    # and the bound is reached
    assert_close(np.linalg.norm(layer(x + along) - layer(x), axis=1), np.ones(len(x)), 1e-13)


sizes = st.integers(1, 4)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([nn.Dense, nn.Conv2d, nn.ConvTranspose2d]),
    sizes,
    sizes,
    st.tuples(sizes, sizes),
    st.integers(0, 99),
)
def test_any_geometry_divides_by_the_largest_singular_value(kind, n_in, n_out, kernel, seed):
    more, shape = ((), (n_in,)) if kind is nn.Dense else ((kernel,), (n_in, 4, 4))
    layer = in_float64(nn.SpectralNorm(kind(n_in, n_out, *more)), seed)
    converge(layer)
    cache = layer.cache()
    layer.forward(normal(2, *shape), cache, train=True)
    assert_close(np.linalg.svd(matrix(layer, cache.layer.W))[1][0], 1, 1e-13)


# ---- backward


@each
@both_modes
@pytest.mark.parametrize("converged", [True, False])
@pytest.mark.gradcheck
def test_gradients_match_finite_differences_at_constant_u_and_v(name, train, converged):
    layer, x, _ = a_case(name)
    if converged:
        converge(layer)
    else:
        set_parameters(layer, u=normal(layer.u.size, seed=4), v=normal(layer.v.size, seed=5))
    report = nn.gradcheck(layer, x, train=train)
    assert report.ok and len(report.entries) == 3, report


@each
@pytest.mark.gradcheck
def test_gradient_at_the_singular_vectors_includes_the_singular_value(name):
    """W_hat = W / sigma(W), with sigma(W) recomputed for each W."""
    layer, x, dy = a_case(name)
    converge(layer)
    one_pass(layer, x, dy, train=False)
    direction, at, step = normal(*layer.W.shape, seed=7), [], 1e-5
    for k in (-2, -1, 1, 2):
        W = layer.W + k * step * direction
        twin = plain_twin(layer, 1)
        set_parameters(twin, W=W / np.linalg.svd(matrix(layer, W))[1][0])
        at.append(np.sum(twin(x) * dy))
    numeric = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step)
    assert_close(np.sum(layer.dW * direction), numeric, 1e-8)


def test_gradient_is_orthogonal_to_w():
    """W_hat does not depend on the length of W, so dL/dW is orthogonal to W."""
    layer, x, dy = a_case("conv")
    converge(layer)
    one_pass(layer, x, dy, train=False)
    assert abs(np.sum(layer.dW * layer.W)) < 1e-13 < np.abs(layer.dW).max()


def theirs(want, key, like):
    """PyTorch's array in our layout."""
    array = want[key]
    if key.endswith("original"):
        return array.transpose((1, 0) if array.ndim == 2 else (0, 2, 3, 1))
    if key.endswith("_v") and isinstance(like.layer, nn.Conv2d):
        _, kh, kw, c_in = like.W.shape
        return array.reshape(c_in, kh, kw).transpose(1, 2, 0).ravel()
    return array


@each
def test_matches_pytorch(name):
    want, weight = load("spectral_norm"), "parametrizations.weight."
    layer, cache = a_case(name)[0], None
    names = {"W": f"{weight}original", "b": "bias", "u": f"{weight}0._u", "v": f"{weight}0._v"}
    set_parameters(
        layer,
        **{ours: theirs(want, f"{name}.first.before.{key}", layer) for ours, key in names.items()},
    )
    cache = layer.cache()
    for part in ("first", "second", "evaluation"):

        def get(key, part=part):
            return theirs(want, f"{name}.{part}.{key}", layer)

        y = layer.forward(get("x"), cache, train=part != "evaluation")
        assert_close(y, get("y"), 1e-13)
        assert_close(layer.backward(get("dy").copy(), cache), get("dx"), 1e-13)
        assert_close(layer.dW, get(f"d.{weight}original"), 1e-13)
        assert_close(layer.db, get("d.bias"), 1e-13)
        assert_close(layer.u, get(f"after.{weight}0._u"), 1e-14)
        assert_close(layer.v, get(f"after.{weight}0._v"), 1e-14)


@each
def test_each_live_pass_keeps_its_own_u_v_and_weights(name):
    """Two passes update u, v and the weights; the first backward depends on the first only."""
    layer, x, dy = a_case(name)
    set_parameters(layer, u=normal(layer.u.size, seed=4), v=normal(layer.v.size, seed=5))
    values = [layer.parameters.value.flat, layer.parameters.statistics.flat]
    before = [flat.copy() for flat in values]
    y, dx = one_pass(layer, x, dy)
    grad = layer.parameters.grad.flat.copy()
    for flat, first in zip(values, before):
        flat[...] = first
    first, second = layer.cache(), layer.cache()
    y_again = layer.forward(x, first, train=True)
    layer.W[...] *= 3
    layer.W[..., 0] += 1
    for _ in range(3):
        layer.forward(2 * x, second, train=True)
    assert (y_again == y).all()
    assert (layer.backward(dy.copy(), first) == dx).all()
    assert layer.parameters.grad.flat.tobytes() == grad.tobytes()


@each
def test_add_adds_to_both_gradients(name):
    layer, x, dy = a_case(name)
    cache = layer.cache(tracks_statistics=False)
    layer.forward(x, cache, train=True)
    layer.backward(dy.copy(), cache)
    dW, db = layer.dW.copy(), layer.db.copy()
    for times in (2, 3):
        layer.backward(dy.copy(), cache, grads="add")
        assert_close(layer.dW, times * dW, 1e-13)
        assert_close(layer.db, times * db, 1e-13)


@pytest.mark.gradcheck
def test_gradients_through_a_gan_match_finite_differences():
    G = nn.Sequential(
        nn.Dense(4, 8), nn.BatchNorm(8), nn.Tanh(), nn.Dense(8, 18), nn.Reshape((2, 3, 3))
    )
    D = nn.Sequential(
        nn.SpectralNorm(nn.Conv2d(2, 3, 2)),
        nn.LeakyReLU(0.2),
        nn.SpectralNorm(nn.ConvTranspose2d(3, 2, 2)),
        nn.Tanh(),
        nn.Flatten(),
        nn.SpectralNorm(nn.Dense(18, 1)),
    )
    report = nn.gradcheck([G, D], normal(5, 4), loss=nn.BCEWithLogits(), target=0.9)
    assert report.ok, report
    assert any("SpectralNorm 'net1.2' W" in str(entry.where) for entry in report.entries)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.gradcheck
def test_penalty_gradients_match_finite_differences(name):
    """P = <dx, r>, moved along a random direction of W, b and of dy."""
    layer, x, dy = a_case(name)
    r, cache = normal(*x.shape, seed=6), layer.cache(tracks_statistics=False, double_backward=True)

    def penalty():
        layer.forward(x, cache, train=True)
        return np.sum(layer.backward(dy.copy(), cache, grads="skip") * r)

    penalty()
    layer.parameters.grad.flat[...] = 0
    ddy, dx = layer.double_backward(r.copy(), cache)
    assert dx is None and not layer.db.any()
    ddy = ddy.copy()
    for values, by_hand in ((layer.W, layer.dW.copy()), (dy, ddy)):
        direction, here, at = normal(*values.shape, seed=8), values.copy(), []
        for k in (-2, -1, 1, 2):
            values[...] = here + k * 1e-5 * direction
            at.append(penalty())
        values[...] = here
        assert_close(
            np.sum(by_hand * direction), (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / 12e-5, 1e-8
        )
    first = layer.dW.copy()
    penalty()
    layer.double_backward(r.copy(), cache)
    assert_close(layer.dW, 2 * first, 1e-13)  # it is added


# ---- a layer like any other


@each
def test_it_is_one_module_with_the_layers_parameters(name):
    layer, x, _ = a_case(name)
    net = nn.Sequential(nn.ReLU(), nn.SpectralNorm(LAYERS[name][0]()))
    (_, _), (path, leaf) = net.modules()
    assert path == "1." and leaf is net[1]
    assert net.n_parameters == layer.W.size + layer.b.size
    net.build(seed=0)
    assert set(net.parameters.value.views) == {"1.W", "1.b"} and set(
        net.parameters.statistics.views
    ) == {"1.u", "1.v"}
    assert (
        net[1].W is net.parameters.value["1.W"]
        and repr(leaf) == f"SpectralNorm({LAYERS[name][0]()!r})"
    )
    assert layer.input_shape == layer.layer.input_shape
    assert f"SpectralNorm({layer.layer!r})" in net.summary(x.shape[1:])


def test_initial_values_are_the_layers_own():
    init = nn.Normal(std=0.02)
    layer = nn.SpectralNorm(nn.Dense(300, 200, init=init)).build(seed=0)
    assert 0.0195 < layer.W.std() < 0.0205 and not layer.b.any()
    assert repr(layer) == "SpectralNorm(Dense(300, 200, init=Normal(std=0.02)))"


def test_the_given_layer_can_be_used_again():
    dense = nn.Dense(3, 3)
    net = nn.Sequential(nn.SpectralNorm(dense), nn.SpectralNorm(dense), dense).build(
        seed=0, dtype="float64"
    )
    x = normal(2, 3)
    want = x
    for layer in net:
        sigma = 1 if layer is dense else layer.u @ layer.W.T @ layer.v
        want = want @ (layer.W / sigma) + layer.b
        assert layer.W.any()
    assert_close(net(x), want, 1e-13)


def test_weights_and_vectors_survive_a_weights_file(tmp_path):
    net = nn.Sequential(
        nn.SpectralNorm(nn.Conv2d(1, 2, (3, 2), padding=1)),
        nn.SpectralNorm(nn.ConvTranspose2d(2, 1, 2, stride=2)),
        nn.Flatten(),
        nn.SpectralNorm(nn.Dense(96, 3, init=nn.HeNormal())),
        input_shape=(1, 4, 5),
    ).build(seed=0)
    x = normal(4, 1, 4, 5, dtype="float32")
    net.forward(x, net.cache(), train=True)
    nn.save_weights(tmp_path / "w.npz", {"D": net})
    (again,) = nn.load_weights(tmp_path / "w.npz")[0].values()
    assert repr(again) == repr(net).replace(", init=HeNormal()", "")
    for buffer in ("value", "statistics"):
        held, want = (getattr(n.parameters, buffer).flat for n in (again, net))
        assert held.tobytes() == want.tobytes()
    assert again(x).tobytes() == net(x).tobytes()
    json.dumps(net.to_config())  # plain types


DENSE = {"type": "Dense", "n_in": 2, "n_out": 3}


@pytest.mark.parametrize(
    "description, words",
    [
        ({"type": "SpectralNorm"}, "layer"),
        (
            {"type": "SpectralNorm", "layer": None},
            "expected a Dense, Conv2d or ConvTranspose2d, got",
        ),
        ({"type": "SpectralNorm", "layer": 5}, "expected a Dense, Conv2d or ConvTranspose2d, got"),
        (
            {"type": "SpectralNorm", "layer": [DENSE]},
            "expected a Dense, Conv2d or ConvTranspose2d, got",
        ),
        (
            {"type": "SpectralNorm", "layer": {"type": "eval"}},
            "expected layers of the package, got 'eval'",
        ),
        (
            {"type": "SpectralNorm", "layer": {"type": "ReLU"}},
            "expected a Dense, Conv2d or ConvTranspose2d, got ReLU()",
        ),
        (
            {"type": "SpectralNorm", "layer": {"type": "SpectralNorm", "layer": DENSE}},
            "got SpectralNorm(Dense(2, 3))",
        ),
        (
            {"type": "SpectralNorm", "layer": {"type": "Sequential", "layers": [DENSE]}},
            "got Sequential(",
        ),
        ({"type": "SpectralNorm", "layer": {**DENSE, "n_in": 0}}, "n_in"),
        ({"type": "SpectralNorm", "layer": {**DENSE, "n_in": DENSE}}, "n_in"),
        ({"type": "SpectralNorm", "layer": DENSE, "n": 3}, "'n'"),
        ({**DENSE, "layer": DENSE}, "'layer'"),
    ],
)
def test_config_that_makes_no_such_layer_is_refused(description, words):
    with pytest.raises(nn.WeightsError, match=re.escape(words)):
        nn.Layer.from_config(description)


def test_excessively_nested_layers_are_refused(tmp_path):
    net = nn.SpectralNorm(nn.Dense(2, 3)).build(seed=0)
    nn.save_weights(tmp_path / "w.npz", {"D": net})
    header = (
        b'{"format": 1, "info": {}, "networks": {"D": '
        + b'{"type": "SpectralNorm", "layer": ' * 9000
        + b"0"
        + b"}" * 9002
    )
    arrays = dict(np.load(tmp_path / "w.npz")) | {"header": np.frombuffer(header, np.uint8)}
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(nn.WeightsError):
        nn.load_weights(tmp_path / "w.npz")


class Own(nn.Dense):
    pass


def test_a_users_own_layer_is_saved_inside_it(tmp_path):
    net = nn.SpectralNorm(Own(2, 2)).build(seed=0)
    nn.save_weights(tmp_path / "w.npz", {"D": net})
    (again,) = nn.load_weights(tmp_path / "w.npz", layers=[Own])[0].values()
    assert type(again.layer) is Own and (again.W == net.W).all()
    with pytest.raises(nn.WeightsError, match=r"expected layers of the package, got 'Own'"):
        nn.load_weights(tmp_path / "w.npz")


@pytest.mark.parametrize(
    "layer",
    [nn.ReLU(), nn.BatchNorm(3), nn.Sequential(nn.Dense(2, 2)), nn.SpectralNorm(nn.Dense(2, 2))],
)
def test_unsupported_layer_is_refused(layer):
    with pytest.raises(
        nn.ShapeError, match="SpectralNorm: expected a Dense, Conv2d or ConvTranspose2d, got"
    ):
        nn.SpectralNorm(layer)


def test_initial_weights_of_zero_are_refused():
    with pytest.raises(
        nn.ShapeError, match="SpectralNorm 'D': expected initial values of W that are not all zero"
    ):
        nn.SpectralNorm(nn.Dense(3, 2, init=nn.Constant(0.0))).build(name="D")


def test_errors_are_the_layers_own():
    net = nn.Sequential(nn.SpectralNorm(nn.Dense(3, 2))).build(name="D")
    with pytest.raises(
        nn.ShapeError, match=r"Dense 'D.0': expected x of shape \(N, 3\), got \(4, 5\)"
    ):
        net(np.zeros((4, 5), np.float32))
    with pytest.raises(
        nn.ShapeError, match=r"Dense\(4, 1\): expected samples of shape \(4,\), got \(2,\)"
    ):
        nn.Sequential(nn.SpectralNorm(nn.Dense(3, 2)), nn.SpectralNorm(nn.Dense(4, 1)))
    with pytest.raises(nn.ShapeError, match="SpectralNorm has no memory yet"):
        nn.SpectralNorm(nn.Dense(3, 2)).cache()


def test_in_pytorch_its_weight_is_a_parametrization():
    state = to_torch_state(nn.SpectralNorm(nn.Dense(3, 2)).build(seed=0))
    prefix = "parametrizations.weight."
    shapes = {f"{prefix}original": (2, 3), f"{prefix}0._u": (2,), f"{prefix}0._v": (3,)}
    assert {name: array.shape for name, array in state.items()} == shapes | {"bias": (2,)}


@each
def test_its_normalized_weight_is_that_of_a_pass(name):
    layer, x, _ = a_case(name)
    cache = layer.cache()
    layer.forward(x, cache, train=True)
    W_hat = layer.normalized_weight()
    np.testing.assert_array_equal(W_hat, cache.layer.W)
    assert not np.shares_memory(W_hat, cache.layer.W) and W_hat is not layer.normalized_weight()


# ---- steps


def training(ops, dtype="float32", n_hidden=30):
    """A step of D on two batches and one through the frozen D, as a function, and D."""
    D = nn.Sequential(
        nn.SpectralNorm(nn.ConvTranspose2d(2, 3, 3)),
        nn.LeakyReLU(0.2),
        nn.SpectralNorm(nn.Conv2d(3, 4, 3)),
        nn.Tanh(),
        nn.Flatten(),
        nn.SpectralNorm(nn.Dense(100, n_hidden)),
        nn.LeakyReLU(0.2),
        nn.SpectralNorm(nn.Dense(n_hidden, 1)),
    ).build(seed=1, device=ops, dtype=dtype)
    caches = [D.cache(tracks_statistics=i == 0) for i in range(3)]
    real, fake = (ops.asarray(normal(64, 2, 5, 5, seed=seed, dtype=dtype)) for seed in (2, 3))
    optimizer, loss = nn.Adam(D, eps=1e-3), nn.BCEWithLogits()
    value, gradient = ops.empty((1,), dtype), ops.empty((64, 1), dtype)

    def step(n=64):
        for cache, x, target, grads in zip(caches, (real, fake), (1, 0), ("write", "add")):
            _, dy = loss(
                D.forward(x[:n], cache, train=True), target, cache, dy=gradient[:n], value=value
            )
            D.backward(dy, cache, grads=grads, need_dx=False)
        optimizer.step()
        _, dy = loss(
            D.forward(fake[:n], caches[2], train=True), 1, caches[2], dy=gradient[:n], value=value
        )
        return D.backward(dy, caches[2], grads="skip")

    return step, D


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_step_reads_and_allocates_nothing_and_gives_the_same_bytes(dtype):
    ops = StrictOps()
    (strict, D), (plain, want) = training(ops, dtype), training(NumpyOps(), dtype)
    strict()
    ops.freeze()
    strict(), strict()
    ops.thaw()
    plain(), plain(), plain()
    for buffer in ("value", "statistics"):
        got, expected = (
            ops.to_host(getattr(D.parameters, buffer).flat),
            getattr(want.parameters, buffer).flat,
        )
        assert np.isfinite(got).all() and got.tobytes() == expected.tobytes() and got.dtype == dtype


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-4), ("float64", 1e-10)])
def test_training_agrees_on_every_backend(backend, dtype, tolerance):
    (here, D), (plain, want) = training(backend, dtype), training(NumpyOps(), dtype)
    for _ in range(3):
        assert_close(backend.to_host(here()), plain(), tolerance)
    for buffer in ("value", "statistics"):
        assert_close(
            backend.to_host(getattr(D.parameters, buffer).flat),
            getattr(want.parameters, buffer).flat,
            tolerance,
        )


def test_step_on_emulated_cuda_reads_and_allocates_nothing(emulated_cupy_ops, emulated_cupy):
    step, _ = training(emulated_cupy_ops.CudaOps())
    step()
    emulated_cupy.guard.frozen = True
    try:
        step()
    finally:
        emulated_cupy.guard.frozen = False


def test_step_allocates_no_array():
    before = np.setbufsize(16)
    try:
        step, _ = training(NumpyOps(), n_hidden=3000)  # allocating u or v would show
        step()
        for n in (64, 40, 64):
            step(n)
            peak, held = rise(step, n)
            # the views of four convolutions' caches take one LIMIT
            assert peak < 2 * LIMIT < 3000 * 4 and held == 0
    finally:
        np.setbufsize(before)


def test_training_keeps_the_largest_singular_value_near_one():
    """Over sixty steps of Adam, one power iteration a step keeps up with the weights."""
    step, D = training(NumpyOps(), "float64")
    for _ in range(60):
        step()
    for _, layer in D.modules():
        if isinstance(layer, nn.SpectralNorm):
            M = matrix(layer)
            assert 0.9 < layer.u @ M @ layer.v / np.linalg.svd(M)[1][0] < 1 + 1e-12
