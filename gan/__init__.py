"""Generative adversarial networks, built on `nn`.

Importing this package alone imports nothing else: a command handles Ctrl-C before NumPy loads.
Each of its modules imports `nn` before NumPy; see `nn.waiting`.
"""


def __getattr__(name: str) -> str:
    if name == "__version__":
        from nn import __version__

        return __version__
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
