"""After a warm-up step, a training step allocates no array.

tracemalloc measures two numbers: how far the total rises during the step, in which the smallest
array of a batch would stand out, and how many bytes of arrays outlive the step. NumPy sums over a
broadcast row through a work buffer of up to 8,192 elements. The tests make it as small as possible,
so that arrays stand out.
"""

import tracemalloc

import numpy as np
import pytest

import nn

BATCH, LAST_BATCH = 256, 160
N_OUT = 8  # D's output, the smallest array of a batch, is larger than LIMIT
WIDE = 1100  # a bias of this many outputs is larger, too
LIMIT = 5_000  # bytes: views, tuples and generators, but no array of a batch
FIRST_LIMIT = 16_000  # bytes, for the first step with another batch size: its views, which are kept


@pytest.fixture(autouse=True)
def small_work_buffers():
    """NumPy's work buffers, which would hide small arrays."""
    before = np.setbufsize(16)
    yield
    np.setbufsize(before)


def networks(last, extra=()):
    hidden = nn.Dense(8, 24), nn.BatchNorm(24), nn.LeakyReLU(0.2), nn.Dense(24, 20), nn.ReLU()
    G = nn.Sequential(*hidden, nn.Dense(20, 36), nn.Tanh(), nn.Reshape((1, 6, 6)))
    # images in both memory orders
    images = nn.Flatten(), nn.Reshape((4, 3, 3)), nn.BatchNorm(4), nn.Flatten()
    wide = nn.Dense(36, WIDE), nn.LeakyReLU(0.2), nn.Dropout(0.3)
    narrow = nn.Dense(WIDE, 40), nn.BatchNorm(40), nn.ReLU()
    D = nn.Sequential(*images, *wide, *narrow, *extra, nn.Dense(40, N_OUT), *last)
    return G.build(seed=1), D.build(seed=2)


def training(loss, make_optimizer, last, extra=()):
    """The step of a GAN as users of the package write it, as a function of the batch size."""
    G, D = networks(last, extra)
    g_cache, real_cache, fake_cache = G.cache(), D.cache(), D.cache(tracks_statistics=False)
    g_optimizer, d_optimizer = make_optimizer(G), make_optimizer(D)
    noise = np.empty((BATCH, 8), np.float32)
    images = np.random.default_rng(0).random((BATCH, 1, 6, 6), np.float32)
    soft = np.full((BATCH, N_OUT), 0.9, np.float32)
    value, gradient = np.empty(1, np.float32), np.empty((BATCH, N_OUT), np.float32)

    def step(n):
        results = {"dy": gradient[:n], "value": value}
        fake = G.forward(G.stream.normal_(noise[:n]), g_cache, train=True)
        _, dy = loss(D.forward(images[:n], real_cache, train=True), soft[:n], real_cache, **results)
        D.backward(dy, real_cache, need_dx=False)
        _, dy = loss(D.forward(fake, fake_cache, train=True), 0, fake_cache, **results)
        D.backward(dy, fake_cache, grads="add", need_dx=False)
        d_optimizer.step()
        _, dy = loss(D.forward(fake, fake_cache, train=True), 1, fake_cache, weight=0.5, **results)
        G.backward(D.backward(dy, fake_cache, grads="skip"), g_cache, need_dx=False)
        g_optimizer.step()

    return step


def arrays_held():
    """Bytes of the NumPy arrays that were allocated since tracing began and are alive."""
    arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    snapshot = tracemalloc.take_snapshot().filter_traces([arrays])
    return sum(trace.size for trace in snapshot.traces)


def rise(step, n, *, settled=True):
    """The rise of the total during a step, and the bytes of arrays that it leaves behind.

    With `settled`, a step of the same size comes first: views that the measured step makes then
    replace views of the same size.
    """
    tracemalloc.start()
    try:
        if settled:
            step(n)
        before, held = tracemalloc.get_traced_memory()[0], arrays_held()
        tracemalloc.reset_peak()
        step(n)
        peak = tracemalloc.get_traced_memory()[1] - before
        return peak, arrays_held() - held
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "loss, last, optimizer",
    [
        (nn.BCEWithLogits(), (), nn.Adam),
        (nn.BCE(), (nn.Sigmoid(),), lambda net: nn.Adam(net, weight_decay=0.01, clip_norm=0.1)),
        # BCE does not see the sigmoid behind Reshape, so it takes the general form
        (nn.BCE(), (nn.Sigmoid(), nn.Reshape((N_OUT,))), nn.RMSProp),
        (
            nn.BCEWithLogits(),
            (),
            lambda net: nn.SGD(net, momentum=0.9, nesterov=True, weight_decay=0.1),
        ),
    ],
)
def test_a_training_step_allocates_no_array(loss, last, optimizer):
    step = training(loss, optimizer, last)
    rise(step, BATCH)  # the first measurement of a process sees Python's own lists grow
    peak, held = rise(step, BATCH)
    assert peak < LIMIT and held == 0
    peak, held = rise(step, LAST_BATCH, settled=False)  # a smaller batch needs no new array
    assert peak < FIRST_LIMIT and held == 0
    for n in (LAST_BATCH, BATCH):
        peak, held = rise(step, n)
        assert peak < LIMIT and held == 0


