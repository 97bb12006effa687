"""The sides of benchmarks/ops.py: primitives of the seam at the sizes of the recipes, and what PyTorch has for each.

A case is (shapes of its arrays by name, ours, PyTorch's): the two get their backend, or the module torch, and the arrays. PyTorch
writes into given arrays too where its interface offers that.
"""

from types import SimpleNamespace

import numpy as np

from nn.ops import get_ops

ROWS, WIDE = (64, 784), (128, 512)  # images of a batch, a hidden layer for real and generated ones
IMAGES = (12_544, 64)  # 64 channels of 14x14 pixels, 64 images, as batch norm sees them
PARAMETERS = (1_500_000,)
GEOMETRY = {"stride": (2, 2), "padding": (1, 1)}


def clock():
    return np.array([4, 1e-3])


def normalized_backward(ops, a):
    """Batch norm's backward pass, its three primitives."""
    ops.sum_product_rows(a.dy, a.x, out=a.dW)
    ops.sum_rows(a.dy, out=a.db)
    ops.normalize_backward(a.dy, a.x, a.W, a.inv_std, a.dW, a.db, out=a.y)


def torch_adam(torch, a):
    torch._fused_adam_(
        [a.value], [a.grad], [a.m], [a.v], [], [torch.ones(())], amsgrad=False, lr=1e-3, beta1=0.9, beta2=0.999,
        weight_decay=0.0, eps=1e-8, maximize=False,
    )  # fmt: skip


def torch_bce(torch, a):
    value = torch.nn.functional.binary_cross_entropy_with_logits(a.z, a.target)
    return value, torch.sub(torch.sigmoid(a.z), a.target, out=a.dz).div_(len(a.z))


def torch_normalize(torch, a):
    return torch.native_batch_norm(a.x, a.W, a.b, None, None, True, 0.1, 1e-5)


def normalize(ops, a):
    """Batch norm's forward pass, its two primitives."""
    ops.normalize(a.x, 1e-5, out=a.xhat, mean=a.mean, var=a.var, inv_std=a.inv_std)
    ops.scale_shift(a.xhat, a.W, a.b, out=a.y)


def torch_normalize_backward(torch, a):
    return torch.ops.aten.native_batch_norm_backward(a.dy, a.x, a.W, None, None, a.mean, a.inv_std, True, 1e-5, [True] * 3)


def rows(shape, *names, of=()):
    """Shapes by name: matrices, and rows of their width."""
    return {name: shape for name in names} | {name: shape[1:] for name in of}


BATCHNORM = {"of": ("W", "b", "mean", "var", "inv_std")}
BATCHNORM_BACKWARD = {"of": ("W", "mean", "inv_std", "dW", "db")}
CASES = {
    "add_ a row": (rows(ROWS, "y", of=["b"]), lambda ops, a: ops.add_(a.y, a.b), lambda torch, a: a.y.add_(a.b)),
    "leaky_relu": (
        rows(WIDE, "x", "y"),
        lambda ops, a: ops.leaky_relu(a.x, 0.2, out=a.y),
        lambda torch, a: torch._C._nn.leaky_relu(a.x, 0.2, out=a.y),
    ),
    "leaky_relu_backward_": (
        rows(WIDE, "dy", "y"),
        lambda ops, a: ops.leaky_relu_backward_(a.dy, a.y, 0.2),
        lambda torch, a: torch.ops.aten.leaky_relu_backward.grad_input(a.dy, a.y, 0.2, True, grad_input=a.dy),
    ),
    "sigmoid": (rows(ROWS, "x", "y"), lambda ops, a: ops.sigmoid(a.x, out=a.y), lambda torch, a: torch.sigmoid(a.x, out=a.y)),
    "tanh": (rows(ROWS, "x", "y"), lambda ops, a: ops.tanh(a.x, out=a.y), lambda torch, a: torch.tanh(a.x, out=a.y)),
    "tanh_backward_": (
        rows(ROWS, "dy", "y"),
        lambda ops, a: ops.tanh_backward_(a.dy, a.y),
        lambda torch, a: torch.ops.aten.tanh_backward.grad_input(a.dy, a.y, grad_input=a.dy),
    ),
    "dropout_mask_": (
        rows(WIDE, "y"),
        lambda ops, a: a.stream.dropout_mask_(a.y, 0.3),
        lambda torch, a: a.y.bernoulli_(0.7).mul_(1 / 0.7),
    ),
    "normal_": (rows((64, 100), "y"), lambda ops, a: a.stream.normal_(a.y), lambda torch, a: a.y.normal_()),
    "bce_with_logits": (
        {"z": (64, 1), "target": (64, 1), "dz": (64, 1), "value": (1,)},
        lambda ops, a: ops.bce_with_logits(a.z, 1.0, 1, dz=a.dz, value=a.value),
        torch_bce,
    ),
    "batch norm, 128 x 512": (rows(WIDE, "x", "xhat", "y", **BATCHNORM), normalize, torch_normalize),
    "  backward": (rows(WIDE, "x", "dy", "y", **BATCHNORM_BACKWARD), normalized_backward, torch_normalize_backward),
    "batch norm, 12,544 x 64": (rows(IMAGES, "x", "xhat", "y", **BATCHNORM), normalize, torch_normalize),
    "   backward": (rows(IMAGES, "x", "dy", "y", **BATCHNORM_BACKWARD), normalized_backward, torch_normalize_backward),
    "adam_step_": (
        rows(PARAMETERS, "value", "grad", "m", "v"),
        lambda ops, a: ops.adam_step_(a.value, a.grad, a.m, a.v, a.clock, 0.9, 0.999, 1e-8, 0.0),
        torch_adam,
    ),
    "moving_average_": (
        rows(PARAMETERS, "average", "value"),
        lambda ops, a: ops.moving_average_(a.average, a.value, 0.01),
        lambda torch, a: a.average.lerp_(a.value, 0.01),
    ),
    "gather_rows": (
        rows(ROWS, "out"),
        lambda ops, a: ops.gather_rows(a.bytes_, a.index, 2 / 255, -1.0, out=a.out),
        lambda torch, a: torch.mul(a.bytes_[a.index], 2 / 255, out=a.out).sub_(1.0),
    ),
}  # fmt: skip


def arrays(case):
    """Positive numbers, so that what is multiplied in place does not fade away; images, and which of them are in the batch."""
    rng = np.random.default_rng(0)
    made = {name: rng.random(shape, np.float32) for name, shape in CASES[case][0].items()}
    if case == "tanh_backward_":
        made["y"].fill(0)  # dy *= 1
    made["bytes_"] = rng.integers(0, 256, (10_000, 784), np.uint8)
    made["index"] = rng.permutation(10_000)[: ROWS[0]]
    return made


def numba(case):
    return ours(case, "cpu")


def numpy(case):
    return ours(case, "numpy")


def ours(case, device):
    ops = get_ops(device)
    here = SimpleNamespace(**{name: ops.asarray(x) for name, x in arrays(case).items()})
    here.clock, here.stream = clock(), ops.stream(np.random.SeedSequence(0))
    return lambda: CASES[case][1](ops, here)


def pytorch(case):
    import torch

    here = SimpleNamespace(**{name: torch.from_numpy(x) for name, x in arrays(case).items()})
    call = torch.no_grad()(CASES[case][2])
    return lambda: call(torch, here)


SIDES = {side.__name__: side for side in (numpy, numba, pytorch)}


def make_step(side, case):
    return SIDES[side](case)
