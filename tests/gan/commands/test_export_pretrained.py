"""The generators that come with the package, and how they are made."""

import numpy as np
import pytest

from gan.commands import export_pretrained
from gan.generator_file import load_sampler
from gan.runs.weights import save_trained
from nn import load_weights
from tests.support.small import (
    CHECKOUT,
    TINY_BATCHNORM,
    assert_refused,
    command,  # noqa: F401
    example,
    trainer,
)


def test_an_exported_generator_draws_as_before(command, tmp_path):  # noqa: F811
    t = trainer(TINY_BATCHNORM)
    t.fit(steps=3)
    (tmp_path / "run").mkdir()
    save_trained(tmp_path / "run" / "weights.npz", t, {})
    assert command(export_pretrained, "run/weights.npz", "g.npz") == (0, "", "")
    assert list(load_weights(tmp_path / "g.npz")[0]) == ["G"]
    assert (tmp_path / "g.npz").stat().st_size < (
        tmp_path / "run" / "weights.npz"
    ).stat().st_size / 2
    before, after = (
        load_sampler(path) for path in (tmp_path / "run" / "weights.npz", tmp_path / "g.npz")
    )
    assert (
        np.abs(before.images(before.inputs(20, 1)) - after.images(after.inputs(20, 1))).max() < 0.01
    )


def test_the_command_needs_two_paths(command):  # noqa: F811
    assert_refused(command(export_pretrained), "required: WEIGHTS, OUT")


def test_the_pretrained_files_are_small_and_draw_what_is_requested(command):  # noqa: F811
    for name, classes in (("digits", 0), ("digits-by-class", 10)):
        path = CHECKOUT / "gan" / "pretrained" / f"{name}.npz"
        assert path.stat().st_size < 5_000_000 and load_sampler(path).classes == classes
    predict = example("predict")
    assert command(predict) == (0, "digits.png: 64 digits\n", "")
    status, out, err = command(
        predict, "--digits", "0123456789", "--seed", 1, "--save-samples", "s.npz"
    )
    assert (status, err) == (0, "")


def test_the_pretrained_generator_knows_its_digits():
    from gan.data.datasets import load
    from gan.evaluation import Evaluator

    evaluator = Evaluator(load("mnist-sample", "test", flat=False)[0][:100])
    sampler = load_sampler(CHECKOUT / "gan" / "pretrained" / "digits-by-class.npz")
    digits = np.arange(300) % 10
    predicted = evaluator.probabilities(
        evaluator.features(sampler.images(sampler.inputs(300, 1, digits)))
    ).argmax(axis=1)
    assert np.mean(predicted == digits) > 0.97


@pytest.mark.parametrize("name", ["digits", "digits-by-class"])
def test_the_pretrained_generators_draw_digits_as_the_table_says(name):
    """On 1,000 digits and as many test images; docs/how_good.md has the figures for 10,000."""
    from gan.data.datasets import load
    from gan.evaluation import Evaluator, precision_recall, unsure

    evaluator = Evaluator(load("mnist-sample", "test", flat=False)[0][:1000])
    sampler = load_sampler(CHECKOUT / "gan" / "pretrained" / f"{name}.npz")
    features = evaluator.features(sampler.images(sampler.inputs(1000, 0)))
    assert unsure(evaluator.probabilities(features)) <= 0.015
    precision, recall = precision_recall(evaluator.test_features, features)
    assert precision > 0.75 and recall > 0.65  # of fewer images both are lower
    assert evaluator.fid_of_features(features) < 3  # larger for fewer images
