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
# # 1. Backpropagation by hand
#
# A network learns by asking one question of each of its numbers: *if I were a little larger, would
# the loss grow or shrink, and how fast?* The answer is a derivative. Backpropagation finds all of
# them in one pass, from the loss back to the first layer.
#
# You start with three numbers and end with a network that you could have written yourself. Nothing
# here differentiates for you: beside each line of code stands the equation that it computes.

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

STEPS = int(os.environ.get("STEPS", 400))  # of the training below

# %% [markdown]
# ## A chain of numbers
#
# One input $x$, one weight $w$, one bias $b$, one target $t$:
#
# $$y = w x + b, \qquad L = (y - t)^2$$

# %%
x, w, b, t = 2.0, 0.5, 0.1, 2.0

y = w * x + b
L = (y - t) ** 2
print(f"y = {y}, L = {L:.2f}")

# %% [markdown]
# **Backward** means: from the end. We write $\mathrm{d}y$ for $\partial L / \partial y$, the
# gradient of the loss with respect to $y$, and likewise $\mathrm{d}w$, $\mathrm{d}b$,
# $\mathrm{d}x$. The loss comes first:
#
# $$\mathrm{d}y = 2 (y - t)$$

# %%
dy = 2 * (y - t)  # dL/dy = 2 (y - t)
print(f"dy = {dy:.2f}")

# %% [markdown]
# Then the chain rule, once for each thing that $y$ was made of:
#
# $$\mathrm{d}w = \mathrm{d}y \, \frac{\partial y}{\partial w} = \mathrm{d}y \; x, \qquad
# \mathrm{d}b = \mathrm{d}y, \qquad \mathrm{d}x = \mathrm{d}y \; w$$
#
# Each is *what came from behind, times the local derivative*. That is all there is to it; the rest
# of this notebook only makes the pieces larger.

# %%
dw = dy * x  # dL/dw = dy x
db = dy  # dL/db = dy
dx = dy * w  # dL/dx = dy w
print(f"dw = {dw:.2f}, db = {db:.2f}, dx = {dx:.2f}")

# %% [markdown]
# Is it true? Move $w$ a little up and down, and see what the loss does. The quotient is a **finite
# difference**, and it needs no calculus:
#
# $$\frac{\partial L}{\partial w} \approx \frac{L(w + h) - L(w - h)}{2h}$$


# %%
def loss_of(w):
    return (w * x + b - t) ** 2


h = 1e-5
numeric = (loss_of(w + h) - loss_of(w - h)) / (2 * h)
print(f"by hand {dw:.6f}, finite difference {numeric:.6f}")

ws = np.linspace(0, 1.9, 100)
plt.figure(figsize=(4.5, 3))
plt.plot(ws, loss_of(ws), label="L")
plt.plot(ws[:60], L + dw * (ws[:60] - w), "--", label="slope dw")
plt.plot(w, L, "o")
plt.xlabel("w")
_ = plt.legend()

# %% [markdown]
# The slope is negative: a larger $w$ makes the loss smaller. So we take a step *against* the
# gradient, many times. This is training.

# %%
for _step in range(6):
    y = w * x + b
    L = (y - t) ** 2
    dy = 2 * (y - t)  # dL/dy = 2 (y - t)
    w, b = w - 0.05 * dy * x, b - 0.05 * dy  # against dL/dw = dy x and dL/db = dy
    print(f"L = {L:.4f}   then w = {w:.3f}, b = {b:.3f}")

# %% [markdown]
# ## Exercise 1: one link more
#
# Put a tanh between: $u = w x + b$, $y = \tanh u$, $L = (y - t)^2$. The derivative of the tanh is
# $1 - y^2$. Write `du` and `dw`. The check tells you at once.


# %%
def check(name, yours, numeric):
    """Compare your gradient with the finite difference."""
    if yours is ...:
        print(f"[ ] {name}: replace the three dots.")
    elif np.shape(yours) != np.shape(numeric):
        print(f"[x] {name}: expected shape {np.shape(numeric)}, got {np.shape(yours)}.")
    elif np.allclose(yours, numeric, atol=1e-6):
        print(f"[v] {name} is right.")
    else:
        off = np.abs(np.subtract(yours, numeric)).max()
        print(f"[x] {name} is off by {off:.6f}: yours {yours}, right {numeric}.")


