"""How reliable is gradcheck? Random right networks, none of which it may call wrong, and random mistakes, none of which it may miss.

    python -m benchmarks.gradcheck_sweep --networks 1000 --processes 2

A mistake is one factor of 1.001 in a gradient that is not 0 (all of an array, one entry, one channel or sample, one term, the
loss's, a network's, one of double_backward's; in both modes or in one), or one broken promise of the layer protocol.
"""

import argparse
import collections
import itertools
import multiprocessing
import time
from dataclasses import dataclass

import numpy as np

import nn
from nn.checking.passes import has_double_backward, is_chain, own_gradients

FACTOR = 1.001


@dataclass
class Case:
    """What gradcheck is called with, and what was done to it."""

    chain: list
    x: np.ndarray
    loss: object
    target: object
    mistake: str = "none"

    def check(self):
        return nn.gradcheck(self.chain, self.x, loss=self.loss, target=self.target)


# ---- random right networks --------------------------------------------------------------------------------------------------


class Raised(nn.Mean):
    """The mean, called as losses with a target are."""

    def __call__(self, y, target, cache):
        return super().__call__(y, cache, weight=-1.0)


def random_case(seed):
    """A right network, or two, with an input and mostly a loss."""
    rng = np.random.default_rng(seed)
    while True:
        shape = (int(rng.integers(1, 13)),) if rng.random() < 0.4 else (int(rng.integers(1, 4)), *map(int, rng.integers(1, 10, 2)))
        n = int(rng.integers(1, 9))
        layers, y_shape = random_layers(rng, shape, int(rng.integers(1, 8)))
        loss, target, last = random_loss(rng, n, y_shape)
        try:
            chain = [part.build(int(rng.integers(1 << 30)), dtype="float64") for part in arranged(rng, layers + last)]
            case = Case(chain, random_input(rng, (n, *shape)), loss, target)
            scale_parameters(rng, chain)
            y = case.x
            for part in chain:
                y = part.forward(y, part.cache(tracks_statistics=False), train=True)
        except nn.ShapeError:  # two layers that do not fit, or one value for each feature of a batch norm
            continue
        return case


def random_layers(rng, shape, n):
    layers = []
    while len(layers) < n:
        layer = random_layer(rng, shape)
        try:
            after = layer.output_shape(shape)
        except nn.ShapeError:
            continue
        if np.prod(after) <= 1200:
            layers.append(layer)
            shape = after
    return layers, shape


