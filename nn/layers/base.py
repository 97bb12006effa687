"""The layer protocol: what every layer, and a whole network, can do."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from nn.cache import Cache
from nn.errors import DtypeError, ShapeError
from nn.layers.binding import Bound
from nn.layers.config import LAYERS, Configurable
from nn.layers.described import check_described
from nn.layers.torch_layout import TorchArray
from nn.ops.base import Array
from nn.settings import Shape

Grads = Literal["write", "add", "skip"]
# None if it was not requested; `Any`, so that callers that did request it need no check
MaybeArray = Array | Any


class Layer(Configurable, Bound):
    """A function with parameters and a backward pass written by hand.

    A layer is first described, ``Dense(64, 128)``, and gets its memory from `build`. A parameter
    ``W`` is then ``self.W`` and its gradient ``self.dW``. Copies made by `copy.deepcopy` or
    `pickle` have their own memory; what is copied together shares memory as before.

    To write a layer of your own:

    - call ``super().__init__()``, then store each constructor argument in an attribute of the same
      name: plain Python values, or layers,
    - set `parameter_shapes` and `statistic_shapes`, and fill those arrays in `initialize`,
    - define `forward`, `backward` and, if the shape changes, `output_shape`,
    - for a penalty on gradients, define `double_backward`,
    - where they apply, override `workspace_size` and `torch_layout`.

    A weights file stores only the name of the class; to load the file, pass the class itself:
    ``load_weights(path, layers=[Scale])``.
    """

    # PyTorch's names and layouts of the parameters and statistics, and the names of its counters,
    # which nothing here needs.
    torch_layout: ClassVar[tuple[TorchArray, ...]] = ()
    torch_counters: ClassVar[tuple[str, ...]] = ()

    input_shape: Shape | None = None  # the shape of one sample of x, where the layer fixes it

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("nn.layers.") and cls.forward is not Layer.forward:
            LAYERS[cls.__name__] = cls  # a layer of the package, not a base class

    # ---- what a layer defines -----------------------------------------------------------------

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of one sample of y, given that of x; `ShapeError` if x does not fit."""
        return shape

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        """Compute y = f(x), and keep in `cache` what `backward` needs.

        Never writes into x. `train` selects what dropout and batch norm do.
        """
        raise TypeError(f"{type(self).__name__} does not define forward(x, cache, *, train=False)")

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        """Compute dx = dL/dx, or None without `need_dx`, from dy = dL/dy. May overwrite dy.

        `grads` selects what happens to the parameter gradients: "write" replaces them, "add" adds
        to them, "skip" does not compute them, which is what a frozen layer does. dx is the same in
        all three.
        """
        raise TypeError(
            f"{type(self).__name__} does not define "
            "backward(dy, cache, *, grads='write', need_dx=True)"
        )

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        """The backward pass of `backward`, for a penalty P on its result dx. May overwrite v.

        Call it after `backward`, with a cache from `cache(double_backward=True)`. Only some layers
        define it.

        Parameters
        ----------
        v : Array, of x's shape
            dP/d(dx).
        cache : Cache
            Of the forward and backward pass.

        Returns
        -------
        dP/d(dy), and the second-order term dP/dx, or None for a piecewise linear layer. dP/dW is
        added to dW.
        """
        raise ShapeError(
            f"{self.label}: expected a layer with double_backward for a penalty on gradients, "
            f"{type(self).__name__} has none"
        )

    def workspace_size(self, x_shape: Shape, y_shape: Shape) -> int:
        """Elements per sample that a pass needs besides x and y, given the shapes of one sample."""
        return 0

    def pass_size(self, shape: Shape) -> int:
        """Elements per sample that a pass needs besides x, given the shape of one sample of x."""
        y_shape = self.output_shape(shape)
        return math.prod(y_shape) + self.workspace_size(shape, y_shape)

    # ---- what every layer has -----------------------------------------------------------------

    def __call__(self, x: Array) -> Array:
        """Inference: y = f(x) in evaluation mode, in new memory."""
        cache = self.cache(tracks_statistics=False)
        self.check_array(x, "x")
        y = self.forward(x, cache)
        self.check_output(x, y)
        if cache.last.holds(y):
            return y
        own = Cache(self).buffer_like("y", y)  # y can be x, a view of it, or an array of a layer
        self.ops.copy_(own, y)
        return own

    def cache(self, *, tracks_statistics: bool = True, double_backward: bool = False) -> Cache:
        """A new cache for passes through this layer; see `Cache`."""
        if getattr(self, "ops", None) is None:
            check_described(self)
            raise ShapeError(
                f"{type(self).__name__} has no memory yet: "
                "call .build(seed=...) before its first pass"
            )
        return Cache(self, tracks_statistics, double_backward)

    # ---- checks -------------------------------------------------------------------------------

    def check_array(self, x: Any, name: str) -> None:
        """Raise `DtypeError` unless x is an array of this network's device and dtype."""
        if not self.ops.is_array(x):
            raise DtypeError(
                f"{self.label}: expected {name} as an array on {self.ops}, got {type(x).__name__}"
            )
        if x.dtype != self.dtype:
            raise DtypeError(
                f"{self.label}: expected {name} of {self.dtype}, got {x.dtype}; "
                f"convert it with {name}.astype('{self.dtype}')"
            )

    def check_input(self, x: Array, shape: tuple[int | None, ...]) -> None:
        """Raise unless x is such an array and has this shape, in which None is any size."""
        self.check_array(x, "x")
        fits = all(want in (None, got) for want, got in zip(shape, x.shape))
        if len(x.shape) != len(shape) or not fits:
            wanted = ", ".join(a if size is None else str(size) for a, size in zip("NCHW", shape))
            raise ShapeError(f"{self.label}: expected x of shape ({wanted}), got {x.shape}")
        if len(shape) == 4 and 0 in x.shape:
            raise ShapeError(
                f"{self.label}: expected at least one image and no empty ones, "
                f"got x of shape {x.shape}"
            )

    def check_output(self, x: Array, y: Any) -> None:
        """Raise unless y, which `forward` made of x, has the dtype and shape that it promises."""
        if not self.ops.is_array(y):
            raise DtypeError(
                f"{self.label}: expected forward to return an array on {self.ops}, "
                f"got {type(y).__name__}; end it with `return y`"
            )
        if y.dtype != self.dtype:
            raise DtypeError(
                f"{self.label}: expected y of {self.dtype}, got {y.dtype}; convert what forward "
                "computes with (a NumPy float64 makes float32 arrays float64)"
            )
        shape = (len(x), *self.output_shape(x.shape[1:]))
        if y.shape != shape:
            raise ShapeError(
                f"{self.label}: expected y of shape {shape}, as its output_shape says, "
                f"got {y.shape}; correct forward or output_shape"
            )

    def check_dy(self, dy: Array, shape: Shape | None) -> None:
        """Raise unless dy is such an array and has y's shape; None: there was no forward pass."""
        self.check_array(dy, "dy")
        if shape is None:
            raise ShapeError(
                f"{self.label}: expected a forward pass through this cache before backward, "
                "got none yet"
            )
        if dy.shape != shape:
            raise ShapeError(f"{self.label}: expected dy of y's shape {shape}, got {dy.shape}")
