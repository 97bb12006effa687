"""Copies by `copy.deepcopy` or `pickle` are complete and independent of the original."""

import copy
import pickle

import numpy as np
import pytest

import nn
from nn.ops import NumpyOps, get_ops
from tests.nn.layers.test_base import CASES, a_case
from tests.support.strict import StrictOps
from tests.support.tools import Vector, normal

WAYS = {"deepcopy": copy.deepcopy, "pickle": lambda thing: pickle.loads(pickle.dumps(thing))}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
each_device = pytest.mark.parametrize("device", ["cpu", "numpy"])
STEPS = 3


def network(device="cpu", seed=1):
    """All that a copy could lose: statistics, streams, an inner layer, a user's layer."""
    layers = (
        nn.Reshape((1, 6, 4)),
        nn.Conv2d(1, 3, 3, padding=1),
        nn.BatchNorm(3),
        nn.LeakyReLU(0.2),
        nn.RandomShift(1),
        nn.Flatten(),
        nn.SpectralNorm(nn.Dense(72, 6)),
        nn.Sequential(nn.Tanh(), Vector(6)),
        nn.Dropout(0.3),
        nn.Dense(6, 1),
        nn.Sigmoid(),
    )
    return nn.Sequential(*layers, input_shape=(24,)).build(seed=seed, device=device, name="D")


def batch(ops, seed=0):
    return ops.asarray(normal(5, 24, seed=seed, dtype=np.float32))


def everything(net, optimizer):
    """The bytes of everything training changes."""
    parameters, ops = net.parameters, net.ops
    flats = [
        parameters.value.flat,
        parameters.grad.flat,
        parameters.statistics.flat,
        *optimizer.state.values(),
    ]
    return [ops.to_host(flat).tobytes() for flat in flats], net.stream.state


def forward(net, cache, seed):
    return net.forward(batch(net.ops, seed), cache, train=True)


def finish(net, optimizer, cache, y):
    _, dy = nn.BCE()(y, 1, cache)
    net.backward(dy, cache, need_dx=False)
    optimizer.step()


def train(net, optimizer, cache, seed=10):
    for i in range(STEPS):
        finish(net, optimizer, cache, forward(net, cache, seed + i))
    return everything(net, optimizer)


@each_way
@each_device
def test_network_optimizer_and_cache_continue_together(way, device):
    net = network(device)
    optimizer, cache = nn.Adam(net, 0.01), net.cache()
    train(net, optimizer, cache, seed=0)
    y = forward(net, cache, seed=5)  # copied in the middle of a step
    before = everything(net, optimizer)
    twin, its_optimizer, its_cache, its_y = way((net, optimizer, cache, y))
    finish(twin, its_optimizer, its_cache, its_y)
    its = train(twin, its_optimizer, its_cache)
    assert everything(net, optimizer) == before  # the original is unchanged
    finish(net, optimizer, cache, y)
    assert train(net, optimizer, cache) == its


@each_way
@each_device
def test_copied_network_is_trained_by_a_new_optimizer(way, device):
    net = network(device)
    train(net, nn.Adam(net), net.cache(), seed=0)
    twin = way(net)
    its = train(twin, nn.SGD(twin, 0.1), twin.cache())
    assert train(net, nn.SGD(net, 0.1), net.cache()) == its


@each_way
@pytest.mark.parametrize("make", [nn.SGD, nn.RMSProp, nn.Adam])
def test_copied_optimizer_includes_its_network(way, make):
    net = network()
    optimizer = make(net, 0.01)
    train(net, optimizer, net.cache(), seed=0)
    its = way(optimizer)
    assert its.network is not net and its.learning_rate == optimizer.learning_rate
    assert train(its.network, its, its.network.cache()) == train(net, optimizer, net.cache())


@each_way
def test_copied_cache_includes_its_network_and_live_pass(way):
    net = network()
    cache = net.cache()
    dy = np.ones_like(forward(net, cache, seed=0))
    its = way(cache)
    assert its.owner is not net and repr(its) == repr(cache)
    its_dx = its.owner.backward(dy.copy(), its)
    assert np.array_equal(its_dx, net.backward(dy.copy(), cache))
    assert its.owner.parameters.grad.flat.tobytes() == net.parameters.grad.flat.tobytes()


@each_way
@pytest.mark.parametrize("name", CASES)
def test_copies_of_every_layer(name, way):
    layer, x, dy, _ = a_case(name)
    cache = layer.cache()
    layer.forward(x, cache, train=True)
    twin, its = way((layer, cache))
    assert repr(twin) == repr(layer)
    assert np.array_equal(twin.backward(dy.copy(), its), layer.backward(dy.copy(), cache))
    optimizers = nn.Adam(layer, 0.01), nn.Adam(twin, 0.01)
    for optimizer in optimizers:
        optimizer.step()
    assert everything(twin, optimizers[1]) == everything(layer, optimizers[0])
    assert np.array_equal(twin(x), layer(x))
    if layer.n_parameters:
        assert not np.array_equal(twin(x), a_case(name)[0](x))  # it was trained