BLOCKS = {
    "layernorm": lambda: [nn.LayerNorm(40), nn.PixelNorm()],
    "smooth": lambda: [nn.GELU(), nn.SiLU()],
    "residual": lambda: [nn.Residual(nn.Sequential(nn.Dense(40, 40), nn.ReLU()))],
    "groupnorm": lambda: [nn.Reshape((8, 5, 1)), nn.GroupNorm(2, 8), nn.Flatten()],
    "attention": lambda: [nn.Reshape((8, 5, 1)), nn.SelfAttention2d(8), nn.Flatten()],
    "global_avg_pool": lambda: [nn.Reshape((40, 1, 1)), nn.GlobalAvgPool2d()],
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("loss", [nn.L1(), nn.MeanSquaredError()], ids=["l1", "squared"])
def test_blocks_allocate_no_array(block, loss):
    step = training(loss, nn.Adam, (), block())
    rise(step, BATCH)
    for n in (BATCH, LAST_BATCH):
        peak, held = rise(step, n)
        assert peak < LIMIT and held == 0


@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_embedding_allocates_no_array(device):
    """But for the work memory of `numpy.add.at`, about 6,000 bytes for any batch."""
    layer = nn.Embedding(50, 30).build(seed=0, device=device)
    cache, x = layer.cache(), np.arange(20_000, dtype=np.float32) % 50
    dy = np.ones((20_000, 30), np.float32)

    def step(n):
        layer.forward(x[:n], cache)
        layer.backward(dy[:n], cache)

    for n in (20_000, 20_000, 15_000):  # a flag for each x takes 15,000 bytes or more
        peak, held = rise(step, n)
    assert peak < 6_000 + LIMIT and held == 0


def test_smoothed_cross_entropy_allocates_no_array():
    loss, cache = nn.SoftmaxCrossEntropy(0.1), nn.Tanh().build().cache()
    z, dy, value = (
        np.ones((BATCH, N_OUT), np.float32),
        np.empty((BATCH, N_OUT), "f"),
        np.empty(1, "f"),
    )
    classes = np.zeros(BATCH, np.int64)
    loss(z, classes, cache, dy=dy, value=value)
    peak, held = rise(lambda _: loss(z, classes, cache, dy=dy, value=value), BATCH)
    assert peak < LIMIT and held == 0


class AllocatesForward(nn.Tanh):
    def forward(self, x, cache, *, train=False):
        cache.y = np.tanh(x)
        return cache.y


class AllocatesBackward(nn.Tanh):
    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return super().backward(dy, cache, grads=grads, need_dx=need_dx) * np.float32(1)


class KeepsRows(nn.Layer):
    """Keeps a few floats of each sample."""

    kept = ()

    def forward(self, x, cache, *, train=False):
        self.kept = (*self.kept, x[:, :N_OUT].copy())
        return x

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return dy


@pytest.mark.parametrize("layer", [AllocatesForward, AllocatesBackward, KeepsRows])
def test_the_test_notices_a_layer_that_allocates(layer):
    step = training(nn.BCEWithLogits(), nn.Adam, (), [layer()])
    step(BATCH)
    peak, held = rise(step, BATCH)
    assert peak > LIMIT
    assert (held > 0) == (layer is KeepsRows)


def test_the_test_notices_the_smallest_array_of_a_batch():
    step = training(nn.BCEWithLogits(), nn.Adam, (AllocatesBackward(),))
    step(BATCH)
    for n in (BATCH, LAST_BATCH):
        assert rise(step, n)[0] > 4 * n * N_OUT > LIMIT


def test_optimizers_walk_many_blocks_without_allocating():
    net = nn.Dense(1000, 1000).build(seed=0)
    for optimizer in (nn.Adam(net), nn.RMSProp(net), nn.SGD(net)):
        assert rise(lambda _: optimizer.step(), 0)[0] < LIMIT  # noqa: B023
