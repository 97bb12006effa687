"""Mistakes that comparable projects made, and the tests that would catch them here.

The real batch's gradient uses activations that the later fake forward left behind:
    test_base::test_a_later_pass_does_not_affect_an_earlier_one
    test_dense::test_dw_uses_the_x_of_its_own_pass
BCE as dL/dp times sigmoid', with or without an epsilon:
    test_losses::test_gradient_of_a_confidently_wrong_sigmoid_does_not_vanish
    test_step::test_a_confident_discriminator_still_teaches_the_generator
A probability clipped at 1e-15 in float32, which does nothing:
    test_losses::test_probabilities_of_0_and_1_give_finite_losses_of_the_right_sign
The generator's update sends old activations through the updated discriminator:
    test_step::test_three_steps_match_the_equations
    test_pitfalls::test_a_pass_made_before_the_update_is_not_one_through_the_updated_network
float32 times a NumPy float64 is float64 from there on:
    test_base::test_dtype_is_the_networks_everywhere
    test_base::test_float64_settings_do_not_widen_float32
    test_losses::test_target_may_be_any_real_number
    test_optimizers::test_state_has_the_networks_dtype_except_the_step_state
np.maximum(x, a x, x), which overwrites the logits that backward needs:
    test_base::test_x_and_the_other_cache_are_never_written
    test_activations::test_x_is_unchanged_by_both_passes
Leaky ReLU's mask taken from the gradient's sign:
    test_activations::test_mask_comes_from_x_not_from_dy
Batch norm divides by (var + eps) while backward assumes its square root:
    test_batchnorm::test_training_matches_plain_loops
    test_batchnorm::test_gradients_where_eps_is_as_large_as_the_variance
Batch norm of images for each (C, H, W) instead of each channel:
    test_batchnorm::test_images_have_one_statistic_per_channel
Freezing D switches its batch norm to running statistics:
    test_batchnorm::test_frozen_is_not_evaluation_mode
    test_sequential::test_generator_gradient_through_a_frozen_discriminator_matches_pytorch
Adam's bias correction without the power of t, or with t reset at each call:
    test_optimizers::test_ten_steps_match_pytorch
    test_optimizers::test_adam_step_for_a_constant_gradient_is_the_learning_rate
One optimizer's state applied to another layer or network:
    test_optimizers::test_two_optimizers_keep_their_own_state
    test_optimizers::test_one_optimizer_serves_all_layers_each_with_its_own_moments
The convolution's bias gradient summed over channels too:
    test_conv::test_bias_gradient_is_one_sum_per_channel
Dropout: one mask for the batch, drawn with replacement, on in evaluation, missing in backward:
    test_dropout::test_elements_are_drawn_independently
    test_dropout::test_an_element_is_zero_with_probability_p_and_scaled_otherwise
    test_dropout::test_expectation_is_preserved
    test_dropout::test_evaluation_is_identity_and_draws_nothing
    test_dropout::test_backward_multiplies_by_the_same_mask
dW computed from the input before dropout:
    test_dropout::test_dw_of_the_next_layer_uses_the_dropped_x
Up-sampling's backward takes one pixel instead of the sum:
    test_pitfalls::test_each_pixels_gradient_is_the_sum_over_its_copies
Data order: unshuffled [real, fake] split into minibatches:
    test_batches::test_batches_are_mixed_anew_not_only_reordered
    test_step::test_three_steps_match_the_equations
Noise drawn once for the whole training:
    test_step::test_noise_is_fresh_for_each_update_of_each_step
    test_trainer::test_fixed_noise_is_fixed_and_training_noise_is_not
An iterator rebuilt each step without shuffling, so that only the first batches are ever seen:
    test_batches::test_each_epoch_has_its_own_order
    test_batches::test_an_epoch_holds_each_image_at_most_once_and_is_whole
`zip` over caches of different length, which silently drops layers or samples:
    test_sequential::test_cache_of_another_network_is_an_error
    test_dense::test_smaller_batch_fits_the_same_cache
A learning-rate decay that compounds: nothing here decays the rate but its user:
    test_optimizers::test_learning_rate_reads_as_set
D trained on evaluation-mode fakes, G in training mode:
    test_step::test_d_is_trained_on_images_made_in_training_mode
Softmax's derivative as a diagonal:
    test_pitfalls::test_each_logit_of_a_softmax_moves_every_probability
Softplus in float32 computed as log(exp(x) + 1):
    test_losses::test_logits_of_up_to_100_are_exact
A "loss" that is the sum of squared gradients:
    test_losses::test_matches_pytorch
    test_trainer::test_the_losses_reported_are_the_cross_entropies
BatchNorm(c, 0.8), meant as momentum, read as eps:
    test_batchnorm::test_eps_and_momentum_are_keyword_only
Saving moves the model to the CPU:
    test_pitfalls::test_saving_leaves_the_network_where_and_as_it_is
Pickle in a weights file:
    test_weights::test_pickles_are_never_loaded
A resume that refuses more epochs than first asked:
    test_trainer::test_fit_continues_where_it_ended
A dataset host that answers 403 or 404:
    test_fetch::test_a_bad_mirror_is_skipped_and_named_if_none_is_left
A copy whose layers no longer view what the optimizer steps:
    test_copies::test_network_optimizer_and_cache_continue_together
An optimizer of a part of a network that steps all of it:
    test_parts::test_optimizer_of_a_part_steps_only_that_part
"""

