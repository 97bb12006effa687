"""A pass through a network, taken apart: what each layer meets in it, and each layer's passes as functions to be checked."""

from dataclasses import dataclass, field

import numpy as np

from nn.cache import Cache
from nn.checking.finite_differences import rms
from nn.checking.pullback import Function, random_signs
from nn.layer import Layer
from nn.sequential import Sequential


@dataclass
class Visit:
    """A layer, with what a pass brings to it: x, the state of its random stream, and then dy, for which it gives dx.

    parts: the visits of a network's layers. A layer that is not a network has a cache instead.
    """

    layer: Layer
    x: np.ndarray
    state: dict
    train: bool
    parts: list = field(default_factory=list)
    cache: Cache | None = None
    dy: np.ndarray | None = None
    dx: np.ndarray | None = None

    @property
    def mode(self):
        return "training" if self.train else "evaluation"

    def forward(self, cache):
        self.layer.stream.state = self.state
        return self.layer.forward(self.x, cache, train=self.train)

    def new_cache(self, twice=False):
        return self.layer.cache(tracks_statistics=False, twice=twice)

    def leaves(self):
        """The visits of the layers that a network is made of in the end; of a layer, itself."""
        return [leaf for part in self.parts for leaf in part.leaves()] or [self]

    def networks(self):
        """Of a network, the visits of networks within it, then itself."""
        return [network for part in self.parts for network in part.networks()] + ([self] if self.parts else [])


def walk(layer, x, train):
    """-> (y, visit): a forward pass, a layer at a time."""
    visit, y = Visit(layer, np.copy(x), layer.stream.state, train), x
    if is_chain(layer):
        for inner in layer:
            y, part = walk(inner, y, train)
            visit.parts.append(part)
        return y, visit
    visit.cache = visit.new_cache()
    return visit.forward(visit.cache), visit


def walk_back(leaves, dy):
    """Put down each leaf's dy and dx, a layer at a time."""
    for visit in reversed(leaves):
        visit.dy = np.copy(dy)
        dy = visit.dx = np.copy(visit.layer.backward(np.copy(dy), visit.cache))


def second_walk(visits, dy, v):
    """-> [dP/dx, dP/d(dy), the gradients] for a penalty P with v = dP/d(dx): double_backward, a layer at a time.

    Up through the layers goes dP/d(dy); what each of them adds to the gradient of its x comes down like any gradient.
    """
    caches = [visit.new_cache(twice=True) for visit in visits]
    for visit, cache in zip(visits, caches):
        visit.forward(cache)
    for visit, cache in zip(reversed(visits), reversed(caches)):
        dy = np.copy(visit.layer.backward(np.copy(dy), cache, grads="skip"))
    grad = visits[0].layer.parameters.whole.grad.flat  # of the network that the layers are in
    grad[...] = 0
    added, dx = [], None
    for visit, cache in zip(visits, caches):
        v, ddx = visit.layer.double_backward(np.copy(v), cache)
        added.append(np.zeros_like(visit.x) if ddx is None else np.copy(ddx))
    for visit, cache, ddx in zip(reversed(visits), reversed(caches), reversed(added)):
        dx = ddx if dx is None else ddx + visit.layer.backward(dx, cache, grads="add")
    return [dx, np.copy(v), grad.copy()]


# ---- functions to be checked ------------------------------------------------------------------------------------------------


def forward_pass(visit):
    """A layer's forward pass, whose pullback is its backward pass."""
    parameters = own_parameters(visit.layer)

    def pullback(dy):
        visit.forward(visit.cache)
        dx = visit.layer.backward(np.copy(dy), visit.cache)
        return {"x": dx, **{name: grad for name, (_, grad) in parameters.items()}}

    arrays = {"x": visit.x, **{name: value for name, (value, _) in parameters.items()}}
    return Function(arrays, lambda: np.copy(visit.forward(visit.cache)), pullback)


def loss_alone(y, loss, target, cache):
    """The loss of a copy of y, which is not what the layer before it made: a loss may know that one."""
    y = np.copy(y)

    def pullback(factor):
        return {"x": factor * loss(y, target, cache)[1]}

    return Function({"x": y}, lambda: np.copy(loss(y, target, cache)[0]).reshape(1), pullback, terms=rms(y))


def loss_behind(visit, loss, target):
    """The loss of what the last layer gives, whose pullback begins with the gradient that the loss gives."""
    layer_alone = forward_pass(visit)

    def value():
        return np.copy(loss(visit.forward(visit.cache), target, visit.cache)[0]).reshape(1)

    def pullback(factor):
        dy = np.copy(loss(visit.forward(visit.cache), target, visit.cache)[1])
        return layer_alone.pullback(dy * factor)

    logits = rms(visit.forward(visit.cache))  # a loss near 0 may be the difference of two of them
    return Function(layer_alone.arrays, value, pullback, terms=logits)


def backward_pass(visit, dy):
    """A layer's backward pass, a function of dy, x and the parameters, whose pullback is double_backward."""
    parameters, cache = own_parameters(visit.layer), visit.new_cache(twice=True)

    def dx():
        visit.forward(cache)
        return np.copy(visit.layer.backward(np.copy(dy), cache, grads="skip"))

    def pullback(v):
        dx()
        visit.layer.parameters.grad.flat[...] = 0
        ddy, ddx = visit.layer.double_backward(np.copy(v), cache)
        ddx = np.zeros_like(visit.x) if ddx is None else ddx
        return {"x": ddx, "dy": ddy, **{name: grad for name, (_, grad) in parameters.items()}}

    arrays = {"x": visit.x, "dy": dy, **{name: value for name, (value, _) in parameters.items()}}
    return Function(arrays, dx, pullback, terms=rms(dy))  # dx = dy (1 - y^2) may be small where its terms are not


# ---- what a layer is --------------------------------------------------------------------------------------------------------


def is_chain(layer):
    """Whether it is a network that does nothing but send x through its layers."""
    return isinstance(layer, Sequential) and type(layer).forward is Sequential.forward


def has_double_backward(layer):
    if is_chain(layer):
        return all(map(has_double_backward, layer))
    return type(layer).double_backward not in (Layer.double_backward, Sequential.double_backward)


def own_parameters(layer):
    """{name: (value, gradient)}; the name says whose it is, where the layer is made of others."""
    return {
        key if leaf is layer else f"{leaf.label} {key}": (getattr(leaf, key), getattr(leaf, "d" + key))
        for _, leaf in layer.leaves()
        for key in leaf.parameter_shapes
    }


def own_gradients(layer):
    return [grad for _, grad in own_parameters(layer).values()]


def random_like(array, rng):
    """Random numbers, in the array's shape and memory order."""
    other = np.empty_like(array)
    other[...] = random_signs(array.shape, rng)
    return other
