"""Contenders of benchmarks.conv: the three passes of each convolution of a recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness.rounds import Step
from gan.recipes import Recipe, get_recipe
from nn import Conv2d, ConvTranspose2d
from nn.settings import Shape

PASSES = ("forward", "input gradient", "weight gradient")

Convolution = Conv2d | ConvTranspose2d
Passes = tuple[Step, Step, Step]


def convolutions(recipe: Recipe) -> list[tuple[str, Convolution, Shape]]:
    """(name, layer, shape of a sample of x) of each convolution of both networks, built."""
    found = []
    generator, n_in = recipe.generator(), (recipe.n_in,)
    for name, network, shape in (
        ("G", generator, n_in),
        ("D", recipe.discriminator(), generator.output_shape(n_in)),
    ):
        for layer in network.build(seed=0, name=name):
            if isinstance(layer, Conv2d | ConvTranspose2d):
                found.append((f"{layer.path} {without_init(layer)}", layer, shape))
            shape = layer.output_shape(shape)
    return found


def without_init(layer: Convolution) -> str:
    """The layer's repr without its initializer."""
    text, comma, _ = repr(layer).partition(", init=")
    return text + ")" * bool(comma)


def arrays(recipe: Recipe, layer: Convolution, shape: Shape) -> list[np.ndarray]:
    """x and dy of one batch, float32."""
    rng = np.random.default_rng(0)
    sizes = (recipe.batch_size, *shape), (recipe.batch_size, *layer.output_shape(shape))
    return [rng.standard_normal(size, dtype=np.float32) for size in sizes]


def channels_last(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def ours(recipe: Recipe, layer: Convolution, shape: Shape) -> Passes:
    """The layer's passes, on images in the memory layout that its neighbours produce."""
    x, dy = map(channels_last, arrays(recipe, layer, shape))
    cache = layer.cache()
    layer.forward(x, cache)
    return (
        lambda: layer.forward(x, cache),
        lambda: layer.backward(dy, cache, grads="skip"),
        lambda: layer.backward(dy, cache, need_dx=False),
    )


def torch(recipe: Recipe, layer: Convolution, shape: Shape) -> Passes:
    """PyTorch's kernels on its default layout, without autograd's bookkeeping."""
    import torch

    x, dy = map(torch.from_numpy, arrays(recipe, layer, shape))
    W = torch.from_numpy(np.ascontiguousarray(layer.W.transpose(0, 3, 1, 2)))
    b = torch.from_numpy(layer.b)
    transposed = isinstance(layer, ConvTranspose2d)
    extra = layer.output_padding_hw if isinstance(layer, ConvTranspose2d) else (0, 0)
    settings = layer.stride_hw, layer.padding_hw, (1, 1), transposed, extra, 1

    def backward(*wanted: bool) -> Any:
        return torch.ops.aten.convolution_backward(dy, x, W, [len(b)], *settings, wanted)

    return (
        lambda: torch.ops.aten.convolution(x, W, b, *settings),
        lambda: backward(True, False, False),
        lambda: backward(False, True, True),
    )


def product(recipe: Recipe, layer: Convolution, shape: Shape) -> Passes:
    """The three products of im2col; a transposed convolution swaps the first two."""
    x, dy = arrays(recipe, layer, shape)
    K = len(layer.W)
    W = layer.W.reshape(K, -1)
    transposed = isinstance(layer, ConvTranspose2d)
    small = x if transposed else dy  # the array with one number per window
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((small.size // K, K), dtype=np.float32)
    X = rng.standard_normal((len(Y), W.shape[1]), dtype=np.float32)
    dW, Y_out, X_out = np.empty_like(W), np.empty_like(Y), np.empty_like(X)

    def to_windows() -> np.ndarray:
        return np.matmul(X, W.T, out=Y_out)

    def to_pixels() -> np.ndarray:
        return np.matmul(Y, W, out=X_out)

    def weight_gradient() -> np.ndarray:
        return np.matmul(Y.T, X, out=dW)

    if transposed:
        return to_pixels, to_windows, weight_gradient
    return to_windows, to_pixels, weight_gradient


CONTENDERS: dict[str, Callable[[Recipe, Convolution, Shape], Passes]] = {
    contender.__name__: contender for contender in (ours, torch, product)
}


def make_step(name: str, recipe_name: str) -> list[Step]:
    """A contender's passes of all convolutions, in order: three per layer."""
    recipe = get_recipe(recipe_name)
    return [
        step
        for _, layer, shape in convolutions(recipe)
        for step in CONTENDERS[name](recipe, layer, shape)
    ]
