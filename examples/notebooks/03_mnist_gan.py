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
# # 3. A GAN that draws digits
#
# The walk that most people's first GAN takes: the data, two networks, the losses, the training, and
# pictures after 1, 10, 50 and 100 epochs. At the end you draw digits that nobody has written, look
# whether they are copies, and measure how good they are.
#
# The loop is that of [notebook 2](02_a_gan_in_40_lines.ipynb); points have become images.

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
import io
import os

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image as Picture
from IPython.display import display
from PIL import Image

from gan.data.datasets import load
from gan.description import Description
from gan.evaluation.evaluator import Evaluator
from gan.images import grid
from gan.latent import Latent
from nn import (
    Adam,
    BatchNorm,
    BCEWithLogits,
    Dense,
    Dropout,
    LeakyReLU,
    Sequential,
    Tanh,
    save_weights,
)

EPOCHS = int(os.environ.get("EPOCHS", 100))

# %% [markdown]
# ## The data
#
# 10,000 handwritten digits from MNIST come with the package. With `"mnist"` in place of
# `"mnist-sample"`, all 60,000 are fetched, and an epoch takes six times as long.
#
# A pixel is a number from 0, paper, to 255, ink. We scale to -1..1, because the generator will end
# in a tanh, whose outputs lie there.

# %%
pixels, labels = load("mnist-sample", "train")
images = pixels.astype(np.float32) / 127.5 - 1
print(images.shape, images.dtype, images.min(), images.max())


def show(images, columns=None):
    """Draw images, (N, 784) in -1..1, in a grid."""
    file = io.BytesIO()
    Image.fromarray(grid((images + 1) / 2, columns)).save(file, "PNG")
    display(Picture(file.getvalue()))


show(images[:32], columns=16)

# %% [markdown]
# ## The generator
#
# It turns 100 random numbers into the 784 pixels of an image. Each hidden layer is `Dense`, then
# `BatchNorm`, which keeps the numbers at a size at which gradients neither vanish nor explode, then
# `LeakyReLU`.

# %%
N_Z = 100
rng = np.random.default_rng(0)


def noise(n):
    """n points of the latent space, uniform in -1..1."""
    return rng.uniform(-1, 1, (n, N_Z)).astype(np.float32)


G = Sequential(
    Dense(N_Z, 256),
    BatchNorm(256),
    LeakyReLU(0.2),
    Dense(256, 256),
    BatchNorm(256),
    LeakyReLU(0.2),
    Dense(256, 784),
    Tanh(),
).build(seed=2)
print(G.summary())

# %% [markdown]
# ## The discriminator
#
# It turns an image into one number, the logit: above 0 it says "real". `Dropout` switches off three
# units in ten, other ones in each pass. So $D$ cannot learn the training images by heart, and $G$
# does not meet the same $D$ twice.

# %%
D = Sequential(
    Dense(784, 512),
    LeakyReLU(0.2),
    Dropout(0.3),
    Dense(512, 256),
    LeakyReLU(0.2),
    Dropout(0.3),
    Dense(256, 1),
).build(seed=1)
print(D.summary())

# %% [markdown]
# Before any training, $G$ makes grey noise. We keep 16 points of the latent space for the whole
# training, and look again and again at what $G$ makes of them.

# %%
fixed = noise(16)
snapshots = {0: G(fixed)}
show(snapshots[0], columns=16)

# %% [markdown]
# ## The losses
#
# With $p = \sigma(D(x))$, the probability that $D$ gives to "real":
#
# $$L_D = -\text{mean}\,\big[0.9 \log p + 0.1 \log (1 - p)\big]_\text{real}
# - \text{mean}\,\big[\log (1 - p)\big]_\text{fake}, \qquad
# L_G = -\text{mean}\,\big[\log p\big]_\text{fake}$$
#
# The target of real images is 0.9 and not 1: a $D$ that is never quite sure gives $G$ a gradient
# throughout. Both losses start from the logits, $\mathrm{d}z = (p - t)/N$, so nothing ever takes
# the log of 0.

# %%
loss = BCEWithLogits()
REAL, FAKE = 0.9, 0.0
d_optimizer, g_optimizer = Adam(D, 1e-3, beta1=0.5), Adam(G, 1e-3, beta1=0.5)
real_cache, fake_cache, frozen_cache, g_cache = D.cache(), D.cache(), D.cache(), G.cache()

