"""A warning when one of the two networks has stopped learning."""

from gan.training import Callback

PINNED = 1e-3  # a loss whose standard deviation over an epoch is below this stands still; from batch to batch, it moves by more
LEAST_STEPS = 20  # in an epoch, for that to mean anything
NETWORKS = {"d_loss": "discriminator", "g_loss": "generator"}
ADVICE = "try another --seed or a lower --learning-rate"


class Standstill(Callback):
    """Calls say(line) after a whole epoch in which a loss stood still, or after which G draws one digit only.

    Each is said when it begins, not again while it lasts. fid: the run's `FidWatch`, which knows the digits, or None.
    """

    def __init__(self, say, fid=None):
        self._say, self._fid, self._last = say, fid, set()

    def on_epoch(self, trainer, record):
        if trainer.step_count % trainer.steps_per_epoch:
            return
        found = {}
        for loss, network in NETWORKS.items():
            if trainer.steps_per_epoch >= LEAST_STEPS and trainer.spread[loss] < PINNED:
                found[network] = f"the {network}'s loss stood at {record[loss]:.4f} for all of it, it learns no more; {ADVICE}"
        if self._fid and self._fid.digits is not None and self._fid.digits <= 1:
            found["digits"] = f"the generator draws one digit only; if that lasts, {ADVICE}"
        for what in found.keys() - self._last:
            self._say(f"warning: epoch {record['epoch']}: {found[what]}")
        self._last = set(found)
