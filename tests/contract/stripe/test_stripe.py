"""What StripeGateway promises of a charge, with the real SDK and real sockets."""

from __future__ import annotations

import json
import re
import socket
import stat
import sys
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest

from shared.domain.payment import ChargeOutcome
from shared.gateways import stripe as adapter
from shared.gateways.secrets import SecretUnusable
from shared.gateways.stripe import QUIET, StripeGateway
from shared.ports import Unavailable
from tests.contract.stripe.world import UNKNOWN, attempt, charged, gateway_at
from tests.stripe_server import API_KEY
from tests.stripe_server.http import FAULTS

# ---- a charge ------------------------------------------------------------------------------------------------


def test_a_saved_card_is_charged_off_session_with_our_key_and_our_ids(gateway, account):
    outcome = gateway.charge(attempt(account.save_card("cus_acme")))
    (intent,) = account.charged()
    (call,) = account.posts()
    assert outcome == ChargeOutcome("succeeded", intent["id"])
    assert (intent["amount_received"], intent["currency"], intent["customer"]) == (24_995, "usd", "cus_acme")
    assert intent["metadata"] == {"paidup_attempt": "pay_1", "paidup_invoice": "inv_1"}
    assert call.headers["idempotency-key"] == "pay_1"
    assert call.headers["stripe-version"] == adapter.API_VERSION
    assert (call.form["off_session"], call.form["confirm"]) == ("true", "true")


def test_the_version_of_the_api_is_the_one_that_the_sdk_was_made_for():
    from stripe._api_version import _ApiVersion

    assert _ApiVersion.CURRENT == adapter.API_VERSION


@pytest.mark.parametrize(
    ("token", "code", "hard"),
    [
        ("pm_card_chargeDeclined", "generic_decline", False),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds", False),
        ("pm_card_chargeDeclinedVelocityLimitExceeded", "card_velocity_exceeded", False),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", False),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", False),
        ("pm_card_authenticationRequired", "authentication_required", False),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", True),
        ("pm_card_chargeDeclinedLostCard", "lost_card", True),
        ("pm_card_chargeDeclinedStolenCard", "stolen_card", True),
        ("pm_card_chargeDeclinedFraudulent", "fraudulent", True),
        ("pm_card_adviceNeverAgain", "do_not_honor", True),  # the network's advice weighs more than the code
    ],
)
def test_a_decline_has_its_code_and_its_kind_at_once_and_when_asked_later(gateway, account, token, code, hard):
    outcome = gateway.charge(attempt(token))
    (intent,) = account.intents.values()
    assert outcome == ChargeOutcome("declined", intent["id"], code, hard)
    assert gateway.look_up(attempt(token)) == outcome
    assert gateway.charge(attempt(token)) == outcome  # the key is known
    assert len(account.intents) == 1


def test_a_card_that_wants_the_customer_is_declined_softly(gateway):
    outcome = gateway.charge(attempt("pm_card_requiresAction"))
    assert (outcome.status, outcome.code, outcome.hard) == ("declined", "authentication_required", False)
    assert gateway.look_up(attempt("pm_card_requiresAction")) == outcome


def test_a_charge_that_is_still_being_processed_is_unknown_until_it_is_done(gateway, account, clock):
    assert gateway.charge(attempt("pm_card_processing")).status == "unknown"
    assert len(account.posts()) == 1  # it was heard: no reason to ask again
    clock.at += QUIET
    assert gateway.look_up(attempt("pm_card_processing")).status == "unknown"
    (intent,) = account.intents.values()
    intent["status"] = "succeeded"
    assert gateway.look_up(attempt("pm_card_processing")) == ChargeOutcome("succeeded", intent["id"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": "pm_unknown"}, "resource_missing"),
        ({"token": "cus_other/{saved}"}, "payment_method_customer_mismatch"),
        ({"token": "{saved}"}, "payment_method_customer_mismatch"),
        ({"amount_minor": 49}, "amount_too_small"),
    ],
)
def test_what_stripe_refuses_to_process_has_failed(gateway, account, changes, code):
    saved = account.save_card("cus_acme").partition("/")[2]
    changes = {name: v.format(saved=saved) if isinstance(v, str) else v for name, v in changes.items()}
    payment = attempt(**changes)
    assert gateway.charge(payment) == ChargeOutcome("failed", code=code)
    assert account.intents == {}
    assert len(account.posts()) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": None}, "token_not_understood"),
        ({"token": "4242424242424242"}, "token_not_understood"),
        ({"token": "cus_a/pm_b/pm_c"}, "token_not_understood"),
        ({"token": "pm_a\nIdempotency-Key: x"}, "token_not_understood"),
        ({"amount_minor": 0}, "amount_not_chargeable"),
        ({"amount_minor": -100}, "amount_not_chargeable"),
        ({"amount_minor": 12_345, "currency": "KWD"}, "amount_not_chargeable"),  # 12.345: Stripe knows 12.34 and 12.35
    ],
)
def test_what_stripe_could_not_understand_is_never_sent(gateway, account, changes, code):
    assert gateway.charge(attempt(**changes)) == ChargeOutcome("failed", code=code)
    assert account.calls == []


@pytest.mark.parametrize(
    ("currency", "minor", "sent"),
    [
        ("EUR", 24_995, "24995"),
        ("JPY", 5_000, "5000"),
        ("KWD", 12_340, "12340"),
        ("ISK", 5_000, "500000"),  # krónur have no decimals, but Stripe counts hundredths
        ("UGX", 5_000, "500000"),
        ("MGA", 500_000, "5000"),  # the other way round
    ],
)
def test_amounts_are_sent_as_stripe_counts_them(gateway, account, currency, minor, sent):
    charged(attempt(currency=currency, amount_minor=minor), gateway)
    assert account.posts()[0].form["amount"] == sent


