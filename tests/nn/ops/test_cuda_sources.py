"""The CUDA kernels compile, and CuPy has what the backend uses: needs CuPy and NVRTC, not a GPU."""

import ast
import inspect
import itertools
import operator
import re
from pathlib import Path

import numpy as np
import pytest

import benchmarks.harness.clocks
import nn.ops
from nn.ops.cuda.elementwise import ELEMENTWISE
from nn.ops.cuda.reductions import REDUCTIONS, SOURCE, TYPES

NDARRAY, INDEXER, SCALAR = 1, 2, 3  # values of CuPy's _ArgKind


def cuda_code(name, T, numbers):
    """CUDA C++ of an elementwise kernel as CuPy generates it, for numbers or for strided arrays.

    CuPy's public functions generate code only at a launch, which needs a GPU, so this calls its
    internals. Nothing else in the tests does.
    """
    import cupy
    from cupy._core import _carray, _kernel, _scalar

    source = ELEMENTWISE[name]
    inputs, outputs, body, _ = source
    unique, preamble = f"{name}_{T}_{numbers:d}", source.preamble
    kernel = cupy.ElementwiseKernel(inputs, outputs, body, unique, preamble=preamble)
    infos, ndim = [], 1 if numbers else 3
    for p in kernel.in_params + kernel.out_params:
        dtype = np.dtype(T if p.dtype is None else p.dtype)
        if p.raw:
            infos.append(_kernel._ArgInfo(NDARRAY, cupy.ndarray, dtype, 1, True, True))
        elif p.is_const and (numbers or p.dtype is not None):
            infos.append(_kernel._ArgInfo(SCALAR, _scalar.CScalar, dtype, 0, True, True))
        else:
            infos.append(_kernel._ArgInfo(NDARRAY, cupy.ndarray, dtype, ndim, numbers, numbers))
    infos.append(_kernel._ArgInfo(INDEXER, _carray.Indexer, None, ndim, True, True))
    type_map = _kernel._TypeMap((("T", np.dtype(T)),))
    return _kernel._get_elementwise_kernel_code(
        tuple(infos), type_map, kernel.params, body, kernel.name, preamble
    )


def compile_for_cuda(source, names):
    """Return PTX, compiled with CuPy's headers and options, or raise the compiler's log."""
    from cupy._core import core
    from cupy.cuda import nvrtc

    headers = "".join(f"#include <{header}>\n" for header in core._cupy_header_list)
    program = nvrtc.createProgram(headers + source, "kernels.cu", (), ())
    for name in names:
        nvrtc.addNameExpression(program, name)
    options = *core.assemble_cupy_compiler_options(("-std=c++17",)), "-arch=compute_80"
    try:
        nvrtc.compileProgram(program, options)
    except nvrtc.NVRTCError:
        raise AssertionError(nvrtc.getProgramLog(program)[:5000]) from None
    return nvrtc.getPTX(program).decode()


def test_every_kernel_compiles_for_cuda():
    pytest.importorskip("cupy")
    from cupy.cuda import nvrtc

    try:
        nvrtc.getVersion()
    except Exception as problem:  # CuPy's own type of error for a missing library
        pytest.skip(f"needs NVRTC: {problem}")
    forms = itertools.product(ELEMENTWISE, ("float32", "float64"), (False, True))
    codes = [cuda_code(*form) for form in forms]
    spaces = "\n".join(f"namespace n{i} {{ {code} }}" for i, code in enumerate(codes))
    names = [f"{name}<{T}>" for name in REDUCTIONS for T in TYPES]
    ptx = compile_for_cuda(SOURCE + spaces, names)
    assert ptx.count(".entry") == len(codes) + len(names)
    with pytest.raises(AssertionError, match="identifier"):  # the check can fail
        compile_for_cuda(SOURCE.replace("sum_of_column(sum)", "sum_of_colum(sum)"), names)


def names_of_cupy(source):
    """The names that a source uses from CuPy, such as "cuda.runtime.memGetInfo"."""
    nodes = ast.walk(ast.parse(source))
    chains = [ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)]
    return {chain.removeprefix("cupy.") for chain in chains if re.fullmatch(r"cupy(\.\w+)+", chain)}


def test_cupy_has_every_name_that_is_used():
    """The emulation has them by construction. To look them up in CuPy itself needs no GPU."""
    cupy, cublas = pytest.importorskip("cupy"), pytest.importorskip("cupy.cublas")
    files = Path(nn.ops.__path__[0], "cuda", "ops.py"), Path(benchmarks.harness.clocks.__file__)
    used = set().union(*(names_of_cupy(file.read_text()) for file in files))
    assert {"ElementwiseKernel", "cuda.runtime.memGetInfo", "cuda.Event"} <= used
    assert "cuda.cublas.setMathMode" in used
    for name in used:
        operator.attrgetter(name)(cupy)
    inspect.signature(cublas.gemm).bind("N", "T", None, None, out=None, beta=1.0)
