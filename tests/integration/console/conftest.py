"""The worlds that the console is looked at in. It reads and acts through the API, so one backend is enough."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from infra.local.cloud import LocalCloud
from tests.integration.console.console_browser import busy_world
from tests.integration.world import World

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def world(wiring):
    with LocalCloud("memory", NEW_YEAR, wiring=wiring) as cloud:
        yield World(cloud)


@pytest.fixture
def busy(wiring):
    with busy_world(wiring) as world:
        yield world
