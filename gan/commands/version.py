"""Print the version.

For example:

    byhand version
    byhand --version
    python -c "import nn; print(nn.__version__)"
"""

from __future__ import annotations

from gan.commands.shared.command_line import Parser
from nn.version import __version__


def main() -> int:
    """Run the command and return its exit status."""
    Parser(description=__doc__).parse_args()
    print(f"byhand {__version__}")
    return 0