# %% tags=["exercise"]
x, w, b, t = 2.0, 0.5, 0.1, 0.3

u = w * x + b
y = np.tanh(u)
L = (y - t) ** 2

dy = 2 * (y - t)
du = ...
dw = ...


# %%
def nudge(h):
    return ((np.tanh((w + h) * x + b) - t) ** 2, (np.tanh(u + h) - t) ** 2)


slopes = np.subtract(nudge(1e-5), nudge(-1e-5)) / 2e-5
check("du", du, slopes[1])
check("dw", dw, slopes[0])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# x, w, b, t = 2.0, 0.5, 0.1, 0.3
#
# u = w * x + b
# y = np.tanh(u)
# L = (y - t) ** 2
#
# dy = 2 * (y - t)
# du = dy * (1 - y**2)  # dL/du = dy (1 - y^2)
# dw = du * x  # dL/dw = du x
# ```
#
# </details>

# %% [markdown]
# ## From numbers to a layer
#
# A layer does this for many numbers at once. `Dense` maps a batch of $N$ samples with
# $n_\text{in}$ features each to $n_\text{out}$ features:
#
# $$y = x W + b, \qquad y_{nj} = \sum_i x_{ni} W_{ij} + b_j$$
#
# Take one weight. $W_{ij}$ is in $y_{nj}$, with the factor $x_{ni}$, for every sample $n$. The
# effects on the loss add up:
#
# $$\mathrm{d}W_{ij} = \sum_n x_{ni}\, \mathrm{d}y_{nj}
# \quad\Longleftrightarrow\quad \mathrm{d}W = x^\top \mathrm{d}y$$
#
# It is the `dw = dy x` of above, summed. In the same way $\mathrm{d}b = \sum_n \mathrm{d}y_n$ and
# $\mathrm{d}x = \mathrm{d}y\, W^\top$.


# %%
def dense(x, W, b):
    return x @ W + b  # y = x W + b


def dense_backward(dy, x, W):
    dW = x.T @ dy  # dL/dW = x^T dy
    db = dy.sum(axis=0)  # dL/db = sum_n dy_n
    dx = dy @ W.T  # dL/dx = dy W^T
    return dx, dW, db


# %% [markdown]
# When you are not sure which product it is, let the shapes decide. `dW` must be shaped like `W`,
# and there is one way to get $(n_\text{in}, n_\text{out})$ out of $(N, n_\text{in})$ and
# $(N, n_\text{out})$.

# %%
N, n_in, n_out = 4, 3, 2
rng = np.random.default_rng(0)
x, W, b = rng.standard_normal((N, n_in)), rng.standard_normal((n_in, n_out)), np.zeros(n_out)
dy = rng.standard_normal((N, n_out))
dx, dW, db = dense_backward(dy, x, W)
print("x", x.shape, " W", W.shape, " b", b.shape, " dy", dy.shape)
print("dx", dx.shape, " dW", dW.shape, " db", db.shape)

# %% [markdown]
# ## LeakyReLU
#
# Without something that is not a straight line, two Dense layers would be no better than one. The
# leaky ReLU passes positive numbers and shrinks negative ones:
#
# $$y = \begin{cases} x & x > 0 \\ 0.2\,x & \text{otherwise} \end{cases} \qquad
# \mathrm{d}x = \mathrm{d}y \begin{cases} 1 & x > 0 \\ 0.2 & \text{otherwise} \end{cases}$$


# %%
def leaky_relu(x, slope=0.2):
    return np.where(x > 0, x, slope * x)


def leaky_relu_backward(dy, x, slope=0.2):
    return np.where(x > 0, dy, slope * dy)  # dL/dx = dy (1 if x > 0 else slope)


