"""The feature extractor, and how each metric responds when images get worse."""

import hashlib
import itertools
import math
import re
import sys

import numpy as np
import pytest

from gan.classifier.network import (
    CLASSES,
    digit_classifier,
    load_classifier,
    probabilities,
    save_classifier,
)
from gan.data.datasets import load
from gan.errors import DataError
from gan.evaluation import (
    Evaluator,
    as_images,
    class_histogram,
    evaluate,
    feature_extractor,
    fid,
    n_rows,
    parzen,
    precision_recall,
)
from gan.evaluation.export import main
from nn import WeightsError
from tests.support.strict import StrictOps

N = 500
FLOOR_FID, PARZEN = 0.137, 237.75  # of the bundled training images


@pytest.fixture(scope="module")
def sample():
    """(training images, their labels, test images, their labels): the bundled sample."""
    return *load("mnist-sample", "train"), *load("mnist-sample", "test")


@pytest.fixture(scope="module")
def evaluator(sample):
    return Evaluator(sample[2][:N])


@pytest.fixture(scope="module")
def measured(evaluator, sample):
    """measured(degrade) is every metric of degraded images."""
    validation = sample[0][-100:]
    return lambda degrade: evaluate(
        degrade(as_images(sample[0][:N]), sample[1][:N]), evaluator, validation
    )


@pytest.fixture(scope="module")
def intact(measured):
    return measured(lambda images, labels: images)


# The classifier


def test_the_file_is_small_and_has_the_sha256_in_the_code():
    assert feature_extractor.PATH.stat().st_size < 1_500_000
    assert (
        hashlib.sha256(feature_extractor.PATH.read_bytes()).hexdigest() == feature_extractor.SHA256
    )
    with np.load(feature_extractor.PATH) as file:
        assert {str(file[name].dtype) for name in file.files if name != "header"} == {"float16"}


def test_its_accuracy_on_test_images_is_as_stated(evaluator, sample):
    images, labels = sample[2][:2000], sample[3][:2000]
    p = evaluator.probabilities(evaluator.features(images))
    accuracy = (p.argmax(axis=1) == labels).mean()
    assert (
        feature_extractor.ACCURACY >= 0.994 and abs(accuracy - feature_extractor.ACCURACY) < 0.004
    )
    assert p.shape == (2000, 10) and np.allclose(p.sum(axis=1), 1)


def test_its_accuracy_on_all_test_images_and_the_fid_of_training_images(sample):
    train, _, test, labels = sample
    evaluator = Evaluator(test)
    assert (
        evaluator.probabilities(evaluator.test_features).argmax(axis=1) == labels
    ).mean() == feature_extractor.ACCURACY
    assert evaluator.fid(train) == pytest.approx(FLOOR_FID, abs=0.002)


def test_the_parzen_log_likelihood_of_training_images_is_near_the_papers(sample):
    train, test = as_images(sample[0]), as_images(sample[2])
    log_likelihood, error, sigma = parzen(train[:9000], train[9000:], test[::4])
    assert (
        log_likelihood == pytest.approx(PARZEN, abs=0.5)
        and abs(log_likelihood - 243) < 4 * 2.5
        and 0.15 < sigma < 0.2
    )


def test_features_are_the_inputs_of_the_last_layer(evaluator, sample):
    images = sample[2][:150].reshape(-1, 1, 28, 28)
    done = []
    features = evaluator.features(images, done.append)
    assert (
        features.shape == (150, 128)
        and features.dtype == np.float32
        and features.min() == 0
        and sum(done) == 150
    )
    assert np.allclose(features, evaluator.test_features[:150], atol=1e-5)
    expected = probabilities(load_classifier(feature_extractor.PATH), images)
    assert np.allclose(evaluator.probabilities(features), expected, atol=1e-6)


def test_features_are_computed_on_the_device_and_come_back(evaluator, sample):
    there = Evaluator(sample[2][:150], StrictOps())
    assert (
        np.allclose(there.test_features, evaluator.test_features[:150], atol=1e-4)
        and type(there.test_features) is np.ndarray
    )
    assert np.allclose(
        there.probabilities(there.test_features),
        evaluator.probabilities(there.test_features),
        atol=1e-5,
    )


