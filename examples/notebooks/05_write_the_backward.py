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
# # 5. Write the backward
#
# Every layer below has its forward pass. Its backward pass is blank, and you write it. After each
# one, `check` compares your gradients with finite differences and says which number is wrong and by
# how much. At the end, your layers and your loss train a GAN that draws digits.
#
# The blanks are the three dots: `dW = ...`. Under each exercise is a folded hint, and a folded
# solution. Everything runs before you have written a line, so you can run all cells first.
#
# You need the chain rule and a little NumPy. Notebook 1 derives the first three gradients.

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
import traceback
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image as Picture
from IPython.display import display
from PIL import Image

from gan.data.datasets import load
from gan.images import grid
from nn import (
    Adam,
    BatchNorm,
    BCEWithLogits,
    Dense,
    Dropout,
    Layer,
    LeakyReLU,
    Sequential,
    ShapeError,
    Tanh,
    gradcheck,
)

EPOCHS = int(os.environ.get("EPOCHS", 30))  # of the GAN at the end

# %% [markdown]
# ## The rules
#
# A layer computes $y = f(x)$ in `forward`, and keeps in `cache` what it needs later. `backward` is
# given $\mathrm{d}y = \partial L/\partial y$, the gradient of the loss $L$ with respect to its
# output. It returns $\mathrm{d}x = \partial L/\partial x$, and stores the gradient of each
# parameter: $\mathrm{d}W = \partial L/\partial W$ in `self.dW`.
#
# - A gradient has the shape of what it belongs to. `dx` is shaped like `x`, `dW` like `W`.
# - Layers **sum** over the batch. Only the loss divides by $N$.
# - `grads` is `"write"`, `"add"` or `"skip"`: replace the stored gradients, add to them, or leave
#   them alone. `"skip"` is how a frozen discriminator passes a gradient on without learning from
#   it. `keep`, below, does this for you.


# %%
class Blank(Exception):
    """A gradient that nobody has written yet."""


class Exercise(Layer):
    """A layer whose backward pass you write."""

    def keep(self, grads, **gradients):
        """Store the gradients of the parameters, as `grads` says."""
        for name, gradient in gradients.items():
            if gradient is ...:
                raise Blank(name)
            stored = getattr(self, name)
            if np.shape(gradient) != stored.shape:
                raise ShapeError(
                    f"expected {name} of shape {stored.shape}, got {np.shape(gradient)}"
                )
            if grads == "write":
                stored[...] = gradient
            elif grads == "add":
                stored[...] += gradient


# %% [markdown]
# The next cell is the check. You need not read it. `gradcheck`, the library's own check, gives the
# verdict. If it finds a mistake, the cell moves each single number a little, up and down, looks at
# what the loss does, and names the number that is off by most.

# %% jupyter={"source_hidden": true}
yours = {}  # what is right so far: name without "My" -> your class
H = 1e-5  # how far a number is moved


def differences(loss, array):
    """dL/d(array), one number at a time: (L(a + h) - L(a - h)) / 2h."""
    slope = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + H
        above = loss()
        array[index] = value - H
        below = loss()
        array[index] = value
        slope[index] = (above - below) / (2 * H)
    return slope


def compare(name, mine, right, batch):
    """One or two sentences on what is wrong with a gradient; None if it is right."""
    n = len(batch)
    if mine is None or np.shape(mine) != right.shape:
        got = "None" if mine is None else f"shape {np.shape(mine)}"
        return f"{name}: expected an array of shape {right.shape}, got {got}."
    size = np.abs(right).max() or 1.0
    wrong = ~(np.abs(mine - right) <= 1e-6 * size)
    if not wrong.any():
        return None
    at = np.unravel_index(np.argmax(np.abs(mine - right)), right.shape)
    text = (
        f"{name}: {wrong.sum()} of {wrong.size} numbers are wrong. The worst is "
        f"[{', '.join(map(str, at))}]:\n    yours {mine[at]:+.5f}, "
        f"finite differences {right[at]:+.5f}, so it is off by {mine[at] - right[at]:+.5f}."
    )
    large = np.abs(right) > 0.01 * size
    factor = np.median(mine[large] / right[large])
    if np.allclose(mine, factor * right, atol=1e-6 * size):
        text += f"\n    Yours is {factor:+.4g} times the right one everywhere"
        if np.isclose(factor, -1):
            text += ": the sign."
        elif np.isclose(factor, n):
            text += f", and N = {n}: the 1/N of the mean is missing."
        elif np.isclose(factor, 1 / n):
            text += f" = 1/N, N = {n}: a layer sums over the batch, only the loss divides."
        else:
            text += ": a factor is wrong."
    return text


