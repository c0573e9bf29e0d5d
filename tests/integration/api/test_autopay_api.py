"""Autopay rules through the API: kept, refused part by part, flagged and explained. API.md, PRODUCT 8."""

from __future__ import annotations

import pytest

from functions.admin_api.autopay import explain_autopay
from shared.domain.contract import Contract
from shared.domain.errors import Refused
from shared.ports import Remove
from shared.use_cases.autopay_rules import ListDraft, patch_rule, put_list
from shared.use_cases.lookups import invoice_of

AUTOPAY = "/v1/customers/cus_acme/autopay"
GTE_200 = {"type": "amount", "operator": "gte", "values": ["200.00"]}
AT_15_DAYS = {"type": "invoice_age_days", "operator": "gte", "values": [15]}
IN_DOLLARS = {"type": "currency", "operator": "is", "values": ["USD"]}


def card(api, id="pm_1", customer_id="cus_acme"):
    body = {"id": id, "token": f"tok_{id}", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
    return api.made(f"/v1/customers/{customer_id}/payment-methods", body)


def rule(*criteria, id=None, method="pm_1", **more):
    body = {"payment_method_id": method, "criteria": list(criteria or [IN_DOLLARS]), **more}
    return {"id": id, **body} if id else body


def put(api, *rules, status=200, **more):
    reply = api.put(AUTOPAY, {"enabled": True, "fall_through_on_decline": False, "rules": list(rules), **more})
    assert reply.status == status, (reply.status, reply.text)
    return reply.json


def invoice(api, amount="280.00", **more):
    body = {"customer_id": "cus_acme", "lines": [{"name": "Support", "amount": amount}], "post": True, **more}
    return invoice_of(api.ports, api.made("/v1/invoices", body)["id"])


def remove(api, kind, id):
    api.ports.store.commit(Remove(api.ports.store.get(kind, "cus_acme", id)))


@pytest.fixture(autouse=True)
def acme(api):
    api.customer()
    card(api, "pm_1")
    card(api, "pm_2")


# ---- keeping ----------------------------------------------------------------------------------------------------


def test_before_anything_is_saved_the_list_is_empty_and_of_version_0(api):
    assert api.get(AUTOPAY).json == {
        "customer_id": "cus_acme", "currency": "USD", "enabled": True, "fall_through_on_decline": False,
        "rules": [], "version": 0,
    }  # fmt: skip


def test_a_list_is_answered_as_it_was_sent_with_what_is_to_be_said_of_it(api):
    saved = put(api, rule(GTE_200, AT_15_DAYS, id="apr_1", locked=True), rule(method="pm_2", disabled=True))

    assert saved["rules"][0] == {
        "id": "apr_1", "payment_method_id": "pm_1", "disabled": False, "locked": True,
        "criteria": [GTE_200, AT_15_DAYS], "invalid": False, "removed": [], "shadowed_by": None,
    }  # fmt: skip
    assert saved["rules"][1]["id"].startswith("apr_new")
    assert saved["rules"][1]["disabled"] is True
    assert saved["version"] == 1
    assert api.get(AUTOPAY).json == saved


def test_an_answer_may_be_sent_back_reordered_and_ids_stay(api):
    saved = put(api, rule(GTE_200), rule(method="pm_2"))
    ids = [r["id"] for r in saved["rules"]]

    again = put(api, *reversed(saved["rules"]), version=saved["version"], currency="USD", customer_id="cus_acme")

    assert [r["id"] for r in again["rules"]] == ids[::-1]
    assert [r["shadowed_by"] for r in again["rules"]] == [None, ids[1]]  # any dollar amount comes first now
    (warned,) = again["warnings"]
    assert (warned["field"], warned["code"]) == ("rules[1]", "rule_unreachable")
    assert f"{ids[1]} always matches first" in warned["message"]
    assert again["version"] == 2


def test_sending_the_same_list_again_changes_nothing(api):
    saved = put(api, rule(id="apr_1"))

    assert put(api, *saved["rules"]) == saved


def test_an_empty_list_is_a_list(api):
    assert put(api)["version"] == 1


def test_rules_left_out_stay_while_the_switches_change(api):
    put(api, rule(id="apr_1"))

    reply = api.put(AUTOPAY, {"enabled": False, "fall_through_on_decline": True})

    assert (reply.json["enabled"], reply.json["fall_through_on_decline"]) == (False, True)
    assert [r["id"] for r in reply.json["rules"]] == ["apr_1"]


def test_a_stale_list_is_not_written(api):
    put(api, rule(id="apr_1"))
    body = {"rules": []}

    assert api.put(AUTOPAY, body, headers={"If-Match": '"0"'}).status == 412
    assert api.put(AUTOPAY, {**body, "version": 0}).status == 412
    assert api.put(AUTOPAY, body, headers={"If-Match": '"1"'}).status == 200


def test_a_rule_is_disabled_and_locked_by_its_own_id(api):
    put(api, rule(id="apr_1"), rule(GTE_200, id="apr_2"))

    off = api.patch("/v1/autopay-rules/apr_1", {"disabled": True})
    assert (off.status, off.json["disabled"], off.json["locked"], off.json["version"]) == (200, True, False, 2)
    locked = api.patch("/v1/autopay-rules/apr_2", {"locked": True}, headers={"If-Match": '"2"'})
    assert (locked.json["locked"], locked.json["shadowed_by"]) == (True, None)
    on = api.patch("/v1/autopay-rules/apr_1", {"disabled": False})
    assert on.json["disabled"] is False
    assert [r["shadowed_by"] for r in api.get(AUTOPAY).json["rules"]] == [None, "apr_1"]


def test_patching_what_is_so_already_changes_nothing(api):
    put(api, rule(id="apr_1"))

    assert api.patch("/v1/autopay-rules/apr_1", {"disabled": False}).json["version"] == 1
    assert api.patch("/v1/autopay-rules/apr_1", {}).json["version"] == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/autopay-rules/apr_none", {"disabled": True}, 404),
        ("/v1/autopay-rules/pm_1", {"disabled": True}, 404),
        ("/v1/autopay-rules/apr_gone", {"disabled": True}, 404),
        ("/v1/autopay-rules/apr_1", {"disabled": "yes"}, 422),
        ("/v1/autopay-rules/apr_1", {"enabled": True}, 422),
        ("/v1/autopay-rules/apr_1", {"criteria": []}, 422),
        ("/v1/autopay-rules/apr_1", {"disabled": True, "version": 1}, 412),
    ],
)
def test_a_wrong_patch_is_refused(api, path, body, status):
    put(api, rule(id="apr_1"), rule(id="apr_gone"))
    put(api, rule(id="apr_1"))

    assert api.patch(path, body).status == status
    assert api.get(AUTOPAY).json["rules"][0]["disabled"] is False


