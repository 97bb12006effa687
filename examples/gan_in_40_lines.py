"""A GAN in forty lines of `nn`: the generator learns to draw points on a circle.

Run it with python examples/gan_in_40_lines.py.
"""

import numpy as np

from nn import Adam, BCEWithLogits, Dense, LeakyReLU, Sequential


def mlp(n_out: int) -> Sequential:
    hidden = Dense(2, 64), LeakyReLU(0.2), Dense(64, 64), LeakyReLU(0.2)
    return Sequential(*hidden, Dense(64, n_out))


rng = np.random.default_rng(0)
G, D = mlp(2).build(seed=1), mlp(1).build(seed=2)
g_optimizer, d_optimizer = Adam(G, 1e-3, beta1=0.5), Adam(D, 1e-3, beta1=0.5)
real_cache, fake_cache, frozen_cache, g_cache = D.cache(), D.cache(), D.cache(), G.cache()
loss, n = BCEWithLogits(), 256


def noise() -> np.ndarray:
    return rng.standard_normal((n, 2), dtype=np.float32)


def real_points() -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi, n).astype(np.float32)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


for step in range(4001):
    # D learns to tell real from generated points. Each pass has a cache of its own.
    d_real, d_dreal = loss(D.forward(real_points(), real_cache, train=True), 1.0, real_cache)
    d_fake, d_dfake = loss(D.forward(G(noise()), fake_cache, train=True), 0.0, fake_cache)
    D.backward(d_dreal, real_cache, grads="write", need_dx=False)
    D.backward(d_dfake, fake_cache, grads="add", need_dx=False)
    d_optimizer.step()

    # G learns to make D say "real". The gradient passes through the frozen D into G.
    fake = G.forward(noise(), g_cache, train=True)
    g_loss, dlogits = loss(D.forward(fake, frozen_cache, train=True), 1.0, frozen_cache)
    G.backward(D.backward(dlogits, frozen_cache, grads="skip"), g_cache, need_dx=False)
    g_optimizer.step()

    if step % 500 == 0:
        radius = np.linalg.norm(G.ops.to_host(G(noise())), axis=1)
        print(f"step {step:4}  D {d_real[0] + d_fake[0]:.3f}  G {g_loss[0]:.3f}", end="  ")
        print(f"radius {radius.mean():.2f} +- {radius.std():.2f}")
