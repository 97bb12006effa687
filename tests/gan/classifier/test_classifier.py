"""The digit classifier: its network and its training."""

import copy
import json
import pickle

import numpy as np
import pytest
from PIL import Image

import nn
from gan.classifier import network as classifier
from gan.classifier import training as classifier_training
from gan.classifier.confusion import accuracy, confusion_matrix, save_confusion
from gan.classifier.network import (
    digit_classifier,
    load_classifier,
    logits,
    probabilities,
    save_classifier,
)
from gan.classifier.state import ClassifierState
from gan.classifier.training import ClassifierTrainer, learning_rate
from gan.data.datasets import load
from gan.errors import RunError
from nn import (
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    MaxPool2d,
    ReLU,
    Sequential,
    WeightsError,
    gradcheck,
)
from tests.support.strict import StrictOps


def small_classifier(side=28):
    """The classifier's layers in its order, with few channels."""
    pooled = ((side - 4) // 2 + 2) // 2 - 1
    return Sequential(
        Conv2d(1, 6, 5),
        MaxPool2d(2),
        BatchNorm(6),
        ReLU(),
        Conv2d(6, 8, 3, padding=2),
        MaxPool2d(2),
        BatchNorm(8),
        ReLU(),
        Conv2d(8, 8, 2),
        BatchNorm(8),
        ReLU(),
        Flatten(),
        Dense(8 * pooled**2, 16),
        BatchNorm(16),
        ReLU(),
        Dropout(0.1),
        Dense(16, 10),
        input_shape=(1, side, side),
    )


def tiny_classifier():
    return Sequential(
        Flatten(),
        Dense(784, 8),
        BatchNorm(8),
        ReLU(),
        Dropout(0.2),
        Dense(8, 10),
        input_shape=(1, 28, 28),
    )


def pixel_reader():
    """A network whose logits are the first ten pixels, times 30: an image dictates its class."""
    network = Sequential(Flatten(), Dense(784, 10), input_shape=(1, 28, 28)).build(seed=0)
    network[1].W[...] = 30 * np.eye(784, 10)
    network[1].b[...] = 0
    return network


def images_of(predicted):
    """Images that `pixel_reader` assigns to these classes."""
    images = np.zeros((len(predicted), 1, 28, 28), np.uint8)
    images[np.arange(len(predicted)), 0, 0, predicted] = 255
    return images


@pytest.fixture(scope="module")
def sample():
    images, labels = load("mnist-sample", "train", flat=False)
    return images[:200], labels[:200]


def test_the_network_is_as_documented():
    network = digit_classifier()
    assert network.output_shape((1, 28, 28)) == (10,) and network.n_parameters == 505_290
    assert network[:-1].output_shape((1, 28, 28)) == (128,)


@pytest.mark.gradcheck
def test_every_gradient_of_such_a_network_is_correct():
    network = small_classifier(side=12).build(seed=1)
    x = np.random.default_rng(2).standard_normal((5, 1, 12, 12))
    report = gradcheck(network, x, loss=nn.SoftmaxCrossEntropy(), target=np.array([3, 1, 4, 1, 9]))
    assert report.ok, report
    assert (
        len(report.entries) == len(network) + 2 * 9 + 1
        and sum(abs(entry.by_hand) > 1e-4 for entry in report.entries) >= 14
    )


def test_it_memorizes_200_digits(sample, monkeypatch):
    monkeypatch.setattr(classifier_training, "PEAK_RATE", 0.01)
    trainer = ClassifierTrainer(*sample, build=small_classifier, epochs=15, batch_size=20)
    before = accuracy(confusion_matrix(trainer.averaged_network, *sample))
    losses = []
    while not trainer.finished:
        losses.append(trainer.epoch()["loss"])
    assert before < 0.35 and accuracy(confusion_matrix(trainer.averaged_network, *sample)) > 0.93
    assert losses[-1] < losses[0] / 3


def test_the_average_is_the_weighted_mean_of_all_steps(sample):
    trainer = ClassifierTrainer(*sample, build=tiny_classifier, epochs=2, batch_size=50)
    expected = None
    for step in range(8):
        trainer.step()
        now = [
            b.flat.astype(np.float64)
            for b in (trainer.network.parameters.value, trainer.network.parameters.statistics)
        ]
        weight = 10 / (10 + step)
        expected = [weight * new + (1 - weight) * old for new, old in zip(now, expected or now)]
    for got, want, raw in zip(
        (trainer.averaged_network.parameters.value, trainer.averaged_network.parameters.statistics),
        expected,
        now,
    ):
        assert np.allclose(got.flat, want, rtol=1e-5, atol=1e-6)
        assert not np.allclose(got.flat, raw, rtol=1e-3, atol=1e-4)


def test_the_average_spans_at_most_a_thousand_steps(sample, monkeypatch):
    monkeypatch.setattr(classifier_training, "LONGEST_AVERAGE", 4)
    trainer = ClassifierTrainer(*sample, build=tiny_classifier, epochs=20, batch_size=50)
    for _ in range(41):
        before = trainer.averaged_network.parameters.value.flat.copy()
        trainer.step()
    moved = trainer.averaged_network.parameters.value.flat - before
    assert np.allclose(
        moved, (trainer.network.parameters.value.flat - before) / 4, rtol=1e-4, atol=1e-7
    )


def test_equal_seeds_give_equal_bytes(sample):
    def trained(seed):
        trainer = ClassifierTrainer(
            *sample, build=tiny_classifier, epochs=1, batch_size=50, seed=seed
        )
        trainer.epoch()
        return trainer.averaged_network.parameters.value.flat.tobytes()

    assert trained(3) == trained(3) != trained(4)


def test_it_never_mixes_arrays_of_host_and_device(sample):
    def trained(device):
        trainer = ClassifierTrainer(
            *sample, build=small_classifier, epochs=1, batch_size=50, device=device
        )
        return (
            trainer.epoch()["loss"],
            confusion_matrix(trainer.averaged_network, *sample),
            probabilities(trainer.averaged_network, sample[0]),
        )

    for got, want in zip(trained(StrictOps()), trained("numpy")):
        assert np.array_equal(got, want)


def test_an_epoch_reports_its_mean_loss_and_its_progress(sample, monkeypatch):
    values = []

    class Recorded(nn.SoftmaxCrossEntropy):
        def __call__(self, *args, value, **kwargs):
            result = super().__call__(*args, value=value, **kwargs)
            values.append(float(value.item()))
            return result

    monkeypatch.setattr(classifier_training, "SoftmaxCrossEntropy", Recorded)
    monkeypatch.setattr(classifier_training, "LOG_EVERY", 3)
    trainer = ClassifierTrainer(*sample, build=tiny_classifier, epochs=2, batch_size=40)
    for epoch in (1, 2):
        reported = []
        values.clear()
        record = trainer.epoch(lambda *words, to=reported: to.append(words))
        assert len(set(values)) == 5 and record["loss"] == pytest.approx(np.mean(values), rel=1e-6)
        assert (record["epoch"], record["step"]) == (epoch, 5 * epoch) and record["seconds"] > 0
        assert record["learning_rate"] == learning_rate(5 * epoch - 1, 10)
        assert [count for count, _ in reported] == ([3, 5] if epoch == 1 else [6, 9, 10])
        assert reported[0][1] == pytest.approx(
            np.mean(values[: reported[0][0] - 5 * (epoch - 1)]), rel=1e-6
        )
    assert trainer.finished


def test_a_stop_ends_the_epoch_after_its_step(sample):
    trainer = ClassifierTrainer(*sample, build=tiny_classifier, epochs=2, batch_size=20)
    step, trainer.step = trainer.step, lambda: (step(), trainer.step_count == 3 and trainer.stop())
    assert trainer.epoch()["step"] == 3 and trainer.finished


@pytest.mark.parametrize("ask", [logits, probabilities])
def test_no_images_are_refused(ask):
    with pytest.raises(RunError, match="images: expected at least one, got none"):
        ask(pixel_reader(), np.zeros((0, 1, 28, 28), np.uint8))


def test_a_loss_that_is_not_finite_is_an_error(sample):
    trainer = ClassifierTrainer(*sample, build=tiny_classifier, epochs=1, batch_size=50)
    trainer.network.parameters.value["1.W"][...] = np.inf
    with pytest.raises(RunError, match="step 4: the loss is no longer finite"):
        trainer.epoch()


@pytest.mark.parametrize("shape", [(1, 14, 56), (1, 56, 14), (1, 29, 28)])
def test_images_of_another_shape_are_refused(sample, shape):
    images = np.zeros((200, *shape), np.uint8)
    with pytest.raises(
        RunError,
        match=r"images: expected shape \(N, 1, 28, 28\), as the network takes them, got \(N, 1, ",
    ):
        ClassifierTrainer(images, sample[1], build=tiny_classifier)


@pytest.mark.parametrize("steps", [1, 4, 6])
def test_a_trainer_continues_from_a_state_to_the_same_bytes(sample, steps):
    def made():
        return ClassifierTrainer(*sample, build=small_classifier, epochs=3, batch_size=50, seed=1)

    whole, first, second = made(), made(), made()
    records = [whole.epoch() for _ in range(3)]
    for _ in range(steps):
        first.step()
    state = first.state_dict()
    first.step()  # which changes nothing in the state
    second.load_state_dict(state)
    while not second.finished:
        record = second.epoch()
    for a, b in (
        (whole.network, second.network),
        (whole.averaged_network, second.averaged_network),
    ):
        assert np.array_equal(a.parameters.value.flat, b.parameters.value.flat)
        assert np.array_equal(a.parameters.statistics.flat, b.parameters.statistics.flat)
    assert {**record, "seconds": 0} == {**records[-1], "seconds": 0}


def changed(state, name):
    """A state with a fault."""
    arrays, rest = dict(state.arrays), dict(state.rest)
    if name == "an array less":
        del arrays["losses"]
    elif name == "a shape":
        arrays["network.value"] = arrays["network.value"][1:]
    elif name == "a dtype":
        arrays["adam.m"] = arrays["adam.m"].astype("float64")
    elif name == "a NaN":
        arrays["average.value"][3] = np.nan
    elif name == "no order":
        arrays["order"][0] = arrays["order"][1]
    elif name == "no step":
        del rest["step"]
    elif name == "a late step":
        rest["step"] = 10**9
    elif name == "a step before the first":
        rest["step"] = -1
    elif name == "no stream":
        rest["dropout"] = 5
    elif name == "no generator":
        rest["batches"] = {"bit_generator": "MT19937"}
    return ClassifierState(arrays, rest)


@pytest.mark.parametrize(
    "fault, message",
    [
        ("an array less", "expected the arrays network.value, "),
        ("a shape", "expected network.value of float32"),
        ("a dtype", "expected adam.m of float32 .*, got float64"),
        ("a NaN", "finite numbers in average.value"),
        ("no order", "order of the training images"),
        ("no step", "expected one that a trainer returned"),
        ("a late step", "expected a step of 0 to 4, got 1,000,000,000"),
        ("a step before the first", "expected a step of 0 to 4, got -1"),
        ("no stream", "expected one that a trainer returned"),
        ("no generator", "expected one that a trainer returned"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(sample, fault, message):
    trainer = ClassifierTrainer(*sample, build=tiny_classifier, epochs=1, batch_size=50)
    with pytest.raises(RunError, match=f"^state: .*{message}"):
        trainer.load_state_dict(changed(trainer.state_dict(), fault))


def test_copying_a_trainer_is_refused(sample):
    trainer = ClassifierTrainer(*sample, build=tiny_classifier, epochs=1, batch_size=50)
    for make in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(
            RunError, match="ClassifierTrainer: cannot be copied or pickled.*make a second one with"
        ):
            make(trainer)


def test_later_changes_to_images_and_labels_have_no_effect(sample):
    images, labels = (array.copy() for array in sample)
    plain, other = (
        ClassifierTrainer(*given, build=tiny_classifier, epochs=1, batch_size=50)
        for given in (sample, (images, labels))
    )
    images[:], labels[:] = 0, 0
    assert plain.epoch()["loss"] == other.epoch()["loss"]


def test_the_learning_rate_rises_then_falls():
    rates = [learning_rate(step, 1000) for step in range(1000)]
    assert np.argmax(rates) in (99, 100) and max(rates) == classifier_training.PEAK_RATE
    assert np.all(np.diff(rates[:100]) > 0) and np.all(np.diff(rates[100:]) < 0)
    assert 0 < rates[-1] < 1e-4 * max(rates) and 0 < rates[0] < 0.02 * max(rates)
    assert rates[550] == pytest.approx(max(rates) / 2)


@pytest.mark.parametrize("total", range(1, 25))
def test_the_learning_rate_is_positive_however_short_the_run(total):
    assert all(
        0 < learning_rate(step, total) <= classifier_training.PEAK_RATE for step in range(total)
    )


@pytest.mark.parametrize("at_once", [1, 4, 500])
def test_confusion_counts_each_image_once(monkeypatch, at_once):
    monkeypatch.setattr(classifier, "AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 10, 61).astype(np.uint8), rng.integers(0, 10, 61)
    predicted[::2] = labels[::2]
    counts = confusion_matrix(pixel_reader(), images_of(predicted), labels)
    wanted = np.zeros((10, 10), int)
    for label, class_ in zip(labels, predicted):
        wanted[label, class_] += 1
    assert np.array_equal(counts, wanted) and not np.array_equal(wanted, wanted.T)
    assert accuracy(counts) == pytest.approx(np.mean(labels == predicted))


def test_probabilities_are_the_softmax_of_the_logits(monkeypatch):
    monkeypatch.setattr(classifier, "AT_ONCE", 3)
    images = np.random.default_rng(0).integers(0, 256, (7, 1, 28, 28)).astype(np.uint8)
    z = logits(pixel_reader(), images).astype(np.float64)
    assert np.allclose(z, 30 / 255 * images[:, 0, 0, :10], rtol=1e-5)  # 0 is 0, and 255 is 1
    p = probabilities(pixel_reader(), images)
    assert np.allclose(p, np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), atol=1e-6)


def test_a_saved_network_is_loaded_again(tmp_path):
    network = tiny_classifier().build(seed=5)
    save_classifier(tmp_path / "c.npz", network, {"accuracy": 0.5})
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 28, 28)).astype(np.uint8)
    assert np.array_equal(
        logits(load_classifier(tmp_path / "c.npz"), images), logits(network, images)
    )
    with np.load(tmp_path / "c.npz") as file:
        info = json.loads(bytes(file["header"]))["info"]
    assert info == {"classes": list("0123456789"), "image_range": [0.0, 1.0], "accuracy": 0.5}


@pytest.mark.parametrize(
    "name, network, info",
    [
        ("G", tiny_classifier, {}),
        ("classifier", lambda: Sequential(Flatten(), Dense(784, 9)), {}),
        ("classifier", lambda: Sequential(Flatten(), Dense(100, 10)), {}),
        ("classifier", tiny_classifier, {"classes": ["cat", "dog"]}),
        ("classifier", tiny_classifier, {"image_range": [-1.0, 1.0]}),
        ("classifier", tiny_classifier, {"image_range": None}),
    ],
)
def test_weights_of_other_networks_are_refused(tmp_path, name, network, info):
    path = tmp_path / "w.npz"
    good = {"classes": classifier.CLASSES, "image_range": classifier.IMAGE_RANGE}
    nn.save_weights(path, {name: network().build(seed=0)}, good | info)
    with pytest.raises(WeightsError, match="expected a network") as error:
        load_classifier(path)
    assert str(path) in str(error.value)


def test_the_picture_of_a_confusion_matrix_shows_the_mistakes(tmp_path):
    counts = np.diag(np.full(10, 90))
    save_confusion(tmp_path / "none.png", counts, classifier.CLASSES)
    counts[2, 7] = 40
    save_confusion(tmp_path / "some.png", counts, classifier.CLASSES)
    none, some = (
        np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB"), int)
        for name in ("none", "some")
    )
    assert none.shape == some.shape
    assert not (none[..., 0] - none[..., 1] > 60).any()
    red = some[..., 0] - some[..., 1] > 60
    rows, columns = np.nonzero(red)
    # One cell
    assert (
        500 < len(rows) and np.ptp(rows) < some.shape[0] / 9 and np.ptp(columns) < some.shape[1] / 9
    )
    assert rows.mean() < some.shape[0] / 2 < columns.mean()  # of the row of 2 and the column of 7