def test_a_removed_rule_may_come_back_under_its_id_but_no_other_customer_may_take_it(api):
    put(api, rule(id="apr_1"))
    put(api)
    api.customer("cus_b")
    card(api, "pm_b", "cus_b")

    theirs = api.put("/v1/customers/cus_b/autopay", {"rules": [rule(id="apr_1", method="pm_b")]})

    assert theirs.fields == ["rules[0].id"]
    assert put(api, rule(id="apr_1"))["rules"][0]["id"] == "apr_1"


def test_a_viewer_reads_and_an_operator_writes(api):
    assert api.get(AUTOPAY, role="viewer").status == 200
    assert api.put(AUTOPAY, {"rules": []}, role="viewer").status == 403
    assert api.patch("/v1/autopay-rules/apr_1", {}, role="viewer").status == 403
    assert api.put(AUTOPAY, {"rules": []}, role="operator").status == 200


def test_there_is_no_list_without_a_customer(api):
    assert api.get("/v1/customers/cus_none/autopay").status == 404
    assert api.put("/v1/customers/cus_none/autopay", {"rules": []}).status == 404


def test_a_customer_may_not_change_what_is_locked_though_staff_may(api):
    put(api, rule(id="apr_1", locked=True), rule(GTE_200, id="apr_2"))

    for change in (
        lambda: put_list("cus_acme", ListDraft(rules=()), api.ports, lambda before: None, by="customer"),
        lambda: patch_rule("apr_1", api.ports, disabled=True, by="customer"),
        lambda: patch_rule("apr_2", api.ports, locked=True, by="customer"),
    ):
        with pytest.raises(Refused, match="locked"):
            change()
    assert patch_rule("apr_2", api.ports, disabled=True, by="customer").version == 2
    assert api.patch("/v1/autopay-rules/apr_1", {"disabled": True}).status == 200


