"""A small, a large and a huge company: what the parameters change, and that the dashboard can be read."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from infra.template import read_template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"


def concurrency(size: str) -> dict[str, int]:
    mappings = read_template(TEMPLATE, {"Size": size}).of("AWS::Lambda::EventSourceMapping")
    return {mapping.id: mapping.properties["ScalingConfig"]["MaximumConcurrency"] for mapping in mappings}


def reserved(size: str) -> dict[str, int]:
    functions = read_template(TEMPLATE, {"Size": size}).of("AWS::Lambda::Function")
    found = {function.id: function.properties.get("ReservedConcurrentExecutions") for function in functions}
    return {id_: count for id_, count in found.items() if count}


def test_a_large_company_has_more_workers_and_the_gateway_and_the_mail_no_more_than_before():
    small, large = concurrency("small"), concurrency("large")
    assert sum(large.values()) <= 200
    assert {id_ for id_ in small if large[id_] != small[id_]} == {
        "BillRunGenerateFunctionQueue",
        "PastDueAssessFunctionQueue",
        "AccountSummaryComposeFunctionQueue",
        "RenderPdfFunctionQueue",
    }


def test_the_hugest_night_fits_into_the_thousand_executions_that_an_account_has():
    large, huge = concurrency("large"), concurrency("huge")
    assert {id_ for id_ in large if huge[id_] < large[id_]} == set()
    assert sum(huge.values()) + sum(reserved("huge").values()) <= 1_000 - 100  # a hundred have to stay unreserved


def test_people_have_room_kept_for_them_only_where_the_account_has_it():
    assert reserved("small") == {}  # a new account may have ten executions in all, and none to keep
    assert reserved("large") == {"PayPageFunction": 50, "AdminApiFunction": 50}


def test_the_dashboard_is_json_and_names_the_stack():
    (dashboard,) = read_template(TEMPLATE).of("AWS::CloudWatch::Dashboard")
    widgets = json.loads(dashboard.properties["DashboardBody"])["widgets"]
    titles = [widget["properties"]["title"] for widget in widgets]
    assert titles[0] == "Outcomes"
    assert len(titles) == len(set(titles)) == 5


def test_every_configuration_of_sam_names_parameters_that_there_are():
    known = read_template(TEMPLATE).parameters
    configured = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    for name, config in configured.items():
        if name != "version":
            given = [each.partition("=")[0] for each in config["deploy"]["parameters"].get("parameter_overrides", [])]
            assert set(given) <= known.keys(), name
    for size in ("large", "huge"):
        assert configured[size]["deploy"]["parameters"]["parameter_overrides"] == [f"Size={size}"]
