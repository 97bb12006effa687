"""The frozen classifier, and how each metric moves when images get worse."""

import hashlib
import itertools
import math
import re
import runpy
import sys

import numpy as np
import pytest

from gan.classifier.network import CLASSES, digit_classifier, load_classifier, probabilities, save_classifier
from gan.data.datasets import load
from gan.evaluation import Judge, as_images, class_histogram, evaluate, fid, n_rows, precision_recall
from gan.evaluation import feature_extractor as frozen
from gan.evaluation import parzen
from gan.errors import DataError
from nn import WeightsError
from tests.support.strict import StrictOps

N = 500
FLOOR_FID, PARZEN = 0.137, 237.75  # of the bundled training images


@pytest.fixture(scope="module")
def sample():
    """(training images, their labels, test images, their labels): the bundled sample."""
    return *load("mnist-sample", "train"), *load("mnist-sample", "test")


@pytest.fixture(scope="module")
def judge(sample):
    return Judge(sample[2][:N])


@pytest.fixture(scope="module")
def measured(judge, sample):
    """Every metric of images that were worsened: measured(spoil)."""
    validation = sample[0][-100:]
    return lambda spoil: evaluate(spoil(as_images(sample[0][:N]), sample[1][:N]), judge, validation)


@pytest.fixture(scope="module")
def whole(measured):
    return measured(lambda images, labels: images)


# ---- the classifier ----------------------------------------------------------------------------------------------


def test_the_shipped_file_is_small_and_the_one_in_the_code():
    assert frozen.PATH.stat().st_size < 1_500_000
    assert hashlib.sha256(frozen.PATH.read_bytes()).hexdigest() == frozen.SHA256
    with np.load(frozen.PATH) as file:
        assert {str(file[name].dtype) for name in file.files if name != "header"} == {"float16"}


def test_it_names_test_images_as_rightly_as_it_says(judge, sample):
    images, labels = sample[2][:2000], sample[3][:2000]
    p = judge.probabilities(judge.features(images))
    right = (p.argmax(axis=1) == labels).mean()
    assert frozen.ACCURACY >= 0.994 and abs(right - frozen.ACCURACY) < 0.004
    assert p.shape == (2000, 10) and np.allclose(p.sum(axis=1), 1)


def test_of_all_test_images_it_names_as_many_as_it_says_and_training_images_come_out_as_the_floor(sample):
    train, _, test, labels = sample
    judge = Judge(test)
    assert (judge.probabilities(judge.test_features).argmax(axis=1) == labels).mean() == frozen.ACCURACY
    assert judge.fid(train) == pytest.approx(FLOOR_FID, abs=0.002)


def test_parzens_figure_of_training_images_is_the_papers_kind_of_figure(sample):
    train, test = as_images(sample[0]), as_images(sample[2])
    log_likelihood, error, sigma = parzen(train[:9000], train[9000:], test[::4])
    assert log_likelihood == pytest.approx(PARZEN, abs=0.5) and abs(log_likelihood - 243) < 4 * 2.5 and 0.15 < sigma < 0.2


def test_features_are_what_the_last_layer_sees(judge, sample):
    images = sample[2][:150].reshape(-1, 1, 28, 28)
    done = []
    features = judge.features(images, done.append)
    assert features.shape == (150, 128) and features.dtype == np.float32 and features.min() == 0 and sum(done) == 150
    assert np.allclose(features, judge.test_features[:150], atol=1e-5)
    expected = probabilities(load_classifier(frozen.PATH), images)
    assert np.allclose(judge.probabilities(features), expected, atol=1e-6)


def test_images_go_to_the_device_and_figures_come_back(judge, sample):
    there = Judge(sample[2][:150], StrictOps())
    assert np.allclose(there.test_features, judge.test_features[:150], atol=1e-4) and type(there.test_features) is np.ndarray
    assert np.allclose(there.probabilities(there.test_features), judge.probabilities(there.test_features), atol=1e-5)


