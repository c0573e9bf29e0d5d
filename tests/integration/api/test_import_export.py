"""CSV in and out through the API: a report per row, the same file twice, and an export that an import takes back."""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from functions.admin_api import exporting, importing
from shared import bootstrap
from shared.contracts.import_csv import imported_id
from shared.storage.dynamo import DynamoStore
from tests.contract.tables import REGION, create_tables, table_name
from tests.integration.api.client import Client, new_ports

KINDS = ("customers", "contracts", "usage", "invoices")


def load(api, kind, *lines, status=200):
    """(loaded, updated, unchanged, [(row, field)])"""
    reply = api("POST", f"/v1/import/{kind}", raw="\n".join(lines))
    assert reply.status == status, reply.text
    if status != 200:
        return reply
    found = reply.json
    assert set(found) == {"loaded", "updated", "unchanged", "errors"}
    errors = [(e["row"], e["field"]) for e in found["errors"]]
    return found["loaded"], found["updated"], found["unchanged"], errors


def export(api, kind, query=""):
    """Every page as one text."""
    text, cursor = "", ""
    while True:
        reply = api.get(f"/v1/export/{kind}?{query}{cursor}")
        assert (reply.status, reply.headers["content-type"]) == (200, "text/csv; charset=utf-8")
        text += reply.text if not text else reply.text.partition("\r\n")[2]
        if "next-cursor" not in reply.headers:
            assert "link" not in reply.headers
            return text
        assert reply.headers["link"].endswith('; rel="next"')
        cursor = f"&cursor={reply.headers['next-cursor']}"


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


CUSTOMERS = (
    "id,external_id,name,email,delivery,address.city,automations.enabled",
    "cus_1,A-1,Acme,ap@acme.example,email;print,Bonn,true",
    ",A-2,Bolt,not an address,,,",
    'cus_3,,"Cog, Ltd",,print,"K""öln""",no',
)
CONTRACTS = (
    "id,customer_external_id,name,start_date,bill_cycle_day,charges.id,charges.name,charges.type,charges.amount,"
    "charges.metric,charges.tiers,charges.tier_mode",
    "con_1,A-1,Hosting,2026-01-15,15,chg_1,Base,recurring,49.00,,,",
    "con_1,A-1,Hosting,2026-01-15,15,chg_2,Traffic,usage,,gb,100=0.10;*=0.06,graduated",
    "con_2,A-1,Broken,2026-01-15,15,chg_3,Base,recurring,49.00,,,",
    "con_2,A-1,Broken,2026-01-15,15,chg_4,More,recurring,49.001,,,",
    "con_3,nobody,Hosting,2026-01-15,15,chg_5,Base,recurring,49.00,,,",
)
USAGE = (
    "id,contract_id,metric,quantity,occurred_at",
    "u1,con_1,gb,5.50,2026-01-16T10:00:00+01:00",
    "u2,con_1,gb,many,2026-01-16T10:00:00Z",
    "u3,con_1,minutes,5,2026-01-16T10:00:00Z",
    "u4,con_9,gb,5,2026-01-16T10:00:00Z",
)
INVOICES = (
    "id,customer_id,number,type,status,invoice_date,due_on,lines.name,lines.amount",
    "inv_1,cus_1,OLD-1,regular,posted,2025-12-01,2025-12-31,Support,100.00",
    "inv_1,cus_1,OLD-1,regular,posted,2025-12-01,2025-12-31,Discount,-10.00",
    "inv_2,cus_1,,out_of_turn,draft,2025-12-01,,Audit,70.00",
    "inv_3,cus_1,OLD-3,regular,void,2025-12-01,2025-12-31,Mistake,5.00",
    "inv_4,cus_1,OLD-1,regular,posted,2025-12-01,2025-12-31,Twice,5.00",
    "inv_5,cus_9,OLD-5,regular,posted,2025-12-01,soon,Nobody's,5.00",
)


def everything(api):
    return [load(api, *args) for args in (
        ("customers", *CUSTOMERS), ("contracts", *CONTRACTS), ("usage", *USAGE), ("invoices", *INVOICES),
    )]  # fmt: skip


# ---- rows -----------------------------------------------------------------------------------------------------


def test_good_rows_are_loaded_bad_ones_reported_and_the_same_file_again_changes_nothing(api):
    first = everything(api)
    assert first[0] == (2, 0, 0, [(3, "email")])
    assert first[1] == (1, 0, 0, [(5, "charges.amount"), (6, "customer_id")])
    assert first[2] == (1, 0, 0, [(3, "quantity"), (4, ""), (5, "")])
    assert first[3] == (2, 0, 0, [(5, "status"), (6, "number"), (7, "due_on")])
    before = api.ports.store.dump()
    assert everything(api) == [(0, 0, loaded, errors) for loaded, _, _, errors in first]
    assert api.ports.store.dump() == before