def random_layer(rng, shape):
    def small(low, high):
        return int(rng.integers(low, high + 1))

    def pair(low, high):
        return small(low, high) if rng.random() < 0.5 else (small(low, high), small(low, high))

    anywhere = [
        lambda: nn.ReLU(), lambda: nn.LeakyReLU(float(rng.uniform(0, 0.9))), lambda: nn.Tanh(), lambda: nn.Sigmoid(),
        lambda: nn.Dropout(float(rng.uniform(0, 0.8))), lambda: nn.BatchNorm(shape[0]), lambda: nn.Flatten(),
    ]  # fmt: skip
    if len(shape) == 1:
        wide = 300 if rng.random() < 0.05 else 12
        dense = lambda: nn.Dense(shape[0], small(1, wide))  # noqa: E731
        fitting = [dense, dense, dense, lambda: nn.SpectralNorm(dense()), lambda: nn.Reshape((1, 1, shape[0]))]
        if shape[0] % 4 == 0:
            fitting.append(lambda: nn.Reshape((shape[0] // 4, 2, 2)))
    else:
        def conv():
            kind = nn.Conv2d if rng.random() < 0.5 else nn.ConvTranspose2d
            return kind(shape[0], small(1, 5), pair(1, 4), stride=pair(1, 3), padding=pair(0, 2))

        fitting = [
            conv, conv, conv, lambda: nn.SpectralNorm(conv()), lambda: nn.MaxPool2d(pair(1, 3), pair(1, 3)), lambda: nn.MaxPool2d(2),
            lambda: nn.MaxPool2d(3, 2, 1), lambda: nn.AvgPool2d(pair(1, 3)), lambda: nn.AvgPool2d(3, 2, 1),
            lambda: nn.Upsample(pair(1, 2)), lambda: nn.RandomShift(small(1, 2), float(rng.normal())),
            lambda: nn.Cutout(small(1, 3), float(rng.normal())),
        ]  # fmt: skip
    kinds = anywhere if rng.random() < 0.45 else fitting
    return kinds[rng.integers(len(kinds))]()


def random_loss(rng, n, y_shape):
    """A loss, its target, and the layers that it needs before it."""
    kind = rng.integers(9)
    size = (n, *y_shape)
    some = float(rng.random()) if rng.random() < 0.5 else rng.random(size)
    if kind == 0:
        return nn.BCEWithLogits(), some, []
    if kind == 1:
        return nn.BCE(), some, [nn.Sigmoid()]
    if kind == 2:
        return nn.MeanSquaredError(), some, []
    if kind == 3:
        return nn.Hinge(), int(rng.choice([-1, 1])), []
    if kind == 4 and len(y_shape) == 1:
        return nn.SoftmaxCrossEntropy(), rng.integers(0, y_shape[0], n), []
    if kind == 5:
        return Raised(), None, []
    return None, None, []


def arranged(rng, layers):
    """The layers as one network, with others inside, or as a chain of two."""
    if len(layers) == 1 and rng.random() < 0.5:
        return layers
    if len(layers) > 1 and rng.random() < 0.3:
        cut = int(rng.integers(1, len(layers)))
        return [nn.Sequential(*layers[:cut]), nn.Sequential(*layers[cut:])]
    if len(layers) > 2 and rng.random() < 0.4:
        a, b = sorted(rng.choice(len(layers) + 1, 2, replace=False))
        layers = [*layers[:a], nn.Sequential(*layers[a:b]), *layers[b:]]
    return [nn.Sequential(*layers)]


def random_input(rng, shape):
    """Normal values, large or small ones, images with a background of 0, whole numbers, constants."""
    x = rng.standard_normal(shape)
    kind = rng.integers(8)
    if kind == 0:
        x = np.maximum(np.round(3 * x) / 3, 0)
    elif kind == 1:
        x = np.round(x)
    elif kind == 2:
        x = rng.integers(0, 256, shape) * (rng.random(shape) < 0.3)
    elif kind == 3:
        x = np.full(shape, rng.choice([0.0, 1.0, -1.0]))
    elif kind == 4:
        x = x * rng.choice([1e-4, 1e-2, 1e2, 1e4])
    return x.astype(np.float64)


def scale_parameters(rng, chain):
    """Parameters 100 times as large or as small, biases of 0, statistics and batch norms that have seen something."""
    for part in chain:
        scale = rng.choice([1, 1, 1, 0.01, 100])
        zero = rng.random() < 0.3
        for _, leaf in part.leaves():
            for key in leaf.parameter_shapes:
                array = getattr(leaf, key)
                if isinstance(leaf, nn.BatchNorm):
                    array[...] += 0.3 * rng.standard_normal(array.shape)
                elif key == "b" and zero:
                    array[...] = 0
                else:
                    array *= scale
            if isinstance(leaf, nn.BatchNorm):
                leaf.running_mean[...] = rng.standard_normal(leaf.n)
                leaf.running_var[...] = rng.uniform(0.2, 5, leaf.n)


# ---- mistakes in gradients --------------------------------------------------------------------------------------------------


def spoil(array, how, where):
    """Multiply all of an array, one entry, or a slice of it, by the factor. where: a number in [0, 1) that says which."""
    if how == "all":
        array *= FACTOR
    elif how == "entry":
        array[np.unravel_index(int(where * array.size), array.shape)] *= FACTOR
    else:
        axis = 0 if how == "first axis" else min(1, array.ndim - 1) if how == "channel" else array.ndim - 1
        np.moveaxis(array, axis, 0)[int(where * array.shape[axis])] *= FACTOR


def subclass(layer, methods):
    layer.__class__ = type("Mistaken" + type(layer).__name__, (type(layer),), methods)


def mistaken_gradient(rng, layer):
    """dx or one parameter's gradient, in one mode or both."""
    kind, how, at = type(layer), str(rng.choice(["all", "entry", "first axis", "channel", "last axis"])), rng.random()
    name = str(rng.choice(["x", *layer.parameter_shapes]))
    mode = rng.choice([None, None, True, False])

    def forward(self, x, cache, *, train=False):
        cache.mode = train
        return kind.forward(self, x, cache, train=train)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if mode is not None and mode != cache.mode or name != "x" and grads == "skip":
            return kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        held = None if name == "x" else getattr(self, "d" + name).copy()
        dx = kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        if name == "x":
            if need_dx:
                dx = np.copy(dx)
                spoil(dx, how, at)
            return dx
        grad = getattr(self, "d" + name)
        if grads == "add":
            grad -= held
        spoil(grad, how, at)
        if grads == "add":
            grad += held
        return dx

    subclass(layer, {"forward": forward, "backward": backward})
    return f"d{'x' if name == 'x' else 'parameter'}, {how}{'' if mode is None else ', one mode'}"


def mistaken_term(rng, layer):
    """One term of a formula: a mean of batch norm's, a slope, the way that a spectral norm has through sigma."""
    kind = type(layer)
    term = str(rng.choice(["mean", "xhat"]))

    def batch_norm(self, dy, cache, *, grads="write", need_dx=True):
        rows = (lambda a: a) if dy.ndim == 2 else (lambda a: a.transpose(0, 2, 3, 1).reshape(-1, self.n))
        dy_rows = rows(dy).copy()
        dx = kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        if dx is None or not cache.train:
            return dx
        lost = dy_rows.mean(axis=0) if term == "mean" else cache.xhat * (dy_rows * cache.xhat).mean(axis=0)
        lost = np.broadcast_to(lost, dy_rows.shape) * (self.W * cache.inv_std)
        if dx.ndim == 4:
            n, c, h, w = dx.shape
            lost = lost.reshape(n, h, w, c).transpose(0, 3, 1, 2)
        return dx - (FACTOR - 1) * lost

    def leaky(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            return self.ops.leaky_relu_backward_(dy, cache.y, self.slope * FACTOR)

    def tanh(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            cache.dy = cache.kept("dy", dy)
            return dy * (1 - FACTOR * cache.y**2)

    def sigmoid(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            cache.dy = cache.kept("dy", dy)
            return dy * (cache.y - FACTOR * cache.y**2)

    def spectral(self, cache, *, add):
        u, cache.u = cache.u, cache.u * FACTOR
        v, cache.v = cache.v, cache.v * 1.0
        kind._weight_gradient(self, cache, add=add)
        cache.u, cache.v = u, v

    name, method = {
        nn.BatchNorm: ("backward", batch_norm), nn.LeakyReLU: ("backward", leaky), nn.Tanh: ("backward", tanh),
        nn.Sigmoid: ("backward", sigmoid), nn.SpectralNorm: ("_weight_gradient", spectral),
    }.get(kind, (None, None))  # fmt: skip
    if name is None or kind is nn.LeakyReLU and layer.slope == 0:
        return None
    subclass(layer, {name: method})
    return f"term of {kind.__name__}"


def mistaken_double_backward(rng, layer):
    """One of the three derivatives that double_backward gives."""
    kind, how, at = type(layer), str(rng.choice(["all", "entry", "channel"])), rng.random()
    if kind.double_backward is nn.Layer.double_backward:
        return None
    name = str(rng.choice(["dy", *("W" for key in layer.parameter_shapes if key == "W"), *(["x"] if kind in (nn.Tanh, nn.Sigmoid) else [])]))

    def double_backward(self, v, cache):
        held = self.dW.copy() if name == "W" else None
        ddy, ddx = kind.double_backward(self, v, cache)
        if name == "W":
            self.dW[...] -= held
            spoil(self.dW, how, at)
            self.dW[...] += held
        elif name == "dy":
            ddy = np.copy(ddy)
            spoil(ddy, how, at)
        else:
            ddx = np.copy(ddx)
            spoil(ddx, how, at)
        return ddy, ddx

    subclass(layer, {"double_backward": double_backward})
    return f"double_backward, dP/d{'(dy)' if name == 'dy' else name}"


def mistaken_network(rng, network):
    """What a network makes of its layers' gradients."""
    kind, how, at, which = type(network), str(rng.choice(["all", "entry"])), rng.random(), rng.integers(3)
    if kind is not nn.Sequential or which and not network.n_parameters:
        return None

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = kind.backward(self, dy, cache, grads="write" if which == 2 else grads, need_dx=need_dx)
        if which == 0 and need_dx:
            dx = np.copy(dx)
            spoil(dx, how, at)
        if which == 1 and grads == "write":
            spoil(next(getattr(leaf, "dW") for _, leaf in self.leaves() if "W" in leaf.parameter_shapes), how, at)
        return dx

    subclass(network, {"backward": backward})
    return ("a network's dx", "a network's dW", "a network that ignores grads")[which]


def mistaken_loss(rng, case):
    """The gradient that a loss gives."""
    kind, how, at = type(case.loss), str(rng.choice(["all", "entry"])), rng.random()

    class Mistaken(kind):
        def __call__(self, y, target, cache):
            value, dy = super().__call__(y, target, cache)
            spoil(dy, how, at)
            return value, dy

    case.loss = Mistaken()
    return f"loss, {how}"


# ---- mistakes of protocol ---------------------------------------------------------------------------------------------------


def broken_promise(rng, layer):
    """One mistake that leaves the gradients of an ordinary pass right; None where it would change nothing of this layer."""
    kind = type(layer)
    ways = [writes_x_in_forward, writes_x_in_backward, other_dx_when_skipping, returns_dx, keeps_y_in_layer, uses_up, adds_up_dx]
    if layer.parameter_shapes:
        ways += [always_writes, adds_as_write, skips_nothing, write_adds, lazy_without_dx, moves_parameters]
    if kind in (nn.Dense, nn.Conv2d, nn.ConvTranspose2d, nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.BatchNorm, nn.MaxPool2d):
        ways.append(keeps_cache_in_layer)
    if layer.statistic_shapes:
        ways.append(moves_statistics)
    if kind.double_backward is not nn.Layer.double_backward and "W" in layer.parameter_shapes:
        ways.append(double_backward_writes)
    way = ways[rng.integers(len(ways))]
    subclass(layer, way(kind))
    return way.__name__.replace("_", " ")


def always_writes(kind):
    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return kind.backward(self, dy, cache, grads="write", need_dx=need_dx)

    return {"backward": backward}


def adds_as_write(kind):
    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return kind.backward(self, dy, cache, grads="write" if grads == "add" else grads, need_dx=need_dx)

    return {"backward": backward}


def skips_nothing(kind):
    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return kind.backward(self, dy, cache, grads="write" if grads == "skip" else grads, need_dx=need_dx)

    return {"backward": backward}


def write_adds(kind):
    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return kind.backward(self, dy, cache, grads="add" if grads == "write" else grads, need_dx=need_dx)

    return {"backward": backward}


def lazy_without_dx(kind):
    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return kind.backward(self, dy, cache, grads=grads if need_dx else "skip", need_dx=need_dx)

    return {"backward": backward}


def other_dx_when_skipping(kind):
    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        return dx * FACTOR if need_dx and grads == "skip" else dx

    return {"backward": backward}


def returns_dx(kind):
    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return kind.backward(self, dy, cache, grads=grads)

    return {"backward": backward}


def writes_x_in_forward(kind):
    def forward(self, x, cache, *, train=False):
        y = np.copy(kind.forward(self, x, cache, train=train))
        x[(-1,) * x.ndim] = 2 * x[(-1,) * x.ndim] + 1
        return y

    return {"forward": forward}


def writes_x_in_backward(kind):
    def forward(self, x, cache, *, train=False):
        cache.its_x = x
        return kind.forward(self, x, cache, train=train)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        dx = None if dx is None else np.copy(dx)
        cache.its_x[(0,) * cache.its_x.ndim] = 2 * cache.its_x[(0,) * cache.its_x.ndim] + 1
        return dx

    return {"forward": forward, "backward": backward}


def keeps_y_in_layer(kind):
    def forward(self, x, cache, *, train=False):
        y = kind.forward(self, x, cache, train=train)
        if getattr(self, "its_y", np.empty(0)).shape != y.shape:
            self.its_y = np.empty_like(y)
        self.its_y[...] = y
        return self.its_y

    return {"forward": forward}


def keeps_cache_in_layer(kind):
    def forward(self, x, cache, *, train=False):
        self.last = cache
        return kind.forward(self, x, cache, train=train)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        return kind.backward(self, dy, self.last, grads=grads, need_dx=need_dx)

    return {"forward": forward, "backward": backward}


def uses_up(kind):
    def forward(self, x, cache, *, train=False):
        cache.used = False
        return kind.forward(self, x, cache, train=train)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dy = dy * FACTOR if cache.used else dy
        cache.used = True
        return kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)

    return {"forward": forward, "backward": backward}


def adds_up_dx(kind):
    """dx is added into a buffer that is empty in a new cache only."""

    def forward(self, x, cache, *, train=False):
        cache.pass_ = getattr(cache, "pass_", 0) + 1
        return kind.forward(self, x, cache, train=train)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        if need_dx and cache.pass_ > 1:
            dx = dx + 1e-3 * cache.before
        if need_dx and cache.pass_ == 1:
            cache.before = np.copy(dx)
        return dx

    return {"forward": forward, "backward": backward}


def moves_parameters(kind):
    def forward(self, x, cache, *, train=False):
        y = kind.forward(self, x, cache, train=train)
        getattr(self, next(iter(self.parameter_shapes)))[...] *= 1 + 1e-6
        return y

    return {"forward": forward}


def moves_statistics(kind):
    def forward(self, x, cache, *, train=False):
        y = kind.forward(self, x, cache, train=train)
        if not train:
            getattr(self, next(iter(self.statistic_shapes)))[...] += 1e-3
        return y

    return {"forward": forward}


def double_backward_writes(kind):
    def double_backward(self, v, cache):
        self.dW[...] = 0
        return kind.double_backward(self, v, cache)

    return {"double_backward": double_backward}


# ---- whether a mistake shows ------------------------------------------------------------------------------------------------


def one_pass(layer, x, state, train, rng):
    """y, dx, gradients, and what double_backward gives, for a random dy."""
    twice = has_double_backward(layer)
    cache = layer.cache(tracks_statistics=False, twice=twice)
    layer.stream.state = state
    y = np.copy(layer.forward(x, cache, train=train))
    dx = np.copy(layer.backward(rng.standard_normal(y.shape), cache))
    found = [y, dx, *map(np.copy, own_gradients(layer))]
    if twice:
        layer.parameters.grad.flat[...] = 0
        found += map(np.copy, [a for a in layer.double_backward(rng.standard_normal(x.shape), cache) if a is not None])
        found += map(np.copy, own_gradients(layer))
    return found


def footprint(layer, x, train, rng, found):
    """y; into found, {id of layer: (x, state, what one pass gives)} for the layer and those that it consists of."""
    state, y, whole = layer.stream.state, x, np.copy(x)
    for part in layer if is_chain(layer) else ():
        y = footprint(part, y, train, rng, found)
    found[id(layer)] = whole, state, one_pass(layer, whole, state, train, rng)
    return found[id(layer)][2][0]


def footprints(case):
    """For each mode, a list of what `footprint` finds, in order; at its end what the loss gives."""
    lists = []
    states = [part.stream.state for part in case.chain]
    for train in (True, False):
        rng, found, y = np.random.default_rng(0), {}, case.x
        for part, state in zip(case.chain, states):
            part.stream.state = state
            y = footprint(part, y, train, rng, found)
        gradient = [] if case.loss is None else [case.loss(y, case.target, case.chain[-1].cache())[1].copy()]
        lists.append([*found.values(), (y, None, gradient)])
    for part, state in zip(case.chain, states):
        part.stream.state = state
    return lists


def changed(a, b):
    """Whether two arrays differ by more than rounding."""
    return np.max(np.abs(a - b), initial=0) > 1e-12 * np.max(np.abs(b), initial=0)


def gradients_differ(right, mistaken):
    return any(
        changed(a, b)
        for one, other in zip(footprints(mistaken), footprints(right))
        for (_, _, these), (_, _, those) in zip(one, other)
        for a, b in zip(these, those)
    )


def lively(layer, x, state, train, depends):
    """Whether y and every gradient of the layer are something, and y, or with `depends` a gradient too, is something else
    for another x."""
    rng = np.random.default_rng(0)
    other = rng.permutation(x.reshape(-1)).reshape(x.shape) * rng.choice([-1, 1], x.shape)
    a, b = (one_pass(layer, each, state, train, np.random.default_rng(0)) for each in (np.copy(x), other))
    n = 2 + len(own_gradients(layer))
    return all(array.any() for array in a[:n]) and changed(a[0], b[0]) and (not depends or any(map(changed, a[1:n], b[1:n])))


# ---- the sweep --------------------------------------------------------------------------------------------------------------


def mistaken_case(seed):
    """A random network with one mistake in it that shows."""
    rng = np.random.default_rng([seed, 1])
    for attempt in itertools.count():
        right, case = random_case([seed, attempt]), random_case([seed, attempt])
        leaves, right_leaves = ([leaf for part in each.chain for _, leaf in part.leaves()] for each in (case, right))
        n = rng.integers(len(leaves))
        kind = rng.choice(["gradient", "term", "promise", "double", "network", "loss"], p=[0.35, 0.15, 0.3, 0.1, 0.05, 0.05])
        if kind == "loss":
            case.mistake = None if case.loss is None else mistaken_loss(rng, case)
        elif kind == "network":
            case.mistake = mistaken_network(rng, case.chain[rng.integers(len(case.chain))])
        else:
            make = {"gradient": mistaken_gradient, "term": mistaken_term, "promise": broken_promise, "double": mistaken_double_backward}
            case.mistake = make[kind](rng, leaves[n])
        if case.mistake is None:
            continue
        if kind == "promise" or "ignores" in case.mistake:
            depends = case.mistake == "keeps cache in layer"
            found = {}
            visits = []
            for train in (True, False):
                y = right.x
                for part in right.chain:
                    y = footprint(part, y, train, np.random.default_rng(0), found)
                x, state, _ = found[id(right_leaves[n])]
                visits.append(lively(right_leaves[n], x, state, train, depends))
            shows = all(visits) and (kind == "promise" or case.chain[0].n_parameters > 0)
        else:
            shows = gradients_differ(right, case)
        if shows:
            return case


def judge(task):
    """(seed, mistake, whether it was called right, seconds, what the report says where that is not as it should be)."""
    kind, seed = task
    case = random_case(seed) if kind == "right" else mistaken_case(seed)
    began = time.perf_counter()
    report = case.check()
    seconds = time.perf_counter() - began
    as_it_should = report.ok == (kind == "right")
    return seed, case.mistake, report.ok, seconds, None if as_it_should else f"{case.chain}\n{case.x.shape} {case.loss}\n{report}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", type=int, default=1000, help="of each of the two kinds")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="the first; each network has its own")
    parser.add_argument("--quiet", action="store_true", help="only the counts")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.networks)
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        for kind, bad in (("right", "false alarms"), ("mistaken", "missed")):
            counts, misjudged, seconds = collections.Counter(), collections.Counter(), []
            for seed, mistake, ok, took, wrong in pool.imap(judge, [(kind, seed) for seed in seeds], chunksize=4):
                counts[mistake] += 1
                seconds.append(took)
                if wrong:
                    misjudged[mistake] += 1
                    if not arguments.quiet:
                        print(f"--- seed {seed}, {mistake}\n{wrong}", flush=True)
            print(f"{kind}: {len(seeds)} networks, {sum(misjudged.values())} {bad}; ", end="")
            print(f"a check took {1e3 * np.median(seconds):.0f} ms (median), {max(seconds):.1f} s at most", flush=True)
            if kind == "mistaken":
                for mistake, n in sorted(counts.items()):
                    print(f"{n:6} {mistake}: {misjudged[mistake]} missed")


if __name__ == "__main__":
    main()
