"""Building, sharing and copying: how a layer gets the memory of its parameters."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any, Self, cast

import numpy as np

from nn.cache import memory_owner
from nn.errors import DtypeError, ShapeError
from nn.layers.described import BOUND, check_described
from nn.ops import get_ops
from nn.ops.base import Array, Ops, Stream
from nn.parameters import Parameters, Part
from nn.settings import Shape

DTYPES = ("float32", "float64")

AdoptedLayer = tuple[str, Any, dict[str, Array]]  # (former label, layer, its arrays on the host)


class Bound:
    """What has parameters: the base of `Layer` that builds, binds and copies it.

    Attributes
    ----------
    parameter_shapes, statistic_shapes : dict of str to tuple of int
        {"W": (64, 128), "b": (128,)}. Statistics are saved, but never optimized.
    ops : the backend; like all below, None until `build`
    dtype : numpy.dtype
    parameters : Parameters or Part
        A network's own, or the part of the network's that belongs to this layer.
    stream : the stream of random numbers, for dropout
    path : str
        The place in the network, such as "D.0".
    """

    parameter_shapes: dict[str, Shape]
    statistic_shapes: dict[str, Shape]
    ops: Ops[Any]
    dtype: np.dtype
    parameters: Parameters | Part
    stream: Stream[Any]
    path: str

    def __init__(self) -> None:
        self.parameter_shapes = {}
        self.statistic_shapes = {}
        self.unbind()

    def initialize(self, rng: np.random.Generator) -> None:
        """Fill the parameters and statistics with their initial values; before, all are 0."""

    def modules(self, path: str = "") -> Iterator[tuple[str, Any]]:
        """Each (path, layer) that is not itself a network: ("0.", Dense(64, 128)), ..."""
        yield path, self

    @property
    def label(self) -> str:
        """The layer's name in errors: Dense 'D.0', or Dense(64, 128) before it is built."""
        return f"{type(self).__name__} '{self.path}'" if self.path else repr(self)

    @property
    def n_parameters(self) -> int:
        """The number of elements of all parameters."""
        return sum(
            math.prod(shape)
            for _, module in self.modules()
            for shape in module.parameter_shapes.values()
        )

    def build(
        self,
        seed: Any = None,
        *,
        device: Any = "cpu",
        dtype: Any = "float32",
        name: str | None = None,
    ) -> Self:
        """Allocate the parameters on a device, draw their initial values, and return self.

        A network can be built again: in the same memory, or in new memory for another device or
        dtype, after which earlier optimizers refuse to step. A layer that belongs to another
        network stays there: this one takes a copy of it, with its values, and warns.

        Parameters
        ----------
        seed : int, numpy.random.SeedSequence, numpy.random.Generator or None
            None takes a seed from the system. The values are the same on every device.
        device : str or a backend
            See `get_ops`.
        dtype : "float32" or "float64"
            float64 is for gradient checks.
        name : str, optional
            The network's name in errors.

        Raises
        ------
        ShapeError
            If this is a part of a built network, or a layer is not described as `Layer` asks.
        """
        check_described(self)
        if getattr(dtype, "__name__", str(dtype)) not in DTYPES:
            raise DtypeError(f"build: expected dtype float32 or float64, got {dtype}")
        weights_rng, dropout_rng = np.random.default_rng(seed).spawn(2)
        ops = get_ops(device)
        self._check_is_whole()
        adopted = self.adopt(self.parameters.whole if self.parameters else None)
        if adopted:
            labels = ", ".join(label for label, _, _ in adopted)
            warnings.warn(
                f"{labels} belong to another network; this one "
                "takes copies of them, with their values. Use the copies, in net.layers, from now "
                "on. To train two networks together, chain their passes, D.forward(G.forward(z)), "
                "with one optimizer each",
                stacklevel=2,
            )
        modules = list(self.modules())
        parameters = self._allocate(modules, ops, np.dtype(dtype))
        # the seed sequence of a spawned generator is NumPy's own
        stream = ops.stream(cast(np.random.SeedSequence, dropout_rng.bit_generator.seed_seq))
        self.bind(parameters, ops, stream, name or "net")
        for _, module in modules:
            module.initialize(weights_rng)
            module.check_views()
        for _, module, arrays in adopted:
            for key, array in arrays.items():
                ops.copy_(getattr(module, key), ops.asarray(array, self.dtype))
        return self

    def bind(
        self, parameters: Parameters | Part, ops: Ops[Any], stream: Stream[Any], path: str
    ) -> None:
        """Take a backend, a stream, a path, and views of this layer's parameters, W and dW."""
        self.parameters, self.ops, self.stream, self.path = parameters, ops, stream, path
        self.dtype = np.dtype(parameters.value.flat.dtype)
        vars(self).update(self._views())

    def check_views(self) -> None:
        """Raise if an attribute W or dW is no longer the view of the parameters."""
        for name, view in self._views().items():
            if getattr(self, name, None) is not view:
                raise ShapeError(
                    f"{self.label}: expected initialize to write into {name}, got another object "
                    f"in its place; write self.{name}[...] = values"
                )

    def unbind(self) -> None:
        """Forget the network that this layer was built in."""
        vars(self).update(dict.fromkeys(BOUND))

    def adopt(self, whole: Parameters | None) -> list[AdoptedLayer]:
        """Replace layers whose parameters are not in `whole` by copies; a single layer has none."""
        return []

    def _check_is_whole(self) -> None:
        """Refuse to build a part: that would take it from its network and its optimizers."""
        whole = self.parameters.whole if self.parameters else None
        if whole is not None and whole is not self.parameters and whole.has_network:
            raise ShapeError(
                f"{self.label}: expected a whole network to build, got a part of a built one; "
                "build that network, or a deep copy of this part"
            )

    def _allocate(
        self, modules: list[tuple[str, Any]], ops: Ops[Any], dtype: np.dtype
    ) -> Parameters:
        """New parameters, all 0, or the present ones if they fit: optimizers on them stay valid."""
        shapes: dict[str, Shape] = {}
        statistic_shapes: dict[str, Shape] = {}
        for path, module in modules:
            shapes |= {path + key: shape for key, shape in module.parameter_shapes.items()}
            statistic_shapes |= {
                path + key: shape for key, shape in module.statistic_shapes.items()
            }
        held = self.parameters
        if isinstance(held, Parameters) and held.fits(shapes, statistic_shapes, ops, dtype):
            held.clear()
            return held
        return Parameters(shapes, statistic_shapes, ops, dtype)

    def _views(self) -> dict[str, Array]:
        """This layer's arrays in its parameters, by attribute name."""
        value, grad = self.parameters.value, self.parameters.grad
        return (
            {key: value[key] for key in self.parameter_shapes}
            | {"d" + key: grad[key] for key in self.parameter_shapes}
            | {key: self.parameters.statistics[key] for key in self.statistic_shapes}
        )

    def __getstate__(self) -> dict[str, Any]:
        """All attributes but the views of the parameters, which a copy takes from its own."""
        state = dict(vars(self))
        if self.parameters is None:
            return state
        for name, view in self._views().items():
            if state.get(name) is view:
                del state[name]
        parameters = self.parameters
        buffers = (parameters.value, parameters.grad, parameters.statistics)
        memory = {id(memory_owner(buffer.flat)) for buffer in buffers}
        for name, value in state.items():
            if self.ops.is_array(value) and id(memory_owner(value)) in memory:
                raise ShapeError(
                    f"{self.label}: cannot be copied, its attribute {name!r} is a view of its "
                    "parameters, which the copy would lose; take such a view where it is used"
                )
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.parameters is not None:
            if isinstance(self.parameters, Parameters):
                self.parameters.has_network = True
            vars(self).update(self._views() | state)