def test_what_is_loaded_is_what_the_api_would_have_made(api):
    everything(api)
    acme = api.get("/v1/customers/cus_1").json
    assert (acme["delivery"], acme["address"]["city"], acme["automations"]["enabled"]) == (
        ["email", "print"],
        "Bonn",
        1,
    )
    assert [c["name"] for c in api.get("/v1/contracts/con_1").json["charges"]] == ["Base", "Traffic"]
    invoice = api.get("/v1/invoices/inv_1").json
    assert (invoice["status"], invoice["total"], invoice["residual"]) == ("posted", "90.00", "90.00")
    assert api.get("/v1/invoices/inv_2").json["status"] == "draft"


def test_a_changed_row_updates_by_id_or_external_id_and_what_it_leaves_empty_stays(api):
    api.customer("cus_own", external_id="X", name="Own", timezone="Europe/Berlin")
    assert load(api, "customers", "external_id,name,email", "X,Renamed,", "Y,New,") == (1, 1, 0, [])
    found = api.get("/v1/customers/cus_own").json
    assert (found["name"], found["email"], found["timezone"]) == ("Renamed", "ap@acme.example", "Europe/Berlin")
    assert load(api, "customers", "id,email", "cus_own,new@acme.example") == (0, 1, 0, [])
    assert load(api, "customers", "id,external_id", "cus_own,Y") == (0, 0, 0, [(2, "external_id")])
    assert load(api, "customers", "id,name,external_id", "cus_third,Third,Y") == (0, 0, 0, [(2, "external_id")])
    assert api.get(f"/v1/customers/{imported_id('customers', 'Y')}").json["name"] == "New"


def test_of_a_contract_only_the_name_changes_and_of_a_posted_invoice_nothing(api):
    everything(api)
    assert load(api, "contracts", "id,name", "con_1,Renamed") == (0, 1, 0, [])
    assert load(api, "contracts", "id,start_date,bill_cycle_day", "con_1,2026-01-14,15") == (
        0,
        0,
        0,
        [(2, "start_date")],
    )
    changed = [line.replace("100.00", "100.01") for line in INVOICES[:3]]
    assert load(api, "invoices", *changed) == (0, 0, 0, [(2, "lines")])
    draft = (INVOICES[0], INVOICES[3].replace("70.00", "71.00"))
    assert load(api, "invoices", *draft) == (0, 1, 0, [])
    posted = (INVOICES[0], draft[1].replace("draft", "posted"))
    assert load(api, "invoices", *posted) == (0, 1, 0, [])
    assert api.get("/v1/invoices/inv_2").json["total"] == "71.00"
    assert load(api, "invoices", *posted) == (0, 0, 1, [])


def test_a_name_that_looks_like_another_number_is_another_name(api):
    assert load(api, "customers", "id,name", "cus_1,1.0") == (1, 0, 0, [])
    assert load(api, "customers", "id,name", "cus_1,1.00") == (0, 1, 0, [])


def test_what_is_wrong_inside_a_cell_is_reported_under_its_column(api):
    assert load(api, "customers", "id,name,delivery", "cus_1,A,email;fax", "cus_2,B,print") == (
        1,
        0,
        0,
        [(2, "delivery")],
    )
    header = "id,customer_id,name,start_date,charges.name,charges.type,charges.metric,charges.tier_mode,charges.tiers"
    bad = "con_1,cus_2,A,2026-01-01,Use,usage,gb,volume,100=0.1;50=0.2;*=x"
    assert set(load(api, "contracts", header, bad)[3]) == {(2, "charges.tiers")}


def test_a_suspended_contract_is_not_brought_over_as_an_active_one(api):
    api.customer()
    lines = (
        "id,customer_id,name,start_date,status",
        "con_1,cus_acme,A,2025-01-01,suspended",
        "con_2,cus_acme,B,2025-01-01,active",
    )
    assert load(api, "contracts", *lines) == (1, 0, 0, [(2, "status")])


