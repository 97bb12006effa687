"""A script with a fault on one rank: python -m tests.support.ranks.callback FAULT RANK."""

import sys
from dataclasses import replace

import numpy as np

from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn.processes import get_processes
from tests.support.small import TINY


class AtRecord(Callback):
    """Does something at each record from step 8 on."""

    def __init__(self, act):
        self._act = act

    def on_record(self, trainer, record):
        if trainer.step_count >= 8:
            self._act(trainer)


class InStep(Callback):
    """Does something after step 7, which has no record."""

    def __init__(self, act):
        self._act = act

    def on_step(self, trainer):
        if trainer.step_count == 7:
            self._act(trainer)


def fail(trainer):
    raise ValueError("boom")


def leave(trainer):
    sys.exit(0)


def save(trainer):
    trainer.state_dict()


FAULTS = {
    "fails": AtRecord(fail),
    "leaves": AtRecord(leave),
    "saves": AtRecord(save),
    "saves in a step": InStep(save),
}

if __name__ == "__main__":
    fault, rank = FAULTS[sys.argv[1]], int(sys.argv[2])
    together = get_processes()
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28)).astype(np.uint8)
    trainer = Trainer(replace(TINY, batch_size=12), images, device="numpy", processes=together)
    trainer.fit(steps=40, callbacks=[fault] if together.rank == rank else [])
