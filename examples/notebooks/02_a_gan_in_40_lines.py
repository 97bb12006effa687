# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. A GAN in 40 lines
#
# Two networks play a game. The **generator** $G$ turns noise into points. The **discriminator** $D$
# sees points, some real and some made by $G$, and says which are which. $D$ learns to tell them
# apart, $G$ learns to fool $D$. $G$ never sees a real point: all that it knows comes through $D$,
# as a gradient.
#
# The points lie in a plane, so that everything can be drawn. You see the gradient pass through the
# frozen $D$ into $G$, then the whole program in one cell.

# %% tags=["setup"]
# Installs byhand where it is missing, as on Colab.
import importlib
import importlib.metadata
import subprocess
import sys

REPOSITORY = ""  # where to install from: the address that you would clone
try:
    importlib.metadata.version("byhand")
except importlib.metadata.PackageNotFoundError:
    if not REPOSITORY:
        raise SystemExit(
            "expected byhand to be installed, it is not: write the address of its repository into "
            "REPOSITORY above, or run pip install -e '.[numba]' in a clone"
        ) from None
    source = f"byhand[numba] @ git+{REPOSITORY}"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)
    importlib.invalidate_caches()

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

from nn import Adam, BCEWithLogits, Dense, LeakyReLU, Sequential, gradcheck

STEPS = int(os.environ.get("STEPS", 4000))  # of the whole program below

# %% [markdown]
# ## The data and the players
#
# The real points lie on a circle of radius 1. Both networks are two hidden layers of 64 units. $G$
# maps noise of two numbers to a point; $D$ maps a point to one number, its **logit**: above 0 means
# "real".

# %%
rng = np.random.default_rng(0)
N = 256


def real_points():
    angle = rng.uniform(0, 2 * np.pi, N).astype(np.float32)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def noise():
    return rng.standard_normal((N, 2), dtype=np.float32)


def mlp(n_out):
    hidden = Dense(2, 64), LeakyReLU(0.2), Dense(64, 64), LeakyReLU(0.2)
    return Sequential(*hidden, Dense(64, n_out))


G, D = mlp(2).build(seed=1), mlp(1).build(seed=2)
print(D.summary())

# %% [markdown]
# A helper for pictures: the colour is $D$'s opinion, blue for "real" and red for "generated". Black
# points are real, yellow ones are generated.

# %%
axis = np.linspace(-2, 2, 60, dtype=np.float32)
plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def draw(panel, D, fake, title):
    opinion = 1 / (1 + np.exp(-D(plane).reshape(60, 60)))
    square = (-2, 2, -2, 2)
    panel.imshow(opinion, extent=square, origin="lower", cmap="RdBu", vmin=0, vmax=1, alpha=0.7)
    panel.plot(*real_points()[:100].T, "k.", markersize=3)
    panel.plot(*fake[:100].T, ".", color="gold", markersize=5, markeredgecolor="k", mew=0.3)
    panel.set(xlim=(-2, 2), ylim=(-2, 2), title=title, xticks=[], yticks=[])


panel = plt.figure(figsize=(3.2, 3.2)).gca()
draw(panel, D, G(noise()), "nobody has learned anything")

# %% [markdown]
# ## D learns
#
# The loss is binary cross-entropy with target 1 for real points and 0 for generated ones. With
# $p = \sigma(z)$, and $z$ the logit:
#
# $$L_D = -\text{mean} \log p_\text{real} - \text{mean} \log (1 - p_\text{fake}), \qquad
# \mathrm{d}z = \frac{p - t}{N}$$
#
# Two passes are alive at once, one with real and one with generated points. What each leaves for
# its backward pass is in a **cache** of its own. The second backward pass adds to the gradients of
# the first.

# %%
loss = BCEWithLogits()
d_optimizer = Adam(D, 1e-3, beta1=0.5)
real_cache, fake_cache = D.cache(), D.cache()


