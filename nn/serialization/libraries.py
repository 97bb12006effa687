"""Optional libraries: imported where they are used, and named if they are not installed."""

from importlib import import_module
from typing import Any

from nn.errors import MissingLibraryError

INSTALL = {  # what installs each library
    "onnx": "pip install -e '.[onnx]'",
    "safetensors": "pip install -e '.[safetensors]'",
    "torch": "pip install torch",
}


def library(module: str) -> Any:
    """Import a module of an optional library, such as "safetensors.numpy".

    Raises
    ------
    MissingLibraryError
        If it cannot be imported; the message has the line that installs it.
    """
    name = module.partition(".")[0]
    try:
        return import_module(module)
    except ImportError as problem:
        raise MissingLibraryError(
            f"expected the library {name}, which is not installed or does not load ({problem}); "
            f"install it with  {INSTALL[name]}"
        ) from None
