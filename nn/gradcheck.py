"""Is a hand-written gradient right? A comparison with finite differences in float64."""

import copy
from dataclasses import dataclass

import numpy as np

from nn.errors import ShapeError

STEPS = (1e-4, 1e-5, 1e-6)  # a smaller one is tried where a kink (ReLU's) lies within the larger

SALT = 0x62796861  # so that r is not x, should x be drawn from default_rng(seed): a dy along x hides mistakes


@dataclass(frozen=True)
class Entry:
    """One derivative along a random direction: of the input, or of one parameter of one layer."""

    where: str
    by_hand: float
    numeric: float
    error: float  # relative


@dataclass(frozen=True)
class Report:
    """What `gradcheck` found: print it, or ``assert report.ok, report``."""

    entries: tuple
    tolerance: float

    @property
    def ok(self):
        return all(entry.error <= self.tolerance for entry in self.entries)

    @property
    def failed(self):
        """The names of the layers and parameters whose gradient is wrong."""
        return [entry.where for entry in self.entries if not entry.error <= self.tolerance]

    @property
    def worst(self):
        return max(entry.error for entry in self.entries)

    def __str__(self):
        width = max(len(entry.where) for entry in self.entries)
        lines = [f"{'gradient of':<{width}}  {'by hand':>14}  {'numeric':>14}  {'error':>9}"]
        for e in self.entries:
            verdict = "" if e.error <= self.tolerance else "  WRONG"
            lines.append(f"{e.where:<{width}}  {e.by_hand:14.7e}  {e.numeric:14.7e}  {e.error:9.1e}{verdict}")
        return "\n".join(lines)


def gradcheck(network, x, *, loss=None, target=None, train=True, seed=0, tolerance=1e-7):
    """Compare every gradient of a layer, a network, or a chain of networks with finite differences.

    network: a layer or network, built or not, or a list of them that x runs through, such as [G, D]; they are copied to
    float64 on the CPU and stay as they are. x: (N, ...), any float dtype. loss: the scalar that is differentiated,
    loss(y, target); without one, sum(y r) for a random r. The input and each parameter are moved along a random direction
    of their own, d: the derivative by hand, <gradient, d>, is held against a fourth-order central difference. Dropout
    draws the same mask each time; inputs within 1e-6 of a kink of ReLU are the one thing that is not forgiven.
    Returns a `Report` that names each layer and parameter. Errors: `ShapeError` where x does not fit.
    Source: the idea of one random direction is chainer's `gradient_check`.
    """
    rng = np.random.default_rng([seed, SALT])
    chain = [_float64_copy(part, f"net{i}" if i else "net") for i, part in enumerate(_as_list(network))]
    x = np.array(x, np.float64)
    caches = [part.cache(tracks_statistics=False) for part in chain]
    states = [part.stream.state for part in chain]

    def forward():
        y = x
        for part, cache, state in zip(chain, caches, states):
            part.stream.state = state
            y = part.forward(y, cache, train=train)
        return y

    r = rng.standard_normal(forward().shape)

    def value():
        y = forward()
        return float(np.sum(y * r)) if loss is None else float(loss(y, target, caches[-1])[0][0])

    y = forward()
    dy = r.copy() if loss is None else loss(y, target, caches[-1])[1]
    for part, cache in zip(reversed(chain), reversed(caches)):
        dy = part.backward(dy, cache)
    checked = [("x", x, np.array(dy))]
    for part in chain:
        for prefix, leaf in part.modules():
            names = [(key, prefix + key) for key in leaf.parameter_shapes]
            checked += [(f"{leaf.label} {key}", part.parameters.value[n], part.parameters.grad[n].copy()) for key, n in names]
    floor = 1e-4 * max(abs(value()), 1e-3)  # below this, rounding in the loss is all that a difference can see
    return Report(tuple(_compare(*item, value, rng, floor, tolerance) for item in checked), tolerance)


def _compare(where, values, gradient, value, rng, floor, tolerance):
    """The entry of one array: the best agreement among the step sizes."""
    direction = rng.standard_normal(values.shape)
    by_hand = float(np.sum(gradient * direction))
    here, best = values.copy(), None
    for h in STEPS:
        at = {}
        for k in (-2, -1, 1, 2):
            values[...] = here + k * h * direction
            at[k] = value()
        values[...] = here
        numeric = (at[-2] - 8 * at[-1] + 8 * at[1] - at[2]) / (12 * h)
        error = abs(by_hand - numeric) / max(abs(by_hand), abs(numeric), floor)
        if best is None or not error >= best.error:
            best = Entry(where, by_hand, numeric, error)
        if best.error <= tolerance / 10:
            break
    return best


def _as_list(network):
    parts = list(network) if isinstance(network, (list, tuple)) else [network]
    if not parts:
        raise ShapeError("gradcheck: expected a layer, a network or a list of them, got an empty list")
    return parts


def _float64_copy(part, name):
    """The same layers with the same values, in float64 on the CPU."""
    twin = copy.deepcopy(part, {id(part.ops): part.ops})
    twin.build(seed=0, dtype="float64", name=part.path or name)
    for (_, copied), (_, leaf) in zip(twin.modules(), part.modules(), strict=True):
        if leaf.ops is not None:
            for key in leaf.parameter_shapes | leaf.statistic_shapes:
                getattr(copied, key)[...] = leaf.ops.to_host(getattr(leaf, key))
    return twin
