"""The `world` fixture: every diary is written once and lived through on both backends."""

from __future__ import annotations

import pytest

from infra.local.cloud import LocalCloud
from infra.wiring import load_wiring
from tests.integration.world import World


@pytest.fixture(scope="session")
def wiring():
    """The template's wiring, read once."""
    return load_wiring()


@pytest.fixture(params=["memory", pytest.param("moto", marks=pytest.mark.moto)])
def world(request, wiring):
    with LocalCloud(request.param, wiring=wiring) as cloud:
        world = World(cloud)
        yield world
        world.assert_well()
