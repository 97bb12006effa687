"""A network: layers one after another."""

import copy

from nn.errors import ShapeError
from nn.layers.base import GRADS, Layer
from nn.settings import sizes
from nn.underflow import quiet


class Sequential(Layer):
    """y = layer_n(... layer_1(x)): a network, which is a layer too and may stand inside another.

    ``net = Sequential(Dense(784, 128), LeakyReLU(0.2), Dense(128, 1)).build(seed=0)`` makes a network with memory;
    ``net[:-1]`` is the network without its last layer, on the same parameters, and ``Adam(net[-1:])`` steps those of the last
    one only. input_shape: the shape of one sample, for networks whose first layer does not say it. Errors: `ShapeError`, by
    the name of the layer, as soon as two neighbours do not fit, and for a slice that leaves layers out.
    """

    def __init__(self, *layers, input_shape=None):
        super().__init__()
        for layer in layers:
            if not isinstance(layer, Layer):
                raise ShapeError(f"Sequential: expected layers, got {layer!r}")
        leaves = [id(leaf) for layer in layers for _, leaf in layer.leaves()]
        if not layers or len(set(leaves)) < len(leaves):
            raise ShapeError("Sequential: expected one or more layers, each a separate object")
        self.layers = layers
        self.input_shape = layers[0].input_shape if input_shape is None else sizes("Sequential", "input_shape", input_shape)
        if self.input_shape is not None:
            self.output_shape(self.input_shape)
        with_parameters = [i for i, layer in enumerate(layers) if layer.n_parameters]
        self._first_with_parameters = min(with_parameters, default=len(layers))

    @quiet
    def forward(self, x, cache, *, train=False):
        self._check_cache(cache)
        self.check_array(x, "x")
        for layer, part in zip(self.layers, cache.parts):
            x = layer.forward(x, part, train=train)
        cache.y_shape = x.shape
        return x

    @quiet
    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if grads not in GRADS:
            raise ShapeError(f"{self.label}: expected grads to be one of {', '.join(GRADS)}, got {grads!r}")
        self._check_cache(cache)
        self.check_dy(dy, cache.y_shape)
        last = 0 if need_dx else self._first_with_parameters if grads != "skip" else len(self.layers)
        for i in range(len(self.layers) - 1, last - 1, -1):
            dy = self.layers[i].backward(dy, cache.parts[i], grads=grads, need_dx=need_dx or i > last)
        return dy if need_dx else None

    @quiet
    def double_backward(self, v, cache):
        self._check_cache(cache)
        if not cache.twice:
            raise ShapeError(f"{self.label}: expected a cache made by cache(twice=True) for double_backward, got another")
        curved = []
        for layer, part in zip(self.layers, cache.parts):  # `backward` went down through the layers, so its derivative goes up
            v, ddx = layer.double_backward(v, part)
            curved.append(ddx)
        dx = None
        for layer, part, ddx in zip(reversed(self.layers), reversed(cache.parts), reversed(curved)):
            if dx is not None:  # what a layer above adds to the gradient of its x comes down like any gradient
                dx = layer.backward(dx, part, grads="add")
            if ddx is not None:
                dx = ddx if dx is None else self.ops.add_(dx, ddx)
        return v, None if dx is None else cache.kept("ddx", dx)  # a backward pass after this one writes where dx lies

    def cache(self, *, tracks_statistics=True, twice=False):
        cache = super().cache(tracks_statistics=tracks_statistics, twice=twice)
        cache.parts = [layer.cache(tracks_statistics=tracks_statistics, twice=twice) for layer in self.layers]
        return cache

    def output_shape(self, shape):
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape

    def leaves(self, path=""):
        for i, layer in enumerate(self.layers):
            yield from layer.leaves(f"{path}{i}.")

    def __len__(self):
        return len(self.layers)

    def __iter__(self):
        return iter(self.layers)

    def __getitem__(self, index):
        if not isinstance(index, slice):
            return self.layers[index]
        if index.step not in (None, 1):
            raise ShapeError(f"{self.label}: expected a slice of neighbouring layers, got a step of {index.step}")
        part = Sequential(*self.layers[index])
        if self.parameters:
            first = index.indices(len(self))[0]
            part.parameters = self.parameters.part({f"{first + i}.": f"{i}." for i in range(len(part))})
            part.ops, part.dtype, part.stream, part.path = self.ops, self.dtype, self.stream, self.path
        return part

    def __repr__(self):
        lines = "".join(f"    {line}\n" for layer in self.layers for line in f"{layer!r},".splitlines())
        shape = "" if self.input_shape == self.layers[0].input_shape else f"    input_shape={self.input_shape},\n"
        return f"Sequential(\n{lines}{shape})"

    def summary(self, input_shape=None):
        """A table of layers, output shapes (N is the batch) and parameter counts, as a string.

        input_shape: the shape of one sample; needed only where the first layers take any shape.
        """
        shape = self.input_shape if input_shape is None else input_shape
        rows = [("layer", "output", "parameters")]
        for layer in self.layers:
            shape = None if shape is None else layer.output_shape(tuple(shape))
            output = "?" if shape is None else f"(N, {', '.join(map(str, shape))})"
            name = "Sequential" if isinstance(layer, Sequential) else repr(layer)
            rows.append((name, output, f"{layer.n_parameters:,}"))
        rows.append(("total", "", f"{self.n_parameters:,}"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}" for row in rows]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:-1], "-" * len(lines[0]), lines[-1]])

    def _check_cache(self, cache):
        if getattr(cache, "owner", None) is not self:
            raise ShapeError(f"{self.label}: expected a cache of this network, made by its cache(), got {cache!r}")
        if cache.dtype != self.dtype:
            raise ShapeError(f"{self.label}: expected a cache of {self.dtype}, got {cache.dtype}; make a new one by its cache()")

    def _adopt(self, whole):
        layers, adopted = [], []
        for layer in self.layers:
            if layer.parameters and layer.parameters.whole is not whole:
                layer = copy.deepcopy(layer)
                adopted += [(leaf.label, leaf, _arrays(leaf)) for _, leaf in layer.leaves()]
                layer._without_memory()
            else:
                adopted += layer._adopt(whole)
            layers.append(layer)
        self.layers = tuple(layers)
        return adopted

    def _without_memory(self):
        super()._without_memory()
        for layer in self.layers:
            layer._without_memory()

    def _bind(self, parameters, ops, stream, path):
        super()._bind(parameters, ops, stream, path)
        for i, layer in enumerate(self.layers):
            layer._bind(parameters.part({f"{i}.": ""}), ops, stream, f"{path}.{i}")


def _arrays(leaf):
    """A layer's parameters and statistics on the host, by name."""
    return {name: leaf.ops.to_host(getattr(leaf, name)) for name in leaf.parameter_shapes | leaf.statistic_shapes}
