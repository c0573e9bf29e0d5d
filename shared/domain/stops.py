"""What stands in the way of collections on a day: pauses, holds and a promise, as people set them. PRODUCT 2, 9."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Literal

from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class Stop:
    """Something that stops mail or collection through a date (inclusive), or until lifted when `through` is None.

    `reason` is the automation that is paused, or the hold's reason.
    """

    kind: Literal["pause", "hold", "promise"]
    subject_id: str
    reason: str
    through: date | None


def stops_of(customer: Customer, invoices: Iterable[Invoice], on: date) -> Iterator[Stop]:
    """Those in force on a local date: the customer's, and the holds of these invoices."""
    if customer.hold is not None and customer.hold.covers(on):
        yield Stop("hold", customer.id, customer.hold.reason, customer.hold.through)
    for invoice in invoices:
        if invoice.hold is not None and invoice.hold.covers(on):
            yield Stop("hold", invoice.id, invoice.hold.reason, invoice.hold.through)
    if customer.promise is not None and customer.promise.covers(on):
        yield Stop("promise", customer.promise.id, "promise", customer.promise.through)
    for pause in customer.pauses:
        if pause.covers(on):
            yield Stop("pause", customer.id, pause.automation, pause.through)
