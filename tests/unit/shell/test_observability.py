"""Logs, counts and batches, as handlers use them."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass

import pytest

from functions.autopay import charge
from shared import observability
from shared.contracts.messages import ChargeInvoices
from shared.domain.errors import Invalid, Refused
from shared.domain.runs import Outcome
from shared.observability import count, observed, report
from shared.ports import Conflict, Unavailable
from shared.queue_batches import handle_batch

CANARY = "4111-1111-1111-1111"
TICK_SECONDS_MAX = 100e-6


class Context:
    aws_request_id = "req-1"
    function_name = "test"


@pytest.fixture(autouse=True)
def as_deployed():
    observability.loud()
    yield
    observability.loud()


@pytest.fixture
def logged(monkeypatch):
    """What the logger wrote, as objects; the handler keeps the stream it was made with, so it is swapped."""
    stream = io.StringIO()
    (handler,) = observability.logger.handlers
    monkeypatch.setattr(handler, "stream", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def batch(*bodies: str) -> dict:
    return {
        "Records": [
            {"messageId": f"m{n}", "body": body, "eventSource": "aws:sqs", "attributes": {}, "messageAttributes": {}}
            for n, body in enumerate(bodies)
        ]
    }


def test_log_lines_carry_the_id_of_their_invocation(logged):
    @observed
    def handler(event, context):
        report("invoice_posted", invoice_id="inv_1")
        return "done"

    assert handler({}, Context()) == "done"
    (line,) = logged()
    assert (line["message"], line["correlation_id"], line["invoice_id"]) == ("invoice_posted", "req-1", "inv_1")


def test_a_record_is_logged_with_what_its_work_began_with_and_what_it_sends_says_so_too(logged):
    event = batch("one", "two")
    event["Records"][0]["messageAttributes"] = {"correlation_id": {"stringValue": "tick-1", "dataType": "String"}}
    sent_with = []

    def work(record):
        report("invoice_posted")
        sent_with.append(observability.correlation())

    @observed
    def handler(event, context):
        return handle_batch(event, context, work)

    handler(event, Context())
    assert [(line["correlation_id"], line["function_request_id"]) for line in logged()] == [
        ("tick-1", "req-1"),
        ("req-1", "req-1"),
    ]
    assert sent_with == ["tick-1", "req-1"]


def test_what_came_to_the_same_is_counted_each_and_told_in_one_line(capsys, logged):
    @observed
    def handler(event, context):
        report("charge_skipped", 3, reason="no_payment_method")
        report("charge_skipped", 1, reason="on_hold")

    handler({}, Context())
    assert [(line.get("times"), line["reason"]) for line in logged()] == [("3", "no_payment_method"), (None, "on_hold")]
    assert json.loads(capsys.readouterr().out)["charge_skipped"] == [4.0]


def test_a_chunk_tells_each_charge_by_itself_and_what_it_skipped_by_reason(capsys, logged, monkeypatch):
    outcomes = (
        Outcome("inv_1", "skipped", "no_payment_method"), Outcome("inv_2", "succeeded", None, "pay_2"),
        Outcome("inv_3", "skipped", "no_payment_method"), Outcome("inv_4", "declined", "expired_card", "pay_4"),
    )  # fmt: skip
    monkeypatch.setattr(charge, "charge_chunk", lambda run_id, number, ports: outcomes)
    monkeypatch.setattr(charge, "ports_for_batch", lambda: None)
    message = ChargeInvoices(run_id="prn_1", chunk=0)

    charge.lambda_handler(batch(message.body()), Context())
    told = [(line["message"], line.get("times"), line.get("invoice_id"), line["reason"]) for line in logged()]
    assert told == [
        ("charge_skipped", "2", None, "no_payment_method"), ("charge_succeeded", None, "inv_2", "None"),
        ("charge_declined", None, "inv_4", "expired_card"),
    ]  # fmt: skip
    published = json.loads(capsys.readouterr().out)
    assert [published[f"charge_{word}"] for word in ("skipped", "succeeded", "declined")] == [[2.0], [1.0], [1.0]]


def test_an_error_is_logged_and_not_swallowed(logged):
    @observed
    def handler(event, context):
        raise KeyError(CANARY)

    with pytest.raises(KeyError):
        handler({}, Context())
    (line,) = logged()
    assert (line["level"], line["error"]) == ("ERROR", "KeyError")
    assert any("test_observability.py" in frame for frame in line["stack"])
    assert CANARY not in json.dumps(line)


def test_each_record_that_fails_is_reported_and_logged_by_itself(logged):
    def one(record):
        if record.body == "later":
            raise Unavailable("throttled")
        if record.body == "raced":
            raise Conflict((0,))
        if record.body == "poison":
            raise ValueError(CANARY)

    answer = handle_batch(batch("fine", "later", "poison", "raced", "fine"), Context(), one)
    assert [f["itemIdentifier"] for f in answer["batchItemFailures"]] == ["m1", "m2", "m3"]
    lines = {line["message_id"]: line for line in logged()}
    assert [lines[m]["level"] for m in ("m1", "m2", "m3")] == ["WARNING", "ERROR", "WARNING"]
    assert (lines["m1"]["reason"], lines["m2"]["error"]) == ("throttled", "ValueError")
    assert CANARY not in json.dumps(logged())


def test_a_batch_that_fails_whole_is_reported_not_raised(logged):
    def one(record):
        raise ValueError

    answer = handle_batch(batch("a", "b"), Context(), one)
    assert len(answer["batchItemFailures"]) == 2


def test_a_batch_that_goes_well_reports_nothing(logged):
    seen = []
    answer = handle_batch(batch("a", "b"), Context(), lambda message: seen.append(message.body))
    assert (answer, seen, logged()) == ({"batchItemFailures": []}, ["a", "b"], [])


@pytest.mark.parametrize(
    ("error", "told", "hidden"),
    [
        (Refused("paid", "invoice inv_1 is paid"), "invoice inv_1 is paid", "-"),
        (Invalid("name", f"{CANARY} is no name"), "name", CANARY),
    ],
)
def test_our_own_errors_say_why_but_quote_nobody(logged, error, told, hidden):
    def one(record):
        raise error

    handle_batch(batch("a"), Context(), one)
    text = json.dumps(logged())
    assert told in text
    assert hidden not in text or hidden == "-"


@dataclass
class Result:
    status: str = "settled"


def test_counts_are_published_once_per_invocation(capsys, logged):
    @observed
    def handler(event, context):
        report("invoice_posted")
        report("invoice_posted")
        report(Result())
        report(Context())
        count("customers", 7)

    handler({}, Context())
    (published,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    counted = {name: published[name] for name in ("invoice_posted", "settled", "Context", "customers")}
    assert counted == {"invoice_posted": [2], "settled": [1], "Context": [1], "customers": [7]}
    handler_without_counts = observed(lambda event, context: None)
    handler_without_counts({}, Context())
    assert capsys.readouterr().out == ""


def test_counts_of_an_invocation_that_failed_are_published_too(capsys, logged):
    @observed
    def handler(event, context):
        count("charged")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        handler({}, Context())
    assert '"charged":[1' in capsys.readouterr().out.replace(" ", "")


def test_quiet_tells_a_listener_instead_of_the_world(capsys, logged):
    heard = []
    observability.quiet(listener=lambda counts: heard.append(dict(counts)))
    observed(lambda event, context: report("invoice_posted", invoice_id="inv_1"))({}, Context())
    assert (heard, logged(), capsys.readouterr().out) == ([{"invoice_posted": 1}], [], "")


def test_a_tick_with_nothing_to_do_costs_next_to_nothing():
    handler = observed(lambda event, context: None)
    rounds = 2_000
    start = time.process_time()
    for _ in range(rounds):
        handler({}, Context())
    assert (time.process_time() - start) / rounds < TICK_SECONDS_MAX
