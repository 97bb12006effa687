"""The examples that are whole programs, as modules."""

import importlib.util
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "examples"
PROGRAMS = ("resnet_cifar", "sngan", "vae", "wgan_gp")


def program(name):
    """The module of a file in examples/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
