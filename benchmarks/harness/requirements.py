"""What peers need to be installed, and their versions for the tables."""

import importlib.util
import os
import shutil
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from gan.errors import RunError

NAMES = {"torch": "PyTorch", "jax": "JAX"}  # by package


def has_torch() -> bool:
    return has("torch")


def has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def versions(*packages: str) -> str:
    """Names and versions of those peers that are installed, e.g. "PyTorch 2.13.0, JAX 0.10.2"."""
    texts = []
    for package in packages:
        try:
            texts.append(f"{NAMES[package]} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(texts)


def require_peers(contenders: Iterable[str]) -> str:
    """Names and versions of these contenders' packages; `RunError` without one of them.

    Parameters
    ----------
    contenders : "jax", or another name for one of PyTorch's
    """
    packages = sorted({"jax" if name == "jax" else "torch" for name in contenders}, reverse=True)
    for package in packages:
        if not has(package):
            raise RunError(
                f"a peer is {NAMES[package]}, which is not installed: pip install -e '.[bench]'  "
                "(or give --peers none)"
            )
    return versions(*packages)


def require_cuda_of_torch() -> None:
    """`RunError` if PyTorch finds no GPU."""
    import torch

    if not torch.cuda.is_available():
        raise RunError(
            f"PyTorch: expected one that can use the GPU, got {torch.__version__}, which finds "
            "none; install one for CUDA, or give --peers none"
        )


def require_compiler() -> None:
    """`RunError` if torch.compile would find no C++ compiler."""
    compiler = os.environ.get("CXX", "g++")  # where torch.compile looks
    if shutil.which(compiler) is None:
        raise RunError(
            f"torch.compile: expected a C++ compiler, found no {compiler}; "
            "install one, or give --peers tuned"
        )
