"""Broken promises of the layer protocol, which leave the gradients of an ordinary pass right.

Each function of a layer's class, such as `always_writes`, returns the methods of a subclass that
breaks one promise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import nn
from benchmarks.harness.gradcheck.spoiling import FACTOR, Methods, subclass
from nn.cache import Cache
from nn.layers.base import Grads

CACHE_USERS = (  # layers whose backward pass needs something from its own cache
    nn.Dense,
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.ReLU,
    nn.LeakyReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.BatchNorm,
    nn.MaxPool2d,
)


def broken_promise(rng: np.random.Generator, layer: Any) -> str:
    """Break a random promise among those that matter for this layer; returns its name."""
    kind = type(layer)
    mistakes = [
        writes_x_in_forward,
        writes_x_in_backward,
        scales_dx_when_skipping,
        ignores_need_dx,
        keeps_y_in_layer,
        backward_works_once,
        adds_dx_of_earlier_pass,
    ]
    if layer.parameter_shapes:
        mistakes += [
            always_writes,
            writes_when_adding,
            writes_when_skipping,
            adds_when_writing,
            skips_without_dx,
            changes_parameters,
        ]
    if kind in CACHE_USERS:
        mistakes.append(keeps_cache_in_layer)
    if layer.statistic_shapes:
        mistakes.append(changes_statistics)
    has_double_backward = kind.double_backward is not nn.Layer.double_backward
    if has_double_backward and "W" in layer.parameter_shapes:
        mistakes.append(double_backward_writes)
    mistake = mistakes[rng.integers(len(mistakes))]
    subclass(layer, mistake(kind))
    return mistake.__name__.replace("_", " ")


def replaces_grads(kind: Any, **replacements: Grads) -> Methods:
    """backward with other values of `grads`."""

    def backward(
        self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> Any:
        replaced = replacements.get(grads, grads)
        return kind.backward(self, dy, cache, grads=replaced, need_dx=need_dx)

    return {"backward": backward}


def always_writes(kind: Any) -> Methods:
    return replaces_grads(kind, add="write", skip="write")


def writes_when_adding(kind: Any) -> Methods:
    return replaces_grads(kind, add="write")


def writes_when_skipping(kind: Any) -> Methods:
    return replaces_grads(kind, skip="write")


def adds_when_writing(kind: Any) -> Methods:
    return replaces_grads(kind, write="add")


def skips_without_dx(kind: Any) -> Methods:
    def backward(
        self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> Any:
        return kind.backward(self, dy, cache, grads=grads if need_dx else "skip", need_dx=need_dx)

    return {"backward": backward}


def scales_dx_when_skipping(kind: Any) -> Methods:
    def backward(
        self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> Any:
        dx = kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        return dx * FACTOR if need_dx and grads == "skip" else dx

    return {"backward": backward}


def ignores_need_dx(kind: Any) -> Methods:
    def backward(
        self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> Any:
        return kind.backward(self, dy, cache, grads=grads)

    return {"backward": backward}


def writes_x_in_forward(kind: Any) -> Methods:
    def forward(self: Any, x: np.ndarray, cache: Cache, *, train: bool = False) -> np.ndarray:
        y = np.copy(kind.forward(self, x, cache, train=train))
        last = (-1,) * x.ndim
        x[last] += 1 + abs(x[last])
        return y

    return {"forward": forward}


def writes_x_in_backward(kind: Any) -> Methods:
    def forward(self: Any, x: np.ndarray, cache: Cache, *, train: bool = False) -> np.ndarray:
        cache.given_x = x
        return kind.forward(self, x, cache, train=train)

    def backward(
        self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> Any:
        dx = kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        dx = None if dx is None else np.copy(dx)
        first = (0,) * cache.given_x.ndim
        cache.given_x[first] += 1 + abs(cache.given_x[first])
        return dx

    return {"forward": forward, "backward": backward}


def keeps_y_in_layer(kind: Any) -> Methods:
    def forward(self: Any, x: np.ndarray, cache: Cache, *, train: bool = False) -> np.ndarray:
        y = kind.forward(self, x, cache, train=train)
        if getattr(self, "kept_y", np.empty(0)).shape != y.shape:
            self.kept_y = np.empty_like(y)
        self.kept_y[...] = y
        return self.kept_y

    return {"forward": forward}


def keeps_cache_in_layer(kind: Any) -> Methods:
    def forward(self: Any, x: np.ndarray, cache: Cache, *, train: bool = False) -> np.ndarray:
        self.last = cache
        return kind.forward(self, x, cache, train=train)

    def backward(
        self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> Any:
        return kind.backward(self, dy, self.last, grads=grads, need_dx=need_dx)

    return {"forward": forward, "backward": backward}


def backward_works_once(kind: Any) -> Methods:
    def forward(self: Any, x: np.ndarray, cache: Cache, *, train: bool = False) -> np.ndarray:
        cache.used = False
        return kind.forward(self, x, cache, train=train)

    def backward(
        self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> Any:
        dy = dy * FACTOR if cache.used else dy
        cache.used = True
        return kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)

    return {"forward": forward, "backward": backward}


def adds_dx_of_earlier_pass(kind: Any) -> Methods:
    """dx is added to a buffer that is empty only in a new cache."""

    def forward(self: Any, x: np.ndarray, cache: Cache, *, train: bool = False) -> np.ndarray:
        cache.n_passes = getattr(cache, "n_passes", 0) + 1
        return kind.forward(self, x, cache, train=train)

    def backward(
        self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> Any:
        dx = kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        if need_dx and cache.n_passes > 1:
            dx = dx + 1e-3 * cache.earlier_dx
        if need_dx and cache.n_passes == 1:
            cache.earlier_dx = np.copy(dx)
        return dx

    return {"forward": forward, "backward": backward}


def changes_parameters(kind: Any) -> Methods:
    def forward(self: Any, x: np.ndarray, cache: Cache, *, train: bool = False) -> np.ndarray:
        y = kind.forward(self, x, cache, train=train)
        getattr(self, next(iter(self.parameter_shapes)))[...] *= 1 + 1e-6
        return y

    return {"forward": forward}


def changes_statistics(kind: Any) -> Methods:
    def forward(self: Any, x: np.ndarray, cache: Cache, *, train: bool = False) -> np.ndarray:
        y = kind.forward(self, x, cache, train=train)
        if not train:
            getattr(self, next(iter(self.statistic_shapes)))[...] += 1e-3
        return y

    return {"forward": forward}


def double_backward_writes(kind: Any) -> Methods:
    def double_backward(self: Any, v: np.ndarray, cache: Cache) -> Any:
        self.dW[...] = 0
        return kind.double_backward(self, v, cache)

    return {"double_backward": double_backward}