def test_a_contract_takes_what_is_to_come_of_its_charges_with_it(api):
    api.customer()
    header = "id,customer_id,name,start_date,charges.id,charges.name,charges.type,charges.amount,charges.starts_on"
    lines = (
        f"{header},charges.changes,charges.on",
        'con_1,cus_acme,A,2026-01-01,chg_1,Base,recurring,10.00,,"2026-02-01:amount=20.00,quantity=2;2026-03-01:quantity=3",',
        "con_1,cus_acme,A,2026-01-01,chg_2,More,recurring,5.00,2026-02-10,,",
        "con_2,cus_acme,B,2026-01-01,chg_3,Base,recurring,10.00,,2026-02-01:price=20.00,",
        "con_3,cus_acme,C,2026-01-01,chg_4,Base,recurring,10.00,,2026-02-01:amount=20.001,",
        "con_4,cus_acme,D,2026-01-01,chg_5,Base,recurring,10.00,2026-02-30,,",
        "con_5,cus_acme,E,2026-01-01,chg_6,Setup,one_time,10.00,,2026-02-01:amount=20.00,2026-03-01",
    )
    changes, starts = "charges.changes", "charges.starts_on"
    wrong = [(4, changes), (5, changes), (6, starts), (7, changes)]
    assert load(api, "contracts", *lines) == (1, 0, 0, wrong)
    base, more = api.get("/v1/contracts/con_1").json["charges"]
    assert base["changes"] == [
        {"effective_on": "2026-02-01", "amount": "20.00", "quantity": "2"},
        {"effective_on": "2026-03-01", "amount": None, "quantity": "3"},
    ]
    assert more["starts_on"] == "2026-02-10"
    assert load(api, "contracts", *lines[:3]) == (0, 0, 1, [])
    api.ports.clock.advance(days=45)
    [first, second] = rows(export(api, "contracts"))
    assert (first["charges.amount"], first["charges.quantity"]) == ("20.00", "2")  # in force by now
    assert (first[changes], second[starts]) == ("2026-03-01:quantity=3", "2026-02-10")


def test_rows_that_say_the_same_twice_are_one_and_those_that_differ_are_reported(api):
    lines = ("id,name,email", "cus_1,A,a@a.example", "cus_1,A,", "cus_1,B,", "cus_2,B,")
    assert load(api, "customers", *lines) == (2, 0, 1, [(4, "name")])
    assert api.get("/v1/customers/cus_1").json["name"] == "A"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_file_as_spreadsheets_write_it_is_read_with_the_lines_it_has(api, newline, delimiter):
    lines = [
        "id,name,email",
        "",
        'cus_1,"Two',
        'lines",x@y.example',
        "cus_2,B,wrong",
        "",
        "cus_3,'=C,",
        "cus_4,'t Hooft,",
    ]
    text = "\ufeff" + newline.join(line.replace(",", delimiter) for line in lines)
    reply = api("POST", "/v1/import/customers", raw=text)
    assert [(e["row"], e["field"]) for e in reply.json["errors"]] == [(3, "name"), (5, "email")]
    assert sorted(c["name"] for c in api.items("/v1/customers")) == ["'t Hooft", "=C"]


