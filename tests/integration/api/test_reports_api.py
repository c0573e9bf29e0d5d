"""Reports through the API: the present agrees with the accounts, and the past with what was said on the day."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from shared import bootstrap
from shared.storage.dynamo import DynamoStore
from shared.use_cases import report_ledger
from tests.contract.tables import REGION, create_tables, table_name
from tests.integration.api.client import Client, new_ports
from tests.integration.api.receivables_story import ACTS, OWNERS, Story

REPORTS = ("aged-receivables", "dso", "collection-effectiveness", "cash-forecast", "runs")
BUCKETS = ("current", "d1_30", "d31_60", "d61_90", "d90_plus")
CSV = {"Accept": "text/csv"}
NOTHING = {**dict.fromkeys((*BUCKETS, "total", "credit"), "0.00")}

ONE_STORY = [
    [("invoice", 6, 80), ("invoice", 1, 50), ("draft", 2, 40), ("invoice", 12, 30), ("invoice", 4, 70)],
    [("charge_unheard", 0, 1), ("cheque", 12, 95), ("below_zero", 7, 20), *(("charge", n, 1) for n in range(5))],
    [("post_draft", 0, 1), ("credit", 4, 10), ("cheque", 1, 90)],
    [("debit", 0, 15), ("invoice", 9, 33), ("invoice", 10, 44), *(("charge_unheard", n, 1) for n in (2, 4, 6))],
    [("hear", 0, 1), ("refund", 1, 5), *(("void", n, 1) for n in range(9))],
    [("refund_unheard", n, 1) for n in range(5)],
    [],
    [("hear", 0, 1), *(("refund", n, n) for n in range(8)), ("cheque", 2, 25)],
]  # fmt: skip

acts = st.tuples(st.sampled_from(ACTS), st.integers(0, 60), st.integers(1, 90))
stories = st.lists(st.lists(acts, max_size=4), min_size=2, max_size=9)


def report(api, name, **query):
    reply = api.get(f"/v1/reports/{name}?" + "&".join(f"{k}={v}" for k, v in query.items()))
    assert reply.status == 200, reply.text
    return reply.json


def invoice(api, amount="100.00", customer="cus_1", **fields):
    body = {"customer_id": customer, "type": "regular", "lines": [{"name": "Work", "amount": amount}], "post": True}
    return api.made("/v1/invoices", body | fields)


def pays(api, amount, customer="cus_1", **fields):
    return api.made("/v1/payments", {"customer_id": customer, "amount": amount, "method": "check", **fields})


def lines(api, name, **query):
    reply = api.get(f"/v1/reports/{name}?" + "&".join(f"{k}={v}" for k, v in query.items()), headers=CSV)
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(reply.content.decode(), newline="")))


# ---- any story ------------------------------------------------------------------------------------------------


def lived(api, days) -> Story:
    story = Story(api).begin()
    for acts_of_day in days:
        for act in acts_of_day:
            story.do(*act)
        agrees_with_the_accounts(api)
        story.end_day()
    return story


def agrees_with_the_accounts(api):
    """What is owed net of credit is each account's balance, what is not current is past due there, and all adds up."""
    aged = report(api, "aged-receivables")
    amounts = {item["customer_id"]: item["amounts"] for item in aged["items"]}
    for owner in OWNERS:
        account = api.get(f"/v1/customers/{owner}/account").json
        for currency, balance in account["balance"].items():
            told = {k: Decimal(v) for k, v in amounts.get(owner, {}).get(currency, NOTHING).items()}
            assert told["total"] == sum(told[b] for b in BUCKETS)
            assert told["total"] - told["credit"] == Decimal(balance)
            assert told["credit"] == Decimal(account["credit"][currency])
            assert told["total"] - told["current"] == Decimal(account["past_due"][currency])
    for currency, total in aged["totals"].items():
        of_all = [a[currency] for a in amounts.values() if currency in a]
        for bucket, said in total.items():
            assert Decimal(said) == sum(Decimal(a[bucket]) for a in of_all), (currency, bucket)