def test_another_classifier_is_refused(monkeypatch, tmp_path):
    path = tmp_path / "digit_classifier.npz"
    monkeypatch.setattr(feature_extractor, "PATH", path)
    with pytest.raises(WeightsError, match="cannot be read .No such file") as error:
        Evaluator(np.zeros((3, 784)))
    assert str(path) in str(error.value)
    save_classifier(path, digit_classifier().build(seed=0), {})
    with pytest.raises(WeightsError, match="expected the classifier of SHA-256"):
        Evaluator(np.zeros((3, 784)))


def export(monkeypatch, source, target):
    """The exit status of the command."""
    monkeypatch.setattr(feature_extractor, "PATH", target)
    monkeypatch.setattr(sys, "argv", ["export", str(source)])
    try:
        return main()
    except SystemExit as end:
        return end.code


def test_exporting_rounds_a_classifier_and_prints_the_hash(monkeypatch, tmp_path, capsys):
    network = digit_classifier().build(seed=0)
    save_classifier(tmp_path / "a.npz", network, {"accuracy": 0.5})
    assert export(monkeypatch, tmp_path / "a.npz", tmp_path / "b.npz") == 0
    (printed,) = re.findall("SHA-256 ([0-9a-f]{64})", capsys.readouterr().out)
    assert printed == hashlib.sha256((tmp_path / "b.npz").read_bytes()).hexdigest()
    assert (tmp_path / "b.npz").stat().st_size < 0.51 * (tmp_path / "a.npz").stat().st_size
    rounded = load_classifier(tmp_path / "b.npz")
    assert rounded.dtype == "float32"
    assert np.array_equal(rounded[0].W, network[0].W.astype(np.float16)) and not np.array_equal(
        rounded[0].W, network[0].W
    )


def test_weights_that_overflow_float16_are_refused(monkeypatch, tmp_path, capsys):
    network = digit_classifier().build(seed=0)
    network[0].W[0] = 1e6
    save_classifier(tmp_path / "a.npz", network, {})
    assert export(monkeypatch, tmp_path / "a.npz", tmp_path / "b.npz") == 2
    assert "NaN or infinity" in capsys.readouterr().err and not (tmp_path / "b.npz").exists()


# Evaluating


def test_fid_against_the_test_images(evaluator, sample):
    test, train = sample[2][:N], sample[0][:N]
    assert evaluator.fid(test) < 1e-6
    assert evaluator.fid(train) == pytest.approx(
        fid(evaluator.features(train), evaluator.features(test)), rel=1e-6
    )
    # The distance is larger for fewer images
    assert evaluator.fid(train) < evaluator.fid(train[:200])


def test_the_test_images_themselves_are_perfect(evaluator, sample):
    rows = []
    figures = evaluate(sample[2][:N], evaluator, sample[0][:50], rows.append)
    assert figures["fid"] < 1e-6 and figures["precision"] == figures["recall"] == 1
    assert sum(rows) == n_rows(N, 50, N)
    histogram = figures["class_histogram"]
    assert (
        np.allclose(histogram, np.bincount(sample[3][:N], minlength=10) / N, atol=0.006)
        and len(CLASSES) == 10
    )


def test_every_metric_compares_with_the_test_images(intact, evaluator, sample):
    train, test = as_images(sample[0]), as_images(sample[2][:N])
    figures = parzen(train[:N], train[-100:], test)
    names = ("parzen_log_likelihood", "parzen_standard_error", "parzen_sigma")
    assert [intact[name] for name in names] == pytest.approx(figures)
    figures = precision_recall(evaluator.features(test), evaluator.features(train[:N]))
    assert (intact["precision"], intact["recall"]) == pytest.approx(figures, abs=2 / N)


