"""Whether the API answers at all."""

from __future__ import annotations

from typing import Any, Final

from functions.admin_api.calls import Answer, Call
from functions.admin_api.routing import endpoint, new_router

VERSION: Final = "0.1.0"  # pyproject.toml says the same

router = new_router()


@endpoint(router, "GET", "/v1/health", public=True)
def health(call: Call[Any]) -> Answer:
    """The API is up."""
    return Answer(200, {"status": "ok", "version": VERSION})
