"""Fixtures for tests that fetch data, and a clean environment for all."""

from tests.support.mirror import mirror, no_settings_from_outside  # noqa: F401
