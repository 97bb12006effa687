"""The fixture that runs an example in this process."""

from tests.support.small import command  # noqa: F401
