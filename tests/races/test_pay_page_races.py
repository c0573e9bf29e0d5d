"""Customers on their page at the same time as everybody else: one charge per invoice, whatever the order of steps.

The pages are the real function's; what must hold is what holds in every race (test_races.py). PRODUCT 7, 11.
"""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from functions.pay_page.app import lambda_handler
from shared.domain.invoice import Invoice
from shared.domain.pay_link import PayLink, digest_of, once_of
from shared.domain.payment import Payment
from shared.use_cases import pay_invoices, submissions
from shared.use_cases.pay_links import revoke_links
from shared.use_cases.pay_page import mark_of_invoice
from tests.integration.stage import NOW, TODAY
from tests.races import actors as act
from tests.races.test_races import check, owed, race_of, run_of

SCHEDULES = 100
TOKEN = "a-link-of-the-customer"


def submit(nonce, *shown, method="pm_1"):
    """Someone presses the button of a page that showed these invoices as they are now."""
    once = once_of(TOKEN, "account", nonce, NOW, [mark_of_invoice(i) for i in shown])
    fields = [("once", once), *(("invoice_id", i.id) for i in shown), ("payment_method_id", method)]
    event = {
        "resource": "/pay/{token}", "httpMethod": "POST", "path": f"/pay/{TOKEN}", "pathParameters": {"token": TOKEN},
        "body": urlencode(fields), "requestContext": {"requestId": nonce},
    }  # fmt: skip

    def press():
        status = lambda_handler(event, SimpleNamespace(aws_request_id=nonce))["statusCode"]
        assert status in (303, 403, 404, 409, 410, 422, 503), status

    return press


def page_of(race, *ids):
    race.stage.save(PayLink(digest_of(TOKEN), "cus_a", 0, NOW + timedelta(days=30)))
    return [race.stage.get(Invoice, id) for id in ids]


def the_same_page_twice_and_a_run(race):
    ids = [owed(race), race.stage.posted(due_on=TODAY)]
    shown = page_of(race, *ids)
    race.begin(page=submit("one", *shown), again=submit("one", *shown), run=act.worker(run_of(race.stage, *ids)))


def two_pages_a_cheque_and_a_run(race):
    id = owed(race)
    shown = page_of(race, id)
    race.begin(
        one=submit("one", *shown), two=submit("two", *shown), run=act.worker(run_of(race.stage, id)),
        cheque=act.cheque("pay_1", "cus_a", "100.00"),
    )  # fmt: skip


def a_page_a_hold_and_an_admin(race):
    id = owed(race)
    shown = page_of(race, id)
    race.begin(page=submit("one", *shown), hold=act.hold(id), admin=act.by_hand(id), memo=act.memo(id, "20.00"))


def a_page_and_its_links_are_revoked(race):
    id = owed(race)
    shown = page_of(race, id)
    race.begin(page=submit("one", *shown), revoke=lambda: revoke_links("cus_a", race.ports))


def a_declined_page_sent_twice_and_a_run(race):
    id = owed(race, "declined:insufficient_funds", "succeeded")
    shown = page_of(race, id)
    race.begin(
        page=submit("one", *shown), again=submit("one", *shown), run=act.worker(run_of(race.stage, id)),
    )  # fmt: skip


def a_page_whose_answer_is_lost(race):
    id = owed(race, "timeout_charged", "succeeded")
    shown = page_of(race, id)
    race.begin(page=submit("one", *shown), two=submit("two", *shown), cheque=act.cheque("pay_1", "cus_a", "100.00"))


# How many pages were shown: for each of them an invoice is tried once at most.
RACES = {
    the_same_page_twice_and_a_run: 1, two_pages_a_cheque_and_a_run: 2, a_page_a_hold_and_an_admin: 1,
    a_page_and_its_links_are_revoked: 1, a_declined_page_sent_twice_and_a_run: 1, a_page_whose_answer_is_lost: 2,
}  # fmt: skip


def run(prepare):
    """Every way in which it ended."""
    ends = set()
    for seed in range(SCHEDULES):
        race = race_of(prepare, seed)
        check(race)
        by_page = Counter(p.invoice_id for p in race.stage.every(Payment) if p.submission_id)
        assert all(tries <= RACES[prepare] for tries in by_page.values()), "a page was submitted twice with effect"
        ends.add(tuple(sorted((p.status, bool(p.submission_id)) for p in race.stage.every(Payment))))
    return ends


@pytest.mark.parametrize("prepare", RACES, ids=lambda r: r.__name__)
def test_whatever_the_order_of_their_steps_a_page_pays_once(prepare):
    assert len(run(prepare)) > 1  # the schedules differ, and so do their ends


def test_a_page_whose_value_is_not_burnt_is_found(monkeypatch):
    count = itertools.count()
    monkeypatch.setattr(pay_invoices, "submission_id", lambda customer_id, nonce: f"sub_{next(count)}")
    monkeypatch.setattr(submissions, "submission_id", lambda customer_id, nonce: "sub_none")
    with pytest.raises(AssertionError, match="twice with effect"):
        run(a_declined_page_sent_twice_and_a_run)
