"""A sample company with its customers, made from a seed: the same seed is the same company.

Everything is a body of the admin API, and how each customer behaves: whether a card is charged or declined, when a
transfer arrives, what is used, what is disputed.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any, Final, Literal

from infra.demo.names import COUNTRIES, WEIGHTS, Country, company_name, email_of

START_ON: Final = date(2026, 1, 1)
END_ON: Final = date(2026, 4, 1)  # the morning after the three months
CUSTOMERS_DEFAULT: Final = 200
CUSTOMERS_MAX: Final = 5_000
SEED_DEFAULT: Final = 1

Body = dict[str, Any]
Habit = Literal["card", "transfer", "never"]


@dataclass(frozen=True, slots=True)
class Opening:
    """An invoice of the system before Paidup that is still open at the start."""

    number: str
    invoice_on: date
    due_on: date
    amount: str


@dataclass(frozen=True, slots=True)
class Client:
    """A customer of the sample company and its ways."""

    customer: Body
    contract: Body
    habit: Habit
    method: Body | None = None
    outcomes: tuple[str, ...] = ()  # of charges on the method, in order; the last one repeats
    pays_after_days: int = 0  # a transfer arrives so many days after the due date; negative is early
    pays_in_parts: bool = False
    usage_per_week: int = 0
    silent_from: date | None = None  # no usage is reported from this day on for a month
    disputes: int | None = None  # the ordinal of the invoice that is disputed
    opening: Opening | None = None

    @property
    def id(self) -> str:
        return str(self.customer["id"])


@dataclass(frozen=True, slots=True)
class Company:
    seed: int
    settings: Body
    classes: tuple[Body, ...]
    clients: tuple[Client, ...]


SETTINGS: Final[Body] = {
    "business": {
        "name": "Larkfield Cloud Services", "timezone": "America/New_York",
        "email_from": "billing@larkfield.example", "currency": "USD",
    },
    "bill_run": {
        "enabled": True, "schedule": "0 4 * * *", "auto_post": True, "auto_email": True, "gate": "clean_only",
        "spot_check": {"change_percent": 60, "flag_first_invoice": False},
    },
    "payment_run": {"enabled": True, "schedule": "0 11 * * *"},
    "automations": {"past_due": {"enabled": True, "schedule": "0 14 * * *"}},
}  # fmt: skip

CLASSES: Final[tuple[Body, ...]] = (
    {"id": "cls_card", "name": "Card on file", "regular": {"terms_days": 0, "auto_charge": {"on": "due_on"}}},
    {"id": "cls_net14", "name": "Net 14", "regular": {"terms_days": 14}},
    {"id": "cls_net30", "name": "Net 30", "regular": {"terms_days": 30}},
)


@dataclass(frozen=True, slots=True)
class Plan:
    name: str
    monthly: str
    yearly: str
    included_gb: int
    weight: int


PLANS: Final = (
    Plan("Starter", "49.00", "529.00", 100, 40),
    Plan("Team", "149.00", "1609.00", 500, 35),
    Plan("Business", "399.00", "4309.00", 2_000, 18),
    Plan("Enterprise", "1250.00", "13500.00", 10_000, 7),
)

# Share of customers, in percent: how they pay, what their card says, and how late a transfer is (from, to days).
_WAYS: Final[tuple[tuple[int, Habit, tuple[str, ...], tuple[int, int]], ...]] = (
    (36, "card", ("succeeded",), (0, 0)),
    (5, "card", ("declined:insufficient_funds", "succeeded"), (8, 16)),
    (2, "card", ("succeeded", "declined:expired_card"), (10, 24)),
    (1, "card", ("declined:stolen_card",), (36, 50)),
    (1, "card", ("timeout_charged", "succeeded"), (0, 0)),
    (32, "transfer", (), (-9, 0)),
    (14, "transfer", (), (1, 12)),
    (5, "transfer", (), (15, 29)),
    (2, "transfer", (), (31, 55)),
    (2, "never", (), (0, 0)),
)
_BRANDS: Final = ("Visa", "Mastercard", "American Express")


def sample_company(seed: int = SEED_DEFAULT, customers: int = CUSTOMERS_DEFAULT) -> Company:
    """`customers` is 1 to CUSTOMERS_MAX."""
    chance = Random(seed)
    taken: set[str] = set()
    clients = tuple(_client(number, taken, chance) for number in range(1, customers + 1))
    return Company(seed, SETTINGS, CLASSES, clients)


def usage_days(client: Client) -> Iterator[date]:
    """The days on which a customer's usage is reported: weekly, but not while it is silent."""
    on = START_ON + timedelta(days=4)
    while client.usage_per_week and on < END_ON:
        silent = client.silent_from
        if silent is None or not silent <= on < silent + timedelta(days=31):
            yield on
        on += timedelta(days=7)


