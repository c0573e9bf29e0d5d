"""The address in the List-Unsubscribe header of account summaries: one click in a mail program, or a form. RFC 8058."""

from __future__ import annotations

from typing import Final

from functions.pay_page.requests import PageRequest
from functions.pay_page.views import Answer, message_page
from shared.contracts.api_fields import InvalidBody
from shared.domain.customer import Customer
from shared.observability import report
from shared.ports import Ports
from shared.use_cases.unsubscribe import stop_summaries

ONE_CLICK: Final = ("List-Unsubscribe", "One-Click")  # what a mail program sends, by the standard
TICKED: Final = ("confirm", "yes")


def ask(request: PageRequest, customer: Customer, ports: Ports) -> Answer:
    """Opened by a person or a scanner: nothing is done before somebody ticks the box."""
    return _form(request, 200)


def unsubscribe(request: PageRequest, customer: Customer, ports: Ports) -> Answer:
    """No value of a page is needed: a mail program has seen none, and all that it can do is to stop a summary."""
    try:
        fields = request.fields.only((ONE_CLICK[0], TICKED[0]))
        meant = any(fields.one(name) == value for name, value in (ONE_CLICK, TICKED))
    except InvalidBody:
        meant = False
    if not meant:
        return _form(request, 422)
    stop_summaries(customer.id, ports)
    report("unsubscribed_by_customer", customer_id=customer.id)
    return message_page(
        request, 200, "You get no more account summaries", "Invoices and reminders still reach you.",
        "Was this a mistake? Please write to whoever sends you the invoices.", back=True,
    )  # fmt: skip


def _form(request: PageRequest, status: int) -> Answer:
    return message_page(
        request, status, "Account summaries", "Would you like no more of them? Invoices and reminders still come.",
        back=True, stop=True,
    )  # fmt: skip
