"""Contenders of benchmarks.ops: primitives at the sizes of the recipes, and PyTorch's equivalents.

PyTorch too writes into given arrays, where its interface allows that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.harness.rounds import Step
from nn.ops import get_ops
from nn.settings import Shape

BATCH = (64, 784)  # images
HIDDEN = (128, 512)  # a hidden layer, for real and generated images together
PIXELS = (12_544, 64)  # 64 images of 14 x 14 pixels and 64 channels, as batch norm sees them
IMAGES, POOLED = (64, 24, 24, 32), (64, 12, 12, 32)  # the first pool of the digit classifier
PARAMETERS = (1_500_000,)

Shapes = dict[str, Shape]


@dataclass(frozen=True)
class Case:
    """One primitive.

    Parameters
    ----------
    shapes : of its arrays, by name
    ours : computes it, given a backend and the arrays
    pytorch : computes it, given the module torch and the arrays
    """

    shapes: Shapes
    ours: Callable[[Any, SimpleNamespace], Any]
    pytorch: Callable[[Any, SimpleNamespace], Any]


def shapes_of(shape: Shape, *names: str, of_rows: tuple[str, ...] = ()) -> Shapes:
    """Matrices of this shape, and rows of their width."""
    return dict.fromkeys(names, shape) | dict.fromkeys(of_rows, shape[1:])


def batchnorm(ops: Any, a: SimpleNamespace) -> None:
    ops.normalize(a.x, 1e-5, out=a.xhat, mean=a.mean, var=a.var, inv_std=a.inv_std)
    ops.scale_shift(a.xhat, a.W, a.b, out=a.y)


def batchnorm_backward(ops: Any, a: SimpleNamespace) -> None:
    ops.sum_product_rows(a.dy, a.x, out=a.dW)
    ops.sum_rows(a.dy, out=a.db)
    ops.normalize_backward(a.dy, a.x, a.W, a.inv_std, a.dW, a.db, out=a.y)


def torch_batchnorm(torch: Any, a: SimpleNamespace) -> Any:
    return torch.native_batch_norm(a.x, a.W, a.b, None, None, True, 0.1, 1e-5)


def torch_batchnorm_backward(torch: Any, a: SimpleNamespace) -> Any:
    return torch.ops.aten.native_batch_norm_backward(
        a.dy, a.x, a.W, None, None, a.mean, a.inv_std, True, 1e-5, [True] * 3
    )


def max_pool(ops: Any, a: SimpleNamespace) -> None:
    """Both passes."""
    windows = (2, 2), (2, 2), (0, 0)
    ops.max_pool(a.x, *windows, out=a.y, winner=a.winner)
    ops.max_pool_backward(a.dy, a.winner, *windows, out=a.dx)


def torch_max_pool(torch: Any, a: SimpleNamespace) -> Any:
    x, dy = a.x.permute(0, 3, 1, 2), a.dy.permute(0, 3, 1, 2)  # channels-last, as ours
    windows = [2, 2], [2, 2], [0, 0], [1, 1], False
    _, winner = torch.ops.aten.max_pool2d_with_indices(x, *windows)
    return torch.ops.aten.max_pool2d_with_indices_backward(dy, x, *windows, winner)


def torch_adam(torch: Any, a: SimpleNamespace) -> None:
    from torch.optim.adam import adam

    adam(
        [a.value],
        [a.grad],
        [a.m],
        [a.v],
        [],
        [torch.ones(())],
        fused=True,
        amsgrad=False,
        lr=1e-3,
        beta1=0.9,
        beta2=0.999,
        weight_decay=0.0,
        eps=1e-8,
        maximize=False,
    )


def torch_bce(torch: Any, a: SimpleNamespace) -> Any:
    value = torch.nn.functional.binary_cross_entropy_with_logits(a.z, a.target)
    return value, torch.sub(torch.sigmoid(a.z), a.target, out=a.dz).div_(len(a.z))


def batchnorm_case(shape: Shape) -> Case:
    rows = ("W", "b", "mean", "var", "inv_std")
    return Case(shapes_of(shape, "x", "xhat", "y", of_rows=rows), batchnorm, torch_batchnorm)


def batchnorm_backward_case(shape: Shape) -> Case:
    shapes = shapes_of(shape, "x", "dy", "y", of_rows=("W", "mean", "inv_std", "dW", "db"))
    return Case(shapes, batchnorm_backward, torch_batchnorm_backward)


CASES = {
    "add_ a row": Case(
        shapes_of(BATCH, "y", of_rows=("b",)),
        lambda ops, a: ops.add_(a.y, a.b),
        lambda torch, a: a.y.add_(a.b),
    ),
    "leaky_relu": Case(
        shapes_of(HIDDEN, "x", "y"),
        lambda ops, a: ops.leaky_relu(a.x, 0.2, out=a.y),
        lambda torch, a: torch.ops.aten.leaky_relu.out(a.x, 0.2, out=a.y),
    ),
    "leaky_relu_backward_": Case(
        shapes_of(HIDDEN, "dy", "y"),
        lambda ops, a: ops.leaky_relu_backward_(a.dy, a.y, 0.2),
        lambda torch, a: torch.ops.aten.leaky_relu_backward.grad_input(
            a.dy, a.y, 0.2, True, grad_input=a.dy
        ),
    ),
    "sigmoid": Case(
        shapes_of(BATCH, "x", "y"),
        lambda ops, a: ops.sigmoid(a.x, out=a.y),
        lambda torch, a: torch.sigmoid(a.x, out=a.y),
    ),
    "tanh": Case(
        shapes_of(BATCH, "x", "y"),
        lambda ops, a: ops.tanh(a.x, out=a.y),
        lambda torch, a: torch.tanh(a.x, out=a.y),
    ),
    "tanh_backward_": Case(
        shapes_of(BATCH, "dy", "y"),
        lambda ops, a: ops.tanh_backward_(a.dy, a.y),
        lambda torch, a: torch.ops.aten.tanh_backward.grad_input(a.dy, a.y, grad_input=a.dy),
    ),
    "dropout_mask_": Case(
        shapes_of(HIDDEN, "y"),
        lambda ops, a: a.stream.dropout_mask_(a.y, 0.3),
        lambda torch, a: a.y.bernoulli_(0.7).mul_(1 / 0.7),
    ),
    "normal_": Case(
        shapes_of((64, 100), "y"),
        lambda ops, a: a.stream.normal_(a.y),
        lambda torch, a: a.y.normal_(),
    ),
    "bce_with_logits": Case(
        {"z": (64, 1), "target": (64, 1), "dz": (64, 1), "value": (1,)},
        lambda ops, a: ops.bce_with_logits(a.z, 1.0, 1, dz=a.dz, value=a.value),
        torch_bce,
    ),
    "batch norm, 128 x 512": batchnorm_case(HIDDEN),
    "  backward": batchnorm_backward_case(HIDDEN),
    "batch norm, 12,544 x 64": batchnorm_case(PIXELS),
    "   backward": batchnorm_backward_case(PIXELS),
    "max_pool, both passes": Case(
        dict.fromkeys(("x", "dx"), IMAGES) | dict.fromkeys(("y", "dy"), POOLED),
        max_pool,
        torch_max_pool,
    ),
    "adam_step_": Case(
        shapes_of(PARAMETERS, "value", "grad", "m", "v"),
        lambda ops, a: ops.adam_step_(a.value, a.grad, a.m, a.v, a.clock, 0.9, 0.999, 1e-8, 0.0),
        torch_adam,
    ),
    "moving_average_": Case(
        shapes_of(PARAMETERS, "average", "value"),
        lambda ops, a: ops.moving_average_(a.average, a.value, 0.01),
        lambda torch, a: a.average.lerp_(a.value, 0.01),
    ),
    "gather_rows": Case(
        shapes_of(BATCH, "out"),
        lambda ops, a: ops.gather_rows(a.images, a.index, 2 / 255, -1.0, out=a.out),
        lambda torch, a: torch.mul(a.images[a.index], 2 / 255, out=a.out).sub_(1.0),
    ),
}


def arrays(name: str) -> dict[str, np.ndarray]:
    """A case's arrays, and those of integers: images, indices of a batch, winners of a pool.

    Their numbers are positive, so that repeated multiplication in place does not lead to 0.
    """
    rng = np.random.default_rng(0)
    made = {key: rng.random(shape, np.float32) for key, shape in CASES[name].shapes.items()}
    if name == "tanh_backward_":
        made["y"].fill(0)  # dy *= 1
    images = rng.integers(0, 256, (10_000, 784), np.uint8)
    index, winner = rng.permutation(10_000)[: BATCH[0]], np.zeros(POOLED, np.uint8)
    return {**made, "images": images, "index": index, "winner": winner}


def numba(name: str) -> Step:
    return ours(name, "cpu")


def numpy(name: str) -> Step:
    return ours(name, "numpy")


def ours(name: str, device: str) -> Step:
    ops: Any = get_ops(device)
    a = SimpleNamespace(**{key: ops.asarray(x) for key, x in arrays(name).items()})
    a.clock = np.array([4, 1e-3])  # step count and learning rate
    a.stream = ops.stream(np.random.SeedSequence(0))
    return lambda: CASES[name].ours(ops, a)


def pytorch(name: str) -> Step:
    import torch

    a = SimpleNamespace(**{key: torch.from_numpy(x) for key, x in arrays(name).items()})
    call = torch.no_grad()(CASES[name].pytorch)
    return lambda: call(torch, a)


CONTENDERS = {contender.__name__: contender for contender in (numpy, numba, pytorch)}


def make_step(contender: str, case: str) -> Step:
    """A contender's call of one primitive."""
    return CONTENDERS[contender](case)
