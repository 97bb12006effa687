"""Command lines to paste into a shell."""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from pathlib import Path
from shutil import which

SCRIPTS = {  # in examples/, by command
    "train": "train_mnist_gan.py",
    "predict": "predict.py",
    "evaluate": "evaluate.py",
    "classify": "classify.py",
    "train-classifier": "train_mnist_classifier.py",
}


def to_paste(command: str, *words: object) -> str:
    """A command line that works in every folder, since its paths are absolute.

    It starts with `byhand`, or if a script of examples/ is running, with the script for `command`.

    Parameters
    ----------
    command
        A key of SCRIPTS.
    words
        Its arguments. A `Path` becomes absolute.
    """
    script = Path(sys.argv[0]).absolute()
    if script.parent.name == "examples" and script.name in SCRIPTS.values():
        start = [_python(), str(script.with_name(SCRIPTS[command]))]
    else:
        start = [_byhand(), command]
    texts = (str(word.absolute() if isinstance(word, Path) else word) for word in words)
    return shlex.join([*start, *texts])


def _byhand() -> str:
    """`byhand`, or its path if a shell would find another one or none."""
    found = which("byhand")
    own = which("byhand", path=sysconfig.get_path("scripts"))
    if own is None or (found is not None and os.path.samefile(found, own)):
        return "byhand"
    return own


def _python() -> str:
    """`python` or `python3`, or the path of this interpreter if a shell would find another one."""
    for name in ("python", "python3"):
        found = which(name)
        # In a virtual environment, the file is a link to an interpreter that it shares with others.
        if found is not None and Path(found).parent == Path(sys.executable).parent:
            return name
    return sys.executable
