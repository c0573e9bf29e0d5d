"""The template as production gets it, read once."""

from __future__ import annotations

import pytest

from infra.template import Template
from infra.wiring import TEMPLATE, Wiring, load_wiring


@pytest.fixture(scope="session")
def wiring() -> Wiring:
    return load_wiring(TEMPLATE, {"Stage": "production", "Protect": "true", "AlarmEmail": "ops@example.com"})


@pytest.fixture(scope="session")
def template(wiring: Wiring) -> Template:
    return wiring.template
