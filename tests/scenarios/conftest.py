"""The world that diaries are lived through in.

On the memory store, because a day on moto takes a second and diaries last months; that both stores give the same world
is shown by tests/integration/test_worlds_agree.py and by the shorter diaries there.
"""

from __future__ import annotations

import pytest

from tests.integration.conftest import memory_world, wiring

__all__ = ["memory_world", "wiring"]


@pytest.fixture
def world(memory_world):
    return memory_world
