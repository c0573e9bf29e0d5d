"""Every trigger in the template has a sample payload in events/, and every payload runs through the real handler.

The folders mirror the handlers: events/auto_post/post/*.json are for functions/auto_post/post.py.
"""

from __future__ import annotations

import copy
import importlib
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from infra.local.cloud import LocalCloud
from infra.local.events import Context
from infra.rights import Rights, guarded
from infra.wiring import TEMPLATE, load_wiring
from shared.contracts.messages import Message
from shared.domain.autopay import AutopayList
from shared.domain.customer import Customer
from shared.domain.ids import SHARDS
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.domain.payment import Payment, PaymentMethod
from shared.domain.rehearsal import Rehearsal
from shared.domain.runs import BillRun, Chunk, PrintPart, part_sort
from shared.domain.webhook import WebhookDelivery
from shared.ports import BILL_RUNS, INVOICES_BY_RUN, NOTICES_BY_CUSTOMER, PAYMENT_RUNS
from shared.storage.memory import MemoryStore
from tests.integration.sample_world import NOW, make_sample_world

EVENTS = TEMPLATE.parent / "events"
API = "admin_api/app"
WIRING = load_wiring()


def folder_of(function):
    """functions.auto_post.post.lambda_handler is auto_post/post."""
    _, *folders, _ = function.handler.split(".")
    return "/".join(folders)


FUNCTIONS = {folder_of(f): f for f in WIRING.functions.values()}
PAYLOADS = {str(p.relative_to(EVENTS)): json.loads(p.read_text()) for p in sorted(EVENTS.rglob("*.json"))}
CALLS = PAYLOADS[f"{API}/routes.json"]
DIRECT = [name for name in PAYLOADS if not name.startswith(API)]


def payloads_of(function):
    folder = folder_of(function)
    return {name: event for name, event in PAYLOADS.items() if name.rpartition("/")[0] == folder}


def body_of(event):
    (record,) = event["Records"]
    return json.loads(record["body"])


# ---- every trigger has a payload, and every payload a trigger ------------------------------------------------


def test_every_payload_belongs_to_a_function_of_the_template():
    files = [p for p in EVENTS.rglob("*") if p.is_file()]
    assert {str(p.parent.relative_to(EVENTS)) for p in files} == set(FUNCTIONS)
    assert all(p.suffix == ".json" for p in files)


@pytest.mark.parametrize("rule", WIRING.rules, ids=lambda r: r.id)
def test_every_rule_has_a_tick_and_it_is_the_tick_of_that_rule(rule):
    (tick,) = payloads_of(WIRING.functions[rule.function]).values()
    assert tick["resources"] == [rule.arn]
    assert (tick["source"], tick["detail-type"]) == ("aws.events", "Scheduled Event")


@pytest.mark.parametrize(("function", "mapping"), list(WIRING.consumers()), ids=lambda x: getattr(x, "id", ""))
def test_every_queue_has_records_and_they_come_from_that_queue(function, mapping):
    events = payloads_of(function)
    assert events
    for event in events.values():
        assert {r["eventSourceARN"] for r in event["Records"]} == {WIRING.queues[mapping.queue].arn}


def test_every_kind_of_message_has_a_payload_with_all_its_fields():
    sent = {}
    for name in DIRECT:
        if "Records" in PAYLOADS[name] and "kind" in (body := body_of(PAYLOADS[name])):
            sent[body["kind"]] = set(body)
    kinds = {
        msgspec.inspect.type_info(kind).tag: {"kind"} | {f.name for f in msgspec.structs.fields(kind)}
        for kind in Message.__subclasses__()
    }
    assert sent == kinds


def test_mail_feedback_has_a_payload_for_each_thing_that_ses_reports():
    said = {
        json.loads(body_of(e)["Message"])["eventType"] for e in payloads_of(FUNCTIONS["send_email/feedback"]).values()
    }
    assert said == {"Bounce", "Complaint", "Delivery"}


def test_every_route_has_a_call_and_every_call_a_route():
    routes = WIRING.routes
    assert {c["route"] for c in CALLS} == {f"{r.method} {r.path}" for r in routes if r.function == FUNCTIONS[API].id}
    for function in (f for f in WIRING.functions.values() if f.routes and f.id != FUNCTIONS[API].id):
        events = payloads_of(function).values()
        served = {(r.method, r.path) for r in routes if r.function == function.id}
        assert {(e["httpMethod"], e["resource"]) for e in events} == served


# ---- every payload runs --------------------------------------------------------------------------------------


@pytest.fixture
def cloud():
    """A world in which each function may do what its role allows, and no more."""
    with LocalCloud("memory", NOW, wiring=WIRING) as made:
        make_sample_world(made.ports)
        rights = Rights(WIRING)
        made.use_ports(guarded(made.ports, rights))
        made.engine.invoker.before = [rights.begin]
        yield made


def invoke(cloud, function, event):
    for begin in cloud.engine.invoker.before:
        begin(function.id)
    module, _, name = function.handler.rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    return handler(copy.deepcopy(event), Context(function, "sample-request"))