@example(ONE_STORY)
@given(stories)
@settings(max_examples=60, deadline=None)
def test_a_past_day_is_told_as_it_was_told_on_that_day_whatever_happened_since(days):
    ports = new_ports()
    bootstrap.install(ports)
    try:
        story = lived(Client(ports), days)
        for on, kept in story.kept.items():
            assert story.said(on) == kept, on
    finally:
        bootstrap.uninstall()


@pytest.mark.moto
@pytest.mark.slow
def test_both_stores_tell_the_same_story():
    def played(ports):
        bootstrap.install(ports)
        try:
            story = lived(Client(ports), ONE_STORY)
            assert set(story.done) == set(ACTS), "an act of the story came to nothing"
            again = {on: story.said(on) for on in story.kept}
            return story.kept, again, report(Client(ports), "cash-forecast"), report(Client(ports), "runs")
        finally:
            bootstrap.uninstall()

    in_memory = played(new_ports())
    with mock_aws():
        create_tables()
        store = DynamoStore(table_name, REGION, writer="test", sleep=lambda seconds: None)
        on_dynamodb = played(replace(new_ports(), store=store))
    assert on_dynamodb == in_memory
    assert in_memory[0] == in_memory[1]


# ---- ageing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "bucket"),
    [(0, "current"), (1, "d1_30"), (30, "d1_30"), (31, "d31_60"), (60, "d31_60"), (61, "d61_90"), (90, "d61_90"),
     (91, "d90_plus")],
)  # fmt: skip
def test_each_bucket_begins_on_its_day_now_and_in_hindsight(api, days, bucket):
    api.customer("cus_1")
    invoice(api, due_on="2026-01-10")
    api.ports.clock.advance(days=9 + days)
    on = date(2026, 1, 10) + timedelta(days=days)
    expected = {"USD": {**NOTHING, bucket: "100.00", "total": "100.00"}}
    assert report(api, "aged-receivables")["totals"] == expected
    api.ports.clock.advance(days=40)
    pays(api, "100.00")
    assert report(api, "aged-receivables")["totals"] == {"USD": NOTHING}
    told = report(api, "aged-receivables", as_of=on)
    assert told["totals"] == expected
    assert told["items"] == [{"customer_id": "cus_1", "name": "Acme Ltd", "amounts": expected}]


def test_an_account_with_nothing_owed_is_told_in_the_currency_of_the_business(api):
    assert report(api, "aged-receivables") == {"as_of": "2026-01-01", "totals": {"USD": NOTHING}, "items": []}


def test_credit_stands_beside_the_buckets_and_makes_no_invoice_younger(api):
    api.customer("cus_1")
    invoice(api, "30.00", currency="EUR", due_on="2026-01-01")
    pays(api, "50.00")
    amounts = report(api, "aged-receivables")["items"][0]["amounts"]
    assert amounts["USD"] == {**NOTHING, "credit": "50.00"}
    assert amounts["EUR"] == {**NOTHING, "current": "30.00", "total": "30.00"}


def test_the_present_is_each_customers_own_date_and_a_day_is_that_day_for_everyone(api):
    api.customer("cus_west", timezone="Pacific/Honolulu")
    api.customer("cus_east", timezone="Pacific/Kiritimati")
    for owner in ("cus_west", "cus_east"):
        invoice(api, customer=owner, due_on="2026-01-09")
    api.ports.clock.advance(days=8, hours=-7)  # 05:00 on the ninth; in Honolulu the eighth
    api.ports.clock.advance(days=1)  # 05:00 on the tenth; in Honolulu the ninth, the due date
    present = report(api, "aged-receivables")
    assert (present["as_of"], present["totals"]["USD"]["d1_30"]) == ("2026-01-10", "100.00")
    assert report(api, "aged-receivables", as_of="2026-01-10")["totals"]["USD"]["d1_30"] == "200.00"
    assert report(api, "aged-receivables", as_of="2026-01-09")["totals"]["USD"]["current"] == "200.00"
    api.ports.clock.advance(hours=6)  # 11:00: in Kiritimati the eleventh
    pays(api, "100.00", "cus_east")
    assert report(api, "aged-receivables", as_of="2026-01-10")["totals"]["USD"]["total"] == "200.00"
    assert report(api, "aged-receivables")["totals"]["USD"]["total"] == "100.00"


