"""Networks with layers of a user's own: trained with a moving average, recorded, resumed, drawn."""

from dataclasses import replace

import numpy as np
import pytest

from gan.commands import predict
from gan.generator_file import load_sampler
from gan.recipes import get_recipe
from gan.runs.resume import restore
from gan.runs.run import Run
from gan.training.trainer import Trainer
from nn import Dense, Reshape, Sequential, Tanh, WeightsError
from tests.nn.layers.test_own_layers import Block, Renamed, Scale, Stored
from tests.support.small import assert_refused, command, digits, weights

__all__ = ["command"]  # a fixture
OWN = {
    "parameters": (lambda: Scale(8, start=0.5), [Scale]),
    "no_parameters": (lambda: Stored(3), [Stored]),
    "network": (lambda: Block(8), [Block]),
}
CONFIG = {"recipe": "mlp-smoothed"}


def own_trainer(make, recipe="mlp-smoothed"):
    recipe = replace(get_recipe(recipe), batch_size=8, ema_decay=0.9)
    shape = (784,)
    if recipe.clusters:
        recipe, shape = replace(recipe, clusters=4), (1, 28, 28)
    G = Sequential(Dense(recipe.n_in, 8), make(), Dense(8, 784), Tanh(), Reshape(shape))
    images = digits(40).reshape(40, 1, 28, 28)
    return Trainer(recipe, images, generator=G, seed=0)


@pytest.mark.parametrize("recipe", ["mlp-smoothed", "conv-clusters"])
@pytest.mark.parametrize("name", OWN)
def test_a_generator_trains_is_recorded_and_drawn(tmp_path, monkeypatch, name, recipe):
    monkeypatch.setattr("gan.runs.history.save_curves", lambda path, history: path.touch())
    make, layers = OWN[name]
    trainer, run = own_trainer(make, recipe), Run.create(tmp_path / "run", CONFIG)
    trainer.fit(steps=5, callbacks=run.callbacks)
    run.finish(trainer)
    assert trainer.generator_ema is not trainer.generator

    again, resumed = own_trainer(make, recipe), Run.resume(tmp_path / "run")
    restore(again, resumed.checkpoint, resumed.path)
    assert weights(again) == weights(trainer)
    resumed.start(CONFIG)
    again.fit(steps=5, callbacks=resumed.callbacks)
    resumed.finish(again)
    trainer.fit(steps=5)
    assert weights(again) == weights(trainer)

    sampler = load_sampler(tmp_path / "run" / "weights.npz", layers=layers)
    inputs = trainer.sampler.inputs(4, seed=1)
    assert np.array_equal(sampler.images(inputs), trainer.sampler.images(inputs))


def test_a_command_says_how_to_load_the_file(tmp_path, command):
    trainer, run = own_trainer(OWN["parameters"][0]), Run.create(tmp_path / "run", CONFIG)
    trainer.fit(steps=1, callbacks=run.callbacks)
    run.finish(trainer)
    result = command(predict, "--weights", tmp_path / "run" / "weights.npz")
    assert_refused(
        result,
        "expected layers of the package, got 'Scale'",
        "load the file in Python with layers=[Scale]",
    )


def test_a_layer_that_cannot_be_saved_is_refused_before_a_run_trains(tmp_path):
    trainer, run = own_trainer(lambda: Renamed(0.2)), Run.create(tmp_path / "run", CONFIG)
    with pytest.raises(WeightsError, match="Renamed: expected its argument slope"):
        trainer.fit(steps=5, callbacks=run.callbacks)
    run.release()
    assert trainer.step_count == 0
    trainer.fit(steps=5)  # without a run there is nothing to save