def teach_d(fake):
    d_real, dreal = loss(D.forward(real_points(), real_cache, train=True), 1.0, real_cache)
    d_fake, dfake = loss(D.forward(fake, fake_cache, train=True), 0.0, fake_cache)
    D.backward(dreal, real_cache, grads="write", need_dx=False)
    D.backward(dfake, fake_cache, grads="add", need_dx=False)
    d_optimizer.step()
    return float(d_real[0] + d_fake[0])


for step in range(201):
    value = teach_d(G(noise()))
    if step % 50 == 0:
        print(f"step {step:3}: L_D = {value:.3f}")

# %% [markdown]
# ## Through the frozen D
#
# Now $G$. It wants $D$ to say 1 about its points: $L_G = -\text{mean} \log p_\text{fake}$. Follow
# the gradient, from the loss back:
#
# $$L_G \;\to\; \mathrm{d}z \;\xrightarrow{\;D\;}\; \mathrm{d}x
# \;\xrightarrow{\;G\;}\; \mathrm{d}W_G$$
#
# On its way through $D$, the gradient must leave $D$ alone: $G$'s wish is no lesson for $D$. That
# is `grads="skip"`. The gradient passes through, and $D$'s own gradients are not even computed.

# %%
g_cache, frozen_cache = G.cache(), D.cache()

fake = G.forward(noise(), g_cache, train=True)
logits = D.forward(fake, frozen_cache, train=True)
g_loss, dlogits = loss(logits, 1.0, frozen_cache)  # "say that they are real"

before = D.parameters.grad.flat.copy()
dfake = D.backward(dlogits, frozen_cache, grads="skip")  # through the frozen D
print("D's gradients are untouched:", np.array_equal(before, D.parameters.grad.flat))

# %% [markdown]
# What has come out of $D$ is `dfake`: for each generated point, the direction in which the loss
# grows. Its opposite is where $D$ would like the point to be. Draw it:

# %%
panel = plt.figure(figsize=(4, 4)).gca()
draw(panel, D, fake[:40], "-dfake: where D would like each point to go")
arrows = -dfake[:40] / np.linalg.norm(dfake[:40], axis=1, keepdims=True)  # directions alone
panel.quiver(*fake[:40].T, *arrows.T, scale=6, width=0.005)
_ = panel.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3))

# %% [markdown]
# The arrows climb the hill that $D$ has learned, from red to blue. This is all that $G$ ever learns
# about the data. `G.backward` turns the wishes of 256 points into the gradients of $G$'s weights;
# one step of Adam, and the points have moved.

# %%
G.backward(dfake, g_cache, need_dx=False)  # ... into G
g_optimizer = Adam(G, 1e-3, beta1=0.5)
again = noise()
old = G(again)
g_optimizer.step()
new = G(again)
print(f"D's mean logit of the same noise: before {D(old).mean():+.4f}, after {D(new).mean():+.4f}")

# %% [markdown]
# Is the whole chain right, loss, $D$ and $G$? `gradcheck` takes both networks in turn and compares
# every gradient with finite differences.

# %%
report = gradcheck([G, D], noise()[:8], loss=loss, target=1.0)
print(report)

# %% [markdown]
# ## Exercise 1: write G's step
#
# $G$'s forward pass and its loss are given. Send the gradient back: through $D$, which stays
# frozen, and into $G$.


# %% tags=["exercise"]
def g_gradients(z):
    """Leave dL_G/dW in G's gradients, and touch nothing of D."""
    fake = G.forward(z, g_cache, train=True)
    _, dlogits = loss(D.forward(fake, frozen_cache, train=True), 1.0, frozen_cache)
    ...


# %%
z = noise()
G.parameters.grad.flat[...] = 0
D.parameters.grad.flat[...] = 7
g_gradients(z)
mine, W, h = float(G[0].dW[1, 3]), G[0].W, np.float32(0.01)
values = []
for move in (h, -2 * h):
    W[1, 3] += move
    values.append(float(loss(D(G(z)), 1.0, frozen_cache)[0][0]))
W[1, 3] += h
right = (values[0] - values[1]) / (2 * h)
if not G.parameters.grad.flat.any():
    print("[ ] G has no gradients yet. Replace the three dots.")
