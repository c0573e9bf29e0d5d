"""What became of an attempt is found out without risking another charge, whatever went wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.gateways import stripe as adapter
from shared.gateways.stripe import QUIET, SENT_WITHIN
from tests.contract.stripe.world import AT, UNKNOWN, MovedClock, attempt, charged, gateway_at
from tests.stripe_server import Account, StripeServer
from tests.stripe_server.account import KEY_SECONDS
from tests.stripe_server.http import FAULTS

# ---- looking up ----------------------------------------------------------------------------------------------


def test_looking_up_asks_and_creates_nothing(gateway, account, clock):
    for minutes in (0, 5, 29, 60, 60 * 24 * 8):
        clock.at = AT + timedelta(minutes=minutes)
        expected = "failed" if minutes >= 30 else "unknown"
        assert gateway.look_up(attempt(account.save_card("cus_acme"))).status == expected
    assert account.intents == {}
    assert {call.method for call in account.calls} == {"GET"}


def test_a_request_that_is_still_under_way_is_not_taken_for_one_that_never_came(server, gateway, account, clock):
    payment = attempt(account.save_card("cus_acme"))
    account.faults = ["timeout_late"]
    assert gateway.charge(payment) == UNKNOWN  # the second try finds the key at work
    clock.at += timedelta(minutes=5)
    assert gateway.look_up(payment) == UNKNOWN
    server.finish_late()
    clock.at += timedelta(minutes=55)
    assert gateway.look_up(payment).status == "succeeded"
    assert len(account.charged()) == 1


def test_an_attempt_is_found_among_many_of_the_same_customer_at_the_same_time(gateway, account):
    token = account.save_card("cus_acme")
    for n in range(1, 252):
        account.intents[f"pi_a{n:05d}"] = {
            "id": f"pi_a{n:05d}", "object": "payment_intent", "customer": "cus_acme", "created": int(AT.timestamp()),
            "metadata": {"paidup_attempt": f"pay_{n}"}, "status": "succeeded",
        }  # fmt: skip
    assert gateway.look_up(attempt(token, 1)).gateway_id == "pi_a00001"  # on the third page: newest come first
    assert [call.form.get("customer") for call in account.calls] == ["cus_acme"] * 3
    assert gateway.look_up(attempt("pm_card_visa", 251)).gateway_id == "pi_a00251"


def test_among_too_many_nothing_is_concluded(gateway, account, clock, monkeypatch):
    monkeypatch.setattr(adapter, "PAGES_MAX", 2)
    for n in range(300):
        account.intents[f"pi_{n:06d}"] = {"id": f"pi_{n:06d}", "customer": None, "created": AT.timestamp()} | {
            "metadata": {"paidup_attempt": f"pay_{n}"}, "status": "succeeded"
        }  # fmt: skip
    clock.at += QUIET
    assert gateway.look_up(attempt(ordinal=1)) == UNKNOWN


def test_an_attempt_whose_intent_is_known_is_asked_for_by_it(gateway, account):
    payment = charged(attempt(), gateway)
    assert gateway.look_up(payment).status == "succeeded"
    assert account.calls[-1].path == f"/v1/payment_intents/{payment.gateway_id}"


def test_an_intent_that_nobody_will_confirm_is_closed_before_it_is_called_failed(gateway, account, clock):
    payment = attempt("pm_card_neverConfirmed")
    assert gateway.charge(payment) == UNKNOWN
    assert gateway.look_up(payment) == UNKNOWN
    clock.at += QUIET
    assert gateway.look_up(payment).status == "failed"
    (intent,) = account.intents.values()
    assert intent["status"] == "canceled"
    assert gateway.look_up(payment).status == "failed"


def test_an_intent_that_is_charged_while_it_is_closed_stays_unknown(gateway, account, clock, monkeypatch):
    payment = attempt("pm_card_neverConfirmed")
    gateway.charge(payment)
    clock.at += QUIET
    (intent,) = account.intents.values()
    seen = dict(intent)
    monkeypatch.setattr(account, "_list_intents", lambda form: {"object": "list", "data": [seen], "has_more": False})
    intent["status"] = "succeeded"
    assert gateway.look_up(payment) == UNKNOWN


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'"x"', b"{}", b'{"object": "list"}', b'{"data": null}'])
def test_an_answer_that_is_not_stripe_s_is_no_outcome(gateway, server, monkeypatch, answer):
    monkeypatch.setattr("tests.stripe_server.http._Handler._send", lambda self, reply: self._write(200, answer, {}))
    assert gateway.look_up(attempt()).status == "unknown"
    assert gateway.charge(attempt()).status == "unknown"


def test_an_old_attempt_is_looked_up_and_never_sent(gateway, account, clock):
    clock.at += timedelta(seconds=KEY_SECONDS)
    assert gateway.charge(attempt()).status == "failed"
    assert account.intents == {}
    clock.at = AT + SENT_WITHIN
    assert gateway.charge(attempt()).status == "succeeded"
    clock.at = AT + timedelta(seconds=KEY_SECONDS + 1)
    assert gateway.charge(attempt()).status == "succeeded"
    assert len(account.charged()) == 1


def test_a_search_would_have_missed_what_a_list_sees(gateway, account):
    charged(attempt(), gateway)
    found = gateway.client().v1.payment_intents.search({"query": "metadata['paidup_attempt']:'pay_1'"})
    assert found.data == []


# ---- whatever goes wrong -------------------------------------------------------------------------------------

ANY_FAULT = st.sampled_from(["", *FAULTS, "timeout_late"])
ANY_CARD = st.sampled_from(
    ["pm_card_visa", "pm_card_chargeDeclined", "pm_card_requiresAction", "pm_card_neverConfirmed"]
)
ASKED_AFTER = st.lists(st.sampled_from([0, 1, 5, 29, 30, 60]), max_size=3)  # minutes, each after the one before


class Story(NamedTuple):
    """One attempt: what goes wrong, when it is asked about, and when a request still under way arrives after all."""

    faults: list[str]
    asked_after: list[int]
    arrives_before: int
    sent_again: bool


STORIES = st.lists(
    st.builds(Story, st.lists(ANY_FAULT, min_size=1, max_size=3), ASKED_AFTER, st.integers(0, 3), st.booleans()),
    min_size=1,
    max_size=3,
)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(stories=STORIES, cards=st.lists(ANY_CARD, min_size=1, max_size=3))
def test_one_attempt_is_never_two_charges_and_what_is_said_of_it_is_true(stories, cards):
    clock = MovedClock()
    account = Account(clock.seconds)
    with StripeServer(account) as server:
        gateway = gateway_at(server.url, clock, patience=0.06)
        token = account.save_card("cus_acme", *cards)
        for ordinal, story in enumerate(stories, start=1):
            payment = attempt(token, ordinal, at=clock.at)
            outcome = tell(story, payment, gateway, server, clock)
            assert len(account.charged(payment.id)) == (1 if outcome.status == "succeeded" else 0)
            if outcome.status == "succeeded":
                break  # only what has failed or was declined is attempted again
        assert len(account.charged()) <= 1
        assert len({call.headers["idempotency-key"] for call in account.posts()}) <= len(stories)


def tell(story, payment, gateway, server, clock):
    """The outcome in the end. Nothing stays under way for half an hour: Lambda has long ended by then."""
    server.account.faults = list(story.faults)
    said = [gateway.charge(payment)]
    for n, minutes in enumerate(story.asked_after):
        if n == story.arrives_before or clock.at + timedelta(minutes=minutes) - payment.at >= QUIET:
            server.finish_late()
        clock.at += timedelta(minutes=minutes)
        said.append(gateway.look_up(payment))
        if story.sent_again:  # by a process that was thought dead
            said.append(gateway.charge(payment))
    server.finish_late()
    server.account.faults = []
    clock.at += timedelta(hours=1)
    said += [gateway.look_up(payment), gateway.charge(payment)]
    final = {outcome.status for outcome in said if outcome.status not in ("unknown", "failed")}
    assert len(final) <= 1  # never first one thing and then another
    return said[-1]
