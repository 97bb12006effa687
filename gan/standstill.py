"""A warning when one of the two networks has stopped learning."""

from gan.training import Callback

PINNED = 1e-3  # a loss whose standard deviation over an epoch is below this stands still; from batch to batch, it moves by more
LEAST_STEPS = 20  # in an epoch, for that to mean anything
NETWORKS = {"d_loss": "discriminator", "g_loss": "generator"}
LOOKED_AT = 16  # images
FIRST_STEPS = 1_000  # before which all that a generator draws may look like one digit
ADVICE = "try another --seed or a lower --learning-rate"


class Standstill(Callback):
    """Calls say(line) after a whole epoch in which a loss stood still, or after the second in a row with one digit only.

    Each is said when it begins, not again while it lasts. count: how many digits are in images, as
    `gan.metrics.watch.digit_counter` makes it; None where they are no digits.
    """

    def __init__(self, say, count=None):
        self._say, self._count, self._last, self._one_digit = say, count, set(), False

    def on_epoch(self, trainer, record):
        if trainer.step_count % trainer.steps_per_epoch:
            return
        found = {}
        for loss, network in NETWORKS.items():
            if trainer.steps_per_epoch >= LEAST_STEPS and trainer.spread[loss] < PINNED:
                found[network] = f"the {network}'s loss stood at {record[loss]:.4f} for all of it, it learns no more; {ADVICE}"
        if self._count and trainer.step_count >= FIRST_STEPS:
            before, self._one_digit = self._one_digit, self._count(trainer.fixed_images()[:LOOKED_AT]) <= 1
            if before and self._one_digit:
                found["digits"] = f"the generator draws one digit only; if that lasts, {ADVICE}"
        for what in found.keys() - self._last:
            self._say(f"warning: epoch {record['epoch']}: {found[what]}")
        self._last = set(found)
