"""The layer protocol: what every layer, and a whole network, can do."""

import inspect
import math
import warnings

import numpy as np

from nn.cache import Cache, owner
from nn.errors import DtypeError, ShapeError
from nn.ops import get_ops
from nn.parameters import Parameters

GRADS = ("write", "add", "skip")
DTYPES = ("float32", "float64")


class Layer:
    """A function with parameters and a backward pass written by hand.

    A layer is described first, ``Dense(784, 128)``, and gets its memory by `build`. A layer of your own keeps each constructor
    argument under its own name, sets `parameter_shapes` (and `statistic_shapes`), fills them in `initialize`, and writes
    `forward`, `backward` and `output_shape`; the parameter ``W`` is then there as ``self.W``, its gradient as ``self.dW``.
    Copies, by `copy.deepcopy` or `pickle`, have memory of their own; what is copied together shares it as before.

    forward(x, cache, *, train=False) -> y
        Keeps in `cache` what backward needs. `train` chooses what dropout and batch norm do. Never writes into x.
    backward(dy, cache, *, grads="write", need_dx=True) -> dx, or None without need_dx
        From dy = dL/dy to dx = dL/dx. May overwrite dy. `grads` says what happens to the parameter gradients: "write",
        "add" to what is there, or "skip", which is what frozen means: they are not computed, and dx is the same.
    double_backward(v, cache) -> (dP/d(dy), dP/dx or None)
        The backward pass of `backward`, for a penalty P on its result dx: v = dP/d(dx). Adds dP/dW to the parameter gradients;
        dP/dx is what a curved function adds, None for one that is linear in pieces. May overwrite v. The cache must be one
        of `cache(twice=True)` that `backward` has just gone through. Only some layers have it.
    """

    def __init__(self):
        self.parameter_shapes = {}  # {"W": (784, 128), "b": (128,)}
        self.statistic_shapes = {}  # running statistics: saved, never optimized
        self.input_shape = None  # the shape of one sample of x, where the layer knows it
        self.ops = self.dtype = self.parameters = self.stream = self.path = None  # known from `build` on

    # ---- what a layer of its own defines ------------------------------------------------------------------------

    def initialize(self, rng):
        """Fill the parameters, and the statistics, with their first values, drawn from a `numpy.random.Generator`."""

    def output_shape(self, shape):
        """The shape of one sample of y, given that of x; `ShapeError` if the layer cannot take it."""
        return shape

    def forward(self, x, cache, *, train=False):
        raise TypeError(f"{type(self).__name__} does not define forward(x, cache, *, train=False)")

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        raise TypeError(f"{type(self).__name__} does not define backward(dy, cache, *, grads='write', need_dx=True)")

    def double_backward(self, v, cache):
        raise ShapeError(f"{self.label}: no penalty on gradients can go through it, {type(self).__name__} has no double_backward")

    # ---- what every layer has -----------------------------------------------------------------------------------

    def __call__(self, x):
        """Inference: y = f(x) in evaluation mode, in memory of its own."""
        cache = self.cache(tracks_statistics=False)
        self.check_array(x, "x")
        y = self.forward(x, cache)
        if cache.last.holds(y):
            return y
        own = Cache(self).like("y", y)  # y may be x itself, a view of it, or an array that a layer keeps
        self.ops.copy_(own, y)
        return own

    def build(self, seed=None, *, device="cpu", dtype="float32", name=None):
        """Allocate the parameters on a device, draw their first values, and return self.

        seed: an int, a `numpy.random.SeedSequence` or `Generator`, or None for a seed of the system's; the values are
        the same on every device. dtype: "float32", or "float64" for gradient checks. name: what errors call the network.
        A network may be built again: in the same memory, or in new memory for another device or dtype, and then earlier
        optimizers refuse to step. A layer that belongs to another network stays there: this one takes a copy of it, with
        its values, and says so in a warning. Errors: `ShapeError` for a part of a built network.
        """
        if getattr(dtype, "__name__", str(dtype)) not in DTYPES:
            raise DtypeError(f"build: expected dtype float32 or float64, got {dtype}")
        weights_rng, dropout_rng = np.random.default_rng(seed).spawn(2)
        ops = get_ops(device)
        self._check_memory()
        adopted = self._adopt(self.parameters.whole if self.parameters else None)
        if adopted:
            warnings.warn(
                f"{', '.join(label for label, _, _ in adopted)} belong to another network; this one takes copies of them, with "
                "their values. Train and draw with the copies, in net.layers; to train two networks together, chain their "
                "passes, D.forward(G.forward(z)), with an optimizer each",
                stacklevel=2,
            )
        leaves = list(self.leaves())
        parameters = self._memory(leaves, ops, np.dtype(dtype))
        stream = ops.stream(dropout_rng.bit_generator.seed_seq)
        self._bind(parameters, ops, stream, name or "net")
        for _, leaf in leaves:
            leaf.initialize(weights_rng)
        for _, leaf, arrays in adopted:
            for name, array in arrays.items():
                ops.copy_(getattr(leaf, name), ops.asarray(array, self.dtype))
        return self

    def cache(self, *, tracks_statistics=True, twice=False):
        """A new cache for passes through this layer; see `Cache`."""
        if self.ops is None:
            raise ShapeError(f"{type(self).__name__} has no memory yet: call .build(seed=...) before its first pass")
        return Cache(self, tracks_statistics, twice)

    def leaves(self, path=""):
        """Each (path, layer) that is not itself a network: ("0.", Dense(784, 128)), ..."""
        yield path, self

    def settings(self):
        """The constructor's arguments that differ from their defaults, by name."""
        signature = inspect.signature(type(self))
        return {name: getattr(self, name) for name, p in signature.parameters.items() if getattr(self, name) != p.default}

    def __repr__(self):
        signature = inspect.signature(type(self)).parameters
        parts = [f"{value!r}" if signature[name].default is inspect.Parameter.empty else f"{name}={value!r}"
                 for name, value in self.settings().items()]  # fmt: skip
        return f"{type(self).__name__}({', '.join(parts)})"

    @property
    def label(self):
        """What errors call this layer: Dense 'D.0', or Dense(784, 128) before it is built."""
        return f"{type(self).__name__} '{self.path}'" if self.path else repr(self)

    @property
    def n_parameters(self):
        return sum(math.prod(shape) for _, leaf in self.leaves() for shape in leaf.parameter_shapes.values())

    def check_array(self, x, name):
        """Raise `DtypeError` unless x is an array of this network's device and dtype."""
        if not self.ops.is_array(x):
            raise DtypeError(f"{self.label}: expected {name} as an array on {self.ops}, got {type(x).__name__}")
        if x.dtype != self.dtype:
            raise DtypeError(
                f"{self.label}: expected {name} of {self.dtype}, got {x.dtype}; convert it with {name}.astype('{self.dtype}')"
            )

    def check_input(self, x, shape):
        """Raise unless x is such an array, of the given shape; None stands for any size."""
        self.check_array(x, "x")
        if len(x.shape) != len(shape) or any(want not in (None, got) for want, got in zip(shape, x.shape)):
            wanted = ", ".join(axis if size is None else str(size) for axis, size in zip("NCHW", shape))
            raise ShapeError(f"{self.label}: expected x of shape ({wanted}), got {x.shape}")
        if len(shape) == 4 and 0 in x.shape:
            raise ShapeError(f"{self.label}: expected at least one image, and no empty ones, got x of shape {x.shape}")

    def check_dy(self, dy, shape):
        """Raise unless dy is such an array, of y's shape in the last forward pass; None where there was none."""
        self.check_array(dy, "dy")
        if shape is None:
            raise ShapeError(f"{self.label}: no forward pass went through this cache yet, expected one before backward")
        if dy.shape != shape:
            raise ShapeError(f"{self.label}: expected dy of y's shape {shape}, got {dy.shape}")

    # ---- memory -------------------------------------------------------------------------------------------------

    def _check_memory(self):
        """Raise for a part of a built network: to build it would take it away from that network and its optimizers."""
        whole = self.parameters.whole if self.parameters else None
        if whole is not self.parameters and whole.has_network:
            raise ShapeError(
                f"{self.label}: expected a whole network to build, this is a part of one that is built; "
                "build that one, or a deep copy of this part"
            )

    def _adopt(self, whole):
        """Put copies in place of the layers of other networks than that of the memory `whole`: [(old label, leaf, its arrays)]."""
        return []

    def _without_memory(self):
        """Forget the network that this layer was built in."""
        self.ops = self.dtype = self.parameters = self.stream = self.path = None

    def _memory(self, leaves, ops, dtype):
        """New parameters, all 0; or those that are there, if they fit: what was made for them stays valid."""
        shapes = {path + key: shape for path, leaf in leaves for key, shape in leaf.parameter_shapes.items()}
        statistic_shapes = {path + key: shape for path, leaf in leaves for key, shape in leaf.statistic_shapes.items()}
        held = self.parameters
        if held and held.whole is held and held.fit(shapes, statistic_shapes, ops, dtype):
            held.clear()
            return held
        return Parameters(shapes, statistic_shapes, ops, dtype)

    def _bind(self, parameters, ops, stream, path):
        """Take the network's backend and stream, and this layer's part of its parameters."""
        self.parameters, self.ops, self.stream, self.path = parameters, ops, stream, path
        self.dtype = np.dtype(parameters.value.flat.dtype)
        vars(self).update(self._views())

    def _views(self):
        """This layer's arrays in its parameters, by the names of the attributes."""
        value, grad, statistics = self.parameters.value, self.parameters.grad, self.parameters.statistics
        return (
            {key: value[key] for key in self.parameter_shapes}
            | {"d" + key: grad[key] for key in self.parameter_shapes}
            | {key: statistics[key] for key in self.statistic_shapes}
        )

    def __getstate__(self):
        """What a copy is made of: all but the views into the parameters, which it takes from its own."""
        state = dict(vars(self))
        if self.parameters is None:
            return state
        for name, view in self._views().items():
            if state.get(name) is view:
                del state[name]
        held = {id(owner(buffer.flat)) for buffer in (self.parameters.value, self.parameters.grad, self.parameters.statistics)}
        for name, value in state.items():
            if self.ops.is_array(value) and id(owner(value)) in held:
                raise ShapeError(
                    f"{self.label}: cannot be copied, its attribute {name!r} is a view of its parameters, which the copy "
                    "would lose; take such a view where it is used"
                )
        return state

    def __setstate__(self, state):
        vars(self).update(state)
        if self.parameters is not None:
            if self.parameters.whole is self.parameters:
                self.parameters.has_network = True
            vars(self).update(self._views() | state)