def test_customers_are_listed_by_name_and_one_can_be_asked_for(api):
    for id, name in (("cus_1", "beta"), ("cus_2", "Alpha"), ("cus_3", "alpha")):
        api.customer(id, name=name)
        invoice(api, customer=id)
    assert [i["customer_id"] for i in report(api, "aged-receivables")["items"]] == ["cus_2", "cus_3", "cus_1"]
    one = report(api, "aged-receivables", customer_id="cus_3")
    assert [i["customer_id"] for i in one["items"]] == ["cus_3"]
    assert one["totals"]["USD"]["total"] == "100.00"
    assert "items" not in report(api, "aged-receivables", items="false")


# ---- ratios ---------------------------------------------------------------------------------------------------


def test_dso_and_effectiveness_by_a_worked_example(api):
    api.customer("cus_1")
    invoice(api, "300.00", due_on="2026-01-20")  # 1 January
    api.ports.clock.advance(days=30)
    pays(api, "100.00")  # 31 January: 200 are left, past due
    invoice(api, "100.00", due_on="2026-03-01")
    dso = report(api, "dso", days=40)["totals"]["USD"]
    assert dso == {
        "receivables": "300.00", "current": "100.00", "credit_sales": "400.00",
        "dso": "30.00", "best_possible_dso": "10.00", "average_days_delinquent": "20.00",
    }  # fmt: skip
    told = report(api, "collection-effectiveness", days=15, periods=2)
    first, last = told["periods"]
    assert (first["from"], first["through"], last["from"], last["through"]) == (
        "2026-01-02", "2026-01-16", "2026-01-17", "2026-01-31",
    )  # fmt: skip
    assert first["totals"]["USD"]["cei"] is None  # nothing was due
    assert last["totals"]["USD"] == {
        "beginning": "300.00", "credit_sales": "100.00", "ending": "300.00", "ending_current": "100.00",
        "cei": "33.33",  # (300 + 100 - 300) / (300 + 100 - 100)
    }  # fmt: skip


def test_a_void_takes_a_sale_back_on_its_day_and_a_memo_on_its_own(api):
    api.customer("cus_1")
    sold = invoice(api, "300.00")
    invoice(api, "50.00")
    api.ports.clock.advance(days=1)
    api.post(f"/v1/invoices/{sold['id']}/void")
    assert report(api, "dso", days=1)["totals"]["USD"]["credit_sales"] == "-300.00"
    assert report(api, "dso", days=1)["totals"]["USD"]["dso"] is None
    assert report(api, "dso", days=1, as_of="2026-01-01")["totals"]["USD"]["credit_sales"] == "350.00"
    assert report(api, "dso", days=2)["totals"]["USD"]["credit_sales"] == "50.00"


# ---- cash forecast --------------------------------------------------------------------------------------------


def methods(api, **query):
    return {i["invoice_id"]: (i["expected_on"], i["method"]) for i in report(api, "cash-forecast", **query)["items"]}


def card(api, customer="cus_1"):
    body = {"token": "tok_1", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2035}
    return api.made(f"/v1/customers/{customer}/payment-methods", {"id": "pm_1", **body})


