"""Diaries of statements: what a customer reads of his account, in his own days. PRODUCT 7."""

from __future__ import annotations


def test_every_posting_payment_credit_and_refund_is_told_in_order_with_what_is_owed_after_it(world):
    acme = world.customer(terms_days=30, timezone="America/New_York")
    world.to("2026-01-01T12:00:00Z")
    first = world.invoice(acme, "100.00")
    world.to("2026-01-02T12:00:00Z")
    paid = world.pays(acme, "130.00")
    world.to("2026-01-03T12:00:00Z")
    second = world.invoice(acme, "50.00")
    world.invoice(acme, "7", currency="JPY")
    world.to("2026-01-05T02:00:00Z")  # still the 4th in New York
    world.post(f"/v1/payments/{paid['id']}/refund", {"amount": "20.00"})
    world.to("2026-01-06T12:00:00Z")

    told = world.get(f"/v1/customers/{acme}/statement?from=2026-01-01&to=2026-01-04")
    assert (told["from"], told["to"], list(told["currencies"])) == ("2026-01-01", "2026-01-04", ["JPY", "USD"])
    usd, jpy = told["currencies"]["USD"], told["currencies"]["JPY"]
    entries = [(e["on"], e["kind"], e["amount"], e["balance"]) for e in usd["entries"]]
    assert entries == [
        ("2026-01-01", "invoice", "100.00", "100.00"),
        ("2026-01-02", "payment", "-130.00", "-30.00"),
        ("2026-01-03", "invoice", "50.00", "20.00"),
        ("2026-01-03", "credit_applied", "0.00", "20.00"),
        ("2026-01-04", "refund", "20.00", "40.00"),
    ]
    assert (usd["opening_balance"], usd["closing_balance"]) == ("0.00", "40.00")
    assert usd["entries"][1]["applied"] == [{"invoice_id": first, "amount": "100.00"}]
    assert usd["entries"][3]["applied"] == [{"invoice_id": second, "amount": "30.00"}]
    assert usd["entries"][1]["reference"] == paid["reference"]
    assert [(e["amount"], e["balance"]) for e in jpy["entries"]] == [("7", "7")]
    assert world.account(acme)["balance"] == {"JPY": "7", "USD": "40.00"}

    later = world.get(f"/v1/customers/{acme}/statement?from=2026-01-04")["currencies"]["USD"]
    assert (later["opening_balance"], len(later["entries"]), later["closing_balance"]) == ("20.00", 1, "40.00")
    early = world.get(f"/v1/customers/{acme}/statement?to=2026-01-02")["currencies"]["USD"]
    assert (early["opening_balance"], len(early["entries"]), early["closing_balance"]) == ("0.00", 2, "-30.00")
