"""Print the version."""

from __future__ import annotations

from gan.commands.shared.command_line import Parser
from nn.version import __version__


def main() -> int:
    Parser(description=__doc__).parse_args()
    print(f"byhand {__version__}")
    return 0
