"""A network: layers one after another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Self, get_args, overload

from nn.cache import Cache
from nn.errors import ShapeError
from nn.layers.base import Grads, Layer, MaybeArray
from nn.layers.container import Container, check_layers
from nn.ops.base import Array
from nn.settings import Shape, is_integer, sample_shape
from nn.underflow import quiet

GRADS = get_args(Grads)
PASSES = ("forward", "backward", "double_backward", "output_shape")


class Sequential(Container):
    """y = layer_n(... layer_1(x)): a network, which is itself a layer and can stand inside another.

    ``net = Sequential(Dense(64, 128), LeakyReLU(0.2), Dense(128, 1)).build(seed=0)`` makes a
    network with memory. A slice shares its parameters: ``net[:-1]`` is the network without its last
    layer, and ``Adam(net[-1:])`` steps the parameters of the last layer only.

    Parameters
    ----------
    *layers : Layer
    input_shape : tuple of int, optional
        The shape of one sample, for networks whose first layer does not fix it.

    Raises
    ------
    ShapeError
        If two neighbouring layers do not fit; for a slice with a step.
    """

    def __init__(self, *layers: Layer, input_shape: Shape | int | None = None) -> None:
        super().__init__()
        if not layers:
            raise ShapeError(
                "Sequential: expected one or more layers, got none; pass them in order"
            )
        check_layers("Sequential", layers)
        self.layers = layers
        self.input_shape = layers[0].input_shape
        if input_shape is not None:
            self.input_shape = sample_shape("Sequential", "input_shape", input_shape)
        if self.input_shape is not None:
            self.output_shape(self.input_shape)
        with_parameters = [i for i, layer in enumerate(layers) if layer.n_parameters]
        self._first_with_parameters = min(with_parameters, default=len(layers))

    @quiet
    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        self._check_cache(cache)
        self.check_array(x, "x")
        for layer, part in zip(self.layers, cache.parts):
            y = layer.forward(x, part, train=train)
            if cache.y_shape is None:  # once for each cache
                layer.check_output(x, y)
            x = y
        cache.y_shape = x.shape
        return x

    @quiet
    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        if grads not in GRADS:
            allowed = ", ".join(GRADS)
            raise ShapeError(f"{self.label}: expected grads to be one of {allowed}, got {grads!r}")
        self._check_cache(cache)
        self.check_dy(dy, cache.y_shape)
        first = 0  # the first layer whose backward pass is needed
        if not need_dx:
            first = len(self.layers) if grads == "skip" else self._first_with_parameters
        for i in reversed(range(first, len(self.layers))):
            need = need_dx or i > first
            dy = self.layers[i].backward(dy, cache.parts[i], grads=grads, need_dx=need)
            if need and dy is None:
                raise ShapeError(
                    f"{self.layers[i].label}: expected backward to return dx, got None; "
                    "end it with `return dx` unless need_dx is False"
                )
        return dy if need_dx else None

    @quiet
    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        self._check_cache(cache)
        if not cache.double_backward:
            raise ShapeError(
                f"{self.label}: expected a cache made by cache(double_backward=True) "
                "for double_backward, got another"
            )
        second_order = []
        # `backward` went down through the layers, so its backward pass goes up
        for layer, part in zip(self.layers, cache.parts):
            v, ddx = layer.double_backward(v, part)
            second_order.append(ddx)
        dx = None
        for layer, part, ddx in zip(
            reversed(self.layers), reversed(cache.parts), reversed(second_order)
        ):
            if dx is not None:  # a second-order term goes down like any gradient
                dx = layer.backward(dx, part, grads="add")
            if ddx is not None:
                dx = ddx if dx is None else self.ops.add_(dx, ddx)
        if dx is None:
            return v, None
        return v, cache.copy_for_double_backward("ddx", dx)  # the next backward pass overwrites dx

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.output_shape(shape)
            if not isinstance(shape, tuple) or not all(is_integer(size, 1) for size in shape):
                raise ShapeError(
                    f"{layer.label}: expected output_shape to return a tuple of integers of at "
                    f"least 1, got {shape!r}; leave out the batch size"
                )
        return shape

    def workspace_size(self, x_shape: Shape, y_shape: Shape) -> int:
        size, shape = -math.prod(y_shape), x_shape
        for layer in self.layers:
            size += layer.pass_size(shape)
            shape = layer.output_shape(shape)
        return size

    # ---- as a sequence of layers --------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Any:
        if not isinstance(index, slice):
            return self.layers[index]
        if index.step not in (None, 1):
            raise ShapeError(
                f"{self.label}: expected a slice of neighbouring layers, got a step of {index.step}"
            )
        part = Sequential(*self.layers[index])
        if self.parameters:
            first = index.indices(len(self))[0]
            prefixes = {f"{first + i}.": f"{i}." for i in range(len(part))}
            part.parameters = self.parameters.part(prefixes)
            part.ops, part.dtype = self.ops, self.dtype
            part.stream, part.path = self.stream, self.path
        return part

    # ---- as text and plain data ---------------------------------------------------------------

    def __repr__(self) -> str:
        lines = "".join(f"    {line}\n" for layer in self for line in f"{layer!r},".splitlines())
        if self.input_shape != self.layers[0].input_shape:
            lines += f"    input_shape={self.input_shape},\n"
        return f"{type(self).__name__}(\n{lines})"

    def summary(self, input_shape: Shape | None = None) -> str:
        """A table of layers, output shapes (N is the batch) and parameter counts.

        Parameters
        ----------
        input_shape : tuple of int, optional
            The shape of one sample; needed only where the first layers take any shape.
        """
        shape = self.input_shape if input_shape is None else input_shape
        rows = [("layer", "output", "parameters")]
        for layer in self.layers:
            shape = None if shape is None else layer.output_shape(tuple(shape))
            output = "?" if shape is None else f"(N, {', '.join(map(str, shape))})"
            name = type(layer).__name__ if isinstance(layer, Container) else repr(layer)
            rows.append((name, output, f"{layer.n_parameters:,}"))
        rows.append(("total", "", f"{self.n_parameters:,}"))
        a, b, c = (max(len(row[i]) for row in rows) for i in range(3))
        lines = [f"{name:<{a}}  {output:<{b}}  {count:>{c}}" for name, output, count in rows]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def to_config(self) -> dict[str, Any]:
        """The config; a subclass that only chooses the layers is an ordinary Sequential in it."""
        kind = type(self)
        own_passes = any(getattr(kind, name) is not getattr(Sequential, name) for name in PASSES)
        if own_passes and kind.__init__ is not Sequential.__init__:
            return super().to_config()
        return {
            "type": self.type_name() if own_passes else "Sequential",
            "layers": [layer.to_config() for layer in self.layers],
            "input_shape": self.input_shape,
        }

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Self:
        return cls(*settings.pop("layers", ()), **settings)

    def _check_cache(self, cache: Cache) -> None:
        """Raise unless the cache was made by this network, for its dtype."""
        if getattr(cache, "owner", None) is not self:
            raise ShapeError(
                f"{self.label}: expected a cache of this network, made by its cache(), "
                f"got {cache!r}"
            )
        if cache.dtype != self.dtype:
            raise ShapeError(
                f"{self.label}: expected a cache of {self.dtype}, got {cache.dtype}; "
                "make a new one with its cache()"
            )
