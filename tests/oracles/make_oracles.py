"""Make the reference vectors that tests compare this package with.

Run ``python tests/oracles/make_oracles.py``, which needs PyTorch (``pip install -e '.[bench]'``).
The tests need only the .npz files beside this script. Everything is computed in float64, the
trajectories of optimizers also in float32.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
STEPS = 10
SIZE = 24  # parameters of an optimizer's trajectory


def main():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(20240229)
    save("layers", layers())
    save("chain", chain())
    save("losses", losses())
    save("optimizers", optimizers())
    save("initializers", initializers())


def save(name, tensors):
    arrays = {key: np.asarray(torch.as_tensor(value).detach()) for key, value in tensors.items()}
    np.savez_compressed(HERE / f"{name}.npz", **arrays)


def passed(name, module, x, train=True):
    """One pass: x, y, dy, dx, and the parameters with their gradients, by keys like NAME.x."""
    x = x.clone().requires_grad_()
    module.train(train)
    out = {f"{name}.x": x}
    out |= {f"{name}.before.{key}": value.clone() for key, value in module.state_dict().items()}
    y = module(x)
    dy = torch.randn_like(y)
    y.backward(dy)
    out |= {f"{name}.y": y, f"{name}.dy": dy, f"{name}.dx": x.grad}
    out |= {f"{name}.d.{key}": value.grad for key, value in module.named_parameters()}
    out |= {f"{name}.after.{key}": value.clone() for key, value in module.state_dict().items()}
    return out


def layers():
    out = passed("dense", nn.Linear(4, 3), torch.randn(5, 4))
    x = torch.randn(5, 4) * 3
    for name, module in (
        ("relu", nn.ReLU()),
        ("leaky", nn.LeakyReLU(0.2)),
        ("sigmoid", nn.Sigmoid()),
        ("tanh", nn.Tanh()),
    ):
        out |= passed(name, module, x)
    far = torch.tensor([[-100.0, -40.0, -10.0, -1e-3, 0.0, 1e-3, 10.0, 40.0, 100.0]])
    out |= passed("sigmoid_far", nn.Sigmoid(), far) | passed("tanh_far", nn.Tanh(), far)
    for name, kind, shape, settings in (
        ("norm", nn.BatchNorm1d, (6, 3), {}),
        # eps is so large that its position in the formula matters
        ("norm_eps", nn.BatchNorm1d, (6, 3), {"eps": 0.5, "momentum": 0.3}),
        ("norm_images", nn.BatchNorm2d, (2, 3, 4, 5), {}),
    ):
        module = kind(3, **settings)
        lowest = {"weight": -2.0, "bias": -2.0, "running_mean": -2.0, "running_var": 0.5}
        for key, low in lowest.items():
            nn.init.uniform_(getattr(module, key).data, low, 2.0)
        spread = torch.randn(1, 3, *[1] * (len(shape) - 2))
        out |= passed(f"{name}.train", module, 1.0 + spread * torch.randn(shape))
        module.zero_grad()
        out |= passed(f"{name}.again", module, spread * torch.randn(shape))
        module.zero_grad()
        out |= passed(f"{name}.eval", module, 1.0 + spread * torch.randn(shape), train=False)
    return {key: value for key, value in out.items() if "num_batches" not in key}


def chain():
    """loss(D(G(z))) as for a generator's update: D is frozen, its batch norm in training mode."""
    out = {"z": torch.randn(7, 4)}
    for name, last, loss in (
        ("logits", nn.Identity(), F.binary_cross_entropy_with_logits),
        ("sigmoid", nn.Sigmoid(), F.binary_cross_entropy),
    ):
        G = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 5), nn.Tanh())
        hidden = nn.Linear(5, 6), nn.BatchNorm1d(6), nn.LeakyReLU(0.2)
        D = nn.Sequential(*hidden, nn.Linear(6, 1), last)
        for network in (G, D):
            for module in network:
                if isinstance(module, nn.BatchNorm1d):
                    nn.init.uniform_(module.weight, 0.5, 1.5)
                    nn.init.uniform_(module.bias, -0.5, 0.5)
        out |= {f"{name}.G.{key}": value.clone() for key, value in G.named_parameters()}
        out |= {f"{name}.D.{key}": value.clone() for key, value in D.named_parameters()}
        z = out["z"].clone().requires_grad_()
        y = D.requires_grad_(False)(G(z))
        value = loss(y, torch.ones_like(y))
        value.backward()
        out |= {f"{name}.y": y, f"{name}.value": value, f"{name}.dz": z.grad}
        out |= {f"{name}.dG.{key}": p.grad.clone() for key, p in G.named_parameters()}
        frozen_in_evaluation = z.detach().clone().requires_grad_()
        y = D.eval()(G(frozen_in_evaluation))
        loss(y, torch.ones_like(y)).backward()
        out[f"{name}.dz_evaluation"] = frozen_in_evaluation.grad  # what it must not be
    return out


