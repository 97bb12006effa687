"""Kernels as functions of one signature, which an interpreter can call by their addresses."""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.ccallback import CFunc
from numba.core.cgutils import pack_array
from numba.core.typing import signature
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from nn.ops.numba.compiling import OPTIONS, keep_on_disk

WORD = types.uintp


def n_words(kind: Any) -> int:
    """How many words an argument of this type takes in memory."""
    if isinstance(kind, types.Array):
        return 1 + 2 * kind.ndim
    return len(kind) if isinstance(kind, types.UniTuple) else 1


def words_of(argument: Any) -> list[int]:
    """An argument as words: an array as address, shape and strides."""
    if isinstance(argument, np.ndarray):
        return [argument.ctypes.data, *argument.shape, *argument.strides]
    if isinstance(argument, tuple):
        return [int(number) for number in argument]
    if isinstance(argument, float):
        return [int(np.float64(argument).view(np.int64))]
    return [int(argument)]


def unpack(kinds: tuple[Any, ...]) -> Any:
    """An intrinsic that returns arguments of these types from the words at an address."""
    result = types.Tuple(kinds)

    @intrinsic
    def arguments(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            word = context.get_value_type(types.intp)
            pointer = builder.inttoptr(args[0], word.as_pointer())
            at = 0

            def next_word() -> Any:
                nonlocal at
                value = builder.load(cgutils.gep_inbounds(builder, pointer, at))
                at += 1
                return value

            values = []
            for kind in kinds:
                words = [next_word() for _ in range(n_words(kind))]
                if isinstance(kind, types.Array):
                    array = make_array(kind)(context, builder)
                    size = context.get_constant(types.intp, kind.dtype.bitwidth // 8)
                    populate_array(
                        array,
                        data=builder.inttoptr(words[0], array.data.type),
                        shape=pack_array(builder, words[1 : 1 + kind.ndim]),
                        strides=pack_array(builder, words[1 + kind.ndim :]),
                        itemsize=size,
                        meminfo=None,
                    )
                    values.append(array._getvalue())
                elif isinstance(kind, types.UniTuple):
                    values.append(pack_array(builder, words))
                elif kind == types.float64:
                    values.append(builder.bitcast(words[0], context.get_value_type(kind)))
                elif kind == types.boolean:
                    values.append(builder.icmp_unsigned("!=", words[0], word(0)))
                else:
                    values.append(words[0])
            return context.make_tuple(builder, result, values)

        return signature(result, WORD), generate

    return arguments


@functools.cache
def task(kernel: Any, kinds: tuple[Any, ...]) -> tuple[int, Any]:
    """(the address of a function that calls this kernel, what must stay alive).

    The function takes the address of the words of the arguments, and ignores three other words.
    """
    arguments, options = unpack(kinds), {"error_model": OPTIONS["error_model"]}

    def run(address: int, b: int, c: int, d: int) -> None:
        kernel(*arguments(address))

    run.__qualname__ = run.__name__ = f"{kernel.py_func.__name__}_task"
    compiled = CFunc(run, ((WORD,) * 4, types.void), {}, options)
    keep_on_disk(compiled, kernel.py_func, {"task": True, "types": str(kinds)})
    compiled.compile()
    return compiled.address or 0, compiled


def arguments_and_task(kernel: Any, args: tuple[Any, ...]) -> tuple[int, np.ndarray]:
    """(the address of a function that calls this kernel, the words of these arguments)."""
    kinds = tuple(kind_of(argument) for argument in args)
    words = [word for argument in args for word in words_of(argument)]
    return task(kernel, kinds)[0], np.array(words, np.int64)


def kind_of(argument: Any) -> Any:
    """Numba's type of an argument."""
    if isinstance(argument, np.ndarray):
        layout = "C" if argument.flags.c_contiguous else "A"
        return types.Array(numba.from_dtype(argument.dtype), argument.ndim, layout)
    if isinstance(argument, tuple):
        return types.UniTuple(types.int64, len(argument))
    if isinstance(argument, bool | np.bool_):
        return types.boolean
    return types.float64 if isinstance(argument, float) else types.int64
