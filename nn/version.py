"""The version of the package; setup.cfg, `byhand --version` and `__version__` read it here."""

__version__ = "0.2.0"
