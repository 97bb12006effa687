"""Coverage-guided fuzzing of the readers of files: whatever lies in a file, the documented error or an array.

    pip install atheris
    python -m benchmarks.fuzz weights -max_total_time=300

What follows the reader's name is libFuzzer's; it ends with a traceback where anything else than the documented error comes
out of a reader, and where one takes more than a second of the processor or 200 MB more than the program itself. `members`
puts the bytes into a sound zip file, whose checksums would else stop every change: the first byte says as which array.
What is read is used, too: `predict` draws by it, `classify` names a digit, `resume` goes on training.
"""

import io
import sys
import tempfile
import time
from pathlib import Path

import atheris

WATCHED = ("nn", "gan", "zipfile", "gzip")  # whose branches lead the fuzzer
for loaded in [name for name in sys.modules if name.split(".")[0] in WATCHED]:
    del sys.modules[loaded]

with atheris.instrument_imports(include=WATCHED):
    import gzip
    import zipfile

    from benchmarks.harness.faults import files as fault_files
    from gan.runs.checkpoint import read_checkpoint, write_checkpoint
    from gan.classifier.network import CLASSES, IMAGE_RANGE, load_classifier, probabilities, save_classifier
    from gan.classifier.pictures import read_digit
    from gan.data.idx import read_idx, write_idx
    from gan.evaluation.samples import read_images
    from gan.sampling import load_sampler
    from gan.errors import DataError
    from nn import ByhandError, Conv2d, Dense, Flatten, Sequential, WeightsError, load_weights, save_weights

import numpy as np
from PIL import Image

TEXT = "the header's text"
LIMITS = ("-timeout=3600", "-rss_limit_mb=500", "-max_len=20000")  # with all that is loaded the program itself takes 300 MB


def members(path, read):
    """A reader of what becomes of the bytes at `path` as one of the arrays, or as the header's text, of the sound file that
    lies there now."""
    with zipfile.ZipFile(path) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    names = [TEXT, *whole]

    def inside(path):
        data = path.read_bytes()
        name, new = names[data[0] % len(names)] if data else TEXT, data[1:]
        if name == TEXT:
            name, new = "header.npy", npy(new)
        with zipfile.ZipFile(path, "w") as archive:
            for each, held in (whole | {name: new}).items():
                archive.writestr(each, held)
        return read(path)

    text = np.load(io.BytesIO(whole["header.npy"])).tobytes()
    return inside, [b"\0" + text, *(bytes([k]) + whole[name] for k, name in enumerate(names) if name != TEXT)]


def npy(text):
    file = io.BytesIO()
    np.save(file, np.frombuffer(text, np.uint8))
    return file.getvalue()


def target(name, path):
    """-> the reader, its error, and files to begin with."""
    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28)).astype(np.uint8)
    if name == "idx":
        write_idx(path, images)
        return read_idx, DataError, [path.read_bytes(), gzip.compress(path.read_bytes())]
    if name == "samples":
        np.savez(path, images=images)
        packed = path.read_bytes()
        np.savez_compressed(path, images=images)
        return read_images, DataError, [packed, path.read_bytes()]
    if name == "pictures":
        seeds = []
        for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF"):
            Image.fromarray(images[0]).save(path, kind)
            seeds.append(path.read_bytes())
        return read_digit, DataError, seeds
    read, error = {
        "weights": (load_weights, WeightsError), "checkpoints": (read_checkpoint, WeightsError), "resume": (go_on, ByhandError),
        "predict": (draw, ByhandError), "classify": (name_a_digit, ByhandError),
    }[name.removesuffix("-members")]  # fmt: skip
    if read is load_weights:
        save_weights(path, {"net": Sequential(Dense(2, 3)).build(seed=0)})
    elif read is draw:
        info = {"latent": {"size": 2, "distribution": "normal"}, "classes": 0, "shares": [0.5, 0.5], "image_range": [-1, 1]}
        save_weights(path, {"G": Sequential(Dense(4, 784)).build(seed=0)}, info)
    elif read is name_a_digit:
        network = Sequential(Conv2d(1, 2, 3, stride=9), Flatten(), Dense(18, 10), input_shape=(1, 28, 28))
        save_classifier(path, network.build(seed=0), {"classes": CLASSES, "image_range": IMAGE_RANGE})
    else:
        write_checkpoint(path, fault_files.small_checkpoint())
    inside, seeds = members(path, read)
    return (inside, error, seeds) if name.endswith("-members") else (read, error, [path.read_bytes()])


def draw(path):
    sampler = load_sampler(path)
    return sampler.images(sampler.inputs(2, seed=0))


def name_a_digit(path):
    return probabilities(load_classifier(path), np.zeros((1, 1, 28, 28), np.uint8))


def go_on(path):
    checkpoint, trainer = read_checkpoint(path), fault_files.small_trainer()
    trainer.load_state_dict((checkpoint.arrays, checkpoint.rest))
    return trainer.fit(steps=1)


TARGETS = (
    "idx", "weights", "weights-members", "checkpoints", "checkpoints-members", "resume-members", "predict-members",
    "classify-members", "samples", "pictures",
)  # fmt: skip


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"error: expected a reader, one of {', '.join(TARGETS)}; then libFuzzer's options")
    with tempfile.TemporaryDirectory() as folder:
        path, corpus = Path(folder) / "file.npz", Path(folder) / "corpus"
        read, error, seeds = target(sys.argv[1], path)
        corpus.mkdir()
        for k, seed in enumerate(seeds):
            (corpus / str(k)).write_bytes(seed)

        def one(data):
            path.write_bytes(data)
            began = time.process_time()
            try:
                read(path)
            except error as problem:
                assert "\n" not in str(problem), problem
            assert time.process_time() - began < fault_files.SECONDS

        atheris.Setup([sys.argv[0], *LIMITS, *sys.argv[2:], str(corpus)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
