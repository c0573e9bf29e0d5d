"""What travels on the queues: ids and numbers, never state. The worker reads everything else again.

`v` is the version of the message's shape; a worker of a later release still reads the messages of an earlier one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    v: Literal[1] = 1

    def body(self) -> str:
        return self.model_dump_json()


class SelectCustomers(Message):
    """bill_run: go on choosing the customers of a run."""

    kind: Literal["select_customers"] = "select_customers"
    run_id: str


class GenerateDrafts(Message):
    """bill_run: make the drafts of one chunk of customers."""

    kind: Literal["generate_drafts"] = "generate_drafts"
    run_id: str
    chunk: int


class PlanPosting(Message):
    """post: go on dividing a run's drafts into chunks."""

    kind: Literal["plan_posting"] = "plan_posting"
    run_id: str


class PostDrafts(Message):
    """post: post one chunk of drafts."""

    kind: Literal["post_drafts"] = "post_drafts"
    run_id: str
    round: int
    chunk: int


class SendNotice(Message):
    """notice: send one notice."""

    kind: Literal["send_notice"] = "send_notice"
    notice_id: str


class RenderInvoice(Message):
    """document: render and store one invoice's PDF."""

    kind: Literal["render_invoice"] = "render_invoice"
    invoice_id: str


class SelectInvoices(Message):
    """charge: go on choosing the invoices of a payment run."""

    kind: Literal["select_invoices"] = "select_invoices"
    run_id: str


class ChargeInvoices(Message):
    """charge: charge one chunk of invoices."""

    kind: Literal["charge_invoices"] = "charge_invoices"
    run_id: str
    chunk: int


class AssessCustomers(Message):
    """assess: re-evaluate customers past due, as of each one's local date at `occurred_at`."""

    kind: Literal["assess_customers"] = "assess_customers"
    customer_ids: tuple[str, ...]
    occurred_at: datetime


BillRunMessage = TypeAdapter[SelectCustomers | GenerateDrafts](
    Annotated[SelectCustomers | GenerateDrafts, Field(discriminator="kind")]
)
PostMessage = TypeAdapter[PlanPosting | PostDrafts](Annotated[PlanPosting | PostDrafts, Field(discriminator="kind")])
ChargeMessage = TypeAdapter[SelectInvoices | ChargeInvoices](
    Annotated[SelectInvoices | ChargeInvoices, Field(discriminator="kind")]
)