# %% [markdown]
# ## The loss
#
# The network ends in one number per sample, the logit $z$. The larger it is, the surer the network
# says "yes": $p = \sigma(z) = 1/(1 + e^{-z})$. Binary cross-entropy compares $p$ with a target of 0
# or 1:
#
# $$L = \frac1N \sum_n -t_n \log p_n - (1 - t_n) \log (1 - p_n)$$
#
# Its gradient is short, because the sigmoid's derivative $p(1-p)$ cancels the denominator:
#
# $$\mathrm{d}z = \frac{p - t}{N}$$
#
# In words: what was said, minus what is true. This is also where the $1/N$ enters, once; no layer
# divides.


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def bce(z, t):
    # the same L in a form that never takes the log of 0
    value = np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
    dz = (sigmoid(z) - t) / z.size  # dL/dz = (p - t) / N
    return value, dz


# %% [markdown]
# ## A network
#
# Two Dense layers with a LeakyReLU between them learn which points lie inside a circle. Forward
# goes down the page, backward comes back up. Every name on the way back is one from the way there,
# with a `d` before it.

# %%
rng = np.random.default_rng(1)
points = rng.standard_normal((256, 2))
inside = (np.sum(points**2, axis=1, keepdims=True) < 1).astype(float)

W1, b1 = rng.standard_normal((2, 16)), np.zeros(16)
W2, b2 = rng.standard_normal((16, 1)) / 4, np.zeros(1)
parameters = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}


def forward(x):
    u = dense(x, W1, b1)
    a = leaky_relu(u)
    z = dense(a, W2, b2)
    return u, a, z


def backward(dz, x, u, a):
    da, dW2, db2 = dense_backward(dz, a, W2)
    du = leaky_relu_backward(da, u)
    dx, dW1, db1 = dense_backward(du, x, W1)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


# %% [markdown]
# Before we train, we check **every** gradient: 65 numbers, each moved up and down. Do this with
# every backward pass that you write. A network with a wrong gradient often learns a little, and
# that is worse than one that fails.


# %%
def loss():
    return bce(forward(points)[2], inside)[0]


def differences(array, h=1e-5):
    """dL/d(array) by finite differences, one number at a time."""
    slope = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + h
        above = loss()
        array[index] = value - h
        below = loss()
        array[index] = value
        slope[index] = (above - below) / (2 * h)
    return slope


u, a, z = forward(points)
gradients = backward(bce(z, inside)[1], points, u, a)
for name, parameter in parameters.items():
    error = np.abs(gradients[name] - differences(parameter)).max()
    print(f"d{name}: {parameter.size:2} numbers, largest difference {error:.1e}")

# %% [markdown]
# How small should $h$ be? Too large, and the curve bends between the two points. Too small, and the
# computer subtracts two nearly equal numbers and loses their digits. The best is in between, and no
# finite difference is exact. That is one reason to have the gradient by hand. The other: 65 numbers
# took 130 forward passes, and the backward pass finds them all at once.

# %%
steps = 10.0 ** np.arange(-13, 0)
errors = [np.abs(gradients["W2"] - differences(W2, h)).max() for h in steps]
plt.figure(figsize=(4.5, 3))
plt.loglog(steps, errors, "o-")
plt.xlabel("h")
plt.ylabel("error of the finite difference")
_ = plt.title("left: rounding. right: curvature. (dW2)", fontsize=9)

# %% [markdown]
# Now train. Four lines: forward, loss, backward, step. Gold points are inside the circle, black
# ones outside; the colour of the plane is what the network says, from blue for inside to red.

# %%
axis = np.linspace(-2.5, 2.5, 80)
plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
figure, panels = plt.subplots(1, 3, figsize=(7.5, 2.6))
shown = [0, STEPS // 10, STEPS]
for step in range(STEPS + 1):
    u, a, z = forward(points)
    value, dz = bce(z, inside)
    gradients = backward(dz, points, u, a)
    if step in shown:
        panel = panels[shown.index(step)]
        p = sigmoid(forward(plane)[2]).reshape(80, 80)
        square = (-2.5, 2.5, -2.5, 2.5)
        panel.imshow(p, extent=square, origin="lower", cmap="RdBu", vmin=0, vmax=1, alpha=0.7)
        panel.plot(*points[inside[:, 0] == 1].T, ".", color="gold", markersize=4)
        panel.plot(*points[inside[:, 0] == 0].T, "k.", markersize=3)
        panel.set(xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), xticks=[], yticks=[])
        panel.set_title(f"step {step}: L = {value:.3f}", fontsize=10)
    for name, parameter in parameters.items():
        parameter -= 1.0 * gradients[name]  # against the gradient

