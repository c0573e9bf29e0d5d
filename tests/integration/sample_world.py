"""The world that the sample events speak of: every id in events/ exists here, in the state the event expects."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from shared.domain.collection import CollectionState
from shared.domain.console_session import ConsoleSession, session_digest
from shared.domain.contract import Charge, Contract
from shared.domain.customer import Customer, Switches
from shared.domain.invoice import Invoice, Line, parts, totalled
from shared.domain.notice import Notice
from shared.domain.outbox import OutboxEvent
from shared.domain.pay_link import Asked, PayLink, Submission, digest_of
from shared.domain.payment import CreditBalance, Payment, PaymentMethod, attempt_id
from shared.domain.picture import picture
from shared.domain.policy import CustomerClass, LateFee, Policy
from shared.domain.records import Owner
from shared.domain.rehearsal import Rehearsal
from shared.domain.runs import BillRun, Chunk, PaymentRun, Watermark
from shared.domain.settings import (
    AccountSummary,
    Automations,
    BillRunSettings,
    Business,
    PastDue,
    PaymentRunSettings,
    SendNewInvoices,
    Settings,
)
from shared.domain.task import Task
from shared.domain.webhook import WebhookDelivery, WebhookEndpoint, WebhookSecret
from shared.ports import Ports, Save
from shared.use_cases.render_document import document_key
from tests.pictures import png

NOW = datetime(2026, 3, 1, 14, 15, tzinfo=UTC)  # the `time` of the sample ticks
YESTERDAY = NOW - timedelta(days=1)
ON = date(2026, 3, 1)
PAY_TOKEN, OLD_PAY_TOKEN = "sample-link-of-acme-7f3k", "sample-link-that-expired-2m9"
CONSOLE_TOKEN = "sample-session-of-ada-51h8"
NOBODY = "http://127.0.0.1:9/hooks"  # the port of "discard"
PDF = b"%PDF-1.7 sample"
LOGO = picture(png())
EXPIRES = {"acme": (12, 2030), "late": (3, 2026)}


def make_sample_world(ports: Ports) -> None:
    for entities in (
        _business(),
        *map(_customer, ("cus_acme", "cus_late")),
        _collections(),
        _runs(),
        _mail(),
        _attempts(),
        _page(),
    ):
        ports.store.commit(*map(Save, entities))
    ports.files.write_once(document_key("inv_due"), PDF, "application/pdf")
    ports.files.write_once(LOGO.key, LOGO.content, "image/png")


def _business():
    return (
        Settings(
            business=Business(logo=LOGO.key),
            bill_run=BillRunSettings(enabled=True),
            payment_run=PaymentRunSettings(enabled=True),
            automations=Automations(
                send_new_invoices=SendNewInvoices(enabled=True),
                account_summary=AccountSummary(enabled=True, format="recent_transactions"),
                past_due=PastDue(enabled=True, schedule="0 10 * * *"),  # before the payment run, so it need not wait
            ),
        ),
        *(Watermark(job, YESTERDAY) for job in ("bill_run", "payment_run", "past_due", "account_summary")),
        ConsoleSession(session_digest(CONSOLE_TOKEN), "ada@paidup.example", "operator", NOW + timedelta(hours=1)),
        Task("tsk_sample", "notice_uncertain", "it may have gone out", "ntc_sent", NOW, "cus_acme"),
    )


def _customer(id):
    name = id.removeprefix("cus_")
    return (
        Customer(
            id=id,
            name=f"{name.capitalize()} Ltd",
            email=f"ap@{name}.example",
            class_id="cls_strict",
            automations=Switches(enabled=True),
            service="limited",
            created_at=YESTERDAY,
        ),
        Contract(
            id=f"con_{name}",
            customer_id=id,
            name="Managed IT",
            currency="USD",
            start_date=ON,
            billing_starts_on=ON,
            bill_cycle_day=1,
            charges=(
                Charge(id=f"chg_{name}", name="Support", type="recurring", amount_minor=249_95),
                Charge(id=f"use_{name}", name="Backup GB", type="usage", metric="gb", unit_amount_minor=5),
            ),
            next_bill_on=ON,
            created_at=YESTERDAY,
        ),
        Owner(f"con_{name}", id),
        PaymentMethod(f"pm_{name}", id, f"tok_{name}", "visa", "4242", *EXPIRES[name], created_at=YESTERDAY),
        Owner(f"pm_{name}", id),
    )


def _collections():
    """A class that charges for lateness, and service that was limited by what has been paid since."""
    strict = Policy(late_fee=LateFee("25.00", grace_days=3))
    limited = {"service": "limited", "customer_id": "cus_acme"}
    return (
        CustomerClass("cls_strict", "Strict", strict, strict),
        *(CollectionState(id, episode_since=YESTERDAY.date(), step="limited") for id in ("cus_acme", "cus_late")),
        OutboxEvent("evt_limited", "customer.limited", YESTERDAY, limited),
        *_webhooks(),
        Rehearsal("reh_sample", 7, created_at=YESTERDAY, created_by="local-admin"),
    )


def _webhooks():
    """An endpoint at which nobody listens, and an event that is on its way to it."""
    secret = WebhookSecret("whsec_sample", YESTERDAY)
    return (
        WebhookEndpoint("whk_erp", NOBODY, ("*",), (secret,), created_at=YESTERDAY),
        WebhookDelivery("whd_sample", "whk_erp", "evt_sample", "customer.limited", "{}", YESTERDAY, YESTERDAY),
    )


def _invoice(id, customer_id="cus_acme", run=None, due_on=None):
    """A draft, or posted if it has a due date."""
    lines = (Line("Support", 249_95, 249_95),)
    draft = Invoice(
        id=id, customer_id=customer_id, currency="USD", invoice_date=ON, bill_run_id=run, bill_on=ON, created_at=NOW
    )
    head = totalled(draft, lines)
    if due_on:
        head = head.posted(f"INV-{id}", due_on - timedelta(days=30), YESTERDAY, due_on)
    return head, *parts(id, lines)


def _bill_run(id, **more):
    return BillRun(id=id, as_of=ON, created_at=NOW, **more)


def _runs():
    return (
        _bill_run("brn_selecting", customer_ids=("cus_acme",)),
        _bill_run("brn_generating", status="generating", cursor=None, chunks=1),
        Chunk("brn_generating", "generate", 0, ("cus_acme",)),
        _bill_run("brn_planning", status="posting", cursor=None, post_round=1, post_cursor=""),
        *_invoice("inv_planned", run="brn_planning"),
        _bill_run("brn_posting", status="posting", cursor=None, post_round=1, post_chunks=1),
        *_invoice("inv_draft", run="brn_posting"),
        Chunk("brn_posting", "post", 0, ("inv_draft",), round=1),
        _bill_run("brn_posted", status="posted", cursor=None, posted_at=YESTERDAY),
        *_invoice("inv_posted", run="brn_posted", due_on=date(2026, 3, 30)),
        PaymentRun(id="prn_selecting", as_of=ON, occurred_at=NOW, status="collecting", created_at=NOW),
        PaymentRun(
            id="prn_charging", as_of=ON, occurred_at=NOW, status="collecting", created_at=NOW, cursor=None, chunks=1
        ),
        *_invoice("inv_due", due_on=ON),
        Chunk("prn_charging", "charge", 0, ("inv_due",)),
    )


def _mail():
    return (
        Notice("ntc_pending", "cus_acme", "invoice", "inv_due", "", YESTERDAY),
        Notice(
            "ntc_sent", "cus_acme", "invoice", "inv_due", "", YESTERDAY, status="sent", sent_at=YESTERDAY,
            to="ap@acme.example", claimed_at=YESTERDAY, message_id="0107018dd0c1-sent",
        ),
        *_invoice("inv_late", "cus_late", due_on=date(2026, 2, 25)),
        CreditBalance("cus_late", "USD", 100_00),
    )  # fmt: skip


def _attempts():
    """One whose outcome nobody knows, and one that the gateway did not process."""
    return (
        *_attempted("inv_unknown", "pay_unknown", status="unknown", next_check_at=YESTERDAY),
        *_attempted("inv_failed", attempt_id("inv_failed", 1), status="failed", at=NOW, run_id="prn_retrying"),
        PaymentRun(id="prn_retrying", as_of=ON, occurred_at=NOW, status="completed", created_at=NOW, cursor=None),
    )


def _attempted(invoice_id, payment_id, status, at=YESTERDAY, **more):
    head, *lines = _invoice(invoice_id, due_on=date(2026, 2, 27))
    attempt = Payment(
        id=payment_id, customer_id="cus_acme", currency="USD", amount_minor=249_95, method="card", status=status,
        at=at, invoice_id=invoice_id, attempt=1, payment_method_id="pm_acme", token="tok_acme", **more,
    )  # fmt: skip
    opened = head.attempt_opened(payment_id)
    return (opened if attempt.unresolved else opened.attempt_closed(), *lines, attempt)


def _page():
    """A link that opens the page of cus_acme, one that has expired, and a payment that there was no time for."""
    asked = (Asked("inv_due", 249_95),)
    return (
        PayLink(digest_of(PAY_TOKEN), "cus_acme", 0, NOW + timedelta(days=29)),
        PayLink(digest_of(OLD_PAY_TOKEN), "cus_acme", 0, YESTERDAY),
        Submission("sub_sample", "cus_acme", NOW, NOW + timedelta(days=60), "pm_acme", asked),
    )
