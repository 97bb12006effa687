"""The floor of a training step: which products it has, and that they can be replayed."""

import dataclasses

import numpy as np
import pytest

from benchmarks.harness.contenders import steps
from benchmarks.harness.contenders.floor import gflop, record_products, replay
from benchmarks.harness.contenders.steps import images
from gan.recipes import DIGITS, get_recipe, recipes_for
from gan.training.trainer import Trainer
from nn import get_ops
from tests.benchmarks.support import TWO_LAYER_PRODUCTS


def products_of_a_step(recipe):
    ops = get_ops("cpu")
    return record_products(steps.ours(recipe, ops), ops), ops


def test_the_floor_is_the_products_of_the_step_in_order():
    products, _ = products_of_a_step(get_recipe("two-layer"))
    assert [(*a.shape, b.shape[1]) for a, b, _ in products] == TWO_LAYER_PRODUCTS
    assert gflop(products) == pytest.approx(sum(2e-9 * n * k * m for n, k, m in TWO_LAYER_PRODUCTS))


def test_replay_writes_each_product_into_its_own_out():
    products, ops = products_of_a_step(get_recipe("two-layer"))
    a, b, out = products[-1]
    out.fill(np.nan)
    replay(products, ops)
    np.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", recipes_for(DIGITS))
def test_every_replay_does_the_same_work(name):
    recipe = dataclasses.replace(get_recipe(name), batch_size=4)
    trainer = Trainer(recipe, images()[:8], np.arange(8))
    trainer.step()
    products = record_products(trainer.step, trainer.ops)
    replay(products, trainer.ops)
    once = [out.copy() for _, _, out in products]
    replay(products, trainer.ops)
    assert all(np.array_equal(x, out) for x, (_, _, out) in zip(once, products))


def test_recording_restores_the_backend():
    ops = get_ops("cpu")
    with pytest.raises(ZeroDivisionError):
        record_products(lambda: 1 / 0, ops)
    assert "product" not in vars(ops)