def test_without_anything_to_go_by_it_is_the_due_date_and_nothing_for_what_is_overdue(api):
    api.customer("cus_1")
    for id, due_on in (("inv_1", "2026-01-01"), ("inv_2", "2026-03-01"), ("inv_3", "2025-12-31")):
        invoice(api, id=id, invoice_date="2025-12-01", due_on=due_on)
    expected = {"inv_1": ("2026-01-01", "due_date"), "inv_2": ("2026-03-01", "due_date"), "inv_3": (None, "overdue")}
    assert methods(api) == expected
    told = report(api, "cash-forecast", days=58)
    assert told["totals"]["USD"] == {
        "expected": "100.00",
        "beyond": "100.00",
        "unscheduled": "100.00",
        "total": "300.00",
    }
    assert report(api, "cash-forecast", days=59)["totals"]["USD"]["expected"] == "200.00"
    assert told["periods"][0] == {"from": "2026-01-01", "through": "2026-01-07", "expected": {"USD": "100.00"}}


def test_a_customer_who_always_pays_ten_days_late_is_expected_to(api):
    api.customer("cus_1")
    for n in range(3):
        invoice(api, id=f"inv_{n}", due_on="2026-01-05")
    api.ports.clock.advance(days=14)
    pays(api, "300.00")
    invoice(api, id="inv_new", due_on="2026-02-10")
    assert methods(api) == {"inv_new": ("2026-02-20", "history")}
    assert methods(api, as_of="2026-01-14") == dict.fromkeys(["inv_0", "inv_1", "inv_2"], (None, "overdue"))


def test_a_card_is_charged_on_the_collection_date_by_a_rule_that_matches_then_if_payment_runs_are_on(api):
    api.customer("cus_1")
    card(api)
    invoice(api, id="inv_1", due_on="2026-01-20")
    assert methods(api) == {"inv_1": ("2026-01-20", "due_date")}  # no payment runs
    api.patch("/v1/settings", {"payment_run": {"enabled": True}})
    assert methods(api) == methods(api, customer_id="cus_1") == {"inv_1": ("2026-01-20", "autopay")}
    rule = {"payment_method_id": "pm_1", "criteria": [{"type": "invoice_age_days", "operator": "gte", "values": [20]}]}
    assert api.put("/v1/customers/cus_1/autopay", {"enabled": True, "rules": [rule]}).status == 200
    assert methods(api) == {"inv_1": ("2026-01-20", "due_date")}  # nineteen days old then
    rule["criteria"][0]["values"] = [19]
    assert api.put("/v1/customers/cus_1/autopay", {"enabled": True, "rules": [rule]}).status == 200
    assert methods(api) == {"inv_1": ("2026-01-20", "autopay")}
    api.put("/v1/invoices/inv_1/hold", {"reason": "dispute"})
    assert methods(api) == {"inv_1": (None, "on_hold")}


def test_a_promise_is_taken_at_its_word(api):
    api.customer("cus_1")
    invoice(api, id="inv_1", invoice_date="2025-12-01", due_on="2025-12-20")
    assert api.post("/v1/customers/cus_1/promises", {"date": "2026-01-15"}).status in (200, 201)
    assert methods(api) == {"inv_1": ("2026-01-15", "promise")}


# ---- runs -----------------------------------------------------------------------------------------------------


def test_runs_are_told_by_the_days_they_were_made_on_oldest_first(api):
    api.customer("cus_1")
    api.made("/v1/bill-runs", {"id": "brn_1"})
    api.ports.clock.advance(days=1)
    api.made("/v1/payment-runs", {"id": "prn_1"})
    told = report(api, "runs", days=2)
    assert [(i["kind"], i["id"]) for i in told["items"]] == [("bill_run", "brn_1"), ("payment_run", "prn_1")]
    assert (told["from"], told["through"]) == ("2026-01-01", "2026-01-02")
    assert told["items"][0]["counts"]["posted"] == 0
    assert [i["id"] for i in report(api, "runs", days=1)["items"]] == ["prn_1"]
    assert [i["id"] for i in report(api, "runs", as_of="2026-01-01")["items"]] == ["brn_1"]
    assert {r["measure"] for r in lines(api, "runs", days=1)} >= {"counts.considered", "counts.skipped"}