def try_it(thing, attempt):
    """Run attempt(), which returns a list of problems, and print the verdict."""
    kind = thing if isinstance(thing, type) else type(thing)
    name = kind.__name__
    yours.pop(name.removeprefix("My"), None)
    try:
        problems = attempt()
    except Blank as blank:
        print(f"[ ] {name}: {blank} is still blank. Replace the three dots.")
        return
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1].line
        if "ellipsis" in str(error):  # Python's name for the three dots
            print(f"[ ] {name}: something is still blank. Replace all three dots.")
        else:
            print(f"[x] {name}: your code stopped with {type(error).__name__}: {error}")
        if line:
            print(f"    in the line: {line}")
        return
    if problems:
        print(f"[x] {name}, not yet:", *problems, sep="\n  ")
    else:
        yours[name.removeprefix("My")] = kind
        print(f"[v] {name} is right.")


def check(layer, shape):
    """Check a layer of yours on a batch of this shape."""

    def attempt():
        layer.build(seed=0, dtype="float64")
        rng = np.random.default_rng(1)
        x, state = rng.standard_normal(shape), layer.stream.state
        cache = layer.cache(tracks_statistics=False)

        def forward():
            layer.stream.state = state  # the same dropout mask each time
            return layer.forward(x, cache, train=True)

        dy = rng.uniform(0.5, 1.5, forward().shape)
        gradients = {"dx": layer.backward(dy.copy(), cache)}
        arrays = {"dx": x} | {f"d{name}": getattr(layer, name) for name in layer.parameter_shapes}
        gradients |= {name: getattr(layer, name).copy() for name in arrays if name != "dx"}
        if gradients["dx"] is ...:
            raise Blank("dx")

        report = gradcheck(layer, x)  # in training and in evaluation, with all of `grads`
        if report.entries:
            print(report)
        if report.ok:
            return []
        problems = [
            compare(name, gradients[name], differences(lambda: np.sum(dy * forward()), array), x)
            for name, array in arrays.items()
        ]
        return [problem for problem in problems if problem] or report.failed

    try_it(layer, attempt)


def check_loss(loss, *targets):
    """Check a loss of yours on 8 outputs of a discriminator."""

    def attempt_one(target):
        net = Dense(3, 1).build(seed=0, dtype="float64")
        x = 2 * np.random.default_rng(2).standard_normal((8, 3))
        y, cache = net(x), net.cache()
        gradient = loss(y, target, cache)[1]
        if gradient is ...:
            raise Blank("the gradient")
        report = gradcheck(net, x, loss=loss, target=target)
        if report.ok:
            print(f"at target {target}, the largest relative error is {report.worst:.1e}")
            return []
        right = differences(lambda: loss(y, target, cache)[0], y)
        problem = compare(f"at target {target}, dy", gradient, right, y)
        return [problem] if problem else report.failed

    try_it(loss, lambda: [problem for target in targets for problem in attempt_one(target)])


# %% [markdown]
# Here is the check at work, on a layer with two mistakes. Read the two messages: can you say what
# the author did?


# %%
class Careless(Exercise):
    """y = a x, with one factor a for each feature."""

    def __init__(self, n):
        super().__init__()
        self.n = n
        self.input_shape = (n,)
        self.parameter_shapes = {"a": (n,)}

    def initialize(self, rng):
        self.a[...] = rng.standard_normal(self.n)

    def forward(self, x, cache, *, train=False):
        cache.x = x
        return self.a * x

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        da = (dy * cache.x).mean(axis=0)
        dx = -self.a * dy
        self.keep(grads, da=da)
        return dx if need_dx else None


check(Careless(3), (8, 3))

# %% [markdown]
# ## Dense
#
# $$y = x W + b, \qquad y_{nj} = \sum_i x_{ni} W_{ij} + b_j$$
#
# $x$ is $(N, n_\text{in})$, $W$ is $(n_\text{in}, n_\text{out})$, $b$ is $(n_\text{out})$, and so
# $y$ and $\mathrm{d}y$ are $(N, n_\text{out})$. Write three lines.


