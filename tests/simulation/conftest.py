"""Simulations live in the same world as the integration tests."""

from __future__ import annotations

from tests.integration.conftest import wiring, world

__all__ = ["wiring", "world"]
