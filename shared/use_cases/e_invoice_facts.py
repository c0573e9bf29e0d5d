"""An invoice in the business terms of EN 16931, for the reader's machine. PRODUCT 6.

Every amount is that of the page, and every sum adds up by the standard's rules: lines to the total without tax, a tax
breakdown per category, and what is left to pay.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from shared.domain.address import Address
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice, Line
from shared.domain.money import exponent, format_minor, multiply
from shared.domain.settings import Business, Settings
from shared.domain.values import dataclass
from shared.rendering.e_invoice import NoEInvoice
from shared.rendering.plain import one_line
from shared.rendering.speech import country_code, speech_of

ONE_DAY = timedelta(days=1)
DECIMALS_MAX = 2  # of an amount, by the standard
NAME_CHARS_MAX = 1_000
INVOICE, CREDIT_NOTE, DEBIT_NOTE = "380", "381", "383"  # UNTDID 1001
STANDARD, ZERO, EXEMPT = "S", "Z", "E"  # UNTDID 5305
EXEMPT_BECAUSE = "Exempt from tax"
PIECE = "C62"  # UN/ECE Recommendation 20: one
SEPA, TRANSFER, ONLINE = "58", "30", "68"  # UNTDID 4461
_VAT_NUMBER = re.compile(r"[A-Z]{2}[0-9A-Za-z+*]{2,13}")


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says beside the invoice itself."""

    paid_minor: int = 0
    for_invoice: str | None = None  # the number of the invoice that a memo adjusts
    pay_url: str | None = None


def e_invoice_facts(
    invoice: Invoice, lines: Sequence[Line], customer: Customer, settings: Settings, page: Page
) -> dict[str, Any]:
    """The facts by the standard's names. Raises NoEInvoice for an invoice that the standard cannot say.

    A credit memo says what it gives, without a sign.
    """
    _check(invoice, lines)
    business = settings.business
    sign = -1 if invoice.type == "credit_memo" else 1
    amounts = _Amounts(invoice, sign)
    paid, total = page.paid_minor, sign * invoice.total_minor
    return {
        "BT-1": invoice.number or "", "BT-2": str(invoice.invoice_date),
        "BT-3": {"credit_memo": CREDIT_NOTE, "debit_memo": DEBIT_NOTE}.get(invoice.type, INVOICE),
        "BT-5": invoice.currency,
        **({"BT-9": str(invoice.due_on)} if invoice.due_on and sign > 0 else {}),
        **({"BT-20": speech_of(customer.speaks(settings)).say("due")} if total > paid and not invoice.due_on else {}),
        **_delivered(invoice, lines),
        **({"BG-1": [{"BT-22": one_line(invoice.reason)}]} if invoice.reason else {}),
        **({"BG-3": [{"BT-25": page.for_invoice}]} if page.for_invoice else {}),
        "BG-4": _seller(business), "BG-7": _buyer(customer), **_payment(invoice, business, page),
        "BG-25": [_line(n, line, invoice, amounts) for n, line in enumerate(lines, start=1)],
        "BG-23": _breakdown(invoice, lines, amounts),
        "BT-106": amounts(invoice.subtotal_minor), "BT-109": amounts(invoice.subtotal_minor),
        "BT-110": amounts(invoice.tax_minor), "BT-112": amounts(invoice.total_minor),
        **({"BT-113": format_minor(paid, invoice.currency)} if paid else {}),
        "BT-115": format_minor(total - paid, invoice.currency),
    }  # fmt: skip


def _delivered(invoice: Invoice, lines: Sequence[Line]) -> dict[str, str]:
    """The period of service, and the last day of it so far: the standard asks for a day of delivery."""
    periods = [(x.service_start, x.service_end - ONE_DAY) for x in lines if x.service_start and x.service_end]
    if not periods:
        return {"BT-72": str(invoice.invoice_date)}
    first, last = min(start for start, _ in periods), max(end for _, end in periods)
    return {"BT-72": str(max(min(last, invoice.invoice_date), first)), "BT-73": str(first), "BT-74": str(last)}


@dataclass(frozen=True, slots=True)
class _Amounts:
    invoice: Invoice
    sign: int

    def __call__(self, minor: int) -> str:
        return format_minor(self.sign * minor, self.invoice.currency)


def _check(invoice: Invoice, lines: Sequence[Line]) -> None:
    if not lines:
        raise NoEInvoice("it has no lines")
    if exponent(invoice.currency) > DECIMALS_MAX:
        raise NoEInvoice(f"amounts in {invoice.currency} have more than {DECIMALS_MAX} decimals")


