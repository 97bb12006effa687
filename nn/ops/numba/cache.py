"""The kernels' machine code on disk.

A compiled kernel contains whatever it calls and the constants of other files, so it is valid only for the text of all of them;
Numba's own cache compares the file that the kernel stands in, and a damaged cache file ends the program. Here each compiled
form is one file: its name says what it was made from, it begins with a digest of its content, and it is moved into place when
complete, so two processes may compile the same kernel at once. Any failure to read or write a file means "compile it".
"""

import functools
import hashlib
import inspect
import pickle
import sys
import uuid
from pathlib import Path

import llvmlite
import numba
import numpy as np
from numba.core.caching import CompileResultCacheImpl
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

DIGEST_BYTES = 16
VERSIONS = sys.version, numba.__version__, llvmlite.__version__, np.__version__


def digest(*parts):
    """DIGEST_BYTES that identify a sequence of bytes objects and of things whose repr says all about them."""
    hashed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        data = part if isinstance(part, bytes) else repr(part).encode()
        hashed.update(len(data).to_bytes(8, "little") + data)
    return hashed.digest()


@functools.cache
def kernel_sources():
    """A digest of all files with kernels, as they are when the first kernel is defined."""
    return digest(*(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))


class DiskCache:
    """Takes the place of a Numba dispatcher's own cache, whose methods these are."""

    cache_path = None

    def __init__(self, function, options):
        self._function, self._options, self._file = function, options, inspect.getfile(function)
        self._sources = digest(kernel_sources(), Path(self._file).read_bytes())

    def load_overload(self, signature, target):
        """The `CompileResult` for these types, or None."""
        target.refresh()
        try:
            content = self._path(signature, target.codegen()).read_bytes()
            found, code = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
            return CompileResult._rebuild(target, *pickle.loads(code)) if digest(code) == found else None
        except Exception:  # no such file, or a folder that cannot be read
            return None

    def save_overload(self, signature, result):
        """Keep a `CompileResult`, and remove those that earlier sources gave for the same kernel and machine."""
        try:
            if result.lifted or result.library.has_dynamic_globals:  # addresses that hold in this process only
                return
            path, code = self._path(signature, result.codegen), dumps(result._reduce())
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
        except Exception:  # a full disk, or a folder that cannot be made or written
            return

    def _path(self, signature, codegen):
        """The file KERNEL-MACHINE-SOURCES-TYPES.nbc, in the folder that Numba's own settings choose."""
        digests = digest(VERSIONS, codegen.magic_tuple()), self._sources, digest(signature, self._options)
        name = "-".join([f"{Path(self._file).stem}.{self._function.__qualname__}", *(part.hex()[:16] for part in digests)])
        return Path(CompileResultCacheImpl(self._function).locator.get_cache_path()) / f"{name}.nbc"

    def enable(self):
        """Numba calls this; there is nothing to do, as for the next two."""

    disable = flush = enable
