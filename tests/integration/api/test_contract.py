"""The OpenAPI document says what the code answers: neither more nor less. API.md."""

from __future__ import annotations

import copy
import json

import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from openapi_spec_validator import OpenAPIV31SpecValidator

from functions.admin_api.answers import ANSWERS
from functions.admin_api.app import ENDPOINTS
from functions.admin_api.examples import EXAMPLES
from functions.admin_api.openapi import document
from infra.local.cloud import LocalCloud
from tests.integration.sample_world import NOW, make_sample_world
from tests.integration.test_events import API, CALLS, FUNCTIONS, WIRING, invoke, request_of

JSON = "application/json"
PROBLEM = "application/problem+json"


def test_the_document_is_valid():
    assert list(OpenAPIV31SpecValidator(document()).iter_errors()) == []


def test_every_route_that_answers_json_says_which_shape():
    named = {f"{e.method} {e.shown}" for e in ENDPOINTS if e.gives == JSON}
    shapeless = named - set(ANSWERS)
    assert {r for r in shapeless if not r.startswith("DELETE") and not r.endswith(("/pdf", "/print-batch"))} == set()
    assert set(ANSWERS) <= named


def test_every_example_is_in_the_document_and_is_one():
    shown = set()
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
            if "example" in content:
                errors = list(validator(content["schema"]).iter_errors(content["example"]))
                assert errors == [], f"{method} {path}: {errors}"
                shown.add(f"{method.upper()} {path}")
    assert shown == set(EXAMPLES)


# ---- answers ----------------------------------------------------------------------------------------------------


def strict(schema):
    """The same schema, in which objects have the properties named and no others."""
    if isinstance(schema, list):
        return [strict(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made


SCHEMAS = strict(copy.deepcopy(document()["components"]["schemas"]))


def validator(schema):
    whole = {**strict(schema), "components": {"schemas": SCHEMAS}}
    assert validator_for(whole, default=Draft202012Validator) is Draft202012Validator
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


def declared(route, status):
    """The schema of an answer by its content type."""
    method, path = route.split()
    wanted = nameless(path)
    (operation,) = (
        o[method.lower()] for p, o in document()["paths"].items() if nameless(p) == wanted and method.lower() in o
    )
    response = operation["responses"][str(status)]
    if "$ref" in response:
        response = document()["components"]["responses"][str(status)]
    return {kind: content["schema"] for kind, content in response.get("content", {}).items()}


def nameless(path):
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


@pytest.fixture(scope="module")
def answered():
    """What each of the sample calls is answered, by an admin and by nobody."""
    found = []
    with LocalCloud("memory", NOW, wiring=WIRING) as cloud:
        make_sample_world(cloud.ports)
        for call in CALLS:
            for role in ("nobody", "admin"):
                event = request_of(call)
                event["requestContext"]["authorizer"] = {"claims": {"sub": "ada", "cognito:groups": role}}
                found.append((call["route"], invoke(cloud, FUNCTIONS[API], event)))
            cloud.engine.drain()
        reads = [call for call in CALLS if call["route"].startswith("GET") and call["status"] == 200]
        found += [(call["route"], invoke(cloud, FUNCTIONS[API], request_of(call))) for call in reads]
    return found


def test_every_answer_is_as_the_document_says(answered):
    wrong, checked = [], set()
    for route, answer in answered:
        kinds = declared(route, answer["statusCode"])
        if not answer.get("body"):
            assert kinds == {}, route
            continue
        given = answer["multiValueHeaders"]["Content-Type"][0].partition(";")[0]
        assert given in kinds, (route, given)
        if given in (JSON, PROBLEM) and not route.endswith("/openapi.json"):
            errors = [
                f"{e.json_path}: {e.message[:200]}"
                for e in validator(kinds[given]).iter_errors(json.loads(answer["body"]))
            ]
            wrong += [f"{route} {answer['statusCode']}: {error}" for error in errors]
            checked.add(route)
    assert wrong == []
    assert len(checked) >= len(ANSWERS) - 1