def _seller(business: Business) -> dict[str, Any]:
    """A VAT number identifies the seller; without one its tax number does."""
    tax_id = (business.tax_id or "").replace(" ", "")
    known = {"vat_identifier": tax_id} if _VAT_NUMBER.fullmatch(tax_id) else _by_number(tax_id)
    return {
        "name": one_line(business.name), **_address(business.address, business.address.country), **known,
        "einvoicing_addr": business.email_from, "einvoicing_addr_schemeid": "EM",
    }  # fmt: skip


def _by_number(tax_id: str) -> dict[str, Any]:
    return {"tax_identifier": tax_id, "identifiers": {None: tax_id}}


def _buyer(customer: Customer) -> dict[str, Any]:
    code = country_code(customer.address.country)
    if code is None:
        raise NoEInvoice(f"the address of customer {customer.id} has no country that could be told by its code")
    mail = {"einvoicing_addr": customer.email, "einvoicing_addr_schemeid": "EM"} if customer.email else {}
    return {"name": one_line(customer.name), **_address(customer.address, code), **mail}


def _address(a: Address, country: str) -> dict[str, str]:
    parts = {
        "addr_l1": a.line1, "addr_l2": a.line2, "city": a.city, "postcode": a.postal_code,
        "country_subdivision": a.region, "country_code": country,
    }  # fmt: skip
    return {name: one_line(value) for name, value in parts.items() if value}


def _payment(invoice: Invoice, business: Business, page: Page) -> dict[str, str]:
    reference = {"BT-83": invoice.number or ""}
    if invoice.type == "credit_memo":
        return {}
    if business.iban is None:
        return {**reference, "BT-81": ONLINE} if page.pay_url else {}
    means = SEPA if invoice.currency == "EUR" else TRANSFER
    bank = {
        "BT-84": business.iban,
        "BT-85": one_line(business.name),
        **({"BT-86": business.bic} if business.bic else {}),
    }
    return {**reference, "BT-81": means, **bank}


def _line(n: int, line: Line, invoice: Invoice, amounts: _Amounts) -> dict[str, str]:
    quantity, price = _priced(line, amounts.sign)
    category, rate = _category(line, invoice)
    period = {}
    if line.service_start and line.service_end:
        period = {"BT-134": str(line.service_start), "BT-135": str(line.service_end - ONE_DAY)}
    return {
        "BT-126": str(n), "BT-129": f"{quantity:f}", "BT-130": PIECE, "BT-131": amounts(line.amount_minor), **period,
        "BT-146": format_minor(price, invoice.currency), "BT-151": category, "BT-152": f"{rate:f}",
        "BT-153": one_line(line.name)[:NAME_CHARS_MAX],
    }  # fmt: skip


def _priced(line: Line, sign: int) -> tuple[Decimal, int]:
    """A quantity, which may be negative, and a price, which may not, that make the amount.

    Where the line's own do not, as on a prorated one, it is one piece at the amount.
    """
    unit, quantity = line.unit_amount_minor, sign * line.quantity
    if unit is not None and multiply(unit, line.quantity) == line.amount_minor:
        return (quantity, unit) if unit >= 0 else (-quantity, -unit)
    amount = sign * line.amount_minor
    return Decimal(-1 if amount < 0 else 1), abs(amount)


def _category(line: Line, invoice: Invoice) -> tuple[str, Decimal]:
    if not line.taxable:
        return EXEMPT, Decimal(0)
    return (STANDARD, invoice.tax_rate_percent) if invoice.tax_rate_percent else (ZERO, Decimal(0))


def _breakdown(invoice: Invoice, lines: Sequence[Line], amounts: _Amounts) -> list[dict[str, str]]:
    """The sums per tax category, in the order in which they first come."""
    sums: dict[tuple[str, Decimal], int] = {}
    for line in lines:
        key = _category(line, invoice)
        sums[key] = sums.get(key, 0) + line.amount_minor
    return [
        {
            "BT-116": amounts(minor), "BT-117": amounts(invoice.tax_minor if category == STANDARD else 0),
            "BT-118": category, "BT-119": f"{rate:f}",
            **({"BT-120": EXEMPT_BECAUSE} if category == EXEMPT else {}),
        }
        for (category, rate), minor in sums.items()
    ]  # fmt: skip
