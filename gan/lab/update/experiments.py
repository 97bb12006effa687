"""What if: D's certainty and G's gradient, and D with and without a penalty."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.errors import RunError
from gan.lab.update.twin import Twin
from gan.objectives.objectives import Minimax, NonSaturating, Objective
from gan.objectives.penalties import ZeroCentered
from gan.recipe import Recipe
from gan.training.checks import has_batchnorm
from gan.training.rehearsal import Rehearsal
from gan.training.step.adversarial_step import AdversarialStep
from gan.training.step.watching import D_UPDATE
from nn.cache import Cache
from nn.ops import get_ops
from nn.ops.base import Array, Ops

REACH, POINTS = 12.0, 121  # logits of the curve, on both sides of 0, and how many
OBJECTIVES = {"saturating": Minimax(), "non_saturating": NonSaturating()}
STEPS = 60  # of D alone
GAMMA = 1.0  # of R1 for recipes without it


def gradient_curves() -> dict[str, np.ndarray]:
    """The gradient of G's loss at one logit, by the library's losses.

    Returns
    -------
    dict
        `logit`, and the gradient there of each of OBJECTIVES, float32 (POINTS,).
    """
    logits = np.linspace(-REACH, REACH, POINTS, dtype=np.float32)
    found = {"logit": logits}
    for name, objective in OBJECTIVES.items():
        found[name] = loss_gradient(objective, logits.reshape(-1, 1)).ravel() * POINTS
    return found


def loss_gradient(objective: Objective, logits: np.ndarray) -> np.ndarray:
    """dL_G/dlogits of an objective without pairs, (N, 1)."""

    class Owner:
        ops, dtype = get_ops("numpy"), logits.dtype

    _, dy = objective.generator(logits, Cache(Owner))
    return np.asarray(dy)


def certainty(twin: Twin, shift: float) -> list[dict[str, Any]]:
    """What G is given if D's logits of generated images were shifted, by each of OBJECTIVES.

    Returns
    -------
    list
        `name`; `logit`, the mean size of the gradient at a logit, times N; and `norm`, that of the
        gradients of all of G's parameters.
    """
    found = []
    for name, objective in OBJECTIVES.items():
        dlogits, norm = twin.gradients(objective, shift)
        found.append({"name": name, "logit": float(np.abs(dlogits).sum()), "norm": norm})
    return found


def d_alone(recipe: Recipe, rehearsal: Rehearsal, ops: Ops) -> dict[str, Any]:
    """D learns the batch of this step for STEPS steps while G stands still, without and with R1.

    R1 is the recipe's penalty, in each step, or R1 and R2 with GAMMA if it has none.

    Returns
    -------
    dict
        `penalty`, its name and weight; and for "without" and "with", lists over the steps: `real`
        and `fake`, D's mean outputs as probabilities; at the end `slope`, the mean |dD/dx| over
        both kinds of images, and `gradient`, the mean |dL_G/dx| that G is given at its images.

    Raises
    ------
    RunError
        If D has batch norm, which penalties rule out, or the penalty draws points of its own.
    """
    penalty = recipe.penalty or ZeroCentered(GAMMA)
    if not isinstance(penalty, ZeroCentered) or has_batchnorm(recipe.discriminator()):
        raise RunError(
            "penalty: expected a D without batch norm, in which each image has a slope of its own, "
            "got another; open a step of conv-r1r2 or mlp-leaky"
        )
    penalty = replace(penalty, every=1)
    return {
        "penalty": f"{type(penalty).__name__}, gamma {penalty.gamma:g}",
        "is_own": recipe.penalty is not None,
        "steps": STEPS,
        "without": _d_alone(replace(recipe, penalty=None), rehearsal, ops),
        "with": _d_alone(replace(recipe, penalty=penalty), rehearsal, ops),
    }


def _d_alone(recipe: Recipe, rehearsal: Rehearsal, ops: Any) -> dict[str, Any]:
    G, D = (
        network.build(seed=0, device=ops, name=name)
        for name, network in (("G", recipe.generator()), ("D", recipe.discriminator()))
    )
    step = AdversarialStep(G, D, recipe, None)
    layers = {module.path: module for net in (G, D) for _, module in net.modules()}
    batch = rehearsal.events[0].arrays
    for event in rehearsal.events:
        if event.what == "step" and event.within[:1] == (D_UPDATE,):
            for name in event.of.parameter_shapes:
                _write(ops, getattr(layers[event.of.path], name), event.arrays[name])
    drawn = [e for e in rehearsal.events if e.within[:2] == (D_UPDATE, "G.forward")]
    fake = drawn[-1].arrays["y"].reshape(step.fake.shape)
    _write(ops, step.real, batch["x"])
    if "onehot" in batch:
        _write(ops, step.conditioning.labels, batch["onehot"])
    step.conditioning.begin_step()
    vars(step)["generate"] = lambda cache: _write(ops, step.fake, fake)
    log = {name: ops.zeros((1,), "float32") for name in rehearsal.log}
    found: dict[str, Any] = {"real": [], "fake": []}
    for _ in range(STEPS):
        step.update_discriminator(log)
        for name in ("real", "fake"):
            found[name].append(float(ops.to_host(log[f"d_{name}"])[0]))
    found["slope"] = _mean_length(_slope(step, ops))
    vars(step.G)["backward"] = lambda dy, *args, **kwargs: found.update(
        gradient=_mean_length(ops.to_host(dy)) * len(dy)
    )
    vars(step.g_optimizer)["step"] = lambda: None
    step.update_generator(log)
    return found


def _slope(step: AdversarialStep, ops: Any) -> np.ndarray:
    """dD/dx at the real and the generated images."""
    cache = step.D.cache(tracks_statistics=False)
    step.D.forward(step.d_images, cache, train=True)
    toward = ops.asarray(ops.to_host(step.conditioning.class_onehot))
    return ops.to_host(step.D.backward(toward, cache, grads="skip"))


def _mean_length(rows: np.ndarray) -> float:
    return float(np.linalg.norm(rows.reshape(len(rows), -1).astype(np.float64), axis=1).mean())


def _write(ops: Any, out: Array | None, values: np.ndarray) -> None:
    ops.copy_(out, ops.asarray(np.ascontiguousarray(values)))
