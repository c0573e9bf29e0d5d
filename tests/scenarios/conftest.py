"""The world that diaries are lived through in.

On the memory store, because a day on moto takes a second and diaries last months; that both stores give the same world
is shown by tests/integration/test_worlds_agree.py and by the shorter diaries there.
"""

from __future__ import annotations

import pytest

from infra.local.cloud import LocalCloud
from tests.integration.conftest import wiring
from tests.integration.world import World

__all__ = ["wiring"]


@pytest.fixture
def world(wiring):
    with LocalCloud("memory", wiring=wiring) as cloud:
        world = World(cloud)
        yield world
        world.assert_well()
