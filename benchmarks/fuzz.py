"""Coverage-guided fuzzing of the readers: each must return an array or raise its documented error.

    pip install atheris
    python -m benchmarks.fuzz weights -max_total_time=300

Options after the reader's name are libFuzzer's. It ends with a traceback if a reader raises any
other error, or takes more than a second of processor time or 200 MB more than the program itself.

A `members` target puts the bytes into one member of an intact zip file, whose checksums would
otherwise stop every change; the first byte selects the member. What is read is also used: `predict`
draws samples, `classify` classifies an image, `resume` continues training.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris
import numpy as np

WATCHED = ("nn", "gan", "zipfile", "gzip")  # packages whose branches guide the fuzzer
for loaded in [name for name in sys.modules if name.split(".")[0] in WATCHED]:
    del sys.modules[loaded]

with atheris.instrument_imports(include=WATCHED):
    import zipfile

    from benchmarks.harness.faults import fuzzed
    from benchmarks.harness.faults.files import SECONDS
    from gan.classifier.pictures import read_digit
    from gan.data.idx import read_idx
    from gan.errors import DataError
    from gan.evaluation.samples import read_images
    from gan.runs.checkpoint import read_checkpoint
    from nn import ByhandError, WeightsError, load_weights

Reader = Callable[[Path], Any]

TEXT = "the header's text"
LIMITS = ("-timeout=3600", "-rss_limit_mb=500", "-max_len=20000")  # the program itself takes 300 MB
READERS: dict[str, tuple[Reader, type[Exception], Callable[[Path], list[bytes]]]] = {
    # the reader, its documented error, and the files to start with
    "idx": (read_idx, DataError, fuzzed.idx_files),
    "samples": (read_images, DataError, fuzzed.sample_files),
    "pictures": (read_digit, DataError, fuzzed.picture_files),
    "weights": (load_weights, WeightsError, fuzzed.weights_files),
    "checkpoints": (read_checkpoint, WeightsError, fuzzed.checkpoint_files),
    "resume": (fuzzed.resume, ByhandError, fuzzed.checkpoint_files),
    "predict": (fuzzed.predict, ByhandError, fuzzed.generator_files),
    "classify": (fuzzed.classify, ByhandError, fuzzed.classifier_files),
}
TARGETS = (
    "idx",
    "weights",
    "weights-members",
    "checkpoints",
    "checkpoints-members",
    "resume-members",
    "predict-members",
    "classify-members",
    "samples",
    "pictures",
)


def members(path: Path, read: Reader) -> tuple[Reader, list[bytes]]:
    """Fuzz the members of the intact zip file at `path`: a reader, and bytes to start with.

    The reader replaces one member, or the text of the header, by the bytes at its path, then calls
    `read`.
    """
    with zipfile.ZipFile(path) as archive:
        intact = {name: archive.read(name) for name in archive.namelist()}
    names = [TEXT, *intact]

    def read_member(path: Path) -> Any:
        data = path.read_bytes()
        name, new = names[data[0] % len(names)] if data else TEXT, data[1:]
        if name == TEXT:
            name, new = "header.npy", npy(new)
        with zipfile.ZipFile(path, "w") as archive:
            for each, content in (intact | {name: new}).items():
                archive.writestr(each, content)
        return read(path)

    text = np.load(io.BytesIO(intact["header.npy"])).tobytes()
    seeds = [bytes([k]) + intact[name] for k, name in enumerate(names) if name != TEXT]
    return read_member, [b"\0" + text, *seeds]


def npy(text: bytes) -> bytes:
    """A .npy file of these bytes."""
    file = io.BytesIO()
    np.save(file, np.frombuffer(text, np.uint8))
    return file.getvalue()


def target(name: str, path: Path) -> tuple[Reader, type[Exception], list[bytes]]:
    """The reader of one of TARGETS, its error, and bytes to start with."""
    read, error, seed_files = READERS[name.removesuffix("-members")]
    seeds = seed_files(path)
    if name.endswith("-members"):
        read, seeds = members(path, read)
    return read, error, seeds


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"error: expected a reader, one of {', '.join(TARGETS)}; then libFuzzer's options")
    with tempfile.TemporaryDirectory() as folder:
        path, corpus = Path(folder) / "file.npz", Path(folder) / "corpus"
        read, error, seeds = target(sys.argv[1], path)
        corpus.mkdir()
        for k, seed in enumerate(seeds):
            (corpus / str(k)).write_bytes(seed)

        def read_once(data: bytes) -> None:
            path.write_bytes(data)
            began = time.process_time()
            try:
                read(path)
            except error as problem:
                assert "\n" not in str(problem), problem
            assert time.process_time() - began < SECONDS

        atheris.Setup([sys.argv[0], *LIMITS, *sys.argv[2:], str(corpus)], read_once)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
