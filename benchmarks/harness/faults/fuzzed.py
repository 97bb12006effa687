"""Files for the fuzzer to start with, and readers that also use what they read."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.harness.faults.small_runs import small_checkpoint, small_trainer
from gan.classifier.network import (
    CLASSES,
    IMAGE_RANGE,
    load_classifier,
    probabilities,
    save_classifier,
)
from gan.data.idx import write_idx
from gan.generator_file import load_sampler
from gan.runs.checkpoint import read_checkpoint, write_checkpoint
from nn import Conv2d, Dense, Flatten, Sequential, save_weights

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 28, 28)).astype(np.uint8)


def idx_files(path: Path) -> list[bytes]:
    write_idx(path, IMAGES)
    return [path.read_bytes(), gzip.compress(path.read_bytes())]


def sample_files(path: Path) -> list[bytes]:
    np.savez(path, images=IMAGES)
    packed = path.read_bytes()
    np.savez_compressed(path, images=IMAGES)
    return [packed, path.read_bytes()]


def picture_files(path: Path) -> list[bytes]:
    seeds = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF"):
        Image.fromarray(IMAGES[0]).save(path, kind)
        seeds.append(path.read_bytes())
    return seeds


def weights_files(path: Path) -> list[bytes]:
    save_weights(path, {"net": Sequential(Dense(2, 3)).build(seed=0)})
    return [path.read_bytes()]


def generator_files(path: Path) -> list[bytes]:
    latent = {"size": 2, "distribution": "normal"}
    info = {"latent": latent, "classes": 0, "shares": [0.5, 0.5], "image_range": [-1, 1]}
    save_weights(path, {"G": Sequential(Dense(4, 784)).build(seed=0)}, info)
    return [path.read_bytes()]


def classifier_files(path: Path) -> list[bytes]:
    layers = Conv2d(1, 2, 3, stride=9), Flatten(), Dense(18, 10)
    network = Sequential(*layers, input_shape=(1, 28, 28)).build(seed=0)
    save_classifier(path, network, {"classes": CLASSES, "image_range": IMAGE_RANGE})
    return [path.read_bytes()]


def checkpoint_files(path: Path) -> list[bytes]:
    write_checkpoint(path, small_checkpoint())
    return [path.read_bytes()]


def predict(path: Path) -> np.ndarray:
    sampler = load_sampler(path)
    return sampler.images(sampler.inputs(2, seed=0))


def classify(path: Path) -> np.ndarray:
    return probabilities(load_classifier(path), np.zeros((1, 1, 28, 28), np.uint8))


def resume(path: Path) -> Any:
    checkpoint, trainer = read_checkpoint(path), small_trainer()
    trainer.load_state_dict((checkpoint.arrays, checkpoint.rest))
    return trainer.fit(steps=1)