def test_another_classifier_is_refused(monkeypatch, tmp_path):
    path = tmp_path / "digit_classifier.npz"
    monkeypatch.setattr(frozen, "PATH", path)
    with pytest.raises(WeightsError, match="cannot be read .No such file") as error:
        Judge(np.zeros((3, 784)))
    assert str(path) in str(error.value)
    save_classifier(path, digit_classifier().build(seed=0), {})
    with pytest.raises(WeightsError, match="expected the classifier of SHA-256"):
        Judge(np.zeros((3, 784)))


def freeze(monkeypatch, source, target):
    monkeypatch.setattr(frozen, "PATH", target)
    monkeypatch.setattr(sys, "argv", ["freeze", str(source)])
    monkeypatch.delitem(sys.modules, "gan.evaluation.export", raising=False)
    with pytest.raises(SystemExit) as end:
        runpy.run_module("gan.evaluation.export", run_name="__main__")
    return end.value.code


def test_freezing_rounds_a_classifier_and_tells_the_hash(monkeypatch, tmp_path, capsys):
    network = digit_classifier().build(seed=0)
    save_classifier(tmp_path / "a.npz", network, {"accuracy": 0.5})
    assert freeze(monkeypatch, tmp_path / "a.npz", tmp_path / "b.npz") == 0
    (told,) = re.findall("SHA-256 ([0-9a-f]{64})", capsys.readouterr().out)
    assert told == hashlib.sha256((tmp_path / "b.npz").read_bytes()).hexdigest()
    assert (tmp_path / "b.npz").stat().st_size < 0.51 * (tmp_path / "a.npz").stat().st_size
    rounded = load_classifier(tmp_path / "b.npz")
    assert rounded.dtype == "float32"
    assert np.array_equal(rounded[0].W, network[0].W.astype(np.float16)) and not np.array_equal(rounded[0].W, network[0].W)


def test_weights_too_large_to_round_are_refused(monkeypatch, tmp_path, capsys):
    network = digit_classifier().build(seed=0)
    network[0].W[0] = 1e6
    save_classifier(tmp_path / "a.npz", network, {})
    assert freeze(monkeypatch, tmp_path / "a.npz", tmp_path / "b.npz") == 2
    assert "NaN or infinity" in capsys.readouterr().err and not (tmp_path / "b.npz").exists()


# ---- judging -----------------------------------------------------------------------------------------------------


def test_fid_against_the_test_images(judge, sample):
    test, train = sample[2][:N], sample[0][:N]
    assert judge.fid(test) < 1e-6
    assert judge.fid(train) == pytest.approx(fid(judge.features(train), judge.features(test)), rel=1e-6)
    assert judge.fid(train) < judge.fid(train[:200])  # fewer images come out further away


def test_the_test_images_themselves_are_perfect(judge, sample):
    rows = []
    figures = evaluate(sample[2][:N], judge, sample[0][:50], rows.append)
    assert figures["fid"] < 1e-6 and figures["precision"] == figures["recall"] == 1
    assert sum(rows) == n_rows(N, 50, N)
    histogram = figures["class_histogram"]
    assert np.allclose(histogram, np.bincount(sample[3][:N], minlength=10) / N, atol=0.006) and len(CLASSES) == 10


def test_what_is_judged_is_judged_against_the_test_images(whole, judge, sample):
    train, test = as_images(sample[0]), as_images(sample[2][:N])
    figures = parzen(train[:N], train[-100:], test)
    names = ("parzen_log_likelihood", "parzen_standard_error", "parzen_sigma")
    assert [whole[name] for name in names] == pytest.approx(figures)
    figures = precision_recall(judge.features(test), judge.features(train[:N]))
    assert (whole["precision"], whole["recall"]) == pytest.approx(figures, abs=2 / N)


