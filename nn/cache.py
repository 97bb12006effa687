"""What one pass through a layer keeps for its backward pass."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nn.ops.base import Array, Ops
from nn.settings import Shape


class Cache:
    """The memory of one live pass: what `forward` keeps for `backward`, and buffers for both.

    A layer holds no activations, so two passes through one network can be alive at once, each with
    its own cache. A buffer is allocated once and reused by the next pass through the same cache;
    what `forward` and `backward` return is valid until then. A layer keeps whatever else its
    backward pass needs as attributes: ``cache.x = x``.

    A copy made between forward and backward holds all that backward needs. It refers to copies of
    the layers; to train them, copy both together: ``copy.deepcopy((net, cache))``.

    Parameters
    ----------
    owner : Layer
        The layer or network that the passes go through, built.
    tracks_statistics : bool
        Whether a training pass updates running statistics. They must move once per training step:
        where a step sends several passes through a network, only one of the caches tracks them.
    double_backward : bool
        Whether `double_backward` may follow `backward`, which then keeps what that needs.

    Attributes
    ----------
    parts : sequence of Cache
        The caches of a network's layers, in order; empty for a single layer.
    ends_in_part : bool
        Whether y is the output of the last of these layers, as in a `Sequential`.
    y_shape : tuple of int or None
        The shape of y in the last forward pass, for layers that check dy against it.
    logits : Array or None
        The logits that y is the sigmoid of. `Sigmoid` sets it; a loss on probabilities reads it
        from `cache.last`.
    """

    def __init__(
        self, owner: Any, tracks_statistics: bool = True, double_backward: bool = False
    ) -> None:
        self.owner, self.dtype = owner, owner.dtype
        self.ops: Ops[Any] = owner.ops
        self.tracks_statistics, self.double_backward = tracks_statistics, double_backward
        self.parts: list[Cache] = []
        self.ends_in_part = True
        self.y_shape: Shape | None = None
        self.logits: Array | None = None
        self._buffers: dict[str, tuple[Array | None, Array]] = {}  # (memory, the view in use)

    if TYPE_CHECKING:  # layers set attributes of their own

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def __repr__(self) -> str:
        return f"a cache of {self.owner.label}"

    def buffer(self, name: str, shape: Shape, dtype: Any = None) -> Array:
        """An uninitialized array that reuses the memory of the last one of this name, if it fits.

        The buffer of a layer's output is named "y"; see `write_output_to`.
        """
        held, view = self._buffers.get(name, (None, None))
        if view is not None and view.shape == shape:
            return view
        size = math.prod(shape)
        if held is None or held.size < size:
            held = self.ops.empty((size,), dtype or self.dtype)
        view = held[:size].reshape(shape)
        self._buffers[name] = held, view
        return view

    def buffer_like(self, name: str, x: Array) -> Array:
        """A buffer with x's shape, dtype and layout: C-contiguous, or channels-last if x is."""
        if x.flags.c_contiguous or len(x.shape) != 4:
            return self.buffer(name, x.shape, x.dtype)
        return self.image_buffer(name, x.shape, x.dtype)

    def image_buffer(self, name: str, shape: Shape, dtype: Any = None) -> Array:
        """A buffer of shape (N, C, H, W) that is channels-last, (N, H, W, C), in memory."""
        n, c, h, w = shape
        return self.buffer(name, (n, h, w, c), dtype).transpose(0, 3, 1, 2)

    def contiguous(self, name: str, x: Array) -> Array:
        """x itself if it is C-contiguous, else a copy in a buffer."""
        if x.flags.c_contiguous:
            return x
        y = self.buffer(name, x.shape)
        self.ops.copy_(y, x)
        return y

    def copy_for_double_backward(self, name: str, x: Array) -> Array | None:
        """A copy of x that no layer overwrites; None unless `double_backward` may follow."""
        if not self.double_backward:
            return None
        copy = self.buffer_like(name, x)
        self.ops.copy_(copy, x)
        return copy

    def write_output_to(self, array: Array) -> None:
        """Make the last layer write y into `array`, in passes where y has its shape.

        Every layer that allocates its output does so in a buffer named "y".
        """
        self.last.use_as_buffer("y", array)

    def use_as_buffer(self, name: str, array: Array) -> None:
        """Make this array the buffer of that name, in passes where it has the requested shape."""
        self._buffers[name] = None, array

    @property
    def buffers(self) -> dict[str, Array]:
        """The arrays of all buffers by name, in the shapes of the last pass."""
        return {name: view for name, (_, view) in self._buffers.items()}

    def holds(self, array: Array) -> bool:
        """Whether the array lies in a buffer; False where a device's arrays cannot tell."""
        return any(memory_owner(array) is memory_owner(view) for view in self.buffers.values())

    @property
    def last(self) -> Cache:
        """The cache of the layer that computes y: a network's last layer, or the owner."""
        return self.parts[-1].last if self.parts and self.ends_in_part else self

    def walk(self) -> Iterator[Cache]:
        """This cache and those of all layers within, in order."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def __getstate__(self) -> dict[str, Any]:
        """Only the views of the buffers: copying their memory too would store each array twice."""
        views = {name: (held is None, view) for name, (held, view) in self._buffers.items()}
        return vars(self) | {"_buffers": views}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._buffers = {
            name: (None if given else view.reshape(-1), view)
            for name, (given, view) in state["_buffers"].items()
        }


def memory_owner(array: Array) -> Any:
    """The array whose memory this one is a view of, or itself."""
    base = getattr(array, "base", None)
    return array if base is None else base