def _client(number: int, taken: set[str], chance: Random) -> Client:
    country = chance.choices(COUNTRIES, WEIGHTS)[0]
    weights = [weight for weight, *_ in _WAYS]
    _, habit, outcomes, (earliest, latest) = chance.choices(_WAYS, weights)[0]
    plan = chance.choices(PLANS, [p.weight for p in PLANS])[0]
    class_id = "cls_card" if habit == "card" else chance.choice(("cls_net14", "cls_net14", "cls_net30"))
    customer = _customer(number, country, class_id, company_name(country, taken, chance), chance)
    annual = chance.random() < 0.12
    metered = not annual and chance.random() < 0.4
    contract = _contract(number, plan, country, annual=annual, metered=metered, chance=chance)
    return Client(
        customer,
        contract,
        habit,
        method=_method(number, chance) if habit == "card" else None,
        outcomes=outcomes,
        pays_after_days=chance.randint(earliest, latest),
        pays_in_parts=habit == "transfer" and chance.random() < 0.06,
        usage_per_week=int(plan.included_gb * chance.uniform(0.15, 0.4)) if metered else 0,
        silent_from=date(2026, 2, 1) if metered and chance.random() < 0.06 else None,
        disputes=chance.randint(0, 1) if habit == "transfer" and chance.random() < 0.06 else None,
        opening=_opening(number, plan, chance) if habit != "card" and chance.random() < 0.25 else None,
    )


def _customer(number: int, country: Country, class_id: str, name: str, chance: Random) -> Body:
    city, region, postal_code, timezone = chance.choice(country.places)
    delivery = chance.choices((["email"], ["print"], ["email", "print"]), (86, 9, 5))[0]
    return {
        "id": f"cus_{number:04d}",
        "name": name,
        "email": None if delivery == ["print"] or chance.random() < 0.01 else email_of(name),
        "class_id": class_id,
        "currency": country.currency,
        "timezone": timezone,
        "address": {
            "line1": f"{chance.randint(1, 180)} {chance.choice(country.streets)}",
            "city": city, "region": region, "postal_code": postal_code, "country": country.code,
        },
        "delivery": delivery,
        "tax_rate_percent": country.tax_rate_percent,
        "automations": {"enabled": True, **({"past_due": False} if chance.random() < 0.03 else {})},
        "external_id": f"LK-{10_000 + number}",
    }  # fmt: skip


def _contract(number: int, plan: Plan, country: Country, *, annual: bool, metered: bool, chance: Random) -> Body:
    """Most were moved here with their anchor; some are new. One in eight is annual and renews within the quarter."""
    new = chance.random() < 0.15
    cycle_day = chance.choice((1, 1, 1, 5, 10, 15, 15, 20, 25, 28, 31))
    anchor_month = chance.randint(1, 3) if annual else 1
    renews_on = date(START_ON.year, anchor_month, min(cycle_day, monthrange(START_ON.year, anchor_month)[1]))
    started = START_ON + timedelta(days=chance.randint(2, 70)) if new else date(2025, anchor_month, min(cycle_day, 28))
    seats = str(chance.choice((1, 1, 1, 2, 3, 5)))
    charges: list[Body] = [
        {
            "id": f"chg_{number:04d}_plan", "name": f"{plan.name} plan, {'yearly' if annual else 'monthly'}",
            "type": "recurring", "amount": plan.yearly if annual else plan.monthly, "quantity": seats,
            "interval": "year" if annual else "month", "timing": "advance",
        }
    ]  # fmt: skip
    if metered:
        charges.append(
            {
                "id": f"chg_{number:04d}_gb", "name": "Traffic, GB", "type": "usage", "metric": "gb",
                "tier_mode": "graduated", "included_quantity": str(plan.included_gb), "interval": "month",
                "tiers": [{"up_to": "1000", "unit_amount": "0.08"}, {"up_to": None, "unit_amount": "0.05"}],
                "expected": True,
            }
        )  # fmt: skip
    if new:
        setup = {"id": f"chg_{number:04d}_setup", "name": "Onboarding", "type": "one_time", "amount": "180.00"}
        charges.append({**setup, "on": started.isoformat()})
    return {
        "id": f"con_{number:04d}", "name": f"{plan.name} for {country.code}-{number:04d}",
        "start_date": started.isoformat(), "billing_starts_on": (started if new else renews_on).isoformat(),
        "bill_cycle_day": cycle_day, "charges": charges,
        **({"anchor_month": anchor_month} if annual and not new else {}),
    }  # fmt: skip


def _method(number: int, chance: Random) -> Body:
    return {
        "id": f"pm_{number:04d}", "token": f"tok_{number:04d}", "brand": chance.choice(_BRANDS),
        "last4": f"{chance.randint(0, 9999):04d}", "exp_month": chance.randint(1, 12),
        "exp_year": chance.randint(2027, 2030),
    }  # fmt: skip


def _opening(number: int, plan: Plan, chance: Random) -> Opening:
    invoice_on = START_ON - timedelta(days=chance.randint(4, 100))
    return Opening(f"LK-2025-{number:04d}", invoice_on, invoice_on + timedelta(days=30), plan.monthly)