def bill_runs(ports):
    return {e.partition for e in ports.store.find(BILL_RUNS, "all").items}


def invoices(ports, run_id, status=""):
    return ports.store.find(INVOICES_BY_RUN, run_id, prefix=status).items


def kept_report(cloud, name):
    return json.loads(cloud.ports.files.read(f"reports/{cloud.clock.now().date()}-{name}.json"))["figures"]["report"]


def notices(ports, customer_id):
    found = ports.store.find(NOTICES_BY_CUSTOMER, customer_id).items
    return {n.kind for n in ports.store.get_many(Notice, [e.key for e in found])}


def queued(cloud, label):
    (queue,) = (q for q in WIRING.queues.values() if q.label == label)
    return len(cloud.engine.broker.bodies(queue.name))


def nothing(cloud):
    """The world is as it was made."""
    with_nothing_done = MemoryStore()
    make_sample_world(replace(cloud.ports, store=with_nothing_done))
    return with_nothing_done.dump() == cloud.ports.store.dump() and not cloud.gateway.charges and not cloud.mail.sent


SAMPLE_BILL_RUNS = {"brn_selecting", "brn_generating", "brn_planning", "brn_posting", "brn_posted"}

# What each payload leads to, in the sample world.
EFFECTS = {
    "bill_run/plan/tick.json": lambda c: bill_runs(c.ports) > SAMPLE_BILL_RUNS,
    "bill_run/generate/select_customers.json": lambda c: c.ports.store.get(BillRun, "brn_selecting").chunks == 1,
    "bill_run/generate/generate_drafts.json": lambda c: len(invoices(c.ports, "brn_generating", "draft#")) == 1,
    "auto_post/sweep/tick.json": lambda c: queued(c, "post") >= 2,
    "auto_post/post/plan_posting.json": lambda c: c.ports.store.list(Chunk, "brn_planning").items,
    "auto_post/post/post_drafts.json": lambda c: c.ports.store.get(Invoice, "inv_draft").status == "posted",
    "auto_post/post/send_run.json": lambda c: queued(c, "notice") == 1,
    "payment_run/plan/tick.json": lambda c: len(c.ports.store.find(PAYMENT_RUNS, "all").items) == 4,
    "autopay/charge/select_invoices.json": lambda c: c.ports.store.list(Chunk, "prn_selecting").items,
    "autopay/charge/charge_invoices.json": lambda c: c.ports.store.get(Invoice, "inv_due").residual_minor == 0,
    "autopay/charge/retry_charge.json": lambda c: c.ports.store.get(Invoice, "inv_failed").residual_minor == 0,
    "autopay/reconcile/tick.json": lambda c: c.ports.store.get(Payment, "pay_unknown").status == "failed",
    "autopay/webhook/payment_failed.json": lambda c: c.ports.store.get(Payment, "pay_unknown").status == "failed",
    "pay_page/app/look.json": lambda c: nothing(c),
    "pay_page/app/pay.json": lambda c: c.ports.store.get(Invoice, "inv_posted").residual_minor == 0,
    "pay_page/app/look_at_promise.json": lambda c: nothing(c),
    "pay_page/app/promise.json": lambda c: c.ports.store.get(Customer, "cus_acme").promise.amount_minor == 100_00,
    "pay_page/app/result.json": lambda c: nothing(c),
    "pay_page/app/go_on.json": lambda c: c.ports.store.get(Invoice, "inv_due").residual_minor == 0,
    "pay_page/app/document.json": lambda c: nothing(c),
    "pay_page/app/cards.json": lambda c: nothing(c),
    "pay_page/app/new_card.json": lambda c: nothing(c),
    "pay_page/app/card.json": lambda c: len(c.ports.store.list(PaymentMethod, "cus_acme").items) == 2,
    "pay_page/app/rules.json": lambda c: nothing(c),
    "pay_page/app/rule.json": lambda c: len(c.ports.store.get(AutopayList, "cus_acme").rules) == 1,
    "pay_page/app/ask_to_unsubscribe.json": lambda c: nothing(c),
    "pay_page/app/unsubscribe.json": lambda c: (
        c.ports.store.get(Customer, "cus_acme").automations.account_summary is False
    ),
    "pay_page/app/renew.json": lambda c: queued(c, "notice") == 1,
    "pay_page/app/style.json": lambda c: nothing(c),
    "console/app/today.json": lambda c: nothing(c),
    "console/app/customer.json": lambda c: nothing(c),
    "console/app/hold.json": lambda c: c.ports.store.get(Customer, "cus_acme").hold.reason == "dispute",
    "past_due/sweep/tick.json": lambda c: queued(c, "assess") > 0,
    "past_due/assess/assess_customers.json": lambda c: notices(c.ports, "cus_late") == {"past_due_1", "invoice"},
    "past_due/assess/refresh_customer.json": lambda c: c.ports.store.get(Customer, "cus_acme").service == "active",
    "past_due/assess/publish_event.json": lambda c: [e.detail_type for e in c.bus.published] == ["customer.limited"],
    "account_summary/sweep/tick.json": lambda c: queued(c, "summary") == SHARDS,
    "account_summary/compose/select_summaries.json": lambda c: queued(c, "summary") == 1,
    "account_summary/compose/summarize_accounts.json": lambda c: notices(c.ports, "cus_late") == {"account_summary"},
    "send_email/sweep/tick.json": lambda c: queued(c, "notice") == 1,
    "send_email/send/send_notice.json": lambda c: [m.mail.to for m in c.mail.sent] == ["ap@acme.example"],
    "send_email/feedback/bounce.json": lambda c: c.ports.store.get(Customer, "cus_acme").email_problem == "bounced",
    "send_email/feedback/complaint.json": lambda c: (
        c.ports.store.get(Customer, "cus_acme").email_problem == "complained"
    ),
    "send_email/feedback/delivery.json": lambda c: c.ports.store.get(Customer, "cus_acme").email_problem is None,
    "webhooks/sweep/tick.json": lambda c: queued(c, "webhook") == 1,
    "webhooks/deliver/deliver_webhook.json": lambda c: c.ports.store.get(WebhookDelivery, "whd_sample").attempts == 1,
    "rehearsal/run/run_rehearsal.json": lambda c: c.ports.store.get(Rehearsal, "reh_sample").status == "done",
    "reports/make/ageing.json": lambda c: kept_report(c, "ageing")["totals"]["USD"]["d1_30"] != "0.00",
    "reports/make/sales.json": lambda c: kept_report(c, "sales")["totals"]["USD"]["receivables"] != "0.00",
    "reports/make/forecast.json": lambda c: kept_report(c, "forecast")["totals"]["USD"]["total"] != "0.00",
    "render_pdf/render/make_print_batch.json": lambda c: (
        c.ports.store.get(PrintPart, "brn_posted", part_sort(1)).invoice_ids == ()
    ),  # everybody is mailed
    "render_pdf/render/render_invoice.json": lambda c: c.ports.files.read("invoices/inv_posted.pdf")[:5] == b"%PDF-",
}