# ---- refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ({}, ["rules[0].payment_method_id", "rules[0].criteria"]),
        (rule(method="pm_none"), ["rules[0].payment_method_id"]),
        (rule(method="pm_b"), ["rules[0].payment_method_id"]),
        (rule(method=7), ["rules[0].payment_method_id"]),
        (rule(method=None), ["rules[0].payment_method_id"]),
        ({**rule(), "criteria": []}, ["rules[0].criteria"]),
        ({**rule(), "criteria": {"type": "amount"}}, ["rules[0].criteria"]),
        ({**rule(), "priority": 1}, ["rules[0].priority"]),
        (rule(id="pm_1"), ["rules[0].id"]),
        (rule(disabled=1), ["rules[0].disabled"]),
        ("apr_1", ["rules[0]"]),
        (
            rule({"type": "colour", "operator": "is", "values": ["red"]}, {"type": "amount"}),
            ["rules[0].criteria[0].type", "rules[0].criteria[1].operator", "rules[0].criteria[1].values"],
        ),
        (rule({**GTE_200, "operator": "contains"}), ["rules[0].criteria[0].operator"]),
        (rule({**GTE_200, "values": []}), ["rules[0].criteria[0].values"]),
        (rule({**GTE_200, "values": "200.00"}), ["rules[0].criteria[0].values"]),
        (rule({**GTE_200, "values": None}), ["rules[0].criteria[0].values"]),
        (rule({**GTE_200, "values": [200]}), ["rules[0].criteria[0].values[0]"]),
        (rule({**GTE_200, "values": [200.5]}), ["rules[0].criteria[0].values[0]"]),
        (rule({**GTE_200, "values": ["200.005"]}), ["rules[0].criteria[0].values[0]"]),
        (rule({**GTE_200, "values": ["-1.00"]}), ["rules[0].criteria[0].values[0]"]),
        (rule({**GTE_200, "currency": "USD"}), ["rules[0].criteria[0].currency"]),
        (rule(GTE_200, {**GTE_200, "operator": "between"}), ["rules[0].criteria[1].values"]),
        (
            rule({"type": "amount", "operator": "between", "values": ["300.00", "200.00"]}),
            ["rules[0].criteria[0].values"],
        ),
        (rule({**AT_15_DAYS, "values": ["15"]}), ["rules[0].criteria[0].values[0]"]),
        (rule({**AT_15_DAYS, "values": [15.5]}), ["rules[0].criteria[0].values[0]"]),
        (rule(GTE_200, {**IN_DOLLARS, "values": ["EUR"]}), ["rules[0].criteria[1].values"]),
        (rule(GTE_200, {**IN_DOLLARS, "values": ["USD", "EUR"]}), ["rules[0].criteria[1].values"]),
        (rule({**IN_DOLLARS, "values": ["usd"]}), ["rules[0].criteria[0].values[0]"]),
        (
            rule({"type": "contract", "operator": "is", "values": ["con_1", "con_b"]}),
            ["rules[0].criteria[0].values[1]"],
        ),
        (
            rule({"type": "line_item", "operator": "contains", "values": ["a", " "]}),
            ["rules[0].criteria[0].values[1]"],
        ),
        (
            rule({"type": "invoice_type", "operator": "is", "values": ["credit_memo"]}),
            ["rules[0].criteria[0].values[0]"],
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_nothing_is_saved(api, sent, fields):
    api.contract()
    api.customer("cus_b")
    card(api, "pm_b", "cus_b")
    api.contract("cus_b", "con_b")

    assert api.put(AUTOPAY, {"rules": [sent]}).fields == fields
    assert api.get(AUTOPAY).json["version"] == 0


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"rules": [rule(id="apr_1"), rule(id="apr_1")]}, ["rules[1].id"]),
        ({"rules": [rule()] * 51}, ["rules"]),
        ({"rules": {}}, ["rules"]),
        ({"enabled": "yes"}, ["enabled"]),
        ({"precedence": []}, ["precedence"]),
        ({"currency": "EUR", "rules": []}, ["currency"]),
        ({"customer_id": "cus_b", "rules": []}, ["customer_id"]),
    ],
)
def test_a_wrong_list_is_refused(api, change, fields):
    assert api.put(AUTOPAY, change).fields == fields


def test_amounts_follow_the_customers_currency(api):
    api.customer("cus_yen", currency="JPY")
    card(api, "pm_yen", "cus_yen")
    path, whole = "/v1/customers/cus_yen/autopay", {**GTE_200, "values": ["20000"]}

    assert api.put(path, {"rules": [rule(GTE_200, method="pm_yen")]}).fields == ["rules[0].criteria[0].values[0]"]
    saved = api.put(path, {"rules": [rule(whole, method="pm_yen")]}).json
    assert (saved["currency"], saved["rules"][0]["criteria"]) == ("JPY", [whole])


# ---- flagged ----------------------------------------------------------------------------------------------------


