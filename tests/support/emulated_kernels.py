"""The CUDA kernels compiled for the CPU by g++.

The sources are wrapped as CuPy wraps them, behind emulated_cuda.h, and compiled together:

- The body of an `ElementwiseKernel` runs once for each element, with its parameters as references
  to the element.
- A thread of a `RawModule`'s kernel is a fiber (ucontext, and GCC's own setjmp and longjmp).
  `__syncthreads` switches to the block's next thread.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from nn.ops.cuda.elementwise import ELEMENTWISE
from nn.ops.cuda.reductions import REDUCTIONS, SOURCE, TYPES
from nn.ops.cuda.sources import source

C_TYPES = {
    "float64": "double",
    "int64": "long long",
    "uint64": "unsigned long long",
    "uint8": "unsigned char",
    "bool": "bool",
}
LIBRARIES = sorted({kernel.library for kernel in ELEMENTWISE.values() if kernel.library})
PRELUDE = Path(__file__).with_name("emulated_cuda.h")


def parameters(text: str) -> list[tuple[bool, str, str]]:
    """[(raw, type, name), ...] of CuPy's notation: "T x, raw float64 state"."""
    words = [p.split() for p in text.split(",") if p.strip()]
    return [("raw" in w, w[-2], w[-1]) for w in words]


def wrap_elementwise(name: str, T: str) -> str:
    """C++ of an elementwise kernel as CuPy wraps it: const references in, references out."""
    inputs, outputs, body, _ = ELEMENTWISE[name]
    lines = []
    for k, (raw, kind, p) in enumerate(parameters(inputs) + parameters(outputs)):
        const, kind = "const " * (k < len(parameters(inputs))), C_TYPES.get(kind, kind)
        if raw:
            lines.append(f"{const}{kind}* {p} = ({const}{kind}*)e.data[{k}];")
        else:
            lines.append(f"{const}{kind}& {p} = e.at<{kind}>({k}, i);")
    return f"""extern "C" void elementwise_{name}_{T}(Elements e) {{
        typedef {T} T;
        for (long long k = 0; k < e.size; ++k) {{
            ptrdiff_t i = reversed ? e.size - 1 - k : k;
            {" ".join(lines)}
            {body};
        }}
    }}"""


def declaration(name: str) -> list[str]:
    """The types of a CUDA template's parameters: ["const T*", "T*", "long long", ...]."""
    declared = re.search(rf"__global__ void {name}\((.*?)\)", SOURCE, re.DOTALL)
    assert declared, name
    return [" ".join(p.split()[:-1]) for p in declared[1].split(",")]


def wrap_reduction(name: str, T: str) -> str:
    """C++ that calls a CUDA template as the driver does: with the address of each argument."""
    values = ", ".join(
        f"*({kind.replace('T*', f'{T}*')}*)a[{k}]" for k, kind in enumerate(declaration(name))
    )
    return f"""static void call_{name}_{T}(void** a) {{ {name}<{T}>({values}); }}
    extern "C" int reduction_{name}_{T}(const int* grid, const int* block, void** a) {{
        return launch(grid, block, call_{name}_{T}, a);
    }}"""


def compile_kernels(folder: str | Path) -> ctypes.CDLL:
    """All kernels as one shared library, stored in `folder` under the hash of its source."""
    parts = [wrap_elementwise(name, T) for name in ELEMENTWISE for T in TYPES]
    parts += [wrap_reduction(name, T) for name in REDUCTIONS for T in TYPES]
    text = "\n".join([PRELUDE.read_text(), *map(source, LIBRARIES), SOURCE, *parts])
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    library = Path(folder, f"kernels-{digest}.so")
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            options = ["-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC"]
            command = ["g++", "-x", "c++", *options, "-", "-o", f"{scratch}/k.so"]
            result = subprocess.run(command, input=text, text=True, capture_output=True)
            if result.returncode:
                raise RuntimeError(f"g++ cannot compile the kernels:\n{result.stderr}")
            os.replace(f"{scratch}/k.so", library)  # atomically: other processes look for it too
    return ctypes.CDLL(str(library))