@pytest.mark.parametrize("name", DIRECT)
def test_the_payload_runs_through_its_handler_with_the_expected_effect(cloud, name):
    function = FUNCTIONS[name.rpartition("/")[0]]
    answer = invoke(cloud, function, PAYLOADS[name])
    assert answer_of(answer) == ({"batchItemFailures": []} if function.mappings else 200 if function.routes else None)
    assert EFFECTS[name](cloud)


def answer_of(answer):
    """A status stands for the whole answer to a request."""
    if answer and "statusCode" in answer:
        return 200 if answer["statusCode"] == 303 else answer["statusCode"]  # a form leads on to another page
    return answer


@pytest.mark.parametrize("name", DIRECT)
def test_the_payload_delivered_twice_changes_nothing_more(cloud, name):
    function = FUNCTIONS[name.rpartition("/")[0]]
    invoke(cloud, function, PAYLOADS[name])
    before = everything(cloud)
    invoke(cloud, function, PAYLOADS[name])
    assert everything(cloud) == before


def everything(cloud):
    """What is stored, mailed and charged; not what is queued, since a second tick may well remind again."""
    return cloud.ports.store.dump(), len(cloud.mail.sent), cloud.gateway.charges


def test_the_calls_of_the_api_are_answered_as_noted_one_after_the_other(cloud):
    function = FUNCTIONS[API]
    wrong = []
    for call in CALLS:
        answer = invoke(cloud, function, request_of(call))
        if answer["statusCode"] != call["status"]:
            wrong.append((call["route"], answer["statusCode"], answer.get("body")))
        cloud.engine.drain()
    assert wrong == []


def test_without_a_word_from_the_authorizer_nothing_but_health_is_answered(cloud):
    for call in CALLS:
        event = request_of(call)
        del event["requestContext"]["authorizer"]
        expected = 200 if call["route"] == "GET /v1/health" else 401
        assert invoke(cloud, FUNCTIONS[API], event)["statusCode"] == expected, call["route"]


def request_of(call):
    """The sample request, made over into one call of routes.json."""
    event = copy.deepcopy(PAYLOADS[f"{API}/request.json"])
    method, resource = call["route"].split(" ")
    parameters, query = call.get("path"), call.get("query")
    path = resource.format(**(parameters or {}))
    event |= {"resource": resource, "path": path, "httpMethod": method, "pathParameters": parameters}
    event |= {"queryStringParameters": query, "body": json.dumps(call["body"]) if "body" in call else call.get("text")}
    event["multiValueQueryStringParameters"] = {name: [value] for name, value in query.items()} if query else None
    event["requestContext"] |= {"httpMethod": method, "resourcePath": resource, "path": f"/live{path}"}
    return event


def test_the_sample_request_stands_for_one_of_the_calls():
    request = PAYLOADS[f"{API}/request.json"]
    assert f"{request['httpMethod']} {request['resource']}" in {call["route"] for call in CALLS}
    assert request["path"] == request["resource"].format(**request["pathParameters"])


def test_events_stand_beside_the_template():
    assert Path(EVENTS).is_dir()