# %% [markdown]
# ## One step
#
# $D$ first. It sees a batch of real images and as many generated ones. Two passes are alive at
# once, each with its own cache; the second backward pass adds to the gradients of the first. Nobody
# needs the gradient of the images here, hence `need_dx=False`.


# %%
def teach_d(real, fake):
    """One step of D; returns its loss."""
    on_real, dreal = loss(D.forward(real, real_cache, train=True), REAL, real_cache)
    on_fake, dfake = loss(D.forward(fake, fake_cache, train=True), FAKE, fake_cache)
    D.backward(dreal, real_cache, grads="write", need_dx=False)
    D.backward(dfake, fake_cache, grads="add", need_dx=False)
    d_optimizer.step()
    return float(on_real[0] + on_fake[0])


# %% [markdown]
# Then $G$. The new $D$ looks at the same generated images, and now the target is 1. The gradient
# goes back through $D$, which is frozen by `grads="skip"`, to the pixels, and on into $G$.


# %%
def teach_g(fake):
    """One step of G; returns its loss. `fake` is what G.forward made with `g_cache`."""
    value, dlogits = loss(D.forward(fake, frozen_cache, train=True), 1.0, frozen_cache)
    dfake = D.backward(dlogits, frozen_cache, grads="skip")  # through the frozen D ...
    G.backward(dfake, g_cache, need_dx=False)  # ... into G
    g_optimizer.step()
    return float(value[0])


# %% [markdown]
# ## Training
#
# An epoch shows $D$ every image once, in a new order, 64 at a time. It took 0.6 seconds on two
# cores of an AMD EPYC, with Numba; a hundred take about a minute.

# %%
BATCH = 64
history = []

for epoch in range(1, EPOCHS + 1):
    order = rng.permutation(len(images))
    losses = []
    for first in range(0, len(images) - BATCH + 1, BATCH):
        real = images[order[first : first + BATCH]]
        fake = G.forward(noise(BATCH), g_cache, train=True)
        losses.append((teach_d(real, fake), teach_g(fake)))
    history.append(np.mean(losses, axis=0))
    if epoch in (1, 10, 50, 100):
        snapshots[epoch] = G(fixed)
    if epoch == 1 or epoch % 10 == 0:
        print(f"epoch {epoch:3}: loss of D {history[-1][0]:.3f}, of G {history[-1][1]:.3f}")

# %% [markdown]
# ## What it has learned
#
# Each row is drawn from the same 16 points, from the untrained generator down to the last snapshot.
# First the blot in the middle, then strokes, then digits.

# %%
rows = np.concatenate(list(snapshots.values()))
print("after", *snapshots, "epochs, from the top down")
show(rows, columns=16)

# %% [markdown]
# The losses do not fall to 0, and they should not. If $D$ could not tell at all, $L_D$ would be
# 1.38 and $L_G$ 0.80 (dotted). $D$ stays a little better than that, and this is the difference from
# which $G$ learns.

# %%
target = np.array([REAL, 1 - REAL])
best = (REAL + FAKE) / 2  # what D says if it cannot tell: the mean of its targets
balance = -target @ np.log([best, 1 - best]) - np.log(1 - best), -np.log(best)
plt.figure(figsize=(6, 3))
for curve, colour, label, level in zip(np.transpose(history), ("C0", "C1"), "DG", balance):
    plt.plot(np.arange(1, EPOCHS + 1), curve, colour, label=f"loss of {label}")
    plt.axhline(level, color=colour, linestyle=":", linewidth=1)
plt.xlabel("epoch")
_ = plt.legend()

# %% [markdown]
# What does $D$ say about each image? If it were perfect, the two heaps would not overlap.

# %%
plt.figure(figsize=(6, 3))
for name, batch in {"real": images[:2000], "generated": G(noise(2000))}.items():
    p = 1 / (1 + np.exp(-D(batch)[:, 0]))
    plt.hist(p, bins=40, range=(0, 1), alpha=0.6, label=name)
plt.xlabel("p, D's probability of real")
_ = plt.legend()

# %% [markdown]
# ## New digits
#
# Eighty points that $G$ has never seen. None is picked. `G(z)` is inference: batch norm uses its
# running statistics, so an image does not depend on its neighbours.

# %%
show(G(noise(80)), columns=16)

# %% [markdown]
# Are they copies? Beside each generated digit (left of each pair) is the training image that is
# nearest to it, pixel by pixel.

