"""The facts that collections are derived from, and which overdue invoices are chased. PRODUCT 2, 9."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import date, timedelta

from shared.domain.collection import CollectionState
from shared.domain.contract import Contract
from shared.domain.customer import Customer, OffReason, why_off
from shared.domain.invoice import Invoice
from shared.domain.money import minor_in
from shared.domain.policy import CustomerClass
from shared.domain.service_steps import NoticesOut
from shared.domain.settings import Settings
from shared.domain.values import dataclass

ONE_DAY = timedelta(days=1)
LOOKED_AT_AGAIN = timedelta(days=28)  # a suspended customer, whatever is known of his contracts


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything an evaluation looks at. `open` are the posted invoices with something left to pay.

    `settled_on` says of those past due at the last evaluation that are open no more when they were settled; None: they
    were not. `contracts` are the customer's, read only where a trigger or a service step can ask for them, and where he
    is suspended. `charged` is what stands of the late fees charged on an invoice before, for policies with a cap.
    """

    customer: Customer
    its_class: CustomerClass
    settings: Settings
    open: Sequence[Invoice]
    state: CollectionState
    settled_on: Sequence[date | None] = ()
    contracts: Sequence[Contract] = ()
    notices_out: NoticesOut = field(default_factory=dict)
    charged: Mapping[str, int] = field(default_factory=dict)

    @property
    def rules(self) -> tuple[int, str, int]:
        """The settings and class in force, as the state remembers them."""
        return self.settings.version, self.its_class.id, self.its_class.version

    def off(self, on: date) -> OffReason | None:
        """Why past-due mail may not go on that day, if it may not."""
        return why_off("past_due", self.customer, self.settings, on)

    def served(self, on: date) -> bool:
        """Whether some contract is active, or suspended by nobody but collections."""
        return any(c.status(on) == "active" or suspended_by_collections(c, on) for c in self.contracts)

    def held(self, invoice: Invoice, on: date) -> bool:
        return invoice.on_hold(on) or self.customer.on_hold(on)


def in_service_from(contract: Contract) -> date:
    return max(contract.start_date, contract.billing_starts_on)


def next_in_service(contracts: Sequence[Contract], on: date) -> date:
    """The first day after `on` on which a suspended customer may have a contract in service, which is to be suspended
    too: tomorrow, if one is in service even now, or if the contracts are not known. At most four weeks ahead.
    """
    if not contracts or any(c.status(on) == "active" and in_service_from(c) <= on for c in contracts):
        return on + ONE_DAY
    begin = (in_service_from(c) for c in contracts)
    resume = (s.resumed_on for c in contracts for s in c.suspensions if s.resumed_on is not None)
    return min(d for d in (*begin, *resume, on + LOOKED_AT_AGAIN) if d > on)


def suspended_by_collections(contract: Contract, on: date) -> bool:
    """Whether the contract would be active but for a suspension by collections."""
    over = [s for s in contract.suspensions if s.suspended_on <= on and (s.resumed_on is None or on < s.resumed_on)]
    return contract.status(on) == "suspended" and all(s.by_collections for s in over)


def chasable(late: Iterable[Invoice], customer: Customer, its_class: CustomerClass, on: date) -> list[Invoice]:
    """The overdue invoices that are chased: not on hold, and more in sum than their policy's threshold.

    An invoice whose charge is under way or unknown is left alone: it may be paid.
    """
    free = [i for i in late if not i.on_hold(on) and not customer.on_hold(on) and i.open_attempt_id is None]
    return above_threshold(free, its_class)


def above_threshold(late: Iterable[Invoice], its_class: CustomerClass) -> list[Invoice]:
    """The overdue invoices of which more is past due than their policy's threshold, per currency; oldest due first."""
    groups: dict[tuple[str, str], list[Invoice]] = {}
    for invoice in late:
        groups.setdefault((_policy_name(invoice), invoice.currency), []).append(invoice)
    kept: list[Invoice] = []
    for (_, currency), invoices in groups.items():
        threshold = minor_in(its_class.policy(invoices[0].type).collection_threshold, currency)
        if sum(i.residual_minor for i in invoices) > threshold:
            kept.extend(invoices)
    return sorted(kept, key=due)


def _policy_name(invoice: Invoice) -> str:
    return "out_of_turn" if invoice.type == "out_of_turn" else "regular"


def due(invoice: Invoice) -> date:
    return invoice.due_on or date.max


def under_way(late: Iterable[Invoice], facts: Facts, on: date) -> bool:
    """Whether it cannot be told yet what is owed: charges are under way on all that is past due and not on hold."""
    free = [i for i in late if not facts.held(i, on)]
    return bool(free) and all(i.open_attempt_id is not None for i in free)