# %% tags=["exercise"]
class MyDense(Exercise):
    """y = x W + b."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.n_in, self.n_out = n_in, n_out
        self.input_shape = (n_in,)
        self.parameter_shapes = {"W": (n_in, n_out), "b": (n_out,)}

    def initialize(self, rng):
        self.W[...] = rng.standard_normal((self.n_in, self.n_out)) / np.sqrt(self.n_in)
        self.b[...] = 0

    def output_shape(self, shape):
        return (self.n_out,)

    def forward(self, x, cache, *, train=False):
        cache.x = x
        return x @ self.W + self.b

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        x, W = cache.x, self.W
        dW = ...  # (n_in, n_out)
        db = ...  # (n_out,)
        dx = ...  # (N, n_in)
        self.keep(grads, dW=dW, db=db)
        return dx if need_dx else None


# %%
check(MyDense(3, 2), (8, 3))

# %% [markdown]
# <details><summary>Hint</summary>
#
# Take one number. $W_{ij}$ enters $y_{nj}$ with the factor $x_{ni}$, for every $n$, so
# $\mathrm{d}W_{ij} = \sum_n x_{ni}\, \mathrm{d}y_{nj}$. Which product of two matrices is that?
# The shapes leave only one choice.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# class MyDense(Exercise):
#     """y = x W + b."""
#
#     def __init__(self, n_in, n_out):
#         super().__init__()
#         self.n_in, self.n_out = n_in, n_out
#         self.input_shape = (n_in,)
#         self.parameter_shapes = {"W": (n_in, n_out), "b": (n_out,)}
#
#     def initialize(self, rng):
#         self.W[...] = rng.standard_normal((self.n_in, self.n_out)) / np.sqrt(self.n_in)
#         self.b[...] = 0
#
#     def output_shape(self, shape):
#         return (self.n_out,)
#
#     def forward(self, x, cache, *, train=False):
#         cache.x = x
#         return x @ self.W + self.b
#
#     def backward(self, dy, cache, *, grads="write", need_dx=True):
#         x, W = cache.x, self.W
#         dW = x.T @ dy  # dL/dW = x^T dy
#         db = dy.sum(axis=0)  # dL/db = sum_n dy_n
#         dx = dy @ W.T  # dL/dx = dy W^T
#         self.keep(grads, dW=dW, db=db)
#         return dx if need_dx else None
# ```
#
# </details>

# %% [markdown]
# ## LeakyReLU
#
# $$y = \begin{cases} x & x > 0 \\ s\,x & \text{otherwise} \end{cases}$$
#
# No parameters, so `dx` is all. An elementwise layer multiplies by its derivative:
# $\mathrm{d}x = \mathrm{d}y\, f'(x)$.


# %% tags=["exercise"]
class MyLeakyReLU(Exercise):
    """y = x where x > 0, else slope x."""

    def __init__(self, slope=0.2):
        super().__init__()
        self.slope = slope

    def forward(self, x, cache, *, train=False):
        cache.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        x, slope = cache.x, self.slope
        dx = ...
        return dx if need_dx else None


# %%
check(MyLeakyReLU(0.2), (8, 3))

# %% [markdown]
# <details><summary>Hint</summary>
#
# The slope depends on the sign of $x$, not on the sign of $\mathrm{d}y$. That mistake is common,
# and a network that has it still learns a little.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# class MyLeakyReLU(Exercise):
#     """y = x where x > 0, else slope x."""
#
#     def __init__(self, slope=0.2):
#         super().__init__()
#         self.slope = slope
#
#     def forward(self, x, cache, *, train=False):
#         cache.x = x
#         return np.where(x > 0, x, self.slope * x)
#
#     def backward(self, dy, cache, *, grads="write", need_dx=True):
#         x, slope = cache.x, self.slope
#         dx = np.where(x > 0, dy, slope * dy)  # dL/dx = dy (1 if x > 0 else slope)
#         return dx if need_dx else None
# ```
#
# </details>

# %% [markdown]
# ## Sigmoid and Tanh
#
# $$y = \frac{1}{1 + e^{-x}} \qquad\text{and}\qquad y = \tanh x$$
#
# Both derivatives can be written with $y$ alone, which is why the cache keeps `y` and not `x`.


# %% tags=["exercise"]
class MySigmoid(Exercise):
    """y = 1 / (1 + exp(-x))."""

    def forward(self, x, cache, *, train=False):
        cache.y = 1 / (1 + np.exp(-x))
        return cache.y

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        y = cache.y
        dx = ...
        return dx if need_dx else None


class MyTanh(Exercise):
    """y = tanh(x)."""

    def forward(self, x, cache, *, train=False):
        cache.y = np.tanh(x)
        return cache.y

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        y = cache.y
        dx = ...
        return dx if need_dx else None


# %%
check(MySigmoid(), (8, 3))
check(MyTanh(), (8, 3))

# %% [markdown]
# <details><summary>Hint</summary>
#
# For the sigmoid, with $e = e^{-x}$: $y' = e/(1+e)^2$, and $1 - y = e/(1+e)$.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# class MySigmoid(Exercise):
#     """y = 1 / (1 + exp(-x))."""
#
#     def forward(self, x, cache, *, train=False):
#         cache.y = 1 / (1 + np.exp(-x))
#         return cache.y
#
#     def backward(self, dy, cache, *, grads="write", need_dx=True):
#         y = cache.y
#         dx = dy * y * (1 - y)  # dL/dx = dy y (1 - y)
#         return dx if need_dx else None
#
#
# class MyTanh(Exercise):
#     """y = tanh(x)."""
#
#     def forward(self, x, cache, *, train=False):
#         cache.y = np.tanh(x)
#         return cache.y
#
#     def backward(self, dy, cache, *, grads="write", need_dx=True):
#         y = cache.y
#         dx = dy * (1 - y**2)  # dL/dx = dy (1 - y^2)
#         return dx if need_dx else None
# ```
#
# </details>
#
# Where are these gradients small? A picture says why a sigmoid in the middle of a deep network is
# seldom a good idea: far from 0 it passes next to nothing on.

# %%
x = np.linspace(-6, 6, 200)
y = 1 / (1 + np.exp(-x))
plt.figure(figsize=(5, 2.5))
plt.plot(x, y * (1 - y), label="dy/dx of the sigmoid, at most 1/4")
plt.plot(x, 1 - np.tanh(x) ** 2, label="of tanh, at most 1")
plt.plot(x, np.where(x > 0, 1, 0.2), label="of LeakyReLU(0.2)")
plt.xlabel("x")
_ = plt.legend(fontsize=8)

# %% [markdown]
# ## Dropout
#
# In training, each element is zeroed with probability $p$, and the others are scaled by
# $1/(1-p)$, so that the expectation stays. In evaluation, $y = x$.
#
# $$y = x \odot m, \qquad m \in \{0,\ 1/(1-p)\}$$


# %% tags=["exercise"]
class MyDropout(Exercise):
    """In training y = x m, with a random mask m; in evaluation y = x."""

    def __init__(self, p=0.3):
        super().__init__()
        self.p = p

    def forward(self, x, cache, *, train=False):
        cache.mask = None
        if not train:
            return x
        cache.mask = self.stream.dropout_mask_(np.empty_like(x), self.p)
        return x * cache.mask

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if cache.mask is None:
            return dy if need_dx else None
        dx = ...
        return dx if need_dx else None


# %%
check(MyDropout(0.3), (8, 3))

# %% [markdown]
# <details><summary>Hint</summary>
#
# An element that was dropped had no influence on the loss. What is its gradient? And do not draw a
# new mask.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# class MyDropout(Exercise):
#     """In training y = x m, with a random mask m; in evaluation y = x."""
#
#     def __init__(self, p=0.3):
#         super().__init__()
#         self.p = p
#
#     def forward(self, x, cache, *, train=False):
#         cache.mask = None
#         if not train:
#             return x
#         cache.mask = self.stream.dropout_mask_(np.empty_like(x), self.p)
#         return x * cache.mask
#
#     def backward(self, dy, cache, *, grads="write", need_dx=True):
#         if cache.mask is None:
#             return dy if need_dx else None
#         dx = dy * cache.mask  # dL/dx = dy m
#         return dx if need_dx else None
# ```
#
# </details>

# %% [markdown]
# ## BatchNorm
#
# The famous one. For each feature, over the batch:
#
# $$\mu = \frac1N \sum_n x_n, \quad v = \frac1N \sum_n (x_n - \mu)^2, \quad
# \hat x_n = \frac{x_n - \mu}{\sqrt{v + \varepsilon}}, \quad y_n = W \hat x_n + b$$
#
# `dW` and `db` are quick. `dx` is not, because $\mu$ and $v$ depend on every $x$ of the batch: one
# $x_n$ reaches the loss along three paths. In evaluation, $\mu$ and $v$ are constants; that half is
# written for you.


# %% tags=["exercise"]
class MyBatchNorm(Exercise):
    """y = W xhat + b with xhat = (x - mean) / sqrt(var + eps), for each feature."""

    def __init__(self, n):
        super().__init__()
        self.n = n
        self.input_shape = (n,)
        self.parameter_shapes = {"W": (n,), "b": (n,)}
        self.statistic_shapes = {"running_mean": (n,), "running_var": (n,)}

    def initialize(self, rng):
        self.W[...], self.b[...] = 1, 0
        self.running_mean[...], self.running_var[...] = 0, 1

    def forward(self, x, cache, *, train=False):
        mean, var = self.running_mean, self.running_var
        if train:
            mean, var = x.mean(axis=0), x.var(axis=0)
            if cache.tracks_statistics:
                self.running_mean[...] = 0.9 * self.running_mean + 0.1 * mean
                self.running_var[...] = 0.9 * self.running_var + 0.1 * var
        cache.train, cache.inv_std = train, 1 / np.sqrt(var + 1e-5)
        cache.xhat = (x - mean) * cache.inv_std
        return self.W * cache.xhat + self.b

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        xhat, inv_std, W = cache.xhat, cache.inv_std, self.W
        n = len(dy)
        dW = ...  # (n,)
        db = ...  # (n,)
        self.keep(grads, dW=dW, db=db)
        if not cache.train:
            return W * inv_std * dy if need_dx else None
        dx = ...  # (N, n)
        return dx if need_dx else None


# %%
check(MyBatchNorm(3), (8, 3))

# %% [markdown]
# <details><summary>Hint 1: the three paths</summary>
#
# With $\mathrm{d}\hat x = W\, \mathrm{d}y$ and $s = 1/\sqrt{v + \varepsilon}$:
#
# $$\mathrm{d}v = -\tfrac12 s^3 \sum_n \mathrm{d}\hat x_n (x_n - \mu), \qquad
# \mathrm{d}\mu = -s \sum_n \mathrm{d}\hat x_n, \qquad
# \mathrm{d}x_n = s\, \mathrm{d}\hat x_n + \tfrac2N (x_n - \mu)\, \mathrm{d}v
# + \tfrac1N \mathrm{d}\mu$$
#
# (The path from $v$ to $\mu$ vanishes, because $\sum_n (x_n - \mu) = 0$.)
#
# </details>
#
# <details><summary>Hint 2: the short form</summary>
#
# Put them together. Two of the sums are `db` and `dW`, which you already have.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# class MyBatchNorm(Exercise):
#     """y = W xhat + b with xhat = (x - mean) / sqrt(var + eps), for each feature."""
#
#     def __init__(self, n):
#         super().__init__()
#         self.n = n
#         self.input_shape = (n,)
#         self.parameter_shapes = {"W": (n,), "b": (n,)}
#         self.statistic_shapes = {"running_mean": (n,), "running_var": (n,)}
#
#     def initialize(self, rng):
#         self.W[...], self.b[...] = 1, 0
#         self.running_mean[...], self.running_var[...] = 0, 1
#
#     def forward(self, x, cache, *, train=False):
#         mean, var = self.running_mean, self.running_var
#         if train:
#             mean, var = x.mean(axis=0), x.var(axis=0)
#             if cache.tracks_statistics:
#                 self.running_mean[...] = 0.9 * self.running_mean + 0.1 * mean
#                 self.running_var[...] = 0.9 * self.running_var + 0.1 * var
#         cache.train, cache.inv_std = train, 1 / np.sqrt(var + 1e-5)
#         cache.xhat = (x - mean) * cache.inv_std
#         return self.W * cache.xhat + self.b
#
#     def backward(self, dy, cache, *, grads="write", need_dx=True):
#         xhat, inv_std, W = cache.xhat, cache.inv_std, self.W
#         n = len(dy)
#         dW = (dy * xhat).sum(axis=0)  # dL/dW = sum_n dy_n xhat_n
#         db = dy.sum(axis=0)  # dL/db = sum_n dy_n
#         self.keep(grads, dW=dW, db=db)
#         if not cache.train:
#             return W * inv_std * dy if need_dx else None
#         dx = W * inv_std * (dy - db / n - xhat * dW / n)  # what mean and var contribute
#         return dx if need_dx else None
# ```
#
# </details>

# %% [markdown]
# ## Conv2d
#
# A convolution is a Dense layer that looks through a window. `im2col` lays each window out as a
# row; the rest is a product of matrices that you have already differentiated.
#
# $$\text{columns} = \operatorname{im2col}(x), \qquad y = \text{columns}\; W + b$$
#
# So $\mathrm{d}\text{columns}$ is what `dx` was in Dense. What remains is the way back from
# windows to pixels, `col2im`. One pixel lies in several windows, and each sends a gradient back.
# That line is blank, too.


# %% tags=["exercise"]
def im2col(x, k, stride):
    """x (N, C, H, W) -> the windows of k x k pixels, one in each row: (N, P, Q, C k k)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]  # (N, C, P, Q, k, k)
    n, c, p, q = windows.shape[:4]
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n, p, q, c * k * k)


