"""Example data for every kind of mail: what a template may count on, and what its preview shows.

Amounts and dates are text, as mails write them in English. `pay_url` and whatever is None here may be None in
a real mail. A template that an admin adds for a trigger gets the data of a past-due mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared.rendering.speech import ENGLISH
from shared.rendering.spoken import spoken

Data = dict[str, object]

COMMON: Final[Data] = {
    "business": {"name": "Northwind Services", "email": "billing@northwind.example", "accent": "#0e5a66"},
    "customer": {"name": "Acme Ltd"},
    "pay_url": "https://pay.northwind.example/pay/Zk3J9tq0aBv1wQ8s7LxYpR5hN2mC4dEf",
}
INVOICE: Final[Data] = {
    "number": "INV-000042",
    "invoice_date": "2026-01-15",
    "due_on": "2026-02-14",
    "total": "249.95",
    "residual": "249.95",
    "currency": "USD",
    "type": "regular",  # or out_of_turn, debit_memo, credit_memo
}
OPEN_INVOICES: Final[tuple[Data, ...]] = (
    {"number": "INV-000042", "invoice_date": "2026-01-15", "due_on": "2026-02-14",
     "days_past_due": 16, "residual": "249.95", "currency": "USD"},
    {"number": "INV-000051", "invoice_date": "2026-01-28", "due_on": "2026-02-27",
     "days_past_due": 3, "residual": "40.00", "currency": "USD"},
)  # fmt: skip
OPEN: Final[Data] = {
    "invoices": list(OPEN_INVOICES),
    "totals": [{"currency": "USD", "amount": "289.95"}],
}  # fmt: skip
SEVERAL_CURRENCIES: Final[Data] = {
    "totals": [{"currency": "EUR", "amount": "10.00"}, {"currency": "USD", "amount": "289.95"}]
}

# kind -> its own data, then changes to it that the kind must also render
KINDS: Final[Mapping[str, tuple[Data, ...]]] = MappingProxyType(
    {
        "invoice": (
            {"invoice": INVOICE},
            {"invoice": {**INVOICE, "type": "credit_memo", "due_on": None}},
        ),
        "reminder": ({"invoice": INVOICE},),
        "past_due_1": ({**OPEN, "tier": 1}, SEVERAL_CURRENCIES),
        "past_due_2": ({**OPEN, "tier": 2}, SEVERAL_CURRENCIES),
        "past_due_3": ({**OPEN, "tier": 3}, SEVERAL_CURRENCIES),
        "payment_failed": (
            {
                "invoice": INVOICE,
                "payment": {"amount": "249.95", "currency": "USD", "brand": "Visa", "last4": "4242",
                            "code": "insufficient_funds"},
                "next_attempt_on": "2026-02-17",
                "final": False,
            },
            {"next_attempt_on": None},
            {"next_attempt_on": None, "final": True},
            {"payment": {"amount": "249.95", "currency": "USD", "brand": "", "last4": "", "code": ""}},
        ),
        "payment_received": (
            {
                "payment": {"amount": "289.95", "currency": "USD", "method": "card"},
                "invoices": [
                    {"number": "INV-000042", "amount": "249.95"},
                    {"number": "INV-000051", "amount": "40.00"},
                ],
            },
            {"invoices": [{"number": "INV-000042"}]},
            {"invoices": []},
        ),
        "card_expiring": (
            {
                "card": {"brand": "Visa", "last4": "4242", "expires": "02/2026"},
                "next_charge_on": "2026-03-14",
            },
            {"next_charge_on": None},
        ),
        "pay_link": ({},),
        "account_summary": (
            {
                "as_of": "2026-03-01",
                "format": "open_invoices",  # or recent_transactions
                "invoices": [{**one, "age_days": age} for one, age in zip(OPEN_INVOICES, (45, 32), strict=True)],
                "totals": [{"currency": "USD", "amount": "289.95"}],
                "more": 0,  # open invoices beyond those listed
                "credits": [{"currency": "USD", "amount": "10.00"}],
                "since": "2026-02-01",
                "balances": [{"currency": "USD", "opening": "249.95", "closing": "289.90"}],
                "transactions": [
                    {"on": "2026-02-03", "description": "Invoice INV-000061",
                     "amount": "199.95", "currency": "USD"},
                    {"on": "2026-02-20", "description": "Payment", "amount": "-160.00", "currency": "USD"},
                ],
            },
            {"format": "recent_transactions"},
            {"format": "recent_transactions", "since": None, "transactions": []},
            {"invoices": [], "totals": [], "credits": []},
            {"more": 12},
        ),
        "service_step": (
            # step: limited, suspended or terminated
            {**OPEN, "step": "suspended", "effective_on": "2026-03-10", "done": False},
            {"done": True},
        ),
    }
)  # fmt: skip
FOR_OTHER_NAMES: Final = "past_due_2"


def sample_data(name: str, language: str = ENGLISH) -> Data:
    """Data for a preview of the template: every value present."""
    return spoken({**COMMON, **_kind(name)[0]}, language)


def all_samples(name: str, language: str = ENGLISH) -> tuple[Data, ...]:
    """Every shape of data that the template must render, the fullest first, then with what may be missing."""
    first = {**COMMON, **_kind(name)[0]}
    changed = ({**first, **change} for change in _kind(name)[1:])
    return tuple(spoken(data, language) for data in (first, {**first, "pay_url": None}, *changed))


def _kind(name: str) -> tuple[Data, ...]:
    return KINDS.get(name, KINDS[FOR_OTHER_NAMES])
