"""Where each entity lives: its table, its key, and the indexes it is found by. Both adapters follow this table.

A stored item's key is (partition, prefix + sort). An index rule that answers None leaves the entity out of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from shared import ports
from shared.domain.account_event import AccountEvent
from shared.domain.account_summary import SummaryMark, SummarySchedule, summarized_with
from shared.domain.audit import AuditEntry, AuditHead, seq_key
from shared.domain.autopay import AutopayList
from shared.domain.card import CardTries, CardUse
from shared.domain.collection import CollectionState
from shared.domain.console_session import ConsoleSession
from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.ids import SHARDS, shard_of
from shared.domain.invoice import Invoice, InvoiceLines
from shared.domain.notice import Notice
from shared.domain.outbox import OutboxEvent
from shared.domain.pay_link import KEPT_EXPIRED, PayLink, Submission
from shared.domain.payment import CreditBalance, Payment, PaymentMethod
from shared.domain.policy import CustomerClass
from shared.domain.records import Answered, FailedMessage, HeardEvent, Owner
from shared.domain.rehearsal import Rehearsal
from shared.domain.review import Verdict
from shared.domain.runs import BillRun, Chunk, NumberSeries, PaymentRun, PrintPart, Watermark, part_sort
from shared.domain.settings import Settings, SettingsChange, SettingsGate
from shared.domain.task import Task
from shared.domain.template import StoredTemplate, TemplateChange
from shared.domain.usage import UsageDay, UsageMeter, UsageRecord
from shared.domain.values import dataclass
from shared.domain.webhook import WebhookDelivery, WebhookEndpoint

TABLES = ("accounts", "usage", "invoices", "payments", "runs", "notices", "settings", "audit")
ALL = "all"
ONE_DAY = timedelta(days=1)
SHARD_NAMES = tuple(map(str, range(SHARDS)))  # one text each, however many records are in them
NAME_IN_KEY_MAX = 100  # characters of a name kept in a sort key, which DynamoDB limits to 1,024 bytes


@dataclass(frozen=True, slots=True)
class IndexRule:
    index: ports.Index[Any]
    partition: Callable[[Any], str | None]
    sort: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Kind:
    entity: type[Any]
    table: str
    prefix: str
    partition: Callable[[Any], str]
    sort: Callable[[Any], str] = lambda e: ""
    indexes: tuple[IndexRule, ...] = ()
    expires: Callable[[Any], datetime | None] | None = None  # time to live: may be forgotten after this instant


def _shard(owner: str) -> str:
    return SHARD_NAMES[shard_of(owner)]


@lru_cache(maxsize=4_096)  # what happens at once is many records
def _instant(at: datetime | None) -> str:
    return f"{at.isoformat(timespec='microseconds')[:26]}Z" if at else ""


def _active(run: BillRun | PaymentRun) -> str | None:
    """Runs that something is still to be done about; a completed bill run waits for a person."""
    return ALL if run.status in ("pending", "generating", "posting", "waiting", "collecting") else None


def _due(run: BillRun | PaymentRun) -> str:
    return f"{_instant(run.scheduled_for or run.created_at)}#{run.id}"


def _created(entity: Any) -> str:
    return f"{_instant(entity.created_at)}#{entity.id}"


def _paid_at(payment: Payment) -> str:
    return f"{_instant(payment.at)}#{payment.id}"


def _summarized(customer: Customer) -> str | None:
    followed = summarized_with(customer)
    return f"{followed}|{_shard(customer.id)}" if followed else None


def _searchable(customer: Customer) -> str:
    return f"{customer.name[:NAME_IN_KEY_MAX].lower()}|{(customer.email or '').lower()}|{customer.id}"


def _in_run(invoice: Invoice) -> str:
    flags = ",".join(f.code for f in invoice.flags)
    owner = f"{invoice.customer_id}#{invoice.bill_on or ''}#{invoice.id}"
    return f"{invoice.status}#{owner}#{flags}#{invoice.currency}#{invoice.total_minor}"


def _aside(invoice: Invoice) -> str | None:
    below_zero = invoice.status == "posted" and invoice.total_minor < 0 and invoice.type != "credit_memo"
    return _shard(invoice.id) if below_zero or invoice.status == "void" else None


def _collection(state: CollectionState) -> str:
    rules = "#".join(map(str, state.rules))
    return f"{state.customer_id}#{state.next_on or ''}#{state.seen}#{rules}"


KINDS: tuple[Kind, ...] = (
    Kind(Customer, "accounts", "customer", lambda e: e.id, indexes=(
        IndexRule(ports.CUSTOMERS, lambda e: _shard(e.id), _searchable),
        IndexRule(ports.CUSTOMERS_SUMMARIZED, _summarized, lambda e: e.id),
    )),
    Kind(Contract, "accounts", "contract#", lambda e: e.customer_id, lambda e: e.id, indexes=(
        IndexRule(ports.CONTRACTS_DUE, lambda e: _shard(e.customer_id) if e.next_bill_on else None,
                  lambda e: f"{e.next_bill_on}#{e.customer_id}#{e.id}"),
    )),
    Kind(Owner, "accounts", "owner", lambda e: e.id),
    Kind(PaymentMethod, "accounts", "method#", lambda e: e.customer_id, lambda e: e.id, indexes=(
        IndexRule(ports.CARDS_EXPIRING, lambda e: _shard(e.customer_id),
                  lambda e: f"{e.exp_year:04d}-{e.exp_month:02d}#{e.customer_id}#{e.id}"),
    )),
    Kind(CardTries, "accounts", "tries", lambda e: e.customer_id),
    Kind(CardUse, "accounts", "card#", lambda e: e.customer_id, lambda e: e.token),
    Kind(AutopayList, "accounts", "autopay", lambda e: e.customer_id),
    Kind(CreditBalance, "accounts", "credit#", lambda e: e.customer_id, lambda e: e.currency, indexes=(
        IndexRule(ports.CREDITS, lambda e: _shard(e.customer_id) if e.amount_minor else None,
                  lambda e: f"{e.customer_id}#{e.currency}"),
    )),
    Kind(CollectionState, "accounts", "collection", lambda e: e.customer_id, indexes=(
        IndexRule(ports.COLLECTION_STATES, lambda e: _shard(e.customer_id) if e.followed else None, _collection),
    )),
    Kind(AccountEvent, "accounts", "happened#", lambda e: e.customer_id, lambda e: e.place),
    Kind(SummaryMark, "accounts", "summary", lambda e: e.customer_id),
    Kind(UsageRecord, "usage", "record#", lambda e: e.contract_id, lambda e: e.id),
    Kind(UsageDay, "usage", "day#", lambda e: e.contract_id, lambda e: f"{e.metric}#{e.on}"),
    Kind(UsageMeter, "usage", "meter", lambda e: e.contract_id),
    Kind(Invoice, "invoices", "invoice", lambda e: e.id, indexes=(
        IndexRule(ports.INVOICES, lambda e: _shard(e.id), _created),
        IndexRule(ports.INVOICES_BY_CUSTOMER, lambda e: e.customer_id, _created),
        IndexRule(ports.INVOICES_BY_RUN, lambda e: e.bill_run_id, _in_run),
        IndexRule(ports.INVOICES_OPEN, lambda e: _shard(e.customer_id) if e.collectable() else None,
                  lambda e: f"{e.customer_id}#{e.due_on}#{e.id}"),
        IndexRule(ports.INVOICES_ASIDE, _aside, lambda e: f"{_instant(e.voided_at or e.posted_at)}#{e.id}"),
    )),
    Kind(InvoiceLines, "invoices", "lines#", lambda e: e.invoice_id, lambda e: f"{e.part:04d}"),
    Kind(Payment, "payments", "payment", lambda e: e.id, indexes=(
        IndexRule(ports.PAYMENTS, lambda e: _shard(e.id), _paid_at),
        IndexRule(ports.PAYMENTS_BY_CUSTOMER, lambda e: e.customer_id, _paid_at),
        IndexRule(ports.PAYMENTS_LATER, lambda e: _shard(e.id) if e.changed_at - e.at >= ONE_DAY else None,
                  lambda e: f"{_instant(e.changed_at)}#{e.id}"),
        IndexRule(ports.PAYMENTS_UNRESOLVED, lambda e: _shard(e.id) if e.awaited else None,
                  lambda e: f"{_instant(e.next_check_at)}#{e.id}"),
    )),
    Kind(Submission, "payments", "submission", lambda e: e.id, expires=lambda e: e.expires_at),
    Kind(HeardEvent, "payments", "heard", lambda e: e.id, expires=lambda e: e.expires_at),
    Kind(BillRun, "runs", "bill_run", lambda e: e.id, indexes=(
        IndexRule(ports.BILL_RUNS, lambda e: ALL, _created),
        IndexRule(ports.BILL_RUNS_ACTIVE, _active, _due),
    )),
    Kind(PaymentRun, "runs", "payment_run", lambda e: e.id, indexes=(
        IndexRule(ports.PAYMENT_RUNS, lambda e: ALL, _created),
        IndexRule(ports.PAYMENT_RUNS_ACTIVE, _active, _due),
    )),
    Kind(Chunk, "runs", "chunk#", lambda e: e.run_id,
         lambda e: f"{e.phase}#{e.round:04d}#{'done' if e.done else 'open'}#{e.number:06d}"),
    Kind(Verdict, "runs", "verdict#", lambda e: e.run_id, lambda e: e.invoice_id),
    Kind(PrintPart, "runs", "print#", lambda e: e.run_id, lambda e: part_sort(e.number)),
    Kind(Watermark, "runs", "watermark#", lambda e: "watermarks", lambda e: e.job),
    Kind(SummarySchedule, "runs", "summary", lambda e: e.id, indexes=(
        IndexRule(ports.SUMMARIES_DUE, lambda e: ALL, lambda e: f"{_instant(e.next_at) or '~'}#{e.id}"),
    )),
    Kind(Rehearsal, "runs", "rehearsal", lambda e: e.id, indexes=(
        IndexRule(ports.REHEARSALS, lambda e: ALL, _created),
    )),
    Kind(FailedMessage, "runs", "failed", lambda e: e.id, expires=lambda e: e.expires_at),
    Kind(NumberSeries, "runs", "series#", lambda e: "series", lambda e: e.name),
    Kind(Task, "runs", "task", lambda e: e.id, indexes=(
        IndexRule(ports.TASKS, lambda e: e.status, _created),
    )),
    Kind(Notice, "notices", "notice", lambda e: e.id, indexes=(
        IndexRule(ports.NOTICES, lambda e: _shard(e.id), _created),
        IndexRule(ports.NOTICES_BY_CUSTOMER, lambda e: e.customer_id, _created),
        IndexRule(ports.NOTICES_BY_RUN, lambda e: e.bill_run_id if e.status != "pending" else None,
                  lambda e: f"{e.status}#{e.id}"),
        IndexRule(ports.NOTICES_PENDING, lambda e: _shard(e.id) if e.status == "pending" else None,
                  lambda e: f"{_instant(e.retry_at or e.created_at)}#{e.id}"),
    )),
    Kind(OutboxEvent, "notices", "event", lambda e: e.id, indexes=(
        IndexRule(ports.EVENTS_PENDING, lambda e: ALL, _created),
    )),
    Kind(PayLink, "notices", "pay_link", lambda e: e.digest, expires=lambda e: e.expires_at + KEPT_EXPIRED),
    Kind(WebhookDelivery, "notices", "delivery", lambda e: e.id, indexes=(
        IndexRule(ports.WEBHOOK_DELIVERIES, lambda e: e.endpoint_id, _created),
        IndexRule(ports.WEBHOOK_DELIVERIES_DUE, lambda e: _shard(e.id) if e.outcome == "pending" else None,
                  lambda e: f"{_instant(e.next_at)}#{e.id}"),
    ), expires=lambda e: e.expires_at),
    Kind(Settings, "settings", "settings", lambda e: "settings"),
    Kind(SettingsChange, "settings", "history#", lambda e: "settings", lambda e: f"{e.settings_version:08d}"),
    Kind(SettingsGate, "settings", "gate", lambda e: f"gate{e.shard}"),
    Kind(CustomerClass, "settings", "class#", lambda e: "classes", lambda e: e.id),
    Kind(StoredTemplate, "settings", "template#", lambda e: "templates", lambda e: e.name),
    Kind(TemplateChange, "settings", "template_history#", lambda e: "templates",
         lambda e: f"{e.name}#{e.template_version:08d}"),
    Kind(WebhookEndpoint, "settings", "webhook#", lambda e: "webhooks", lambda e: e.id),
    Kind(ConsoleSession, "settings", "session", lambda e: e.digest, expires=lambda e: e.expires_at),
    Kind(Answered, "settings", "answered", lambda e: e.key, expires=lambda e: e.expires_at),
    Kind(AuditEntry, "audit", "entry#", lambda e: str(e.shard), lambda e: seq_key(e.seq), indexes=(
        IndexRule(ports.AUDIT, lambda e: str(e.shard), lambda e: f"{_instant(e.at)}#{seq_key(e.seq)}"),
    )),
    Kind(AuditHead, "audit", "head", lambda e: str(e.shard)),
)  # fmt: skip

KIND_OF: dict[type[Any], Kind] = {kind.entity: kind for kind in KINDS}