def losses():
    edges = torch.tensor([-100.0, -25.0, -17.0, -1.0, -1e-4, 0.0, 1e-4, 1.0, 17.0, 25.0, 100.0])
    z = torch.cat([edges, torch.randn(7) * 4])
    p = torch.rand(18) * 0.98 + 0.01
    targets = {
        "zero": torch.zeros(18),
        "one": torch.ones(18),
        "smooth": torch.full((18,), 0.9),
        "array": torch.rand(18),
    }
    out = {"z": z, "p": p}
    for name, target in targets.items():
        out[f"{name}.target"] = target
        for kind, x, loss in (
            ("logits", z, F.binary_cross_entropy_with_logits),
            ("probabilities", p, F.binary_cross_entropy),
        ):
            x = x.clone().requires_grad_()
            value = loss(x, target)
            value.backward()
            out |= {f"{name}.{kind}.value": value, f"{name}.{kind}.dx": x.grad}
    return out


OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.05}),
    "momentum": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.01}),
    "rmsprop_eps": (torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9, "eps": 0.01}),
    "adam": (torch.optim.Adam, {"lr": 0.001}),
    "adam_beta1": (torch.optim.Adam, {"lr": 2e-4, "betas": (0.5, 0.999)}),
    "adam_eps": (torch.optim.Adam, {"lr": 0.01, "eps": 1e-3}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    "adamw_plain": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.0}),
    "adamw_default": (torch.optim.AdamW, {"lr": 0.01}),
    "sgd_decay": (torch.optim.SGD, {"lr": 0.05, "weight_decay": 0.1}),
    "nesterov_decay": (
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    ),
    "rmsprop_decay": (torch.optim.RMSprop, {"lr": 0.01, "weight_decay": 0.1}),
    "sgd_clip_norm": (torch.optim.SGD, {"lr": 0.05}),
    "adam_clip_norm": (torch.optim.Adam, {"lr": 0.001}),
    "sgd_clip_value": (torch.optim.SGD, {"lr": 0.05}),
}
CLIP_NORM, CLIP_VALUE = 9.0, 0.5  # the norms of the gradients are on both sides


def optimizers():
    """Each optimizer's parameters after each of ten steps. After the fifth, the rate triples."""
    w, grads = torch.randn(SIZE), torch.randn(STEPS, SIZE)
    grads *= 10.0 ** torch.linspace(-4, 1, SIZE)  # from far below Adam's eps to far above
    out = {"w": w, "grads": grads}
    for name, (kind, settings) in OPTIMIZERS.items():
        for dtype in (torch.float64, torch.float32):
            parameter = nn.Parameter(w.to(dtype).clone())
            optimizer, steps, norms = kind([parameter], **settings), [], []
            for i, grad in enumerate(grads):
                if i == STEPS // 2:
                    optimizer.param_groups[0]["lr"] *= 3
                parameter.grad = grad.to(dtype).clone()
                if name.endswith("clip_norm"):
                    norms.append(nn.utils.clip_grad_norm_([parameter], CLIP_NORM))
                if name.endswith("clip_value"):
                    nn.utils.clip_grad_value_([parameter], CLIP_VALUE)
                optimizer.step()
                steps.append(parameter.detach().clone())
            out[f"{name}.{str(dtype).removeprefix('torch.')}"] = torch.stack(steps)
            if norms and dtype == torch.float64:
                out["norms"] = torch.stack(norms)
    return out


def initializers():
    """PyTorch's initial values for 300 inputs and 200 outputs: (standard deviation, largest)."""
    linear = nn.Linear(300, 200)
    drawn = {"default_W": linear.weight, "default_b": linear.bias}
    for name, fill in (
        ("xavier_normal", nn.init.xavier_normal_),
        ("xavier_uniform", nn.init.xavier_uniform_),
        ("kaiming_normal", nn.init.kaiming_normal_),
        ("kaiming_uniform", nn.init.kaiming_uniform_),
    ):
        drawn[name] = fill(torch.empty(200, 300))
    return {name: torch.stack([x.std(), x.abs().max()]) for name, x in drawn.items()}


if __name__ == "__main__":
    main()