def test_real_images_are_good(whole):
    assert whole["mnist_score"] > 9.5 and whole["digits_drawn"] == 10 and whole["kl_to_uniform"] < 0.02
    assert whole["precision"] > 0.7 and whole["recall"] > 0.7 and 0 < whole["fid"] < 5
    assert whole["parzen_log_likelihood"] > 50 and 0.1 < whole["parzen_sigma"] < 0.3 and 0 < whole["parzen_standard_error"] < 20


def noise(strength):
    def spoil(images, labels):
        noisy = images + strength * np.random.default_rng(0).standard_normal(images.shape)
        return np.clip(noisy, 0, 1)

    return spoil


def blur(times):
    def spoil(images, labels):
        pictures = images.reshape(-1, 28, 28)
        for _ in range(times):
            for axis in (1, 2):
                pictures = (np.roll(pictures, 1, axis) + 2 * pictures + np.roll(pictures, -1, axis)) / 4
        return pictures

    return spoil


@pytest.mark.parametrize("spoil, strengths, parzen_falls", [(noise, (0.2, 0.4, 0.8), True), (blur, (1, 4, 12), False)])
def test_the_worse_the_images_the_worse_the_figures(measured, whole, spoil, strengths, parzen_falls):
    steps = [whole, *(measured(spoil(strength)) for strength in strengths)]
    for better, worse in itertools.pairwise(steps):
        assert worse["fid"] > 1.2 * better["fid"]
        assert worse["mnist_score"] < better["mnist_score"]
        assert worse["precision"] < better["precision"] or worse["precision"] == 0
        assert worse["recall"] < better["recall"] or worse["recall"] == 0
        if parzen_falls:  # a little blur is a wider window: Parzen's measure likes it
            assert worse["parzen_log_likelihood"] < better["parzen_log_likelihood"] - 10
    assert steps[-1]["fid"] > 20 * whole["fid"] and steps[-1]["mnist_score"] < 8


def test_a_digit_that_is_missing_shows(measured, whole):
    figures = measured(lambda images, labels: np.resize(images[labels != 1], images.shape))
    assert figures["digits_drawn"] == 9 and figures["class_histogram"][1] < 0.01
    assert figures["kl_to_uniform"] > math.log(10 / 9) - 0.01 > 3 * whole["kl_to_uniform"]
    assert figures["fid"] > 3 * whole["fid"] and figures["mnist_score"] < whole["mnist_score"] - 0.5
    assert figures["recall"] < whole["recall"] - 0.05 and figures["precision"] > whole["precision"] - 0.05
    assert figures["parzen_log_likelihood"] < whole["parzen_log_likelihood"] - 1


def test_one_image_again_and_again_shows(measured, whole):
    figures = measured(lambda images, labels: np.repeat(images[:1], N, axis=0))
    assert figures["digits_drawn"] == 1 and figures["kl_to_uniform"] == pytest.approx(math.log(10))
    assert figures["mnist_score"] == pytest.approx(1, abs=1e-6) and figures["fid"] > 20 * whole["fid"]
    assert figures["recall"] == 0 and figures["precision"] in (0, 1)
    assert figures["parzen_log_likelihood"] < whole["parzen_log_likelihood"] - 100


def test_random_pixels_are_no_digits(measured, whole):
    figures = measured(lambda images, labels: np.random.default_rng(0).random(images.shape))
    assert figures["precision"] < 0.01 and figures["recall"] < 0.01 and figures["mnist_score"] < 3
    assert figures["fid"] > 20 * whole["fid"] and figures["parzen_log_likelihood"] < 0


def test_images_that_cannot_be_judged_are_refused(judge):
    for images in (np.full((9, 784), np.nan), np.full((9, 784), 2.0), np.zeros((9, 27, 28))):
        for judged in (judge.fid, judge.features, lambda x: evaluate(x, judge, np.zeros((5, 784))), Judge):
            with pytest.raises(DataError, match="images: expected"):
                judged(images)
    assert class_histogram(judge.probabilities(judge.features(np.zeros((9, 784))))).max() == 1
