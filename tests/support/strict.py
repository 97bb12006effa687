"""The strict double: NumPy arrays that behave like a GPU's, for machines without one.

A `StrictArray` can be sliced, reshaped and asked for its shape; everything that a GPU would refuse, or would do only by
waiting or by moving data, is an error here: implicit conversion to NumPy, arithmetic outside the primitives, mixing with
host arrays. From ``ops.freeze()`` on, which is to say within a training step after the warm-up, reading a value, branching on
one and allocating an array are errors too. ``ops.guard`` counts reads and allocations, refused or not.
"""

import inspect
import itertools

import numpy as np

from nn.ops import NumpyOps
from nn.ops.base import Ops


class StrictError(TypeError):
    """Something that a GPU refuses, or that would make a training step wait for it."""


class Guard:
    """Whether a training step is under way, and what was done so far that a step must not do; shared by a backend and all of
    its arrays."""

    def __init__(self):
        self.frozen, self.reads, self.allocations = False, 0, 0

    def read(self, what):
        """Something waits for the device and fetches from it."""
        self.reads += 1
        self.refuse(f"{what}, a host read,")

    def allocate(self, what="a new array"):
        self.allocations += 1
        self.refuse(what)

    def refuse(self, what):
        if self.frozen:
            raise StrictError(f"{what} inside a training step")


def _forbidden(what):
    def method(self, *args, **kwargs):
        raise StrictError(f"{what} of a device array of shape {self.shape}")

    return method


def _host_read(convert):
    def method(self):
        self._guard.read(f"{convert.__name__}() of a device array")
        return convert(self._host)

    return method


class StrictArray:
    """An array on a pretended device; `_host` is for backends and tests only."""

    def __init__(self, host, guard):
        self._host, self._guard = host, guard

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    strides = property(lambda self: self._host.strides)
    flags = property(lambda self: self._host.flags)
    T = property(lambda self: self.transpose())

    def __len__(self):
        return len(self._host)

    def __repr__(self):
        return f"<{type(self).__name__} of shape {self.shape}, {self.dtype}>"

    def __str__(self):
        self._guard.read("str() of a device array")
        return str(self._host)

    def __copy__(self):
        self._guard.allocate("a copy")
        return self._view(self._host.copy())

    def __deepcopy__(self, memo):
        return self.__copy__()

    def __reduce_ex__(self, protocol):
        self._guard.read("pickling of a device array")
        return super().__reduce_ex__(protocol)

    def __getitem__(self, index):
        parts = index if isinstance(index, tuple) else (index,)
        if not all(part is None or part is Ellipsis or isinstance(part, (int, np.integer, slice)) for part in parts):
            raise StrictError(f"indexing by {index!r} copies; a view is cut by numbers and slices")
        return self._view(self._host[parts if Ellipsis in parts else (*parts, Ellipsis)])

    def reshape(self, *shape):
        host = self._host.reshape(*shape)
        if not np.shares_memory(host, self._host) and host.size:
            raise StrictError(f"reshape of {self.shape} with strides {self.strides} to {shape} copies")
        return self._view(host)

    def transpose(self, *axes):
        return self._view(self._host.transpose(*axes))

    def _view(self, host):
        return type(self)(host, self._guard)

    __float__, __int__, __bool__ = _host_read(float), _host_read(int), _host_read(bool)
    __array__ = _forbidden("implicit conversion to NumPy")
    __array_ufunc__ = _forbidden("a NumPy function")
    __array_function__ = _forbidden("a NumPy function")
    __iter__ = _forbidden("iteration")
    __contains__ = _forbidden("a search")
    __index__ = _forbidden("use as an index")
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _forbidden("comparison, outside the primitives,")
    __setitem__ = _forbidden("assignment, outside the primitives,")
    __hash__ = None


class StrictOps(Ops):
    """All primitives on strict arrays: unwraps, lets `NumpyOps` do the work, wraps what is new."""

    device = "strict"

    def __init__(self):
        self.guard = Guard()
        self._cpu = NumpyOps()

    def __repr__(self):
        return "strict (NumPy behind a double)"

    def freeze(self):
        """From now on a step runs: no host read, no allocation."""
        self.guard.frozen = True

    def thaw(self):
        """The step is over."""
        self.guard.frozen = False

    def is_array(self, x):
        return isinstance(x, StrictArray)

    def asarray(self, host, dtype=None):
        return self._new(self._cpu.asarray(host, dtype))

    def empty(self, shape, dtype):
        x = self._cpu.empty(shape, dtype)
        x.view(np.uint8).fill(0xFF)  # NaN, so that nobody counts on what memory happens to hold
        return self._new(x)

    def zeros(self, shape, dtype):
        return self._new(self._cpu.zeros(shape, dtype))

    def to_host(self, x):
        self.guard.read("to_host")
        return self._cpu.to_host(unwrap("to_host", x))

    def all_finite(self, x):
        self.guard.read("all_finite")
        return self._cpu.all_finite(unwrap("all_finite", x))

    def stream(self, seed_sequence):
        self.guard.allocate("a new stream, whose counter lies on the device,")
        return StrictStream(self._cpu.stream(seed_sequence), self.guard)

    def __getattr__(self, name):  # every other primitive
        if name.startswith("_"):
            raise AttributeError(name)
        return checked(name, getattr(self._cpu, name))

    def _new(self, host):
        self.guard.allocate()
        return StrictArray(host, self.guard)


class StrictStream:
    """A stream whose arrays are checked like a primitive's, and whose state lies on the device."""

    def __init__(self, stream, guard):
        self._stream, self._guard = stream, guard

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return checked(name, getattr(self._stream, name))

    @property
    def state(self):
        self._guard.read("the state of a stream")
        return self._stream.state

    @state.setter
    def state(self, state):
        self._guard.refuse("moving a stream's state to the device")
        self._stream.state = state


def unwrap(name, x):
    """The NumPy array in a strict one; numbers and the like pass as they are."""
    if isinstance(x, np.ndarray):
        raise StrictError(f"{name}: a host array of shape {x.shape} where a device array must be")
    return x._host if isinstance(x, StrictArray) else x


def checked(name, primitive):
    """The primitive on strict arrays."""
    signature = inspect.signature(primitive)

    def call(*args, **kwargs):
        given = signature.bind(*args, **kwargs).arguments
        hosts = {key: unwrap(name, x) for key, x in given.items()}
        _check_like_a_kernel(name, {key: x for key, x in hosts.items() if isinstance(x, np.ndarray)})
        result = primitive(**hosts)
        if not isinstance(result, np.ndarray):
            return result
        return next(x for x in given.values() if isinstance(x, StrictArray) and x._host is result)

    return call


def _check_like_a_kernel(name, arrays):
    """Refuse what NumPy mends and a kernel does not: two dtypes, and an output that partly overlaps an input."""
    kinds = {x.dtype for key, x in arrays.items() if x.dtype.kind == "f" and key != "clock"}
    if len(kinds) > 1 and name != "copy_":
        raise StrictError(f"{name}: arrays of {' and '.join(sorted(map(str, kinds)))}, where a kernel takes one dtype")
    for (key, x), (other, y) in itertools.combinations(arrays.items(), 2):
        same = (x.ctypes.data, x.shape, x.strides) == (y.ctypes.data, y.shape, y.strides)
        if np.may_share_memory(x, y) and not (same and name != "gemm"):
            raise StrictError(f"{name}: {key} and {other} overlap in memory")
