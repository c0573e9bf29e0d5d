"""A fresh API for each test."""

from __future__ import annotations

import pytest

from shared import bootstrap
from tests.integration.api.client import Client, new_ports


@pytest.fixture
def api():
    ports = new_ports()
    bootstrap.install(ports)
    yield Client(ports)
    bootstrap.uninstall()