elif (D.parameters.grad.flat != 7).any():
    print("[x] D's gradients have changed. Which of grads='write', 'add', 'skip' freezes it?")
elif abs(mine - right) > 0.05 * abs(right) + 1e-4:
    print(f"[x] dW[1, 3] of G's first layer is {mine:.6f}, finite differences say {right:.6f}.")
else:
    print(f"[v] Right: dW[1, 3] of G's first layer is {mine:.6f}, and D is untouched.")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def g_gradients(z):
#     """Leave dL_G/dW in G's gradients, and touch nothing of D."""
#     fake = G.forward(z, g_cache, train=True)
#     _, dlogits = loss(D.forward(fake, frozen_cache, train=True), 1.0, frozen_cache)
#     dfake = D.backward(dlogits, frozen_cache, grads="skip")
#     G.backward(dfake, g_cache, need_dx=False)
# ```
#
# </details>
#
# ## The whole program
#
# Here is all of it, from the imports on, in 40 lines of NumPy and `nn`.


# %% tags=["program"]
import numpy as np

from nn import Adam, BCEWithLogits, Dense, LeakyReLU, Sequential

rng, N = np.random.default_rng(0), 256


def mlp(n_out):
    hidden = Dense(2, 64), LeakyReLU(0.2), Dense(64, 64), LeakyReLU(0.2)
    return Sequential(*hidden, Dense(64, n_out))


def noise():
    return rng.standard_normal((N, 2), dtype=np.float32)


def real_points():
    angle = rng.uniform(0, 2 * np.pi, N).astype(np.float32)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def train(steps, loss, real_points, show):
    G, D = mlp(2).build(seed=1), mlp(1).build(seed=2)
    g_optimizer, d_optimizer = Adam(G, 1e-3, beta1=0.5), Adam(D, 1e-3, beta1=0.5)
    real_cache, fake_cache, frozen_cache, g_cache = D.cache(), D.cache(), D.cache(), G.cache()
    for step in range(steps + 1):
        # D learns to tell real from generated points. Each pass has a cache of its own.
        d_real, dreal = loss(D.forward(real_points(), real_cache, train=True), 1.0, real_cache)
        d_fake, dfake = loss(D.forward(G(noise()), fake_cache, train=True), 0.0, fake_cache)
        D.backward(dreal, real_cache, grads="write", need_dx=False)
        D.backward(dfake, fake_cache, grads="add", need_dx=False)
        d_optimizer.step()
        # G learns to make D say "real". The gradient passes through the frozen D into G.
        fake = G.forward(noise(), g_cache, train=True)
        g_loss, dlogits = loss(D.forward(fake, frozen_cache, train=True), 1.0, frozen_cache)
        dfake = D.backward(dlogits, frozen_cache, grads="skip")
        G.backward(dfake, g_cache, need_dx=False)
        g_optimizer.step()
        show(step, G, D, float(d_real[0] + d_fake[0]), float(g_loss[0]))
    return G, D