# ---- forms ----------------------------------------------------------------------------------------------------


def test_csv_says_the_same_as_json_and_nothing_that_a_spreadsheet_would_run(api):
    for n, name in enumerate(("=1+1", "+49", "-Minus", "@x", 'Say "hi", Bob', "Ödön")):
        api.customer(f"cus_{n}", name=name)
        invoice(api, customer=f"cus_{n}")
    aged = {row["name"]: row for row in lines(api, "aged-receivables")}
    assert set(aged) == {"'=1+1", "'+49", "'-Minus", "'@x", 'Say "hi", Bob', "Ödön"}
    for item in report(api, "aged-receivables")["items"]:
        row = next(r for r in aged.values() if r["customer_id"] == item["customer_id"])
        assert {k: row[k] for k in NOTHING} == item["amounts"]["USD"]
    assert lines(api, "dso")[0]["dso"] == report(api, "dso")["totals"]["USD"]["dso"] == "90.00"
    (row,) = lines(api, "collection-effectiveness")
    assert {"from": "2025-10-04", "through": "2026-01-01", "cei": "", "ending": "600.00"}.items() <= row.items()
    assert [r["invoice_id"] for r in lines(api, "cash-forecast")] == [
        i["invoice_id"] for i in report(api, "cash-forecast")["items"]
    ]


def test_a_negative_amount_stays_a_number(api):
    api.customer("cus_1")
    sold = invoice(api, "300.00")
    api.ports.clock.advance(days=1)
    api.post(f"/v1/invoices/{sold['id']}/void")
    assert lines(api, "dso", days=1)[0]["credit_sales"] == "-300.00"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "json"), ("*/*", "json"), ("text/csv", "csv"), ("TEXT/CSV; charset=utf-8", "csv"), ("text/*", "csv"),
        ("application/json, text/csv", "json"), ("application/json;q=0.5, text/csv", "csv"),
        ("text/csv;q=0.2, application/json;q=0.3", "json"), ("text/csv;q=0", "json"), ("text/csv;q=x", "json"),
        ("text/html", "json"), (",;,", "json"),
    ],
)  # fmt: skip
def test_the_form_is_the_one_that_is_preferred(api, accept, kind):
    reply = api.get("/v1/reports/dso", headers={"accept": accept})
    assert (reply.status, reply.headers["vary"]) == (200, "Accept")
    assert kind in reply.headers["content-type"]


@pytest.mark.parametrize("name", REPORTS)
def test_what_cannot_be_asked_is_refused_by_name(api, name):
    path = f"/v1/reports/{name}"
    for query, fields in {
        "as_of=2026-01-02": ["as_of"], "as_of=yesterday": ["as_of"], "as_of=2026-02-30": ["as_of"], "as_of=": ["as_of"],
        "horizon=3": ["horizon"],
    }.items():  # fmt: skip
        assert api.get(f"{path}?{query}").fields == fields, query
    assert api.get(path, role="viewer").status == 200
    assert api.get(path, role=None).status == 401
    assert api.post(path, {}).status == 405
    if name != "aged-receivables":
        for value in ("0", "367", "-1", "1.5", "x", "", "9" * 30, "٣"):
            assert api.get(f"{path}?days={value}").fields == ["days"], value
    if name != "runs":
        assert api.get(f"{path}?customer_id=cus_none").status == 404
        assert "404" in api.get("/v1/openapi.json").json["paths"][path]["get"]["responses"]
        assert api.get(f"{path}?customer_id=inv_1").fields == ["customer_id"]


def test_a_company_too_large_for_one_request_is_told_what_to_ask_instead(api, monkeypatch):
    api.customer("cus_1")
    invoice(api)
    monkeypatch.setattr(report_ledger, "REQUEST", report_ledger.Limits(reads=5, seconds=20))
    for name in REPORTS[:4]:
        reply = api.get(f"/v1/reports/{name}")
        assert (reply.status, "customer_id" in reply.json["detail"]) == (413, True)