def test_real_images_score_well(intact):
    assert (
        intact["mnist_score"] > 9.5
        and intact["digits_drawn"] == 10
        and intact["kl_to_uniform"] < 0.02
    )
    assert intact["precision"] > 0.7 and intact["recall"] > 0.7 and 0 < intact["fid"] < 5
    assert (
        intact["parzen_log_likelihood"] > 50
        and 0.1 < intact["parzen_sigma"] < 0.3
        and 0 < intact["parzen_standard_error"] < 20
    )


def noise(strength):
    def degrade(images, labels):
        noisy = images + strength * np.random.default_rng(0).standard_normal(images.shape)
        return np.clip(noisy, 0, 1)

    return degrade


def blur(times):
    def degrade(images, labels):
        pictures = images.reshape(-1, 28, 28)
        for _ in range(times):
            for axis in (1, 2):
                pictures = (
                    np.roll(pictures, 1, axis) + 2 * pictures + np.roll(pictures, -1, axis)
                ) / 4
        return pictures

    return degrade


@pytest.mark.parametrize(
    "degrade, strengths, parzen_falls", [(noise, (0.2, 0.4, 0.8), True), (blur, (1, 4, 12), False)]
)
def test_worse_images_have_worse_metrics(measured, intact, degrade, strengths, parzen_falls):
    steps = [intact, *(measured(degrade(strength)) for strength in strengths)]
    for better, worse in itertools.pairwise(steps):
        assert worse["fid"] > 1.2 * better["fid"]
        assert worse["mnist_score"] < better["mnist_score"]
        assert worse["precision"] < better["precision"] or worse["precision"] == 0
        assert worse["recall"] < better["recall"] or worse["recall"] == 0
        if parzen_falls:  # a little blur widens the windows, which Parzen rewards
            assert worse["parzen_log_likelihood"] < better["parzen_log_likelihood"] - 10
    assert steps[-1]["fid"] > 20 * intact["fid"] and steps[-1]["mnist_score"] < 8


def test_a_missing_digit_is_visible(measured, intact):
    figures = measured(lambda images, labels: np.resize(images[labels != 1], images.shape))
    assert figures["digits_drawn"] == 9 and figures["class_histogram"][1] < 0.01
    assert figures["kl_to_uniform"] > math.log(10 / 9) - 0.01 > 3 * intact["kl_to_uniform"]
    assert (
        figures["fid"] > 3 * intact["fid"] and figures["mnist_score"] < intact["mnist_score"] - 0.5
    )
    assert (
        figures["recall"] < intact["recall"] - 0.05
        and figures["precision"] > intact["precision"] - 0.05
    )
    assert figures["parzen_log_likelihood"] < intact["parzen_log_likelihood"] - 1


def test_a_single_repeated_image_is_visible(measured, intact):
    figures = measured(lambda images, labels: np.repeat(images[:1], N, axis=0))
    assert figures["digits_drawn"] == 1 and figures["kl_to_uniform"] == pytest.approx(math.log(10))
    assert (
        figures["mnist_score"] == pytest.approx(1, abs=1e-6) and figures["fid"] > 20 * intact["fid"]
    )
    assert figures["recall"] == 0 and figures["precision"] in (0, 1)
    assert figures["parzen_log_likelihood"] < intact["parzen_log_likelihood"] - 100


def test_random_pixels_score_badly(measured, intact):
    figures = measured(lambda images, labels: np.random.default_rng(0).random(images.shape))
    assert figures["precision"] < 0.01 and figures["recall"] < 0.01 and figures["mnist_score"] < 3
    assert figures["fid"] > 20 * intact["fid"] and figures["parzen_log_likelihood"] < 0


def test_unsuitable_images_are_refused(evaluator):
    for images in (np.full((9, 784), np.nan), np.full((9, 784), 2.0), np.zeros((9, 27, 28))):
        for measure in (
            evaluator.fid,
            evaluator.features,
            lambda x: evaluate(x, evaluator, np.zeros((5, 784))),
            Evaluator,
        ):
            with pytest.raises(DataError, match="images: expected"):
                measure(images)
    assert (
        class_histogram(evaluator.probabilities(evaluator.features(np.zeros((9, 784))))).max() == 1
    )
