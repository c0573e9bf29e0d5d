"""The `world` fixture: every diary is written once and lived through on both backends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from infra.local.cloud import LocalCloud
from infra.wiring import load_wiring
from tests.integration.browser import Browser
from tests.integration.world import World

HOURLY = timedelta(hours=1)  # on moto a quiet tick takes 20 ms; diaries of months have thousands


@pytest.fixture(scope="session")
def wiring():
    """The template's wiring, read once."""
    return load_wiring()


@pytest.fixture(params=["memory", pytest.param("moto", marks=pytest.mark.moto)])
def world(request, wiring):
    every = HOURLY if request.param == "moto" else None
    with LocalCloud(request.param, wiring=wiring, every=every) as cloud:
        world = World(cloud)
        yield world
        world.assert_well()


@pytest.fixture
def memory_world(wiring):
    """For diaries that one store is enough for."""
    with LocalCloud("memory", wiring=wiring) as cloud:
        world = World(cloud)
        yield world
        world.assert_well()


@pytest.fixture
def browser(world):
    """A customer's."""
    return Browser(world.cloud)
