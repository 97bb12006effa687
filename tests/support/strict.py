"""The strict double: NumPy arrays that behave like a GPU's, for machines without one.

A `StrictArray` has a shape and can be sliced and reshaped. Whatever a GPU would refuse, or would do
only by waiting or by moving data, is an error: implicit conversion to NumPy, arithmetic outside the
primitives, mixing with host arrays. After ``ops.freeze()``, which marks a training step after the
warm-up, it is also an error to read a value, to branch on one or to allocate an array.
``ops.guard`` counts reads and allocations, refused or not.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from nn.ops import NumpyOps
from nn.ops.backend import Backend


class StrictError(TypeError):
    """Something that a GPU refuses, or for which a training step would wait."""


class Guard:
    """Knows whether a training step runs, and counts what it must not do.

    A backend and all of its arrays share one.
    """

    def __init__(self) -> None:
        self.frozen, self.reads, self.allocations = False, 0, 0

    def read(self, what: str) -> None:
        """Count something that waits for the device and reads from it."""
        self.reads += 1
        self.refuse(f"{what}, a host read,")

    def allocate(self, what: str = "a new array") -> None:
        self.allocations += 1
        self.refuse(what)

    def refuse(self, what: str) -> None:
        if self.frozen:
            raise StrictError(f"{what} inside a training step")


def _forbidden(what: str) -> Any:
    def method(self: StrictArray, *args: Any, **kwargs: Any) -> NoReturn:
        raise StrictError(f"{what} of a device array of shape {self.shape}")

    return method


def _host_read(convert: type) -> Any:
    def method(self: StrictArray) -> Any:
        self.guard.read(f"{convert.__name__}() of a device array")
        return convert(self.host)

    return method


class StrictArray:
    """An array on a simulated device. Only backends and tests use `host` and `guard`."""

    def __init__(self, host: np.ndarray, guard: Guard) -> None:
        self.host, self.guard = host, guard

    shape = property(lambda self: self.host.shape)
    dtype = property(lambda self: self.host.dtype)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    strides = property(lambda self: self.host.strides)
    flags = property(lambda self: self.host.flags)
    T = property(lambda self: self.transpose())

    def __len__(self) -> int:
        return len(self.host)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of shape {self.shape}, {self.dtype}>"

    def __str__(self) -> str:
        self.guard.read("str() of a device array")
        return str(self.host)

    def __copy__(self) -> StrictArray:
        self.guard.allocate("a copy")
        return self._view(self.host.copy())

    def __deepcopy__(self, memo: dict[int, Any]) -> StrictArray:
        return self.__copy__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        self.guard.read("pickling of a device array")
        return super().__reduce_ex__(protocol)

    def __getitem__(self, index: Any) -> StrictArray:
        parts = index if isinstance(index, tuple) else (index,)
        views = int, np.integer, slice, type(None), type(Ellipsis)
        if not all(isinstance(part, views) for part in parts):
            raise StrictError(f"indexing by {index!r} copies; a view is cut by numbers and slices")
        return self._view(self.host[parts if Ellipsis in parts else (*parts, Ellipsis)])

    def reshape(self, *shape: Any) -> StrictArray:
        host = self.host.reshape(*shape)
        if not np.shares_memory(host, self.host) and host.size:
            raise StrictError(
                f"reshape of {self.shape} with strides {self.strides} to {shape} copies"
            )
        return self._view(host)

    def transpose(self, *axes: Any) -> StrictArray:
        return self._view(self.host.transpose(*axes))

    def _view(self, host: np.ndarray) -> StrictArray:
        return type(self)(host, self.guard)

    __float__, __int__, __bool__ = _host_read(float), _host_read(int), _host_read(bool)
    __array__ = _forbidden("implicit conversion to NumPy")
    __array_ufunc__ = _forbidden("a NumPy function")
    __array_function__ = _forbidden("a NumPy function")
    __iter__ = _forbidden("iteration")
    __contains__ = _forbidden("a search")
    __index__ = _forbidden("use as an index")
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _forbidden(
        "comparison, outside the primitives,"
    )
    __setitem__ = _forbidden("assignment, outside the primitives,")
    __hash__ = None


class StrictOps(Backend):
    """All primitives on strict arrays: unwraps, delegates to `NumpyOps`, wraps new arrays."""

    device = "strict"

    def __init__(self) -> None:
        self.guard = Guard()
        self.cpu = NumpyOps()
        self.memory: int | None = None  # bytes that are free; None does not limit them

    def __repr__(self) -> str:
        return "strict (NumPy behind a double)"

    def freeze(self) -> None:
        """A step starts: no host read, no allocation."""
        self.guard.frozen = True

    def thaw(self) -> None:
        """A step ends."""
        self.guard.frozen = False

    def is_array(self, x: object) -> bool:
        return isinstance(x, StrictArray)

    def asarray(self, host: Any, dtype: Any = None) -> StrictArray:
        return self._new(self.cpu.asarray(host, dtype))

    def empty(self, shape: Any, dtype: Any) -> StrictArray:
        x = self.cpu.empty(shape, dtype)
        x.view(np.uint8).fill(0xFF)  # NaN: uninitialised memory is not to be relied on
        return self._new(x)

    def zeros(self, shape: Any, dtype: Any) -> StrictArray:
        return self._new(self.cpu.zeros(shape, dtype))

    def staging(self, shape: Any, dtype: Any) -> StrictStaging:
        return StrictStaging(self.empty(shape, dtype))

    def free_bytes(self) -> int | None:
        return self.memory

    def to_host(self, x: StrictArray) -> np.ndarray:
        self.guard.read("to_host")
        return self.cpu.to_host(unwrap("to_host", x))

    def all_finite(self, x: StrictArray) -> bool:
        self.guard.read("all_finite")
        return self.cpu.all_finite(unwrap("all_finite", x))

    def stream(self, seed_sequence: Any) -> StrictStream:
        self.guard.allocate("a new stream, whose counter is on the device,")
        return StrictStream(self.cpu.stream(seed_sequence), self.guard)

    def __getattr__(self, name: str) -> Callable[..., Any]:  # every other primitive
        if name.startswith("_"):
            raise AttributeError(name)
        return checked(name, getattr(self.cpu, name))

    def _new(self, host: np.ndarray) -> StrictArray:
        self.guard.allocate()
        return StrictArray(host, self.guard)


class StrictStream:
    """A stream on the simulated device: its arrays are checked like those of a primitive."""

    def __init__(self, stream: Any, guard: Guard) -> None:
        self._stream, self.guard = stream, guard

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return checked(name, getattr(self._stream, name))

    @property
    def state(self) -> dict[str, Any]:
        self.guard.read("the state of a stream")
        return self._stream.state

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self.guard.refuse("moving a stream's state to the device")
        self._stream.state = state


class StrictStaging:
    """A transfer that spoils the copy at once and arrives as late as it may."""

    def __init__(self, copy: StrictArray) -> None:
        self._copy, self._is_under_way = copy, False
        self._array = np.full_like(copy.host, 0xFF)

    def begin(self) -> np.ndarray:
        self.receive()
        return self._array

    def send(self) -> None:
        self._copy.host.fill(0xFF)
        self._is_under_way = True

    def receive(self) -> StrictArray:
        if self._is_under_way:
            self._copy.host[...] = self._array
            self._is_under_way = False
        return self._copy


def unwrap(name: str, x: Any) -> Any:
    """The NumPy array inside a strict one; other arguments as they are."""
    if isinstance(x, np.ndarray):
        raise StrictError(
            f"{name}: a host array of shape {x.shape} where a device array is expected"
        )
    return x.host if isinstance(x, StrictArray) else x


def checked(name: str, primitive: Callable[..., Any]) -> Callable[..., Any]:
    """The primitive on strict arrays."""
    signature = inspect.signature(primitive)

    def call(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        hosts = {key: unwrap(name, x) for key, x in given.items()}
        _check_like_a_kernel(
            name, {key: x for key, x in hosts.items() if isinstance(x, np.ndarray)}
        )
        result = primitive(**hosts)
        if not isinstance(result, np.ndarray):
            return result
        return next(x for x in given.values() if isinstance(x, StrictArray) and x.host is result)

    call.__signature__ = signature  # type: ignore[attr-defined]  # the tests read it
    return call


def _check_like_a_kernel(name: str, arrays: dict[str, np.ndarray]) -> None:
    """Refuse what NumPy handles and a kernel does not: two dtypes, outputs that overlap inputs."""
    dtypes = {
        x.dtype for key, x in arrays.items() if x.dtype.kind == "f" and key != "step_and_rate"
    }
    if len(dtypes) > 1 and name != "copy_":
        names = " and ".join(sorted(map(str, dtypes)))
        raise StrictError(f"{name}: arrays of {names}, where a kernel takes one dtype")
    for (key, x), (other, y) in itertools.combinations(arrays.items(), 2):
        same = (x.ctypes.data, x.shape, x.strides) == (y.ctypes.data, y.shape, y.strides)
        if np.may_share_memory(x, y) and not (same and name != "gemm"):
            raise StrictError(f"{name}: {key} and {other} overlap in memory")
