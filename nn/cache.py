"""What one pass through a layer leaves behind for its backward pass."""

import math


class Cache:
    """The memory of one live pass: whatever `forward` keeps for `backward`, and the buffers that both write into.

    A layer holds no activations, so two passes through one network may be alive at once, each with a cache of its own. A
    buffer is allocated once and used again by the next pass through the same cache: what `forward` and `backward` return
    is valid until then. A copy is of the layers, too, unless they are copied with it, ``copy.deepcopy((net, cache))``; between
    forward and backward it holds all that backward needs.

    tracks_statistics: whether a training pass updates running statistics. They shall move once per training step, so
    where a step sends several passes through a network, the trainer lets one cache track.
    twice: whether `double_backward` may follow `backward`, which then keeps what that needs.
    """

    def __init__(self, owner, tracks_statistics=True, twice=False):
        self.owner, self.ops, self.dtype = owner, owner.ops, owner.dtype
        self.tracks_statistics, self.twice = tracks_statistics, twice
        self.parts = ()  # the caches of a network's layers, in their order
        self.y_shape = None  # in the last forward pass, of layers that check dy against it
        self._buffers = {}

    def __repr__(self):
        return f"a cache of {self.owner.label}"

    def buffer(self, name, shape, dtype=None):
        """An uninitialised array of this name: the same memory each time, as long as the shape does not grow."""
        held, view = self._buffers.get(name, (None, None))
        if view is not None and view.shape == shape:
            return view
        size = math.prod(shape)
        if held is None or held.size < size:
            held = self.ops.empty((size,), dtype or self.dtype)
        view = held[:size].reshape(shape)
        self._buffers[name] = held, view
        return view

    def place(self, name, array):
        """Let the buffer of this name be that array, for passes in which it has the array's shape."""
        self._buffers[name] = None, array

    def like(self, name, x):
        """A buffer of x's shape and memory layout: C-contiguous, or channels-last where x is."""
        if x.flags.c_contiguous or len(x.shape) != 4:
            return self.buffer(name, x.shape, x.dtype)
        return self.images(name, x.shape, x.dtype)

    def images(self, name, shape, dtype=None):
        """A buffer of shape (N, C, H, W) that lies channels-last, (N, H, W, C), in memory, as products want it."""
        n, c, h, w = shape
        return self.buffer(name, (n, h, w, c), dtype).transpose(0, 3, 1, 2)

    def contiguous(self, name, x):
        """x itself if its memory is in the order of its shape, else a copy that is."""
        if x.flags.c_contiguous:
            return x
        y = self.buffer(name, x.shape)
        self.ops.copy_(y, x)
        return y

    def kept(self, name, x):
        """A copy of x that nobody overwrites, for `double_backward`; None in a cache that is not for it."""
        if not self.twice:
            return None
        copy = self.like(name, x)
        self.ops.copy_(copy, x)
        return copy

    def __getstate__(self):
        """The buffers as their views alone: each is `held` but for its shape, and copied with it would be there twice."""
        return vars(self) | {"_buffers": {name: (held is None, view) for name, (held, view) in self._buffers.items()}}

    def __setstate__(self, state):
        vars(self).update(state)
        self._buffers = {
            name: (None if placed else view.reshape(-1), view) for name, (placed, view) in state["_buffers"].items()
        }

    def holds(self, array):
        """Whether the array lies in one of the buffers; False, too, where the arrays of a device do not tell."""
        return any(owner(array) is owner(view) for _, view in self._buffers.values())

    @property
    def last(self):
        """The cache of a network's last layer."""
        return self.parts[-1].last if self.parts else self


def owner(array):
    """The array whose memory this one is a view of, or itself."""
    base = getattr(array, "base", None)
    return array if base is None else base