@each_way
def test_copy_of_an_unbuilt_network_is_unbuilt(way):
    net = nn.Sequential(nn.Dense(3, 4, init=nn.HeNormal()), nn.SpectralNorm(nn.Dense(4, 2)))
    twin = way(net)
    assert repr(twin) == repr(net) and twin.parameters is None
    assert (
        twin.build(seed=3).parameters.value.flat.tobytes()
        == net.build(seed=3).parameters.value.flat.tobytes()
    )


@each_way
def test_copy_of_a_pass_before_double_backward(way):
    net = nn.Sequential(nn.Dense(4, 5), nn.Tanh(), nn.SpectralNorm(nn.Dense(5, 2))).build(seed=0)
    cache, x = net.cache(double_backward=True), normal(3, 4, dtype=np.float32)
    net.backward(np.ones_like(net.forward(x, cache, train=True)), cache)
    twin, its = way((net, cache))
    v = normal(3, 4, seed=1, dtype=np.float32)
    for got, want in zip(
        twin.double_backward(v.copy(), its), net.double_backward(v.copy(), cache), strict=True
    ):
        assert np.array_equal(got, want)
    assert twin.parameters.grad.flat.tobytes() == net.parameters.grad.flat.tobytes()


@each_way
def test_copies_share_memory_as_the_originals_do(way):
    """Copies made together share memory as the originals do."""
    net = network()
    first, twin, last, optimizer = way((net[1], net, net[-2:], nn.SGD(net[9], 0.5)))
    assert first is twin[1] and last[0] is twin[9] and optimizer.network is twin[9]
    before = twin.parameters.value.flat.copy()
    first.W[...] = 7
    assert (twin.parameters.value["1.W"] == 7).all() and not (net[1].W == 7).any()
    last.parameters.grad.flat[...] = 1
    assert (twin[9].dW == 1).all() and not twin[1].dW.any()
    optimizer.step()
    assert (twin[9].W == before[-32:-26].reshape(6, 1) - 0.5).all() and (twin[1].W == 7).all()


@each_way
def test_copied_part_is_a_trainable_network(way):
    net = nn.Sequential(nn.Dense(4, 5), nn.Tanh(), nn.Dense(5, 1)).build(seed=0)
    x, held = normal(6, 5, dtype=np.float32), net.parameters.value.flat.copy()
    for part in (net[1:], net[2]):
        twin = way(part)
        assert np.array_equal(twin(x), part(x))
        cache, optimizer = twin.cache(), nn.Adam(twin, 0.1)
        twin.backward(np.ones_like(twin.forward(x, cache, train=True)), cache)
        optimizer.step()
        assert not np.array_equal(twin(x), part(x)) and np.array_equal(
            net.parameters.value.flat, held
        )
        assert twin.build(seed=0, dtype="float64").dtype == "float64"  # it is a network of its own


@each_way
@each_device
def test_copied_arrays_are_aligned_views(way, device):
    net, optimizer = way((network(device), nn.Adam(network(device))))
    named = dict(net.parameters.value.items())
    for prefix, leaf in net.modules():
        for key in leaf.parameter_shapes:
            assert getattr(leaf, key) is leaf.parameters.value[key] is named[prefix + key]
            assert np.shares_memory(getattr(leaf, "d" + key), net.parameters.grad.flat)
        for key in leaf.statistic_shapes:
            assert np.shares_memory(getattr(leaf, key), net.parameters.statistics.flat)
    assert net[6].layer.W is net[6].W and net[6].layer.db is net[6].db
    arrays = [
        *named.values(),
        *dict(net.parameters.grad.items()).values(),
        *optimizer.state.values(),
    ]
    assert all(array.ctypes.data % 64 == 0 for array in arrays)
    assert optimizer.step_state is optimizer.state["clock"]


def test_nothing_is_pickled_twice():
    net = nn.Sequential(
        nn.Dense(64, 128), nn.ReLU(), nn.Sequential(nn.Dense(128, 64)), nn.Dense(64, 1)
    ).build(seed=0)
    size, cache = net.parameters.value.flat.nbytes, net.cache()
    assert len(pickle.dumps(net)) < 2.1 * size  # values and gradients
    assert len(pickle.dumps((net, net[1:], net[0], nn.SGD(net)))) < 3.2 * size  # and the velocity
    x = np.ones((500, 64), np.float32)
    net.forward(x, cache, train=True)
    passed = x.nbytes * (1 + 2 + 2 + 1) + 500 * 4  # x, and what each layer made
    assert len(pickle.dumps(cache)) < 2.1 * size + 1.1 * passed


