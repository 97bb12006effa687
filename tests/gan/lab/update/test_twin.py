"""The step in float64: its losses are the step's, and differences agree with the gradients."""

import numpy as np
import pytest

from gan.errors import RunError
from gan.lab.update.experiments import certainty, d_alone, gradient_curves
from gan.lab.update.twin import PIXEL, Place, Twin, recorded_gradient
from gan.training.step.watching import D_UPDATE, G_UPDATE
from nn.ops import get_ops
from tests.gan.lab.update.steps import CONV, PROBABILITIES, RECIPES, opened


@pytest.mark.parametrize("name", RECIPES)
def test_losses_and_differences_are_those_of_the_step(name):
    made, step = opened(RECIPES[name], steps=2)
    twin, log = Twin(made.recipe, step), step.log
    penalty = log["penalty"] if twin.has_penalty else 0
    assert twin.has_penalty == (name in ("conv", "clusters"))
    d_loss = log["d_loss_real"] + log["d_loss_fake"] + penalty
    assert twin.loss(stage=D_UPDATE) == pytest.approx(d_loss, rel=1e-5)
    assert twin.loss(stage=G_UPDATE) == pytest.approx(log["g_loss"], rel=1e-5)
    for stage, path, parameter in (
        (D_UPDATE, "D.0", "W"),
        (D_UPDATE, "D.0", "b"),
        (G_UPDATE, "G.0", "W"),
    ):
        layer = next(e.of for e in step.events if getattr(e.of, "path", "") == path)
        gradients = [
            recorded_gradient(step.events, Place(stage, path, parameter, k), twin.has_penalty)
            for k in range(getattr(layer, parameter).size)
        ]
        index = int(np.abs(gradients).argmax())
        place = Place(stage, path, parameter, index)
        if name == "batch norm" and parameter == "b":  # which batch norm subtracts again
            assert abs(twin.slope(place)) < 1e-8
        else:
            assert twin.slope(place) == pytest.approx(gradients[index], rel=2e-3)


def test_a_pixel_of_a_generated_image_and_a_frozen_weight():
    made, step = opened(CONV)
    twin = Twin(made.recipe, step)
    n = made.adversarial_step.fake.size
    dfake = next(e for e in step.events if "G.backward" in e.within).arrays["dy"].ravel()
    index = int(np.abs(dfake).argmax())
    place = Place(G_UPDATE, "D.0", PIXEL, n + index)
    assert recorded_gradient(step.events, place, True) == dfake[index]
    assert twin.slope(place) == pytest.approx(dfake[index], rel=1e-3)
    real = Place(G_UPDATE, "D.0", PIXEL, 3)
    assert recorded_gradient(step.events, real, True) == 0 == twin.slope(real)
    frozen = Place(G_UPDATE, "D.0", "W", 5)
    assert recorded_gradient(step.events, frozen, True) is None and twin.slope(frozen) != 0
    in_d = Place(D_UPDATE, "D.0", PIXEL, 3)
    assert recorded_gradient(step.events, in_d, True) is None


def test_where_d_is_certain_only_the_non_saturating_loss_gives_g_a_gradient():
    made, step = opened(CONV, steps=1)
    twin = Twin(made.recipe, step)
    at_first = {each["name"]: each for each in certainty(twin, 0.0)}
    certain = {each["name"]: each for each in certainty(twin, -20.0)}
    assert certain["saturating"]["norm"] < 1e-7 * at_first["saturating"]["norm"]
    assert certain["non_saturating"]["norm"] > at_first["non_saturating"]["norm"]
    assert certain["non_saturating"]["logit"] == pytest.approx(1)
    recorded = np.sqrt(
        sum(
            (event.arrays[f"d{name}"].astype(np.float64) ** 2).sum()
            for event in step.events
            if event.what == "step" and event.within == (G_UPDATE,)
            for name in event.of.parameter_shapes
        )
    )
    assert at_first["non_saturating"]["norm"] == pytest.approx(recorded, rel=1e-4)
    curves = gradient_curves()
    p = 1 / (1 + np.exp(-curves["logit"].astype(np.float64)))
    assert np.allclose(curves["saturating"], -p, atol=1e-6)
    assert np.allclose(curves["non_saturating"], p - 1, atol=1e-6)


def test_the_penalty_keeps_d_flat():
    made, step = opened(CONV)
    found = d_alone(made.recipe, step, get_ops("numpy"))
    assert found["is_own"] and len(found["with"]["real"]) == found["steps"]
    assert found["with"]["slope"] < 0.7 * found["without"]["slope"]
    assert found["without"]["real"][-1] > found["with"]["real"][-1]
    first = step.log["d_real"]
    assert found["with"]["real"][0] == pytest.approx(first, rel=1e-5)
    made, step = opened(PROBABILITIES)
    with pytest.raises(RunError, match="expected a D without batch norm"):
        d_alone(made.recipe, step, get_ops("numpy"))
