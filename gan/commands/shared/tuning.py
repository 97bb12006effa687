"""Options of `byhand train` that change how a recipe's networks are updated."""

from __future__ import annotations

from typing import Any

from gan.commands.shared.command_line import (
    Parser,
    at_least_0,
    one_of,
    positive_float,
    positive_int,
)
from gan.objectives.named import OBJECTIVES
from gan.runs.starting.named_schedule import SCHEDULES


def add_tuning(parser: Parser) -> None:
    """Add the options, from --learning-rate to --penalty."""
    add = parser.add_argument
    rate: dict[str, Any] = {"type": positive_float, "metavar": "R"}
    add(
        "--learning-rate",
        help="set the learning rate of Adam for both networks (default: the recipe's)",
        **rate,
    )
    for letter, network in (("g", "generator"), ("d", "discriminator")):
        add(
            f"--{letter}-learning-rate",
            help=f"set the learning rate of the {network} alone (default: that of both)",
            **rate,
        )
    add(
        "--schedule",
        type=one_of(SCHEDULES),
        metavar="NAME",
        help=f"change the learning rates by one of {', '.join(SCHEDULES)} (default: the recipe's)",
    )
    add(
        "--schedule-steps",
        type=positive_int,
        metavar="N",
        help="end linear and cosine N steps after the warm-up (default: the run's end), change "
        "step every N steps, or let inverse-sqrt fall after N",
    )
    add(
        "--schedule-factor",
        type=at_least_0,
        metavar="F",
        help="multiply the learning rates by F at the end of linear and cosine, or in each change "
        "of step (default: 0, and 0.1 for step)",
    )
    add(
        "--warmup",
        type=positive_int,
        metavar="N",
        help="raise the learning rates from near 0 in the first N steps (default: none)",
    )
    add(
        "--clip-norm",
        type=positive_float,
        metavar="X",
        help="scale the gradients of each network down to a norm of at most X, and log the norm "
        "(default: the recipe's)",
    )
    add(
        "--clip-value",
        type=positive_float,
        metavar="X",
        help="limit each gradient to X in size before that, and log the norm "
        "(default: the recipe's)",
    )
    add(
        "--weight-decay",
        type=at_least_0,
        metavar="X",
        help="decay the weights by X per step and learning rate, which is AdamW "
        "(default: the recipe's)",
    )
    add(
        "--n-critic",
        type=positive_int,
        metavar="N",
        help="update the discriminator N times per update of the generator (default: the recipe's)",
    )
    add(
        "--objective",
        type=one_of(OBJECTIVES),
        metavar="NAME",
        help=f"train with the losses of one of {', '.join(OBJECTIVES)} (default: the recipe's)",
    )
    add(
        "--penalty",
        type=at_least_0,
        metavar="X",
        help="weigh R1 and R2, the penalties on the discriminator's slope, by X, or do without "
        "them at 0 (default: the recipe's)",
    )