# %% [markdown]
# ## The library does the same
#
# `nn` consists of what you have just written, under the same names. A layer has `forward` and
# `backward`. What the backward pass needs of the forward pass, your `x` and `u`, lies in a `cache`.
# The gradients are `dW` and `db` of the layer.

# %%
from nn import BCEWithLogits, Dense, LeakyReLU, Sequential, gradcheck

net = Sequential(Dense(2, 16), LeakyReLU(0.2), Dense(16, 1)).build(seed=0, dtype="float64")
net[0].W[...], net[0].b[...] = W1, b1
net[2].W[...], net[2].b[...] = W2, b2

cache = net.cache()
value, dz = BCEWithLogits()(net.forward(points, cache, train=True), inside, cache)
net.backward(dz, cache)

u, a, z = forward(points)
mine, dmine = bce(z, inside)
gradients = backward(dmine, points, u, a)
print(f"L: yours {mine:.12f}, the library's {value[0]:.12f}")
for name, theirs in {
    "W1": net[0].dW,
    "b1": net[0].db,
    "W2": net[2].dW,
    "b2": net[2].db,
}.items():
    print(f"d{name}: largest difference {np.abs(gradients[name] - theirs).max():.1e}")

# %% [markdown]
# And here is the source of its `Dense.backward`. The three equations are those of `dense_backward`
# above. `gemm` is a product of matrices into memory that is there already. `grads` says what to do
# with the gradients: `"write"` them, `"add"` them to those of another pass, or `"skip"` them, which
# is how a part of a network is frozen.

# %%
import inspect

print(inspect.getsource(Dense.backward))

# %% [markdown]
# `gradcheck` is the check from above with more care: it chooses $h$ by itself, knows its own error,
# and checks each layer at the input that it gets in the network.

# %%
print(gradcheck(net, points[:8], loss=BCEWithLogits(), target=inside[:8]))

# %% [markdown]
# ## Exercise 2: least squares
#
# Write the gradient of another loss, $L = \frac1N \sum_n (y_n - t_n)^2$.


# %% tags=["exercise"]
def least_squares(y, t):
    value = np.mean((y - t) ** 2)
    dy = ...
    return value, dy


# %%
y, t = np.array([[0.2], [0.9], [-0.4]]), np.array([[1.0], [1.0], [0.0]])
right = np.zeros_like(y)
for n in range(len(y)):
    move = np.zeros_like(y)
    move[n] = 1e-5
    right[n] = (least_squares(y + move, t)[0] - least_squares(y - move, t)[0]) / 2e-5
check("dy", least_squares(y, t)[1], right)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def least_squares(y, t):
#     value = np.mean((y - t) ** 2)
#     dy = 2 * (y - t) / y.size  # dL/dy = 2 (y - t) / N
#     return value, dy
# ```
#
# </details>
#
# ## Exercise 3: break it
#
# In `backward`, compute the mask of the leaky ReLU from the wrong array: `leaky_relu_backward(da,
# a)` in place of `u`. Run the check of all gradients again. Nothing is wrong! Why? Then take
# `leaky_relu_backward(da, da)`. Now the check fails. Train with it anyway: how far does it get?
#
# <details><summary>Answer</summary>
#
# `a` has the same signs as `u`, since the slope is positive; the library uses this and keeps only
# the output. `da` has other signs. With it, the loss falls for some 40 steps, from 0.81 to 0.47,
# and then rises to 2. Had you stopped at 40, you would have blamed the learning rate. A loss that
# falls does not prove that a gradient is right.
#
# </details>
#
# **Next:** [a GAN in 40 lines](02_a_gan_in_40_lines.ipynb) chains two networks, one of them frozen.
# [Write the backward](05_write_the_backward.ipynb) has the other layers for you to write.