def test_smaller_batch_after_a_copy_reuses_memory():
    net = network()
    cache = net.cache()
    forward(net, cache, seed=0)
    twin, its = copy.deepcopy((net, cache))
    x = batch(net.ops)[:3]
    assert np.array_equal(twin.forward(x, its), net.forward(x, cache))
    small = its.parts[-2].buffers["y"]
    twin.forward(batch(net.ops), its)
    assert small.shape == (3, 1) and np.shares_memory(small, its.parts[-2].buffers["y"])


def test_array_given_to_a_cache_is_copied_once():
    net = nn.Sequential(nn.Dense(3, 4)).build(seed=0)
    cache, mine, x = net.cache(), np.zeros((2, 4), np.float32), np.ones((2, 3), np.float32)
    cache.write_output_to(mine)
    twin, its, its_mine = copy.deepcopy((net, cache, mine))
    assert twin.forward(x, its) is its_mine and its_mine.any() and not mine.any()


@each_way
@each_device
def test_copied_stream_continues_alike_and_independently(way, device):
    stream = get_ops(device).stream(3)

    def draws(stream):
        mask = stream.dropout_mask_(np.empty((40, 50), np.float32), 0.3)
        return (
            mask.tobytes()
            + stream.normal_(np.empty(9)).tobytes()
            + stream.uniform_(np.empty(9, np.float32)).tobytes()
        )

    draws(stream)
    twin, state = way(stream), stream.state
    drawn = draws(twin)
    assert stream.state == state and twin.state != state and draws(stream) == drawn
    assert draws(twin) == draws(stream)  # at any address


@each_way
def test_copy_of_a_backend_is_the_same_backend(way):
    for device in ("cpu", "numpy"):
        ops = get_ops(device)
        ops.gemm(np.ones((300, 300)), np.ones((300, 300)), out=np.ones((300, 300)), add=True)
        assert type(way(ops)) is type(ops) and repr(way(ops)) == repr(ops)
        assert len(pickle.dumps(ops)) < 100  # without its working memory


@pytest.mark.parametrize("way", [copy.deepcopy, pytest.param(WAYS["pickle"], id="pickle")])
def test_copies_on_a_device_without_numpy_arrays(way):
    net = network(StrictOps())
    optimizer, cache = nn.Adam(net, 0.01), net.cache()
    y = forward(net, cache, seed=0)
    twin, its_optimizer, its_cache, its_y = way((net, optimizer, cache, y))
    finish(twin, its_optimizer, its_cache, its_y)
    its = train(twin, its_optimizer, its_cache)
    finish(net, optimizer, cache, y)
    assert train(net, optimizer, cache) == its


def test_copies_on_the_emulated_gpu(emulated_cupy_ops):
    ops = emulated_cupy_ops.CudaOps()
    net = nn.Sequential(
        nn.Dense(24, 6), nn.BatchNorm(6), nn.Dropout(0.3), nn.Dense(6, 1), nn.Sigmoid()
    ).build(seed=0, device=ops)
    optimizer, cache = nn.Adam(net, 0.01), net.cache()
    y = forward(net, cache, seed=0)
    twin, its_optimizer, its_cache, its_y = copy.deepcopy((net, optimizer, cache, y))
    assert twin.ops is ops
    finish(twin, its_optimizer, its_cache, its_y)
    finish(net, optimizer, cache, y)
    assert everything(twin, its_optimizer) == everything(net, optimizer)


class KeepsAView(nn.Dense):
    """Takes a view of W once instead of in each pass."""

    def initialize(self, rng):
        super().initialize(rng)
        self.first_row = self.W[0]


@each_way
def test_copy_that_would_lose_a_view_is_refused(way):
    net = nn.Sequential(KeepsAView(3, 2)).build(seed=0, name="D")
    message = (
        "KeepsAView 'D.0': cannot be copied, its attribute 'first_row' is a view of its parameters"
    )
    with pytest.raises(nn.ShapeError, match=message):
        way(net)


class Scaled(nn.Dense):
    """Has an array besides its parameters."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.scale = np.arange(n_out, dtype=np.float32)

    def forward(self, x, cache, *, train=False):
        return super().forward(x, cache) * self.scale


@each_way
def test_other_arrays_of_a_layer_are_copied_with_it(way):
    layer, x = Scaled(3, 2).build(seed=0), normal(4, 3, dtype=np.float32)
    twin = way(layer)
    assert np.array_equal(twin(x), layer(x)) and not np.shares_memory(twin.scale, layer.scale)


def test_deep_copy_of_a_users_backend_is_itself():
    class Counting(NumpyOps):
        pass

    net = nn.Sequential(nn.Dense(3, 2)).build(seed=0, device=Counting())
    assert copy.deepcopy(net).ops is net.ops


def test_shallow_copy_shares_parameters():
    net = network()
    twin = copy.copy(net)
    assert twin.layers is net.layers and twin.parameters is net.parameters
    layer = copy.copy(net[9])
    layer.W[...] = 3
    assert layer.W is net[9].W and (net.parameters.value["9.W"] == 3).all()
