"""The readers of archives, and changes that make a sound archive hostile."""

import io
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from gan.classifier.network import load_classifier, probabilities, save_classifier
from gan.errors import DataError
from gan.evaluation import read_images
from gan.generator_file import load_sampler
from gan.runs.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from nn import (
    BatchNorm,
    ByhandError,
    Conv2d,
    Dense,
    Flatten,
    LeakyReLU,
    Sequential,
    WeightsError,
    load_weights,
    save_weights,
)
from nn.serialization.archive import MAX_EXPANSION
from tests.support.small import digits, trainer

SAMPLING_INFO = {
    "latent": {"size": 2, "distribution": "normal"},
    "classes": 0,
    "shares": [0.25, 0.75],
    "image_range": [-1, 1],
}


def save_generator(path):
    G = Sequential(Dense(4, 8), BatchNorm(8), LeakyReLU(0.25), Dense(8, 784)).build(seed=0)
    round_weights(G)
    save_weights(path, {"G": G}, SAMPLING_INFO)


def round_weights(network):
    """Round the weights to values that float16 can represent."""
    for buffer in (network.parameters.value, network.parameters.statistics):
        buffer.flat[...] = np.ceil(8 * buffer.flat) / 8


def save_small_classifier(path):
    layers = Conv2d(1, 2, 3, stride=9), Flatten(), Dense(18, 10)
    network = Sequential(*layers, input_shape=(1, 28, 28)).build(seed=0)
    round_weights(network)
    save_classifier(path, network, {})


def save_run(path):
    t = trainer(seed=3)
    history = t.fit(steps=2)
    frames = {2: np.ones((64, 28, 28), np.uint8)}
    checkpoint = Checkpoint({"seed": 3}, None, *t.state_dict(), frames, None, history, 7.5)
    write_checkpoint(path, checkpoint)


def save_small_checkpoint(path):
    arrays = {"G.value": np.arange(3, dtype="f4"), "order.0": np.arange(2)}
    write_checkpoint(path, Checkpoint({"seed": 3}, None, arrays, {"step": 1}, {}, None, [], None))


def save_samples(path):
    np.savez(path, images=(digits(3) > 99).astype(np.float32))


def networks_of(path):
    networks, info = load_weights(path)
    values = {}
    for name, network in networks.items():
        views = [*network.parameters.value.items(), *network.parameters.statistics.items()]
        values[name] = {key: view.tolist() for key, view in views}
    return values, info


def sampled(path):
    sampler = load_sampler(path)
    images = sampler.images(sampler.inputs(2, seed=0))
    assert images.shape == (2, 28, 28) and 0 <= images.min() <= images.max() <= 1
    return images


def classified(path):
    p = probabilities(load_classifier(path), digits(2).reshape(2, 1, 28, 28))
    assert p.shape == (2, 10) and np.isfinite(p).all()
    return p


def checkpoint_of(path):
    content = asdict(read_checkpoint(path))
    arrays, frames = (
        {name: array.tolist() for name, array in content.pop(part).items()}
        for part in ("arrays", "frames")
    )
    plain = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in content.items()
    }
    return plain | {"arrays": arrays, "frames": frames}


def resumed(path):
    checkpoint, t = read_checkpoint(path), trainer(seed=3)
    t.load_state_dict((checkpoint.arrays, checkpoint.rest))
    times = "seconds", "images_per_second"
    return [{key: x for key, x in row.items() if key not in times} for row in t.fit(steps=1)]


@dataclass
class Reader:
    """What writes a sound file, what reads it, and the reader's documented error."""

    save: Callable
    read: Callable
    error: type


READERS = {
    "weights": Reader(save_generator, networks_of, WeightsError),
    "predict": Reader(save_generator, sampled, ByhandError),
    "classify": Reader(save_small_classifier, classified, ByhandError),
    "checkpoint": Reader(save_run, checkpoint_of, WeightsError),
    "resume": Reader(save_run, resumed, ByhandError),
    "samples": Reader(save_samples, read_images, DataError),
}


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, content, compression=zipfile.ZIP_STORED):
    """Write members, given as {name: bytes} or as pairs, in which a name may occur twice."""
    with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names that occur twice
        for name, data in content.items() if isinstance(content, dict) else content:
            archive.writestr(name, data)


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def is_refused(want, reader, path):
    """Whether the file is refused as documented; if not, reading must give `want`."""
    tracemalloc.start()
    try:
        got = reader.read(path)
        assert np.allclose(got, want, atol=1e-5) if isinstance(got, np.ndarray) else got == want
        return False
    except reader.error as problem:
        text = str(problem)
        assert text.isprintable() and "Traceback" not in text, text
        assert str(path) in text or reader.error is ByhandError, text
        return True
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20_000_000  # files of some kilobytes that claim up to ten times as much


# ---- changes of an archive, given as {name: bytes}


def bomb(content):
    """40 MB of zeros in 40 KB."""
    name = largest(content)
    assert 40_000_000 > MAX_EXPANSION
    return content | {name: npy(np.zeros(40_000_000, np.uint8))}


def largest(content):
    return max(content, key=lambda name: len(content[name]))


def nested(content):
    inner = io.BytesIO()
    write(inner, content)
    return content | {largest(content): inner.getvalue()}


def nested_beside(content):
    inner = io.BytesIO()
    write(inner, content)
    return content | {"inner.npz": inner.getvalue()}


def duplicate(content):
    return [*content.items(), (largest(content), content[largest(content)])]


def empty(content):
    return {}


def control_characters(content):
    renamed = {f"\n\x1b[2J{k}.npy": data for k, data in enumerate(content.values())}
    return renamed | {"a\nb.npy": b""}
