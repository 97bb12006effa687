"""The classifier of any images, and its file."""

import numpy as np
import pytest

from gan.classifier import image_classifier as module
from gan.classifier.image_classifier import FEATURES, classifier_trainer, image_classifier
from gan.classifier.network import logits
from gan.classifier.stored import StoredClassifier
from gan.data import from_array
from gan.data.images.split import Split
from nn import get_ops

OPS = get_ops("numpy")


@pytest.fixture
def split():
    """Dark and bright images."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    pixels = rng.integers(0, 128, (60, 3, 8, 8)) + 127 * labels[:, None, None, None]
    return Split.of(from_array(pixels.astype(np.uint8), labels))


@pytest.mark.parametrize(
    "shape", [(1, 4, 4), (1, 16, 16), (1, 28, 28), (3, 32, 32), (3, 64, 64), (3, 5, 40)]
)
def test_any_image_has_as_many_features(shape):
    network = image_classifier(shape, 7).build(0)
    x = np.zeros((2, *shape), np.float32)
    assert network[:-1](x).shape == (2, FEATURES) and network(x).shape == (2, 7)


def test_a_small_set_is_seen_a_bounded_number_of_times(split):
    images = split.whole.images[:10]
    assert classifier_trainer(images, np.arange(10) % 2, 2, OPS).total_steps == module.MAX_EPOCHS


def trained(split, folder):
    stored = StoredClassifier(folder, split)
    trainer = stored.trainer(OPS)
    while not trainer.finished:
        trainer.epoch()
        stored.save(trainer)
    return stored


@pytest.mark.parametrize("has_classes", [True, False])
def test_it_learns_and_is_read_again(split, tmp_path, monkeypatch, has_classes):
    monkeypatch.setattr(module, "STEPS", 40)
    if not has_classes:
        split = Split.of(from_array(split.whole.images))
    stored = trained(split, tmp_path / "new")
    again = StoredClassifier(tmp_path / "new", split)
    assert again.is_trained and again.has_classes is has_classes and again.n_classes == 2
    assert np.array_equal(again.labels, stored.labels)
    images = split.whole.images[split.held_out]
    a, b = (logits(each.network(OPS), images) for each in (stored, again))
    assert np.array_equal(a, b)
    assert (a.argmax(axis=1) == again.labels[split.held_out]).mean() == 1


def test_an_interrupted_training_continues_to_the_same_bytes(split, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STEPS", 3)
    whole = trained(split, tmp_path / "whole")
    part = StoredClassifier(tmp_path / "parts", split)
    trainer = part.trainer(OPS)
    trainer.epoch()
    part.save(trainer)
    assert not part.is_trained and trainer.step_count == 1
    parts = trained(split, tmp_path / "parts")
    assert whole.path.read_bytes() == parts.path.read_bytes()


def test_other_data_have_another_file_and_a_damaged_one_is_not_used(split, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STEPS", 1)
    stored = trained(split, tmp_path)
    other = Split.of(from_array(split.whole.images ^ 1, split.whole.labels))
    assert StoredClassifier(tmp_path, other).path != stored.path
    assert StoredClassifier(tmp_path, Split(split.whole)).path != stored.path
    stored.path.write_bytes(stored.path.read_bytes()[:1000])
    assert not StoredClassifier(tmp_path, split).is_trained
