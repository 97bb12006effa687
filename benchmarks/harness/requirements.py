"""What PyTorch's contenders need to be installed."""

import importlib.util
import os
import shutil
from importlib.metadata import version

from gan.errors import RunError


def has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def require_torch() -> str:
    """PyTorch's name and version, for the line above a table; `RunError` without PyTorch."""
    if not has_torch():
        raise RunError(
            "the peer is PyTorch, which is not installed: pip install -e '.[bench]'  "
            "(or give --peers none)"
        )
    return f"PyTorch {version('torch')}"


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
