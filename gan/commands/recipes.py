"""List the recipes: networks, settings and lengths of training, by name."""

from __future__ import annotations

from gan.commands.command_line import Parser
from gan.recipes import table


def main() -> int:
    Parser(description=__doc__).parse_args()
    print(table())
    return 0
