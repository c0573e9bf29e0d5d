"""A customer's statement: everything that changed what is owed, per currency, agreeing with the account. PRODUCT 7."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as examples

from shared.domain.errors import DomainError, Invalid
from shared.use_cases.accounts import account_of
from shared.use_cases.summarize_account import customer_statement
from tests.integration.test_account_summary import act, steps, summarizing

FIRST = date(2026, 2, 1)


def usd(told):
    balance = next((b for b in told.balances if b.currency == "USD"), None)
    return (balance.opening_minor, balance.closing_minor) if balance else (0, 0)


@examples(max_examples=40)
@given(steps)
def test_however_it_is_cut_a_statement_adds_up_goes_on_from_the_last_and_agrees_with_the_account(story):
    stage = summarizing()
    stage.customer()
    invoices, payments, owed_at_close = [], [], []
    for n, (step, which) in enumerate(story):
        if step == "tomorrow":
            owed_at_close.append(account_of("cus_a", stage.ports).balance["USD"])
        try:
            act(stage, step, which, n, invoices, payments)
        except DomainError:
            pass  # not allowed just now: nothing happened
    owed_at_close.append(account_of("cus_a", stage.ports).balance["USD"])

    whole = customer_statement("cus_a", None, None, stage.ports)
    assert usd(whole) == (0, owed_at_close[-1])
    told = [customer_statement("cus_a", day, day, stage.ports) for day in days(len(owed_at_close))]
    assert [usd(t)[1] for t in told] == owed_at_close
    assert [usd(t)[0] for t in told] == [0, *owed_at_close[:-1]]
    assert [m for t in told for m in t.movements] == list(whole.movements)
    for t in (whole, *told):
        running = [owed for _, owed in t.ledger("USD")]
        assert running[-1:] in ([], [usd(t)[1]])


def days(count):
    return [FIRST + timedelta(days=n) for n in range(count)]


def test_a_statement_that_ends_before_it_begins_is_refused():
    stage = summarizing()
    stage.customer()
    with pytest.raises(Invalid, match="from"):
        customer_statement("cus_a", date(2026, 2, 2), date(2026, 2, 1), stage.ports)
    with pytest.raises(Invalid, match="from"):
        customer_statement("cus_a", date(2026, 2, 2), None, stage.ports)  # until today


# ---- through the API --------------------------------------------------------------------------------------------


def test_a_customer_with_whom_nothing_happened_has_a_statement_of_nothing(world):
    acme = world.customer()
    told = world.get(f"/v1/customers/{acme}/statement", token="local-viewer")
    nothing = {"opening_balance": "0.00", "entries": [], "closing_balance": "0.00"}
    assert told == {"customer_id": acme, "from": None, "to": "2026-01-01", "currencies": {"USD": nothing}}


@pytest.mark.parametrize("query", ["from=2026-02-30", "to=yesterday", "from=2026-01-02&to=2026-01-01", "since=x"])
def test_what_is_no_stretch_of_days_is_refused(world, query):
    acme = world.customer()
    problem = world.get(f"/v1/customers/{acme}/statement?{query}", status=422)
    assert problem["errors"][0]["field"] in ("from", "to", "since")
    world.get("/v1/customers/cus_none/statement", status=404)
