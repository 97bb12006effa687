"""A warning when one of the two networks has stopped learning, or draws one digit only."""

from gan.training.callback import Callback

PINNED = 1e-3  # a loss whose standard deviation over an epoch is below this stands still; from batch to batch, it moves by more
LEAST_STEPS = 20  # in an epoch, for that to mean anything
NETWORKS = {"d_loss": "discriminator", "g_loss": "generator"}
LOOKED_AT = 16  # images
STEPS_A_LOOK = 1_000  # at the digits, which takes as long as some steps; before the first, all may look like one digit
ADVICE = "try another --seed or a lower --learning-rate"


class Standstill(Callback):
    """Calls say(line) after a whole epoch in which a loss stood still, or where G draws one digit only, twice running.

    Each is said when it begins, not again while it lasts. count: how many digits are in images, as
    `gan.evaluation.fid_callback.digit_counter` makes it; None where they are no digits.
    """

    def __init__(self, say, count=None):
        self._say, self._count, self._last = say, count, set()
        self._next_look, self._one_digit = STEPS_A_LOOK, 0  # the latter: in how many looks running

    def on_epoch(self, trainer, record):
        if trainer.step_count % trainer.steps_per_epoch:
            return
        found = {}
        for loss, network in NETWORKS.items():
            if trainer.steps_per_epoch >= LEAST_STEPS and trainer.spread[loss] < PINNED:
                found[network] = f"the {network}'s loss stood at {record[loss]:.4f} for all of it, it learns no more; {ADVICE}"
        if self._count and trainer.step_count >= self._next_look:
            self._next_look = trainer.step_count + STEPS_A_LOOK
            self._one_digit = self._one_digit + 1 if self._count(trainer.fixed_samples()[:LOOKED_AT]) <= 1 else 0
        if self._one_digit > 1:
            found["digits"] = f"the generator draws one digit only; if that lasts, {ADVICE}"
        for what in found.keys() - self._last:
            self._say(f"warning: epoch {record['epoch']}: {found[what]}")
        self._last = set(found)
