"""The `world` fixture: every diary is written once and lived through on both backends; and a `stage` for use cases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from infra.local.cloud import LocalCloud
from infra.wiring import load_wiring
from tests.integration.browser import Browser
from tests.integration.stage import Stage
from tests.integration.world import World

HOURLY = timedelta(hours=1)  # diaries of months have thousands of ticks at which nothing is due, of 20 ms each on moto


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("moto") and item.get_closest_marker("slow_on_moto"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def wiring():
    """The template's wiring, read once."""
    return load_wiring()


@pytest.fixture(params=["memory", pytest.param("moto", marks=pytest.mark.moto)])
def world(request, wiring):
    yield from _lived_in(request, request.param, wiring)


@pytest.fixture
def memory_world(request, wiring):
    """For diaries that one store is enough for."""
    yield from _lived_in(request, "memory", wiring)


def _lived_in(request, backend, wiring):
    """With a tick an hour, or as the template says for what is marked `every_tick`."""
    every = None if request.node.get_closest_marker("every_tick") else HOURLY
    with LocalCloud(backend, wiring=wiring, every=every) as cloud:
        world = World(cloud)
        yield world
        world.assert_well()


@pytest.fixture
def stage():
    """Everything switched on, and one customer."""
    made = Stage()
    made.settings()
    made.customer()
    return made


@pytest.fixture
def browser(world):
    """A customer's."""
    return Browser(world.cloud)
