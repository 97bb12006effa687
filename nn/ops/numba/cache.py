"""Machine code of the kernels on disk.

A compiled kernel contains whatever it calls and constants from other files, so it is valid only for
the text of all of them. Numba's own cache compares only the kernel's file, and a damaged cache file
ends the program. Here, each compiled form is a file of its own. Its name identifies what it was
made from, it starts with a digest of its content, and it is moved into place when complete, so two
processes may compile the same kernel at once. Any failure to read or write a file means "compile".

The logger "nn.ops.numba" reports at level INFO each kernel that is compiled, before and after. Its
records have attributes `kernel`, the name, and `is_compiled`. Kernels from disk are not reported.

Numba has no public way to replace a dispatcher's cache or to store a compiled kernel. Its internals
are used here and nowhere else. Where a version lacks them, each process compiles for itself.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
import pickle
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.caching import CompileResultCacheImpl
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

DIGEST_BYTES = 16
LOGGER = logging.getLogger("nn.ops.numba")
VERSIONS = sys.version, numba.__version__, llvmlite.__version__, np.__version__


def keep_on_disk(dispatcher: Any, function: Callable[..., Any], options: dict[str, Any]) -> None:
    """Give a dispatcher or C function, compiled from this with these options, a `DiskCache`."""
    if hasattr(dispatcher, "_cache"):  # not with NUMBA_DISABLE_JIT
        dispatcher._cache = DiskCache(function, options)


class DiskCache:
    """Has the interface of a dispatcher's cache in Numba."""

    cache_path = None

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self._function: Any = function
        self._options, self._file = options, inspect.getfile(function)
        self._sources = digest(kernel_sources(), Path(self._file).read_bytes())

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the `CompileResult` for these types, or None; Numba then compiles the kernel."""
        result = self._load(signature, target)
        if result is None:
            self._report("compiling %s", is_compiled=False)
        return result

    def _load(self, signature: Any, target: Any) -> Any:
        """What `load_overload` returns."""
        # What machine code calls. `target.refresh()` would load what compilation needs too, which
        # takes 0.4 of the first step of `mlp-dropout`; Numba does so before it compiles.
        rtsys.initialize(target)
        try:
            content = self._path(signature, target.codegen()).read_bytes()
            expected, code = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
            return unpack(target, code) if digest(code) == expected else None
        except Exception:  # no such file, or an unreadable folder
            return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Store a `CompileResult`; remove those of the same kernel from earlier sources."""
        self._report("compiled %s", is_compiled=True)
        try:
            if result.lifted or result.library.has_dynamic_globals:
                return  # it contains addresses, which are valid only in this process
            path, code = self._path(signature, result.codegen), pack(result)
            temporary = path.with_suffix(f".{uuid.uuid4().hex}")
            try:
                temporary.write_bytes(digest(code) + code)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            kernel, machine, sources, _ = path.name.rsplit("-", 3)
            for other in path.parent.glob(f"{kernel}-{machine}-*.nbc"):
                if other.name.rsplit("-", 3)[2] != sources:
                    other.unlink(missing_ok=True)
        except Exception:  # a full disk, or a folder that cannot be created or written
            return

    def _report(self, message: str, *, is_compiled: bool) -> None:
        """Log a message about the kernel."""
        name = self._function.__qualname__
        LOGGER.info(message, name, extra={"kernel": name, "is_compiled": is_compiled})

    def _path(self, signature: Any, codegen: Any) -> Path:
        """KERNEL-MACHINE-SOURCES-TYPES.nbc, in `cache_folder`."""
        digests = (
            digest(VERSIONS, codegen.magic_tuple()),
            self._sources,
            digest(signature, self._options),
        )
        kernel = f"{Path(self._file).stem}.{self._function.__qualname__}"
        name = "-".join([kernel, *(part.hex()[:16] for part in digests)])
        return cache_folder(self._function) / f"{name}.nbc"

    def enable(self) -> None:
        """Do nothing, as do `disable` and `flush`, which the interface requires."""

    disable = flush = enable


def digest(*parts: object) -> bytes:
    """DIGEST_BYTES that identify the parts: bytes, or objects with a complete repr."""
    hashed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        data = part if isinstance(part, bytes) else repr(part).encode()
        hashed.update(len(data).to_bytes(8, "little") + data)
    return hashed.digest()


@functools.cache
def kernel_sources() -> bytes:
    """A digest of all files with kernels, taken when the first kernel is defined."""
    return digest(*(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))))


def cache_folder(function: Callable[..., Any]) -> Path:
    """The folder that Numba's settings choose for this function; it is created."""
    return Path(CompileResultCacheImpl(function).locator.get_cache_path())


def pack(result: Any) -> bytes:
    """A `CompileResult` as bytes."""
    return dumps(result._reduce())


def unpack(target: Any, code: bytes) -> Any:
    """The `CompileResult` that was packed.

    Unpickling runs code, as the machine code itself does. As with Numba's own cache, whoever may
    write to the folder is trusted; the digest finds damage, not malice.
    """
    return CompileResult._rebuild(target, *pickle.loads(code))
