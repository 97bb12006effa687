"""Replaces methods while a step runs, and copies what passes through them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from nn.cache import Cache
from nn.errors import DeviceMemoryError
from nn.layers.base import Layer
from nn.layers.container import Container
from nn.ops import get_ops
from nn.ops.base import Array
from nn.parameters import FlatBuffer
from nn.watching.event import Event
from nn.watching.lines import lines_of

PASSES = {"forward": ("x", "y"), "backward": ("dy", "dx"), "double_backward": ("v", "ddy")}
MIB = 2**20


def watch(step: Callable[[], Any], *watched: Any, max_bytes: int | None = None) -> list[Event]:
    """Call step() once, and return what it did.

    Parameters
    ----------
    step : callable
        Called without arguments. What it does in other threads is not watched.
    *watched : Layer or Optimizer
        Built networks or layers, and optimizers.
    max_bytes : int, optional
        Of all copies together.

    Raises
    ------
    DeviceMemoryError
        If the copies need more than `max_bytes`. The step has then been left half done.

    Examples
    --------
    >>> import numpy as np
    >>> from nn import Dense, ReLU, Sequential
    >>> from nn.watching import watch
    >>> net = Sequential(Dense(4, 3), ReLU()).build(seed=0)
    >>> cache = net.cache()
    >>> events = watch(lambda: net.forward(np.ones((2, 4), np.float32), cache), net)
    >>> [(event.what, event.of.path, sorted(event.arrays)) for event in events]
    [('forward', 'net.0', ['W', 'b', 'x', 'y']), ('forward', 'net.1', ['x', 'y'])]
    """
    watcher = Watcher(max_bytes)
    with watcher.watching():
        for each in watched:
            watcher.layer(each) if isinstance(each, Layer) else watcher.optimizer(each)
        step()
    return watcher.events


class Watcher:
    """Replaces methods of objects while a step runs, and collects what passes through them.

    Parameters
    ----------
    max_bytes : int, optional
        Of all copies together.

    Attributes
    ----------
    events : list of Event
    """

    def __init__(self, max_bytes: int | None = None) -> None:
        self.events: list[Event] = []
        self.within: tuple[str, ...] = ()
        self._max_bytes, self._n_bytes = max_bytes, 0
        self._replaced: list[tuple[Any, str]] = []
        self._last: tuple[Any, np.ndarray] | None = None  # an output and its copy
        self._forwards: dict[int, int] = {}  # the latest forward event by id of its cache
        self._thread = threading.get_ident()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch inside the block; afterwards, all objects are as they were."""
        try:
            yield
        finally:
            for owner, name in reversed(self._replaced):
                del vars(owner)[name]
            self._replaced.clear()

    def replace(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        """Let ``around(method, *args, **kwargs)`` stand for a method of this object."""
        method = getattr(owner, name)
        if name in vars(owner):
            raise TypeError(f"{name}: expected a method that is watched once, got one that is")

        def call(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != self._thread:
                return method(*args, **kwargs)
            return around(method, *args, **kwargs)

        vars(owner)[name] = call
        self._replaced.append((owner, name))

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Events in the block happen within this name."""
        before = self.within
        self.within = (*before, name)
        try:
            yield
        finally:
            self.within = before

    def add(self, event: Event) -> Event:
        """Append an event, which happened here."""
        event.within = self.within
        self.events.append(event)
        return event

    def copies(self, ops: Any, arrays: Mapping[str, Array | None]) -> dict[str, np.ndarray]:
        """Copies on the host of those that are not None."""
        return {name: self.copy(ops, x) for name, x in arrays.items() if x is not None}

    def copy(self, ops: Any, array: Array) -> np.ndarray:
        """A copy on the host; that of the latest output if the array is this, unchanged."""
        copy = ops.to_host(array)
        if self._last is not None and self._last[0] is array:
            if np.array_equal(self._last[1], copy, equal_nan=copy.dtype.kind == "f"):
                return self._last[1]
        self._n_bytes += copy.nbytes
        if self._max_bytes is not None and self._n_bytes > self._max_bytes:
            raise DeviceMemoryError(
                f"watch: expected copies of at most {self._max_bytes / MIB:,.0f} MiB, got more; "
                "take a smaller batch"
            )
        return copy

    # ---- layers

    def layer(self, layer: Layer) -> None:
        """Watch a layer, or all layers of a network."""
        if isinstance(layer, Container):
            for inner in layer.layers:
                self.layer(inner)
        for name in PASSES:
            self._watch_pass(layer, name)

    def _watch_pass(self, layer: Any, name: str) -> None:
        is_network = isinstance(layer, Container)
        label = f"{layer.path}.{name}"

        def around(method: Any, x: Array, cache: Cache, **options: Any) -> Any:
            if not is_network:
                return self._pass(layer, name, method, x, cache, options)
            with self.inside(label):
                return method(x, cache, **options)

        self.replace(layer, name, around)

    def _pass(
        self, layer: Any, name: str, method: Any, x: Array, cache: Cache, options: dict[str, Any]
    ) -> Any:
        """Call a pass of a layer, and add its event."""
        ops, (given, made) = layer.ops, PASSES[name]
        grads = options.get("grads", "write") if name == "backward" else None
        adds = name == "double_backward" or grads == "add"
        arrays = {given: self.copy(ops, x)}  # before the pass, which may overwrite it
        parameters = {key: getattr(layer, key) for key in layer.parameter_shapes}
        gradients = {"d" + key: getattr(layer, "d" + key) for key in layer.parameter_shapes}
        if name == "forward":
            arrays |= self.copies(ops, parameters)
        elif adds:
            before = {f"{key}_before": array for key, array in gradients.items()}
            arrays |= self.copies(ops, before)
        with _buffers_of(cache) as buffers:
            result, lines = lines_of(type(layer), name, method, x, cache, **options)
        y, second = result if name == "double_backward" else (result, None)
        if y is not None:
            arrays[made] = self.copy(ops, y)
        arrays |= self.copies(ops, {"ddx": second})
        if name == "forward":
            statistics = {key: getattr(layer, key) for key in layer.statistic_shapes}
            arrays |= self.copies(ops, statistics)
            self._forwards[id(cache)] = len(self.events)
            # what backward needs besides x and y, in whichever layout they are
            kept = {n: b for n, b in buffers.items() if n not in ("x", "y") and n[-5:] != "_rows"}
            arrays |= self.copies(ops, kept)
        elif grads != "skip":
            arrays |= self.copies(ops, gradients)
        event = Event(name, layer, arrays, dict(options), function=getattr(type(layer), name))
        event.lines = lines
        event.forward = None if name == "forward" else self._forwards.get(id(cache))
        self.add(event)
        if y is not None:
            self._last = y, arrays[made]
        return result

    # ---- optimizers

    def optimizer(self, optimizer: Any) -> None:
        """Watch the steps of an optimizer: an event for each layer with parameters."""
        self.replace(optimizer, "step", lambda method: self._step(optimizer, method))

    def _step(self, optimizer: Any, method: Any) -> None:
        network, state = optimizer.network, optimizer.state
        ops, parameters = network.ops, network.parameters
        value = parameters.value.flat
        slots = {name: array for name, array in state.items() if array.shape == value.shape}
        before = {"": ops.to_host(value)} | {n: ops.to_host(x) for n, x in slots.items()}
        _, lines = lines_of(type(optimizer), "step", method)
        after = {"_after": value, "d": parameters.grad.flat}
        after |= {f"{name}_after": array for name, array in slots.items()}
        flat = before | {name: ops.to_host(array) for name, array in after.items()}
        shapes = {name: view.shape for name, view in parameters.value.views.items()}
        views = {name: laid_out(shapes, array) for name, array in flat.items()}
        rate = float(ops.to_host(optimizer.step_state)[1])
        for path, module in network.modules():
            arrays: dict[str, np.ndarray] = {}
            for key in module.parameter_shapes:
                named = {_name_of(key, name): view[path + key] for name, view in views.items()}
                arrays |= {name: np.array(x) for name, x in named.items()}
            self._n_bytes += sum(x.nbytes for x in arrays.values())
            if arrays:
                event = Event("step", module, arrays, {"learning_rate": rate})
                event.function, event.lines = type(optimizer).step, lines
                event.settings["optimizer"] = optimizer
                self.add(event)


def _name_of(key: str, name: str) -> str:
    """What an array of a step is called: W, dW, W_after, m_W, m_W_after."""
    if name in ("", "_after"):
        return key + name
    if name == "d":
        return name + key
    slot, after, _ = name.partition("_after")
    return f"{slot}_{key}{after}"


@contextmanager
def _buffers_of(cache: Cache) -> Iterator[dict[str, Array]]:
    """The buffers that a pass asks this cache for, by name."""
    asked: dict[str, Array] = {}
    buffer = cache.buffer

    def noting(name: str, *args: Any, **kwargs: Any) -> Array:
        asked[name] = buffer(name, *args, **kwargs)
        return asked[name]

    vars(cache)["buffer"] = noting
    try:
        yield asked
    finally:
        del vars(cache)["buffer"]


def laid_out(shapes: Mapping[str, tuple[int, ...]], flat: np.ndarray) -> dict[str, np.ndarray]:
    """The named arrays in a flat vector that is laid out as a network's parameters."""
    buffer = FlatBuffer(shapes, get_ops("numpy"), flat.dtype)
    buffer.flat[...] = flat
    return {name: np.asarray(view) for name, view in buffer.views.items()}
