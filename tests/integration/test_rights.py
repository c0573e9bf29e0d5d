"""What the functions do, held against what their roles allow: nothing is missing, and nothing is there for nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from infra.local.cloud import LocalCloud
from infra.local.faults import Rates
from infra.rights import AccessDenied, Rights, Use, granted, guarded
from infra.wiring import load_wiring
from shared.contracts.messages import SelectCustomers
from shared.domain.customer import Customer
from shared.domain.runs import BillRun
from shared.domain.settings import Settings
from shared.ports import Save
from tests.integration.aws_calls import recorded
from tests.integration.sample_world import NOW, make_sample_world
from tests.integration.test_events import API, CALLS, DIRECT, FUNCTIONS, PAYLOADS, invoke, request_of
from tests.integration.world import World

WIRING = load_wiring()

NIGHTS = timedelta(days=21)

# Asked for by AWS beside the call itself, or for a gateway that the simulated one stands in for.
BESIDE_THE_CALL = {"s3:ListBucket", "ses:SendRawEmail", "secretsmanager:GetSecretValue"}


ACTIONS_AT_THE_PORTS = {
    "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:DeleteItem",
    "dynamodb:ConditionCheckItem", "sqs:SendMessage", "s3:GetObject", "s3:PutObject", "ses:SendEmail", "ses:GetAccount",
    "events:PutEvents", "secretsmanager:GetSecretValue",
}  # fmt: skip


def world_of(cloud, empty=False):
    if not empty:
        make_sample_world(cloud.ports)
    rights = Rights(WIRING)
    cloud.use_ports(guarded(cloud.ports, rights))
    cloud.engine.invoker.before = [rights.begin]
    return rights


def test_a_call_that_the_role_does_not_allow_is_refused_before_it_is_made():
    with LocalCloud("memory", NOW, wiring=WIRING) as cloud:
        rights = Rights(WIRING)
        ports = guarded(cloud.ports, rights)
        rights.begin("RenderPdfFunction")
        with pytest.raises(AccessDenied, match=r"RenderPdfFunction dynamodb:PutItem on .*AccountsTable"):
            ports.store.commit(Save(Customer("cus_1", "One")))
        assert {use.action for use in rights.denied} == {"dynamodb:PutItem"}
        rights.end()
        ports.store.commit(Save(Customer("cus_1", "One")))  # a test's own writes are its own business


def test_every_worker_may_write_down_why_a_message_failed_for_the_last_time():
    (runs,) = (table.arn for table in WIRING.tables.values() if table.id == "RunsTable")
    workers = {function.id: function.may("dynamodb:PutItem", runs) for function, _ in WIRING.consumers()}
    assert [id for id, may in workers.items() if not may] == []


# Rights that the nights below happen not to use, each with the moment in which it is needed.
NEEDED_AT_OTHER_TIMES = {
    "SendEmailSweep read RunsTable",
    "SendEmailSweep write RunsTable",  # mails have waited for a day: a person is asked
    "AccountSummaryCompose write RunsTable",  # it fails on a message for the last time, and says why
    "AdminApi read NoticesTable/index/notices_pending",  # somebody lists the mails that wait
    "AdminApi sqs:SendMessage RehearsalQueue",  # a rehearsal is too large to be done within the request
    "AdminApi sqs:SendMessage ReportQueue",
    "AdminApi sqs:SendMessage SummaryQueue",  # a dead letter is put back
    "AdminApi sqs:SendMessage FeedbackQueue",
    "ReportsMake write RunsTable",  # it fails on a message for the last time, and says why
    "BillRunGenerate delete InvoicesTable",  # whoever cancelled a run died over its drafts
    "AutopayReconcile read RunsTable",  # the gateway has not said for a week: a person is asked
    "AutopayReconcile write RunsTable",
    "AutopayReconcile sqs:SendMessage ChargeQueue",  # the gateway says that it did not process a call of a run
    "AutopayWebhook write RunsTable",  # the gateway took money for what had failed: a person is asked
    "AutopayWebhook sqs:SendMessage ChargeQueue",  # it tells that it did not process a call of a run after all
    "AutopayWebhook read PaymentsTable/index/payments_by_customer",  # credit was spent that the gateway has given back
    "PayPage write RunsTable",  # the gateway took money for what had been found to have failed: a person is asked
    "PayPage sqs:SendMessage DocumentQueue",  # a customer asks for a PDF that is not made yet
    "SendEmailSend write RunsTable",  # the sender died while sending: a person is asked
    "RenderPdf read PaymentsTable",  # credit paid some of it as it was posted
    "RenderPdf read PaymentsTable/index/payments_by_customer",
    "RenderPdf s3:PutObject filesbucket/print-batches/*",  # something of a run goes out on paper
    "RenderPdf write RunsTable",  # the logo cannot be printed: a person is told
    "SendEmailFeedback read RunsTable",  # … and then SES says that it did go out
}


@pytest.mark.slow
def test_three_weeks_of_nights_with_everything_going_wrong_stay_within_the_rights_and_use_them_all():
    used = _used_by_payloads() | _used_by_nights()
    unused = _unused(granted(WIRING, ACTIONS_AT_THE_PORTS), used)
    unused = {u for u in unused if not u.startswith("Console ")}  # the API's: tests/template/test_security.py
    assert unused <= NEEDED_AT_OTHER_TIMES


def _unused(rights, used):
    """Reading is one right, however it is done; and who may write a table may also check it."""
    done = {(use.function, MEANING.get(use.action, use.action), use.resource) for use in used}
    given = {(use.function, MEANING.get(use.action, use.action), use.resource) for use in rights}
    given -= {(f, "check", table) for f, action, table in given if action == "write"}
    named = {f"{f.removesuffix('Function')} {a} {r.rpartition('paidup-local-')[2]}" for f, a, r in given - done}
    return {name for name in named if not name.endswith(" sqs:SendMessage TicksDlq")}  # Lambda sends those


MEANING = {
    "dynamodb:GetItem": "read",
    "dynamodb:BatchGetItem": "read",
    "dynamodb:Query": "read",
    "dynamodb:PutItem": "write",
    "dynamodb:ConditionCheckItem": "check",
    "dynamodb:DeleteItem": "delete",
}


def _used_by_payloads():
    used = set()
    for name in DIRECT:
        with LocalCloud("memory", NOW, wiring=WIRING) as cloud:
            rights = world_of(cloud)
            invoke(cloud, FUNCTIONS[name.rpartition("/")[0]], PAYLOADS[name])
            cloud.advance_to(NOW + timedelta(hours=1))
            used |= _all_allowed(cloud, rights)
    with LocalCloud("memory", NOW, wiring=WIRING) as cloud:
        rights = world_of(cloud)
        for call in CALLS:
            invoke(cloud, FUNCTIONS[API], request_of(call))
            cloud.engine.drain()
        return used | _all_allowed(cloud, rights)


def _used_by_nights():
    quiet = Rates(crash=0.02, throttle=0.02)  # the gateway tells nothing and has to be asked
    return _used_by(quiet) | _used_by(replace(quiet, duplicate=0.1, delay=0.1))


def _used_by(rates):
    with LocalCloud("memory", NOW, wiring=WIRING) as cloud:
        rights = world_of(cloud)
        _bill_post_and_mail_by_itself(cloud.ports)
        cloud.gateway.behave("tok_acme", ["timeout_charged"])
        cloud.gateway.behave("tok_late", ["declined:insufficient_funds", "timeout_charged", "declined:stolen_card"])
        cloud.mail.behave("ap@late.example", "bounce")
        cloud.ports = guarded(cloud.ports, rights)
        cloud.set_faults(frozenset(), 1, rates)
        cloud.engine.invoker.before.append(rights.begin)
        cloud.advance_to(NOW + NIGHTS)
        return _all_allowed(cloud, rights)


def test_a_worker_may_end_what_is_left_of_a_run_whose_canceller_died():
    """Seed 1819: the request that cancelled it was gone before the drafts were, and the worker was not let at them."""
    with LocalCloud("memory", NOW, wiring=WIRING, log_level="CRITICAL") as cloud:
        world = World(cloud)
        world.contract(world.customer(), start="2026-01-01")
        rights = world_of(cloud, empty=True)
        run = world.post("/v1/bill-runs", {})["id"]
        world.settle()
        assert {i["status"] for i in world.invoices()} == {"draft"}
        cancelled = replace(cloud.ports.store.get(BillRun, run), status="cancelled")
        cloud.ports.store.commit(Save(cancelled))
        cloud.ports.queue.send("bill_run", [SelectCustomers(run_id=run).body()])
        world.settle()
        assert world.invoices() == []
        _all_allowed(cloud, rights)


def _bill_post_and_mail_by_itself(ports):
    settings = ports.store.get(Settings, "settings")
    bill_run = replace(settings.bill_run, auto_post=True, auto_email=True, gate="all")
    past_due = replace(settings.automations.past_due, schedule="0 14 * * *")  # after the payment run
    automations = replace(settings.automations, past_due=past_due)
    ports.store.commit(Save(replace(settings, bill_run=bill_run, automations=automations)))


def _all_allowed(cloud, rights):
    assert rights.denied == set()
    assert [f.text for f in cloud.engine.invoker.failures if "AccessDenied" in f.text] == []
    return rights.used


@pytest.mark.slow
@pytest.mark.moto
def test_the_rights_asked_for_at_the_ports_are_those_that_the_sdk_s_calls_need():
    running = FUNCTIONS[API]
    with LocalCloud("moto", NOW, wiring=WIRING) as cloud:
        rights = world_of(cloud)
        with recorded(WIRING, lambda: running.id) as called:
            for name in DIRECT:
                running = FUNCTIONS[name.rpartition("/")[0]]
                invoke(cloud, running, PAYLOADS[name])
            running = FUNCTIONS[API]
            for call in CALLS:
                invoke(cloud, running, request_of(call))
    asked = {use for use in rights.used if use.action not in BESIDE_THE_CALL}
    assert {Use(*call) for call in called} == asked
    assert rights.denied == set()
