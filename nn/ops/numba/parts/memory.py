"""Loads and stores at addresses, from compiled code: as they are, unchecked."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing import signature
from numba.extending import intrinsic

FLOAT = ir.FloatType()


def operation(kind: Any, adds: bool) -> Any:
    """An intrinsic that copies a value of this type to an address, or adds it there."""

    @intrinsic
    def run(typing: Any, to: Any, source: Any) -> Any:
        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            target, origin = (builder.inttoptr(each, kind.as_pointer()) for each in args)
            value = builder.load(origin, align=4)
            if adds:
                value = builder.fadd(builder.load(target, align=4), value)
            builder.store(value, target, align=4)
            return context.get_dummy_value()

        return signature(types.void, types.intp, types.intp), generate

    return run


# adding by fours, each would wait for the one before, which overlaps
copy_one = operation(FLOAT, adds=False)
copy_four = operation(ir.VectorType(FLOAT, 4), adds=False)
add_one = operation(FLOAT, adds=True)
