"""What travels on the queues: ids and numbers, never state. The worker reads everything else again.

A message is a JSON object whose `kind` names its shape and whose `v` is the version of that shape; a worker of a later
release still reads the messages of an earlier one. Fields it does not know are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Literal, TypeVar

import msgspec


class Message(msgspec.Struct, frozen=True, tag_field="kind", kw_only=True):
    v: int = 1

    def body(self) -> str:
        return msgspec.json.encode(self).decode()


M = TypeVar("M", bound=Message)


def read(body: str, kinds: Any) -> Any:
    """The message in a queue record; `kinds` is the class, or the union of classes, that its queue carries."""
    return _decoder(kinds).decode(body)


@cache  # making one of a union takes longer than reading a message
def _decoder(kinds: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kinds)


def readable(event: Mapping[str, Any], kind: type[M]) -> list[M]:
    """The messages of one kind among a batch's records. Others, and what is no message, are left out."""
    found = []
    for record in event["Records"]:
        try:
            found.append(msgspec.json.decode(record["body"], type=kind))
        except msgspec.MsgspecError:
            continue
    return found


class SelectCustomers(Message, tag="select_customers", frozen=True):
    """bill_run: go on choosing the customers of a run."""

    run_id: str


class GenerateDrafts(Message, tag="generate_drafts", frozen=True):
    """bill_run: make the drafts of one chunk of customers."""

    run_id: str
    chunk: int


class PlanPosting(Message, tag="plan_posting", frozen=True):
    """post: go on dividing a run's drafts into chunks."""

    run_id: str


class PostDrafts(Message, tag="post_drafts", frozen=True):
    """post: post one chunk of drafts."""

    run_id: str
    round: int
    chunk: int


class SendRun(Message, tag="send_run", frozen=True):
    """post: go on recording the notices of a run whose invoices are mailed by hand."""

    run_id: str
    after: str | None = None


class SendNotice(Message, tag="send_notice", frozen=True):
    """notice: send one notice."""

    notice_id: str


class RenderInvoice(Message, tag="render_invoice", frozen=True):
    """document: render and store one invoice's PDF. `first`: asked for as it is posted, so that none is looked for."""

    invoice_id: str
    first: bool = False


class MakePrintBatch(Message, tag="make_print_batch", frozen=True):
    """document: render and store a part (from 1) of what of a bill run goes out on paper."""

    run_id: str
    part: int = 1


class SelectInvoices(Message, tag="select_invoices", frozen=True):
    """charge: go on choosing the invoices of a payment run."""

    run_id: str


class ChargeInvoices(Message, tag="charge_invoices", frozen=True):
    """charge: charge one chunk of invoices."""

    run_id: str
    chunk: int


class RetryCharge(Message, tag="retry_charge", frozen=True):
    """charge: the gateway did not process a run's attempt on an invoice; try once more."""

    run_id: str
    invoice_id: str
    attempt: int


class SelectSummaries(Message, tag="select_summaries", frozen=True):
    """summary: go on handing out one shard of the customers of a schedule that is due."""

    schedule_id: str
    shard: int
    occurred_at: datetime
    after: str | None = None


class SummarizeAccounts(Message, tag="summarize_accounts", frozen=True):
    """summary: record the account summaries of these customers for one occurrence of their schedule."""

    schedule_id: str
    customer_ids: tuple[str, ...]
    occurred_at: datetime


class AssessCustomers(Message, tag="assess_customers", frozen=True):
    """assess: re-evaluate customers past due, as of each one's local date at `occurred_at`.

    Every day after the one of `after` is made up for; without it, there is only the one day.
    """

    customer_ids: tuple[str, ...]
    occurred_at: datetime
    after: datetime | None = None


class RefreshCustomer(Message, tag="refresh_customer", frozen=True):
    """assess: something of a customer was settled; lift what it no longer calls for."""

    customer_id: str


class PublishEvent(Message, tag="publish_event", frozen=True):
    """assess: put an event that is stored in the outbox on the bus."""

    event_id: str


class DeliverWebhook(Message, tag="deliver_webhook", frozen=True):
    """webhook: deliver an event to an endpoint."""

    delivery_id: str


class RunRehearsal(Message, tag="run_rehearsal", frozen=True):
    """rehearsal: carry out a rehearsal that was asked for."""

    rehearsal_id: str


class MakeReport(Message, tag="make_report", frozen=True):
    """report: work out today's figures of a report that is too much for a page, and keep them."""

    name: Literal["ageing", "sales", "forecast"]


AssessMessage = AssessCustomers | RefreshCustomer | PublishEvent