def test_a_rule_whose_method_or_contract_is_removed_is_flagged_kept_and_cannot_be_saved_again(api):
    api.contract()
    on_contract = {"type": "contract", "operator": "is", "values": ["con_1"]}
    put(api, rule(method="pm_2", id="apr_1"), rule(on_contract, id="apr_2"), rule(id="apr_3"))

    assert api.delete("/v1/payment-methods/pm_2").status == 204
    remove(api, Contract, "con_1")

    rules = api.get(AUTOPAY).json["rules"]
    assert [(r["id"], r["invalid"], r["removed"]) for r in rules] == [
        ("apr_1", True, ["pm_2"]), ("apr_2", True, ["con_1"]), ("apr_3", False, []),
    ]  # fmt: skip
    assert [r["shadowed_by"] for r in rules] == [None, None, None]
    refused = api.put(AUTOPAY, {"rules": rules})
    assert refused.fields == ["rules[0].payment_method_id", "rules[1].criteria[0].values[0]"]
    assert api.patch("/v1/autopay-rules/apr_1", {"disabled": True}).json["invalid"] is True


# ---- explained --------------------------------------------------------------------------------------------------


def test_an_invoice_of_280_dollars_is_explained_at_10_and_at_15_days(api):
    put(api, rule(GTE_200, AT_15_DAYS, id="apr_1"))
    posted = invoice(api)

    api.ports.clock.advance(days=10)
    assert explain_autopay(posted, api.ports) == [
        {
            "rule_id": "apr_1", "payment_method_id": "pm_1", "result": "no_match",
            "criteria": [{**GTE_200, "actual": "280.00", "holds": True}, {**AT_15_DAYS, "actual": 10, "holds": False}],
        }
    ]  # fmt: skip
    api.ports.clock.advance(days=5)
    [explained] = explain_autopay(posted, api.ports)
    assert explained["result"] == "pays"
    assert explained["criteria"][1] == {**AT_15_DAYS, "actual": 15, "holds": True}


def test_every_rule_is_explained_with_what_it_found(api):
    api.contract()
    named = {"type": "line_item", "operator": "not_contains", "values": ["support"]}
    on_contract = {"type": "contract", "operator": "is_not", "values": ["con_1"]}
    early = {"type": "days_past_due", "operator": "lt", "values": [0]}
    out_of_turn = {"type": "invoice_type", "operator": "is", "values": ["out_of_turn"]}
    put(
        api, rule(named, on_contract, id="apr_1"), rule(early, out_of_turn, id="apr_2"), rule(id="apr_3"),
        rule(id="apr_4", disabled=True), rule(id="apr_5", method="pm_2"),
    )  # fmt: skip
    api.delete("/v1/payment-methods/pm_2")

    explained = explain_autopay(invoice(api, type="out_of_turn", due_on="2026-01-06"), api.ports)

    assert [(e["rule_id"], e["result"]) for e in explained] == [
        ("apr_1", "no_match"), ("apr_2", "pays"), ("apr_3", "ignored"), ("apr_4", "disabled"), ("apr_5", "invalid"),
    ]  # fmt: skip
    found = [[(c["actual"], c["holds"]) for c in e["criteria"]] for e in explained]
    assert found[:2] == [[(["Support"], False), ([], True)], [(-5, True), ("out_of_turn", True)]]


def test_an_amount_in_another_currency_says_so(api):
    put(api, rule(GTE_200, id="apr_1"))

    [explained] = explain_autopay(invoice(api, currency="EUR"), api.ports)

    assert explained["criteria"] == [{**GTE_200, "actual": "280.00 EUR", "holds": False}]


def test_with_autopay_off_no_rule_pays(api):
    put(api, rule(id="apr_1"), enabled=False)

    assert [e["result"] for e in explain_autopay(invoice(api), api.ports)] == ["disabled"]


def test_without_a_saved_list_there_is_nothing_to_explain(api):
    assert explain_autopay(invoice(api), api.ports) == []


def test_a_draft_is_explained_as_if_it_were_posted_today(api):
    put(api, rule(GTE_200, {"type": "days_past_due", "operator": "eq", "values": [-30]}, id="apr_1"))

    [explained] = explain_autopay(invoice(api, type="regular", post=False), api.ports)

    assert [(c["actual"], c["holds"]) for c in explained["criteria"]] == [("280.00", True), (-30, True)]


def test_a_paid_invoice_is_explained_as_of_the_charge_that_paid_it(api):
    put(api, rule(GTE_200, AT_15_DAYS, id="apr_1", method="pm_2"))
    posted = invoice(api)
    api.ports.clock.advance(days=15)
    assert api.post(f"/v1/invoices/{posted.id}/charge").json["payment_method_id"] == "pm_2"
    api.ports.clock.advance(days=30)

    [explained] = explain_autopay(invoice_of(api.ports, posted.id), api.ports)

    assert explained["result"] == "pays"
    assert [c["actual"] for c in explained["criteria"]] == ["280.00", 15]