# %%
moments = [0, STEPS // 40, STEPS // 8, STEPS]
figure, panels = plt.subplots(1, 4, figsize=(12, 3.2))
history = []


def show(step, G, D, d_loss, g_loss):
    history.append((d_loss, g_loss))
    if step in moments:
        draw(panels[moments.index(step)], D, G(noise()), f"step {step}")


G, D = train(STEPS, BCEWithLogits(), real_points, show)
radius = np.linalg.norm(G(noise()), axis=1)
print(f"radius {radius.mean():.2f} +- {radius.std():.2f}; the circle's is 1")

# %% [markdown]
# The losses of a GAN do not go to 0; that would mean that one of the two has lost. If $D$ cannot
# tell the difference, then $p = 1/2$ everywhere, $L_D = 2 \log 2 \approx 1.386$ and
# $L_G = \log 2 \approx 0.693$. Look how both approach these lines.

# %%
width = max(1, STEPS // 80)
smooth = [np.convolve(curve, np.ones(width) / width, "valid") for curve in zip(*history)]
plt.figure(figsize=(6, 3))
for curve, colour, label, balance in zip(
    smooth, ("C0", "C1"), ("D", "G"), (2 * np.log(2), np.log(2))
):
    plt.plot(curve, colour, label=f"loss of {label}")
    plt.axhline(balance, color=colour, linestyle=":", linewidth=1)
plt.xlabel("step")
_ = plt.legend()

# %% [markdown]
# ## Why G gets no gradient when D is certain
#
# The first paper let $G$ minimise $\text{mean} \log (1 - p)$, the opposite of what $D$ wants. It
# also proposed what we use, $-\text{mean} \log p$. Both want a large $p$. Their gradients with
# respect to the logit $z$ of a generated point:
#
# $$\frac{\partial}{\partial z} \log (1 - p) = -p, \qquad
# \frac{\partial}{\partial z} (-\log p) = -(1 - p)$$
#
# At the beginning, $D$ recognises everything that $G$ makes: $z$ is very negative and $p$ is near
# 0. Then the first gradient vanishes, just when $G$ has most to learn, and the second is near its
# largest.

# %%
z = np.linspace(-10, 5, 200)
p = 1 / (1 + np.exp(-z))
plt.figure(figsize=(5, 3))
plt.plot(z, p, label="log(1 - p): saturating")
plt.plot(z, 1 - p, label="-log p: non-saturating")
plt.xlabel("D's logit z of a generated point  (left: D is certain)")
plt.ylabel("size of dL/dz")
_ = plt.legend(fontsize=8)

# %% [markdown]
# At the right end, $D$ takes the generated point for real, and $-\log p$ has hardly any gradient
# left. That is as it should be: this point is good already.
#
# ## Exercise 2: eight blobs
#
# Put the real points into eight small blobs on the circle, and see how many $G$ finds. A generator
# that draws some of them and leaves out the rest has **collapsed** to a few modes: each of its
# points fools $D$, and yet it is not what you wanted.


# %% tags=["exercise"]
def blobs():
    """Points (N, 2), float32: one of eight centres on the circle, plus noise of size 0.05."""
    return ...


# %%
centres = np.stack([f(np.arange(8) * np.pi / 4) for f in (np.cos, np.sin)], axis=1)


def found(points):
    """The blobs that have at least 2% of the points within 0.2."""
    near = np.linalg.norm(points[:, None] - centres, axis=2) < 0.2
    return int((near.mean(axis=0) > 0.02).sum())


points = blobs()
if points is ...:
    print("[ ] blobs() is still blank. Replace the three dots.")
elif np.shape(points) != (N, 2) or points.dtype != np.float32:
    print(f"[x] expected float32 of shape {(N, 2)}, got {points.dtype} of {np.shape(points)}.")
elif found(points) < 8:
    print(f"[x] these points lie in {found(points)} of the eight blobs.")
else:
    G, D = train(STEPS, BCEWithLogits(), blobs, lambda *_: None)
    print(f"[v] the data have eight blobs; G has found {found(G(noise()))}.")
    real_points = blobs
    draw(plt.figure(figsize=(3.2, 3.2)).gca(), D, G(noise()), f"after {STEPS} steps")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def blobs():
#     """Points (N, 2), float32: one of eight centres on the circle, plus noise of size 0.05."""
#     centre = rng.integers(8, size=N) * np.pi / 4
#     points = np.stack([np.cos(centre), np.sin(centre)], axis=1)
#     return (points + 0.05 * rng.standard_normal((N, 2))).astype(np.float32)
# ```
#
# </details>
#
# ## Exercise 3: another loss
#
# Call `train` with `MeanSquaredError()` in place of `BCEWithLogits()`, and you have a least-squares
# GAN; nothing else changes. What happens to the losses, and at which value do they balance?
#
# <details><summary>Answer</summary>
#
# If $D$ cannot tell, the best that it can say is 1/2, between the targets 1 and 0. Then
# $L_D = 2 \cdot (1/2)^2 = 1/2$ and $L_G = 1/4$.
#
# </details>
#
# **Next:** [digits](03_mnist_gan.ipynb), with the same loop.