# ---- what goes wrong on the way ------------------------------------------------------------------------------

CHARGED_BY = {  # fault of the first request: what comes of the attempt, how often Stripe is asked, how often it charged
    "timeout_before": ("succeeded", 2, 1),
    "timeout_after": ("succeeded", 2, 1),
    "reset_before": ("succeeded", 2, 1),
    "reset_after": ("succeeded", 2, 1),
    "garbled_after": ("succeeded", 2, 1),
    "cut_after": ("succeeded", 2, 1),
    "500_before": ("unknown", 2, 0),  # the key stands for the 500, whatever happened inside
    "500_after": ("unknown", 2, 1),
    "503_before": ("succeeded", 2, 1),
    "409_before": ("succeeded", 2, 1),
    "429_before": ("failed", 1, 0),
    "401_before": ("failed", 1, 0),
}


def test_every_fault_has_an_expectation():
    assert set(CHARGED_BY) == set(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_after_one_fault_the_same_key_finds_out(gateway, account, fault):
    account.faults = [fault]
    status, asked, times = CHARGED_BY[fault]
    assert gateway.charge(attempt()).status == status
    assert len(account.posts()) == asked
    assert len({call.headers["idempotency-key"] for call in account.posts()}) == 1
    assert len(account.charged()) == times


@pytest.mark.parametrize("second", ["429_before", "401_before"])
@pytest.mark.parametrize("first", ["timeout_after", "timeout_before", "reset_after"])
def test_that_a_second_request_was_turned_away_says_nothing_of_the_first(gateway, account, first, second):
    account.faults = [first, second]
    assert gateway.charge(attempt()).status == "unknown"  # not failed: that would open the invoice for a new attempt


@pytest.mark.parametrize("fault", ["timeout_after", "500_after", "reset_after", "garbled_after"])
def test_an_attempt_whose_answers_were_all_lost_is_found_by_looking_it_up(gateway, account, clock, fault):
    payment = attempt(account.save_card("cus_acme"))
    account.faults = [fault] * 2
    assert gateway.charge(payment) == UNKNOWN
    clock.at += timedelta(minutes=5)
    (intent,) = account.charged()
    assert gateway.look_up(payment) == ChargeOutcome("succeeded", intent["id"])


def test_where_nobody_listens_nothing_was_processed(clock):
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        gateway = gateway_at(f"http://127.0.0.1:{unheard.getsockname()[1]}", clock)
        assert gateway.charge(attempt()) == ChargeOutcome("failed", code="gateway_unreachable")
        assert gateway.look_up(attempt()) == UNKNOWN


@pytest.mark.usefixtures("no_names")
def test_a_host_that_cannot_be_found_was_sent_nothing(clock):
    gateway = gateway_at("http://gateway.invalid", clock)
    assert gateway.charge(attempt()) == ChargeOutcome("failed", code="gateway_unreachable")


def test_a_connection_that_was_kept_and_has_died_is_no_outcome(server, account, gateway, clock):
    charged(attempt(), gateway)
    account.faults = ["reset_before"]
    assert gateway.charge(attempt(ordinal=2)).status == "succeeded"
    assert len(account.charged("pay_2")) == 1


def test_a_wrong_api_key_is_read_anew(server, account, clock):
    forgotten = []
    gateway = gateway_at(server.url, clock, api_key="sk_test_old", forget=lambda: forgotten.append(1))
    assert gateway.charge(attempt()) == ChargeOutcome("failed", code="api_key_refused")
    assert forgotten == [1]


@pytest.mark.parametrize("trouble", [SecretUnusable("gone"), Unavailable("busy")])
def test_without_its_keys_the_gateway_sends_nothing(server, account, clock, trouble):
    def no_fields():
        raise trouble

    gateway = StripeGateway(no_fields, clock, base_url=server.url)
    assert gateway.charge(attempt()).status == "failed"
    assert gateway.look_up(attempt()) == UNKNOWN
    with pytest.raises(Unavailable):
        gateway.hear(b"{}", "")
    assert StripeGateway(dict, clock, base_url=server.url).charge(attempt()).status == "failed"
    assert account.calls == []


def test_nothing_is_written_to_the_home_directory_and_nothing_read_from_it(
    server, account, clock, tmp_path, monkeypatch
):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(stat.S_IRUSR)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    charged(attempt(), gateway_at(server.url, clock))
    assert account.calls[0].headers["authorization"] == f"Bearer {API_KEY}"
    assert {"telemetry_id", "platform"}.isdisjoint(json.loads(account.calls[0].headers["x-stripe-client-user-agent"]))
    assert list(tmp_path.iterdir()) == [netrc]


def test_what_the_layer_leaves_out_of_the_sdk_is_not_used(gateway, account):
    payment = charged(attempt(account.save_card("cus_acme")), gateway)
    gateway.refund(payment, 100, "ref_1")
    gateway.look_up(attempt())
    gateway.charge(attempt("pm_card_chargeDeclined", 2))
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    (left_out,) = re.findall(r"^STRIPE_UNUSED := ([\w ]+?) +#", makefile, re.MULTILINE)
    for name in left_out.split():
        assert find_spec(f"stripe.{name}") is not None  # the SDK still has it
        assert [module for module in sys.modules if module.split(".")[:2] == ["stripe", name]] == []