import re
from pathlib import Path

import numpy as np
import pytest

import nn
from tests.support.tools import in_float64, normal


def test_every_test_in_the_list_above_exists():
    listed = re.findall(r"^    (test_\w+)::(test_\w+)$", __doc__, re.MULTILINE)
    assert len(listed) > 40
    for module, name in listed:
        assert (
            f"\ndef {name}(" in next(Path(__file__).parents[1].rglob(f"{module}.py")).read_text()
        ), f"{module}::{name}"


@pytest.mark.gradcheck
def test_a_pass_made_before_the_update_is_not_one_through_the_updated_network():
    """Only a forward pass through the updated D gives G's gradient. The cache keeps no trace."""
    D = in_float64(nn.Sequential(nn.Dense(3, 4), nn.LeakyReLU(0.2), nn.Dense(4, 1)))
    fake, cache = normal(5, 3), D.cache()
    loss, optimizer = nn.BCEWithLogits(), nn.SGD(D, 0.5)
    D.backward(loss(D.forward(fake, cache, train=True), 0, cache)[1], cache, need_dx=False)
    optimizer.step()
    fresh = D.cache()
    want = D.backward(
        loss(D.forward(fake, fresh, train=True), 1, fresh)[1], fresh, grads="skip"
    ).copy()
    got = D.backward(loss(D.forward(fake, cache, train=True), 1, cache)[1], cache, grads="skip")
    assert (got == want).all()
    report = nn.gradcheck(D, fake, loss=loss, target=1)
    assert report.ok, report


@pytest.mark.gradcheck
def test_each_pixels_gradient_is_the_sum_over_its_copies():
    layer = in_float64(nn.Upsample((2, 3)))
    cache, dy = layer.cache(), normal(2, 3, 8, 15)
    layer.forward(normal(2, 3, 4, 5), cache, train=True)
    want = sum(dy[:, :, i::2, j::3] for i in range(2) for j in range(3))
    np.testing.assert_allclose(layer.backward(dy.copy(), cache), want, rtol=1e-12)
    report = nn.gradcheck(nn.Upsample((2, 3)), normal(2, 3, 4, 5))
    assert report.ok, report


@pytest.mark.gradcheck
def test_each_logit_of_a_softmax_moves_every_probability():
    net, target = nn.Dense(4, 3), np.array([0, 2, 1, 2, 0])
    report = nn.gradcheck(net, normal(5, 4), loss=nn.SoftmaxCrossEntropy(), target=target)
    assert report.ok, report
    logits, cache = normal(5, 3, seed=1), in_float64(nn.Tanh()).cache()
    value, dz = nn.SoftmaxCrossEntropy()(logits, target, cache)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(dz, (p - np.eye(3)[target]) / 5, rtol=1e-12)
    np.testing.assert_allclose(value[0], -np.log(p[np.arange(5), target]).mean(), rtol=1e-12)


def test_saving_leaves_the_network_where_and_as_it_is(tmp_path):
    """The same arrays on the same backend. Training continues with the same bytes."""

    def train(save):
        net = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4), nn.Dropout(0.3), nn.Dense(4, 1)).build(
            seed=0
        )
        cache, optimizer, ops = net.cache(), nn.Adam(net), net.ops
        held = [net[0].W, net[0].dW, net[1].running_var, net.parameters.value.flat]
        for i in range(4):
            x = normal(6, 3, seed=i, dtype=np.float32)
            _, dy = nn.BCEWithLogits()(net.forward(x, cache, train=True), 1, cache)
            net.backward(dy, cache)
            if save:
                nn.save_weights(tmp_path / "w.npz", {"D": net})
            optimizer.step()
        now = [net[0].W, net[0].dW, net[1].running_var, net.parameters.value.flat]
        assert net.ops is ops and all(a is b for a, b in zip(held, now, strict=True))
        return net.parameters.value.flat.tobytes(), net.parameters.statistics.flat.tobytes()

    assert train(save=True) == train(save=False)