# ---- files that are none ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "status", "fields"),
    [
        ("", 422, ["file"]), ("\n\n", 422, ["file"]), ("id,,name\n", 422, ["file"]), ("id,id\n", 422, ["file"]),
        ("id,nmae,phone\ncus_1,A,1\n", 422, ["nmae", "phone"]), ('{"items": []}', 422, None), ('"id\n', 422, ["file"]),
        ("id,name\n", 200, None), ("id,name", 200, None),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_understood_is_refused_whole(api, text, status, fields):
    reply = api("POST", "/v1/import/customers", raw=text)
    assert reply.status == status
    if fields:
        assert reply.fields == fields
    assert api.items("/v1/customers") == []


def test_a_file_in_another_encoding_is_a_400_that_names_the_line(api):
    text = base64.b64encode("id,name\ncus_1,Müller\n".encode("latin-1")).decode()
    reply = api("POST", "/v1/import/customers", raw=text, encoded=True)  # as API Gateway passes what is no text
    assert reply.status == 400
    assert "line 2" in reply.json["detail"]


def test_an_operator_may_import_and_a_viewer_only_export(api):
    assert api("POST", "/v1/import/customers", raw="id,name\ncus_1,A", role="viewer").status == 403
    assert api("POST", "/v1/import/customers", raw="id,name\ncus_1,A", role="operator").status == 200
    assert api.get("/v1/export/customers", role="viewer").status == 200
    assert api("POST", "/v1/import/settings", raw="x").status == 404


def test_too_many_rows_for_a_request_are_a_413_that_says_so_and_nothing_is_loaded(api, monkeypatch):
    monkeypatch.setattr(importing, "ROWS_MAX", 3)
    lines = ["id,name", *(f"cus_{n},A" for n in range(4))]
    assert load(api, "customers", *lines[:4]) == (3, 0, 0, [])
    assert "3 rows" in load(api, "customers", *lines, status=413).json["detail"]


def test_where_time_runs_out_the_answer_says_at_which_row_to_go_on(api, monkeypatch):
    lines = ["id,name", "cus_1,A", "cus_2,B", "cus_3,", "cus_4,D"]
    whole = api.ports.clock.now
    ticks = iter(range(100))
    monkeypatch.setattr(api.ports.clock, "now", lambda: whole() + timedelta(seconds=7) * next(ticks))
    reply = api("POST", "/v1/import/customers", raw="\n".join(lines))
    assert reply.status == 200
    stop = int(reply.headers["next-row"])
    assert 2 < stop <= 5
    assert reply.json["loaded"] == stop - 2
    assert reply.json["errors"][-1]["row"] == stop
    monkeypatch.undo()
    assert load(api, "customers", *lines)[0] + reply.json["loaded"] == 3


# ---- out, and in again ------------------------------------------------------------------------------------------


def test_an_export_is_left_alone_by_an_import_into_the_same_world(api):
    everything(api)
    api.post("/v1/contracts/con_1/changes", {"charge_id": "chg_1", "effective_on": "2026-01-15", "amount": "55.00"})
    api.post("/v1/invoices/inv_1/adjustments", {"kind": "credit", "amount": "1.00", "reason": "x"})
    api.ports.clock.advance(days=90)
    before = api.ports.store.dump()
    for kind in KINDS:
        loaded, updated, _, errors = load(api, kind, export(api, kind))
        assert (loaded, updated, errors) == (0, 0, []), kind
    assert api.ports.store.dump() == before


def test_cells_that_a_spreadsheet_would_run_are_made_harmless_and_numbers_are_not(api):
    api.customer("cus_1", name='=HYPERLINK("http://x")')
    api.customer("cus_2", name="'=already")
    api.customer("cus_3", name="-5")
    api.made("/v1/invoices", {"id": "inv_1", "customer_id": "cus_1", "lines": [
        {"name": "+a", "amount": "9.00"}, {"name": "@b", "amount": "-1.00"},
    ]})  # fmt: skip
    names = {row["id"]: row["name"] for row in rows(export(api, "customers"))}
    assert names == {"cus_1": '\'=HYPERLINK("http://x")', "cus_2": "''=already", "cus_3": "-5"}
    found = [(row["lines.name"], row["lines.amount"]) for row in rows(export(api, "invoices"))]
    assert found == [("'+a", "9.00"), ("'@b", "-1.00")]


def test_filters_narrow_an_export_and_wrong_ones_are_named(api):
    everything(api)
    api.customer("cus_other", name="Other")
    assert [row["id"] for row in rows(export(api, "customers", "query=OTHER"))] == ["cus_other"]
    assert [row["id"] for row in rows(export(api, "invoices", "status=draft"))] == ["inv_2"]
    assert rows(export(api, "contracts", "customer_id=cus_other")) == []
    assert len(rows(export(api, "contracts", "customer_id=cus_1"))) == 2
    assert len(rows(export(api, "usage", "contract_id=con_1"))) == 1
    assert api.get("/v1/export/invoices?status=paid").fields == ["status"]
    assert api.get("/v1/export/customers?customer_id=cus_1").fields == ["customer_id"]
    assert api.get("/v1/export/customers?limit=5001").fields == ["limit"]
    assert api.get("/v1/export/contracts?customer_id=cus_none").status == 404
    assert api.get("/v1/export/customers?cursor=x").fields == ["cursor"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_of_an_export_neither_skip_nor_repeat(api, limit):
    for n in range(5):
        api.customer(f"cus_{n}", name=f"Same {n % 2}")
        for m in range(n):
            api.contract(
                f"cus_{n}",
                f"con_{n}{m}",
                charges=[{"name": "Use", "type": "usage", "metric": "gb", "unit_amount": "1"}],
            )
            for k in range(3):
                load(api, "usage", USAGE[0], f"u{k},con_{n}{m},gb,1,2026-01-05T00:00:00Z")
            api.made(
                "/v1/invoices",
                {"id": f"inv_{9 - m}{n}", "customer_id": f"cus_{n}", "lines": [{"name": "x", "amount": "1"}]},
            )
    for kind in KINDS:
        paged = export(api, kind, f"limit={limit}&")
        assert paged == export(api, kind)
        assert len(rows(paged)) == {"customers": 5, "contracts": 10, "usage": 30, "invoices": 10}[kind]


def test_an_answer_ends_before_it_grows_too_large_for_lambda(api, monkeypatch):
    monkeypatch.setattr(exporting, "BYTES_PER_WEIGHT", 1 / 1000)
    for n in range(4):
        api.customer(f"cus_{n}", name=f"Name {n}")
    assert "next-cursor" in api.get("/v1/export/customers").headers
    assert len(rows(export(api, "customers"))) == 4


HOSTILE = st.text(
    st.sampled_from("'\"=+-@;,|* \\\u00a0é漢😀") | st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")),
    min_size=1, max_size=12,
).filter(lambda text: text.strip())  # fmt: skip
MONEY = st.decimals(0, 10_000, places=2).map(str)


@st.composite
def worlds(draw):
    """Bodies for the API, with anything in every text."""
    customers = [
        {
            "id": f"cus_{n}",
            "name": draw(HOSTILE),
            "delivery": draw(st.sampled_from([[], ["email"], ["print", "email"]])),
            "address": {"line1": draw(HOSTILE)},
            "tax_rate_percent": draw(st.sampled_from(["0", "19", "7.75"])),
            "automations": {"enabled": draw(st.booleans()), "past_due": draw(st.sampled_from([None, True, False]))},
        }
        for n in range(draw(st.integers(1, 3)))
    ]
    charges = [
        {
            "name": draw(HOSTILE),
            "type": "recurring",
            "amount": draw(MONEY),
            "taxable": draw(st.booleans()),
            "quantity": draw(st.sampled_from(["1", "0.5", "12"])),
            "timing": draw(st.sampled_from(["advance", "arrears"])),
        },
        {
            "name": draw(HOSTILE),
            "type": "usage",
            "metric": "a.b:c-d",
            "tier_mode": "volume",
            "expected": draw(st.booleans()),
            "tiers": [{"up_to": "10", "unit_amount": draw(MONEY)}, {"up_to": None, "unit_amount": draw(MONEY)}],
        },
        {"name": draw(HOSTILE), "type": "one_time", "amount": draw(MONEY), "on": "2026-02-28"},
    ]
    lines = [
        {"name": draw(HOSTILE), "amount": draw(MONEY), "contract_id": draw(st.sampled_from([None, "con_1"]))}
        for _ in range(2)
    ]
    number, post = draw(HOSTILE), draw(st.booleans())
    return customers, draw(st.permutations(charges)), lines, number, post, draw(HOSTILE)


def make(api, world):
    customers, charges, lines, number, post, record = world
    for customer in customers:
        api.made("/v1/customers", customer)
    api.contract("cus_0", "con_1", charges=charges, start_date="2025-12-31", bill_cycle_day=31, end_date="2027-01-01")
    api.contract("cus_0", "con_0", charges=[])
    changed = next(c["id"] for c in api.get("/v1/contracts/con_1").json["charges"] if c["type"] == "recurring")
    for on in ("2026-01-05", "2026-11-30"):  # in force, and to come
        change = {"charge_id": changed, "effective_on": on, "quantity": "2"}
        assert api.post("/v1/contracts/con_1/changes", change).status == 200
    id = "".join(c for c in record if "!" <= c <= "~") or "u1"
    used = {"contract_id": "con_1", "metric": "a.b:c-d", "quantity": "1.500", "occurred_at": "2026-01-01T10:00:00.25Z"}
    api.post("/v1/usage", {"records": [{"id": id, **used}]})
    for n in range(3):
        api.ports.clock.advance(hours=1)
        api.made("/v1/invoices", {"id": f"inv_{9 - n}", "customer_id": "cus_0", "lines": lines, "post": post,
                                  **({"number": f"{number}{n}".strip()} if n else {})})  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_what_is_exported_and_loaded_into_an_empty_world_is_exported_the_same_to_the_byte(world):
    files = {}
    try:
        for again in (False, True):
            ports = new_ports()
            bootstrap.install(ports)
            api = Client(ports)
            if again:
                ports.clock.advance(days=1)
                for kind in KINDS:
                    assert load(api, kind, files[kind])[1:] == (0, 0, []), files[kind]
                assert {kind: export(api, kind) for kind in KINDS} == files
            else:
                make(api, world)
                files = {kind: export(api, kind) for kind in KINDS}
    finally:
        bootstrap.uninstall()


@pytest.mark.moto
def test_both_stores_load_and_export_the_same(api):
    def played(client):
        said = [everything(client), everything(client)]
        return said, {kind: export(client, kind, "limit=1") for kind in KINDS}

    in_memory = played(api)
    with mock_aws():
        create_tables()
        ports = replace(new_ports(), store=DynamoStore(table_name, REGION, writer="test", sleep=lambda seconds: None))
        bootstrap.install(ports)
        assert played(Client(ports)) == in_memory
