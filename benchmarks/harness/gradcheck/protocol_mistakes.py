"""Mistakes to put into a layer, a network or a loss: one factor of a gradient, or one broken promise of the layer protocol.

Each function that takes rng puts a random mistake of its kind into what it is given, by making that an object of a subclass,
and returns the mistake's name, or None where there is nothing of that kind to get wrong.
"""

import numpy as np

import nn

FACTOR = 1.001


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
            cache.dy = cache.copy_for_double_backward("dy", dy)
            return dy * (1 - FACTOR * cache.y**2)

    def sigmoid(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            cache.dy = cache.copy_for_double_backward("dy", dy)
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
    names = ["dy"] + ["W"] * ("W" in layer.parameter_shapes) + ["x"] * (kind in (nn.Tanh, nn.Sigmoid))
    name = str(rng.choice(names))

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
            spoil(next(getattr(leaf, "dW") for _, leaf in self.modules() if "W" in leaf.parameter_shapes), how, at)
        return dx

    subclass(network, {"backward": backward})
    return ("a network's dx", "a network's dW", "a network that ignores grads")[which]


def mistaken_loss(rng, case):
    """The gradient that a loss gives."""
    if case.loss is None:
        return None
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
        x[(-1,) * x.ndim] += 1 + abs(x[(-1,) * x.ndim])
        return y

    return {"forward": forward}


def writes_x_in_backward(kind):
    def forward(self, x, cache, *, train=False):
        cache.its_x = x
        return kind.forward(self, x, cache, train=train)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        dx = kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        dx = None if dx is None else np.copy(dx)
        cache.its_x[(0,) * cache.its_x.ndim] += 1 + abs(cache.its_x[(0,) * cache.its_x.ndim])
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