# %%
made = G(noise(8))
nearest = [images[((images - one) ** 2).sum(axis=1).argmin()] for one in made]
show(np.stack([made, nearest], axis=1).reshape(-1, 784), columns=16)

# %% [markdown]
# How good are they? A digit classifier that comes with the package reads them. The **FID** compares
# the features that it finds in 500 generated images with those in 500 real test images: the lower
# the better. Training images in place of the generated ones give the floor. With so few images, FID
# is larger than in published tables; compare within this notebook.

# %%
test_images = load("mnist-sample", "test")[0][:500]
evaluator = Evaluator(test_images)
generated = (G(noise(500)) + 1) / 2
print(f"FID of generated images {evaluator.fid(generated):.1f}")
print(f"FID of training images  {evaluator.fid(pixels[:500]):.1f}")

read = evaluator.probabilities(evaluator.features(generated)).argmax(axis=1)
plt.figure(figsize=(5, 2.2))
plt.bar(range(10), np.bincount(read, minlength=10), tick_label=range(10))
_ = plt.title("how often each digit is drawn; 50 would be even", fontsize=9)

# %% [markdown]
# ## Exercise 1: a walk
#
# Between two points of the latent space lie others, and $G$ makes a digit of each. Return 12 points
# on the straight line from `a` to `b`, both ends included.


# %% tags=["exercise"]
def walk(a, b):
    """a and b (N_Z,) -> float32 (12, N_Z)."""
    return ...


# %%
a, b = noise(2)
path = walk(a, b)
if path is ...:
    print("[ ] walk is still blank. Replace the three dots.")
elif np.shape(path) != (12, N_Z) or path.dtype != np.float32:
    print(f"[x] expected float32 of shape {(12, N_Z)}, got {path.dtype} of {np.shape(path)}.")
elif not (np.allclose(path[0], a) and np.allclose(path[-1], b)):
    print("[x] the first point must be a and the last one b.")
elif not np.allclose(np.diff(path, n=2, axis=0), 0, atol=1e-5):
    print("[x] these points are not evenly spaced on a straight line.")
else:
    print("[v] right.")
    show(G(path), columns=12)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def walk(a, b):
#     """a and b (N_Z,) -> float32 (12, N_Z)."""
#     t = np.linspace(0, 1, 12, dtype=np.float32)[:, None]
#     return (1 - t) * a + t * b
# ```
#
# </details>
#
# ## Exercise 2: only sevens
#
# `G` draws all digits. To get sevens only, draw many, and keep those that the classifier is
# surest to be a 7. Return the 16 best of `images`. `p` is what the classifier says, (N, 10).


# %% tags=["exercise"]
def sevens(images, p):
    """images (N, 784) and p (N, 10) -> the 16 images with the largest p of a seven."""
    return ...


# %%
many = G(noise(500))
p = evaluator.probabilities(evaluator.features((many + 1) / 2))
chosen = sevens(many, p)
if chosen is ...:
    print("[ ] sevens is still blank. Replace the three dots.")
elif np.shape(chosen) != (16, 784):
    print(f"[x] expected shape (16, 784), got {np.shape(chosen)}.")
else:
    seen = evaluator.probabilities(evaluator.features((chosen + 1) / 2))[:, 7]
    if seen.min() < np.sort(p[:, 7])[-16] - 1e-4:
        print(f"[x] one of these has p = {seen.min():.3f} of a seven; others have more.")
    else:
        print(f"[v] right: the classifier is at least {seen.min():.1%} sure of each.")
        show(chosen, columns=16)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def sevens(images, p):
#     """images (N, 784) and p (N, 10) -> the 16 images with the largest p of a seven."""
#     return images[np.argsort(p[:, 7])[-16:]]
# ```
#
# </details>
#
# ## Keep it
#
# A weights file holds the networks and everything needed to draw with them. `byhand predict
# --weights digits_gan.npz` takes it too.

# %%
description = Description(Latent(N_Z, "uniform"), (-1.0, 1.0), image_shape=(1, 28, 28))
save_weights("digits_gan.npz", {"G": G, "D": D}, description.to_info())

# %% [markdown]
# ## Further
#
# - Take `REAL = 1.0` and train again. Which of the two losses changes, and are the digits better?
# - Leave out both `Dropout` layers. After how many epochs does $D$ win?
# - `byhand train` does all this with convolutions, faster and better, and keeps a record;
#   `byhand lab` shows it live in a browser.
#
# **Next:** [your own images](04_your_own_images.ipynb).
