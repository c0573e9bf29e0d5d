"""Reports that are too much for a page: worked out once a day in the background, and told with their time."""

from __future__ import annotations

import pytest

from shared.contracts.messages import MakeReport
from shared.use_cases import kept_reports
from shared.use_cases.kept_reports import PAGE, keep_figures
from shared.use_cases.report_ledger import Limits
from tests.integration.console.console_browser import Console

PATHS = {"ageing": "", "sales": "/dso", "forecast": "/forecast"}
NOW_FIGURES = {
    "ageing": ("/v1/reports/aged-receivables?items=false",),
    "sales": ("/v1/reports/dso?days=90", "/v1/reports/collection-effectiveness?days=30&periods=6"),
    "forecast": ("/v1/reports/cash-forecast?days=84&by=week&items=false",),
}


@pytest.fixture
def large(monkeypatch):
    """Every report is too much for a page."""
    monkeypatch.setattr(kept_reports, "PAGE", dict.fromkeys(PAGE, Limits(reads=2, seconds=5)))


@pytest.mark.parametrize("name", PATHS)
def test_a_page_of_a_large_company_asks_for_its_figures_and_shows_them_once_they_are_there(busy, large, name):
    console, path = Console(busy), f"/console/reports{PATHS[name]}"
    before = busy.cloud.ports.store.dump()
    page = console.get(path)
    assert "worked out once a day in the background" in page.text
    assert f'hx-get="{path}"' in page.html
    assert busy.cloud.ports.store.dump() == before
    busy.settle()
    page = console.get(path)
    assert "As they stood on Friday 20 February 2026 at" in page.text
    kept = kept_reports.figures_of(name, busy.cloud.ports)
    assert kept.kept
    assert list(kept.body.values()) == [busy.get(asked) for asked in NOW_FIGURES[name]]


def test_kept_figures_stay_for_the_day_and_are_worked_out_anew_on_the_next(busy, large):
    console, ports = Console(busy), busy.cloud.ports
    console.get("/console/reports")
    busy.settle()
    kept = kept_reports.figures_of("ageing", ports)
    busy.pays("cus_late", "40.00")
    assert kept_reports.figures_of("ageing", ports) == kept
    assert not keep_figures("ageing", ports)
    busy.to("2026-02-21")
    assert "in the background" in Console(busy).get("/console/reports").text  # a new session for a new day
    busy.settle()
    assert kept_reports.figures_of("ageing", ports).body["report"] == busy.get(NOW_FIGURES["ageing"][0])


@pytest.mark.parametrize("name", PATHS)
def test_a_small_company_sees_the_present(busy, name):
    found = kept_reports.figures_of(name, busy.cloud.ports)
    assert not found.kept
    assert list(found.body.values()) == [busy.get(asked) for asked in NOW_FIGURES[name]]
    assert "As they stood" not in Console(busy).get(f"/console/reports{PATHS[name]}").text


def test_a_message_names_each_report():
    assert {MakeReport(name=name).name for name in PATHS} == set(PAGE)