def col2im(columns, x_shape, k, stride):
    """The way back: each number of `columns` goes to the pixel that it came from."""
    n, p, q = columns.shape[:3]
    windows = columns.reshape(n, p, q, -1, k, k).transpose(0, 3, 1, 2, 4, 5)
    x = np.zeros(x_shape, columns.dtype)
    for i in range(k):
        for j in range(k):
            # the pixels that are number (i, j) of their window, and what arrives for them
            rows, cols = slice(i, i + stride * p, stride), slice(j, j + stride * q, stride)
            arrives = windows[:, :, :, :, i, j]
            ...  # give it to x[:, :, rows, cols]
    return x


class MyConv2d(Exercise):
    """y = im2col(x) W + b."""

    def __init__(self, c_in, c_out, kernel, stride=1):
        super().__init__()
        self.c_in, self.c_out, self.kernel, self.stride = c_in, c_out, kernel, stride
        self.parameter_shapes = {"W": (c_in * kernel**2, c_out), "b": (c_out,)}

    def initialize(self, rng):
        self.W[...] = rng.standard_normal(self.W.shape) / np.sqrt(len(self.W))
        self.b[...] = 0

    def output_shape(self, shape):
        h, w = ((size - self.kernel) // self.stride + 1 for size in shape[1:])
        return (self.c_out, h, w)

    def forward(self, x, cache, *, train=False):
        cache.x_shape, cache.columns = x.shape, im2col(x, self.kernel, self.stride)
        y = cache.columns @ self.W + self.b  # (N, P, Q, c_out)
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        columns = cache.columns.reshape(-1, len(self.W))  # a row for each window of each image
        dy = dy.transpose(0, 2, 3, 1)  # (N, P, Q, c_out), as in forward
        rows = dy.reshape(-1, self.c_out)
        dW = ...  # (c_in k k, c_out)
        db = ...  # (c_out,): one number for each channel
        self.keep(grads, dW=dW, db=db)
        if not need_dx:
            return None
        dcolumns = ...  # (N, P, Q, c_in k k)
        return col2im(dcolumns, cache.x_shape, self.kernel, self.stride)


# %% [markdown]
# First `col2im`. It is right if for any $x$ and $c$
#
# $$\langle \operatorname{im2col}(x), c \rangle = \langle x, \operatorname{col2im}(c) \rangle .$$
#
# Then the layer.

# %%
rng = np.random.default_rng(3)
x = rng.standard_normal((2, 3, 6, 5))
columns = rng.standard_normal(im2col(x, 3, 1).shape)
left, right = np.sum(im2col(x, 3, 1) * columns), np.sum(x * col2im(columns, x.shape, 3, 1))
verdict = "right" if np.isclose(left, right) else "still blank" if right == 0 else "wrong"
print(f"col2im is {verdict}: <im2col(x), c> = {left:.5f} and <x, col2im(c)> = {right:.5f}")

check(MyConv2d(2, 3, kernel=3, stride=2), (2, 2, 7, 5))

# %% [markdown]
# <details><summary>Hint</summary>
#
# `=` in place of `+=` forgets all windows but the last. And a bias belongs to a channel, so `db`
# sums over images and over pixels.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def im2col(x, k, stride):
#     """x (N, C, H, W) -> the windows of k x k pixels, one in each row: (N, P, Q, C k k)."""
#     windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
#     windows = windows[:, :, ::stride, ::stride]  # (N, C, P, Q, k, k)
#     n, c, p, q = windows.shape[:4]
#     return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n, p, q, c * k * k)
#
#
# def col2im(columns, x_shape, k, stride):
#     """The way back: each number of `columns` goes to the pixel that it came from."""
#     n, p, q = columns.shape[:3]
#     windows = columns.reshape(n, p, q, -1, k, k).transpose(0, 3, 1, 2, 4, 5)
#     x = np.zeros(x_shape, columns.dtype)
#     for i in range(k):
#         for j in range(k):
#             # the pixels that are number (i, j) of their window, and what arrives for them
#             rows, cols = slice(i, i + stride * p, stride), slice(j, j + stride * q, stride)
#             arrives = windows[:, :, :, :, i, j]
#             x[:, :, rows, cols] += arrives  # a pixel sums what its windows send back
#     return x
#
#
# class MyConv2d(Exercise):
#     """y = im2col(x) W + b."""
#
#     def __init__(self, c_in, c_out, kernel, stride=1):
#         super().__init__()
#         self.c_in, self.c_out, self.kernel, self.stride = c_in, c_out, kernel, stride
#         self.parameter_shapes = {"W": (c_in * kernel**2, c_out), "b": (c_out,)}
#
#     def initialize(self, rng):
#         self.W[...] = rng.standard_normal(self.W.shape) / np.sqrt(len(self.W))
#         self.b[...] = 0
#
#     def output_shape(self, shape):
#         h, w = ((size - self.kernel) // self.stride + 1 for size in shape[1:])
#         return (self.c_out, h, w)
#
#     def forward(self, x, cache, *, train=False):
#         cache.x_shape, cache.columns = x.shape, im2col(x, self.kernel, self.stride)
#         y = cache.columns @ self.W + self.b  # (N, P, Q, c_out)
#         return y.transpose(0, 3, 1, 2)
#
#     def backward(self, dy, cache, *, grads="write", need_dx=True):
#         columns = cache.columns.reshape(-1, len(self.W))  # a row for each window of each image
#         dy = dy.transpose(0, 2, 3, 1)  # (N, P, Q, c_out), as in forward
#         rows = dy.reshape(-1, self.c_out)
#         dW = columns.T @ rows  # dL/dW = columns^T dy
#         db = rows.sum(axis=0)  # dL/db = sum of dy over n, p, q
#         self.keep(grads, dW=dW, db=db)
#         if not need_dx:
#             return None
#         dcolumns = dy @ self.W.T  # dL/dcolumns = dy W^T
#         return col2im(dcolumns, cache.x_shape, self.kernel, self.stride)
# ```
#
# </details>

# %% [markdown]
# ## The losses
#
# A loss is where every backward pass begins, and it is a mean, so here is the $1/N$. $z$ and $y$
# are what the discriminator says of $N$ images.
#
# | loss | for a target $t$ | targets |
# |---|---|---|
# | binary cross-entropy, $p = \sigma(z)$ | $-t \log p - (1-t) \log(1-p)$ | 1 real, 0 generated |
# | least squares (LSGAN) | $(y - t)^2$ | 1 real, 0 generated |
# | hinge | $\max(0, 1 - t\,y)$ | 1 real, $-1$ generated |
# | Wasserstein | $-t\,y$ | 1 real, $-1$ generated |
#
# The first is computed from the logit $z$, in a form that never takes the log of 0. Its gradient is
# famously short.


# %% tags=["exercise"]
class MyBCEWithLogits:
    """L = mean(-t log p - (1 - t) log(1 - p)) with p = sigmoid(z)."""

    def __call__(self, z, t, cache):
        value = np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
        dz = ...
        return value, dz


class MyLeastSquares:
    """L = mean((y - t)^2)."""

    def __call__(self, y, t, cache):
        value = np.mean((y - t) ** 2)
        dy = ...
        return value, dy


class MyHinge:
    """L = mean(max(0, 1 - t y))."""

    def __call__(self, y, t, cache):
        value = np.mean(np.maximum(0, 1 - t * y))
        dy = ...
        return value, dy


class MyWasserstein:
    """L = mean(-t y)."""

    def __call__(self, y, t, cache):
        value = np.mean(-t * y)
        dy = ...
        return value, dy


# %%
check_loss(MyBCEWithLogits(), 1.0, 0.0, 0.9)
check_loss(MyLeastSquares(), 1.0, 0.0)
check_loss(MyHinge(), 1.0, -1.0)
check_loss(MyWasserstein(), 1.0, -1.0)

# %% [markdown]
# <details><summary>Hint</summary>
#
# For the cross-entropy, multiply $\partial L/\partial p = (p - t) / (p (1 - p)) / N$ by the
# derivative of the sigmoid, which you know, **on paper**: the denominator cancels. In code, it
# would be 0/0 as soon as the discriminator is sure.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# class MyBCEWithLogits:
#     """L = mean(-t log p - (1 - t) log(1 - p)) with p = sigmoid(z)."""
#
#     def __call__(self, z, t, cache):
#         value = np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
#         p = 1 / (1 + np.exp(-np.clip(z, -80, 80)))
#         dz = (p - t) / z.size  # dL/dz = (p - t) / N
#         return value, dz
#
#
# class MyLeastSquares:
#     """L = mean((y - t)^2)."""
#
#     def __call__(self, y, t, cache):
#         value = np.mean((y - t) ** 2)
#         dy = 2 * (y - t) / y.size  # dL/dy = 2 (y - t) / N
#         return value, dy
#
#
# class MyHinge:
#     """L = mean(max(0, 1 - t y))."""
#
#     def __call__(self, y, t, cache):
#         value = np.mean(np.maximum(0, 1 - t * y))
#         dy = np.where(t * y < 1, -t, 0).astype(y.dtype) / y.size  # dL/dy = -t / N inside
#         return value, dy
#
#
# class MyWasserstein:
#     """L = mean(-t y)."""
#
#     def __call__(self, y, t, cache):
#         value = np.mean(-t * y)
#         dy = np.full_like(y, -t / y.size)  # dL/dy = -t / N
#         return value, dy
# ```
#
# </details>

# %% [markdown]
# ## Your GAN
#
# A generator and a discriminator of your layers, trained with your loss on 10,000 handwritten
# digits. For what is not right yet, the library's own layer stands in, so you can come back here
# after each exercise and see your share grow.

# %%
library = {
    "Dense": Dense,
    "LeakyReLU": LeakyReLU,
    "Tanh": Tanh,
    "Dropout": Dropout,
    "BatchNorm": BatchNorm,
    "BCEWithLogits": BCEWithLogits,
}
use = SimpleNamespace(**{name: yours.get(name, theirs) for name, theirs in library.items()})
mine = [name for name in library if name in yours]
print(f"{len(mine)} of the {len(library)} pieces of this GAN are yours.")
print("Yours:       ", ", ".join(mine) or "none yet")
print("The library's:", ", ".join(name for name in library if name not in yours) or "none")

G = Sequential(
    use.Dense(64, 128),
    use.BatchNorm(128),
    use.LeakyReLU(0.2),
    use.Dense(128, 256),
    use.BatchNorm(256),
    use.LeakyReLU(0.2),
    use.Dense(256, 784),
    use.Tanh(),
).build(seed=1)
D = Sequential(
    use.Dense(784, 256),
    use.LeakyReLU(0.2),
    use.Dropout(0.3),
    use.Dense(256, 128),
    use.LeakyReLU(0.2),
    use.Dropout(0.3),
    use.Dense(128, 1),
).build(seed=2)
loss = use.BCEWithLogits()

# %% [markdown]
# One step is two chains. To teach D: `loss -> D`, twice, once with real images and once with
# generated ones. To teach G: `loss -> D (frozen) -> G`, one long backward pass, most of which you
# have written.

# %%
images = load("mnist-sample")[0].astype(np.float32) / 127.5 - 1  # (10000, 784) in -1..1
rng = np.random.default_rng(0)
g_optimizer, d_optimizer = Adam(G, 1e-3, beta1=0.5), Adam(D, 1e-3, beta1=0.5)
g_cache, real_cache, fake_cache, frozen_cache = G.cache(), D.cache(), D.cache(), D.cache()
N = 64


def noise(n):
    return rng.standard_normal((n, 64), dtype=np.float32)


for _epoch in range(EPOCHS):
    order = rng.permutation(len(images))
    for start in range(0, len(images) - N + 1, N):
        real = images[order[start : start + N]]
        fake = G.forward(noise(N), g_cache, train=True)

        _, dreal = loss(D.forward(real, real_cache, train=True), 0.9, real_cache)
        _, dfake = loss(D.forward(fake, fake_cache, train=True), 0.0, fake_cache)
        D.backward(dreal, real_cache, grads="write", need_dx=False)
        D.backward(dfake, fake_cache, grads="add", need_dx=False)
        d_optimizer.step()

        _, dlogits = loss(D.forward(fake, frozen_cache, train=True), 1.0, frozen_cache)
        dfake = D.backward(dlogits, frozen_cache, grads="skip")  # through the frozen D ...
        G.backward(dfake, g_cache, need_dx=False)  # ... into G
        g_optimizer.step()

print(f"after {EPOCHS} epochs; {len(mine)} of {len(library)} pieces are yours")
file = io.BytesIO()
Image.fromarray(grid((G(noise(48)) + 1) / 2, columns=12)).save(file, "PNG")
display(Picture(file.getvalue()))

# %% [markdown]
# ## Further
#
# - Train it with your other losses. `MyHinge` wants targets of 1 and $-1$; G's loss for hinge and
#   Wasserstein is $-\text{mean}(y)$, which is `MyWasserstein` with $t = 1$. (A Wasserstein critic
#   must be kept from growing steep: `examples/wgan_gp.py` shows how.)
# - Read the library's versions, `nn/layers/dense.py` first. They do what you did, into memory that
#   is used again, and on a GPU.
# - [Write your own layer](../../docs/own_layer.md) saves such a layer, loads it and trains it with
# a
#   recipe.
