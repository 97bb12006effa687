"""A training step of a small GAN, by which backends are compared. It uses only `nn`."""

import numpy as np

from nn import (
    BCE,
    SGD,
    Adam,
    BatchNorm,
    BCEWithLogits,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    ReLU,
    Reshape,
    RMSProp,
    Sequential,
    Sigmoid,
    Tanh,
)

N, N_IMAGES, LATENT = 8, 30, 6

# Every kind of layer, loss and optimizer appears. A large eps keeps Adam's first steps, which are
# nearly signs, from magnifying rounding errors.
VARIANTS = {
    "bce-adam": ([Sigmoid], BCE(), lambda net: Adam(net, 0.002, eps=1e-3, weight_decay=0.01)),
    "logits-rmsprop": ([], BCEWithLogits(), lambda net: RMSProp(net, 0.001, eps=1e-3)),
    "logits-sgd": ([], BCEWithLogits(), lambda net: SGD(net, 0.05, momentum=0.9, nesterov=True)),
}


class HostStream:
    """Draws on the CPU and copies, so that every backend gets the same numbers."""

    def __init__(self, ops, seed):
        self._ops, self._rng = ops, np.random.default_rng(seed)

    def _put(self, out, host):
        self._ops.copy_(out, self._ops.asarray(host, out.dtype))
        return out

    def normal_(self, out):
        return self._put(out, self._rng.standard_normal(out.shape))

    def uniform_(self, out, low=0.0, high=1.0):
        return self._put(out, self._rng.uniform(low, high, out.shape))

    def dropout_mask_(self, out, p):
        return self._put(out, (self._rng.random(out.shape) >= p) / (1 - p))

    def shuffle_(self, index):
        return self._put(index, self._rng.permutation(self._ops.to_host(index)))

    @property
    def state(self):
        return self._rng.bit_generator.state

    @state.setter
    def state(self, state):
        self._rng.bit_generator.state = state


def generator():
    dense = Dense(LATENT, 16), BatchNorm(16), LeakyReLU(0.2), Dense(16, 12), ReLU()
    images = Reshape((2, 3, 2)), BatchNorm(2), ConvTranspose2d(2, 3, 2, stride=(1, 2))
    last = Flatten(), Dense(48, 12), Tanh(), Reshape((1, 3, 4))
    return Sequential(*dense, *images, BatchNorm(3), Tanh(), *last)


def discriminator(end):
    images = Conv2d(1, 5, 2, padding=(0, 1)), LeakyReLU(0.2), Dropout(0.3), Flatten()
    dense = Dense(50, 8), BatchNorm(8), LeakyReLU(0.2), Dense(8, 1)
    return Sequential(*images, *dense, *(layer() for layer in end))


class GanStep:
    """Call it to train one step.

    With same_draws, all random numbers come from the host, so that backends can be compared.
    """

    def __init__(self, ops, variant, dtype="float32", same_draws=False):
        self.ops = ops
        end, self.loss, optimizer = VARIANTS[variant]
        self.G = generator().build(1, device=ops, dtype=dtype, name="G")
        self.D = discriminator(end).build(2, device=ops, dtype=dtype, name="D")
        seeds = np.random.SeedSequence(3).spawn(2)
        self.noise, self.order_stream = map(ops.stream, seeds)
        if same_draws:
            self.noise, self.order_stream = HostStream(ops, 3), HostStream(ops, 4)
            for i, (_, leaf) in enumerate(self.D.modules()):
                leaf.stream = HostStream(ops, i)
        images = np.random.default_rng(5).integers(0, 256, (N_IMAGES, 1, 3, 4)).astype(np.uint8)
        self.images, self.order = ops.asarray(images), ops.asarray(np.arange(N_IMAGES))
        self.real, self.z = ops.empty((N, 1, 3, 4), dtype), ops.empty((N, LATENT), dtype)
        self.losses, self.dp = ops.zeros((4,), dtype), [ops.empty((N, 1), dtype) for _ in range(3)]
        self.g_cache = self.G.cache()
        self.d_caches = [self.D.cache(tracks_statistics=i == 0) for i in range(3)]
        self.g_optimizer, self.d_optimizer = optimizer(self.G), optimizer(self.D)

    def __call__(self):
        self.order_stream.shuffle_(self.order)
        self.ops.gather_rows(self.images, self.order[:N], 2 / 255, -1.0, out=self.real)
        fake = self.G.forward(self.noise.normal_(self.z), self.g_cache, train=True)
        for i, (images, target, grads) in enumerate([(self.real, 0.9, "write"), (fake, 0, "add")]):
            p = self.D.forward(images, self.d_caches[i], train=True)
            results = {"dy": self.dp[i], "value": self.losses[i : i + 1]}
            _, dp = self.loss(p, target, self.d_caches[i], **results)
            self.D.backward(dp, self.d_caches[i], grads=grads, need_dx=False)
        self.d_optimizer.step()
        p = self.D.forward(fake, self.d_caches[2], train=True)
        _, dp = self.loss(p, 1, self.d_caches[2], dy=self.dp[2], value=self.losses[2:3])
        self.ops.mean_sigmoid(p, out=self.losses[3:])
        d_fake = self.D.backward(dp, self.d_caches[2], grads="skip")
        self.G.backward(d_fake, self.g_cache, need_dx=False)
        self.g_optimizer.step()

    def results(self):
        """Losses, weights and running statistics, on the host, in float64."""
        parameters = self.G.parameters, self.D.parameters
        buffers = [b.flat for p in parameters for b in (p.value, p.statistics)]
        return [self.ops.to_host(x).astype(np.float64) for x in (self.losses, *buffers)]
