"""What a person should look at before a draft is posted. PRODUCT 4.

A draft is compared with the previous invoice of the same contracts; every flag says what it saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from shared.domain.customer import Customer
from shared.domain.invoice import Flag, Invoice
from shared.domain.money import format_minor
from shared.domain.settings import SpotCheckSettings
from shared.domain.values import dataclass

LINES_FACTOR: Final = 2  # more than this many times the previous number of lines, or less than its inverse ...
LINES_DIFFERENCE: Final = 10  # ... and at least so many more or fewer, is unusual
NAMES_SHOWN_MAX: Final = 3
EARLIER_MAX: Final = 12  # totals that an invoice carries of those before it


@dataclass(frozen=True, slots=True)
class Findings:
    """What billing noticed while it made a draft: names of charges."""

    missing_usage: tuple[str, ...] = ()
    late_usage: tuple[str, ...] = ()


def flags_of(
    draft: Invoice, found: Findings, customer: Customer, history: Iterable[Invoice], settings: SpotCheckSettings
) -> tuple[Flag, ...]:
    """The flags of a draft. `history` are the customer's earlier invoices, in any order and of any kind."""
    regular = [i for i in history if i.type == "regular" and i.status != "void" and i.id != draft.id]
    return tuple(_flags(draft, found, customer, regular, settings))


def previous_of(draft: Invoice, regular: Sequence[Invoice]) -> Invoice | None:
    """The latest invoice of the same contracts in the same currency."""
    return max(_alike(draft, regular), key=_order, default=None)


def earlier_totals(draft: Invoice, history: Iterable[Invoice]) -> tuple[int, ...]:
    """What the same contracts were invoiced before in the same currency, latest first: the customer's own history.

    Each invoice hands on what it knew of those before it, so that only the latest has to be read.
    """
    alike = _alike(draft, [i for i in history if i.type == "regular" and i.status != "void" and i.id != draft.id])
    alike.sort(key=_order, reverse=True)
    read = tuple(i.total_minor for i in alike)
    handed_on = (alike[0].total_minor, *alike[0].earlier_minor) if alike else ()
    return max(read, handed_on, key=len)[:EARLIER_MAX]


def _alike(draft: Invoice, regular: Iterable[Invoice]) -> list[Invoice]:
    return [i for i in regular if i.contract_ids == draft.contract_ids and i.currency == draft.currency]


def _order(invoice: Invoice) -> tuple[date, date, str, str]:
    return (invoice.invoice_date, invoice.bill_on or date.min, invoice.number or "", invoice.id)


def _flags(
    draft: Invoice, found: Findings, customer: Customer, regular: Sequence[Invoice], settings: SpotCheckSettings
) -> Iterator[Flag]:
    if settings.flag_first_invoice and not regular:
        yield Flag("first_invoice", "the first invoice of this customer")
    previous = previous_of(draft, regular)
    if previous is not None and _changed_by_more(draft, previous, settings):
        yield Flag("total_changed", _change(draft, previous))
    if draft.total_minor == 0:
        yield Flag("zero_total", "the total is zero")
    elif draft.total_minor < 0:
        yield Flag("negative_total", f"the total is {format_minor(draft.total_minor, draft.currency)}: a credit")
    if previous is not None and _unusual(draft.line_count, previous.line_count):
        lines = f"{draft.line_count} lines; {_name(previous)} had {previous.line_count}"
        yield Flag("unusual_lines", lines)
    if found.missing_usage:
        yield Flag("expected_usage_missing", f"no usage was recorded for {_listed(found.missing_usage)}")
    if found.late_usage:
        yield Flag("late_usage", f"usage of {_listed(found.late_usage)} came after its period was billed")
    if "email" in customer.delivery and not customer.mailable():
        yield Flag("no_email", _no_email(customer))


def _changed_by_more(draft: Invoice, previous: Invoice, settings: SpotCheckSettings) -> bool:
    """By more than the percentage, exclusive; from zero, any change is."""
    change = abs(draft.total_minor - previous.total_minor)
    return change * 100 > settings.change_percent * abs(previous.total_minor)


def _change(draft: Invoice, previous: Invoice) -> str:
    now, then = (format_minor(i.total_minor, i.currency) for i in (draft, previous))
    words = f"the total is {now} {draft.currency}; {_name(previous)} was {then}"
    if previous.total_minor == 0:
        return words
    whole, rest = divmod(abs(draft.total_minor - previous.total_minor) * 10_000 // abs(previous.total_minor), 100)
    percent = f"{whole}.{rest:02d}" if rest else str(whole)  # 50.01 % is flagged where 50 % is not
    return f"{words}: {percent} % {'more' if draft.total_minor > previous.total_minor else 'less'}"


def _name(previous: Invoice) -> str:
    return f"the previous invoice {previous.number}" if previous.number else "the draft before it"


def _unusual(now: int, before: int) -> bool:
    few, many = sorted((now, before))
    return many > LINES_FACTOR * few and many - few >= LINES_DIFFERENCE


def _no_email(customer: Customer) -> str:
    if not customer.email:
        return "delivery is by e-mail, but there is no address"
    return f"delivery is by e-mail, but mail to the address {customer.email_problem}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN_MAX
    return ", ".join(names[:NAMES_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
