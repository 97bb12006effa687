"""List the recipes: the networks and settings that can be trained, by name.

For example:

    byhand recipes
    byhand train --recipe mlp-dropout
    byhand train --recipe dcgan --epochs 1
"""

from __future__ import annotations

from gan.commands.shared.command_line import Parser
from gan.recipes import table


def main() -> int:
    """Run the command and return its exit status."""
    Parser(description=__doc__).parse_args()
    print(table())
    return 0
