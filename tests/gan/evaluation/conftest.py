"""The fixture that calls a command."""

from tests.support.small import command  # noqa: F401
