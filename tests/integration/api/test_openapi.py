"""The API's own description: from the code, valid, and agreeing with the template."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from functions.admin_api.health import VERSION
from functions.admin_api.routing import ENDPOINTS
from shared.use_cases.hear_gateway import Heard

ROOT = Path(__file__).resolve().parents[3]


def nameless(path: str) -> str:
    """The path without the names of its parameters: the template calls most of them id."""
    return re.sub(r"[<{]\w+[>}]", "{}", path)


class Tags(yaml.SafeLoader):
    """Reads !Ref and the like as plain values: only paths and methods matter here."""


Tags.add_multi_constructor("!", lambda loader, suffix, node: None)


def routes_of_the_template() -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()

    def walk(value) -> None:
        for key, inner in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        ):
            if isinstance(key, str) and key.startswith("/v1/") and isinstance(inner, dict):
                found.update((method.upper(), nameless(key)) for method in inner if method != "options")
            walk(inner)

    walk(yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader=Tags))
    return found


def test_every_route_of_the_code_is_in_the_template_and_the_other_way_round():
    ours = {(e.method, nameless(e.path)) for e in ENDPOINTS}
    assert ours == routes_of_the_template()


def test_the_document_names_every_route_with_its_role_and_body(api):
    document = api.get("/v1/openapi.json").json
    assert document["openapi"].startswith("3.1")
    named = {(m.upper(), nameless(path)) for path, methods in document["paths"].items() for m in methods}
    assert named == {(e.method, nameless(e.path)) for e in ENDPOINTS} | {("POST", "/webhooks/gateway")}
    post = document["paths"]["/v1/customers"]["post"]
    assert post["x-role"] == "operator"
    assert post["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/CustomerBody"}
    assert document["components"]["schemas"]["CustomerBody"]["required"] == ["name"]
    assert document["components"]["schemas"]["CustomerBody"]["additionalProperties"] is False


def test_the_document_tells_the_gateway_how_to_sign_and_what_it_is_answered(api):
    told = api.get("/v1/openapi.json").json["paths"]["/webhooks/gateway"]["post"]
    assert (told["security"], [p["name"] for p in told["parameters"]]) == ([], ["Stripe-Signature"])
    outcomes = told["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["outcome"]["enum"]
    assert set(outcomes) == set(get_args(Heard))


def test_every_reference_of_the_document_leads_somewhere(api):
    document = api.get("/v1/openapi.json").json
    references = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])


def test_operation_ids_are_unique(api):
    paths = api.get("/v1/openapi.json").json["paths"].values()
    found = [operation["operationId"] for methods in paths for operation in methods.values()]
    assert len(found) == len(set(found))


def test_the_version_is_that_of_the_distribution():
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_every_route_says_what_it_does(endpoint):
    assert endpoint.summary.endswith(".")
