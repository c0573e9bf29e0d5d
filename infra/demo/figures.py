"""The figures of a company's receivables, computed from what the admin API answers. Amounts are never added up
across currencies, and stay exact: minor units inside, decimal strings at the edge."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from shared.domain.money import parse_minor

Body = Mapping[str, Any]
BUCKETS: Final = (("current", 0), ("1–30", 30), ("31–60", 60), ("61–90", 90))  # label, last day past due
OLDEST: Final = "over 90"
WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days from `starts_on`. `owed_minor` is what is open at its end."""

    starts_on: date
    invoiced_minor: int
    collected_minor: int
    owed_minor: int


@dataclass(slots=True)
class Money:
    """One currency. `carried_minor` was invoiced before Paidup; `invoiced_minor` since."""

    currency: str
    invoiced_minor: int = 0
    carried_minor: int = 0
    credited_minor: int = 0
    collected_minor: int = 0
    by_card_minor: int = 0
    open_minor: int = 0
    past_due_minor: int = 0
    ageing: dict[str, int] = field(default_factory=lambda: dict.fromkeys([*(b for b, _ in BUCKETS), OLDEST], 0))
    weeks: list[Week] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Debtor:
    """A customer with something past due."""

    customer_id: str
    name: str
    currency: str
    past_due_minor: int
    days: int  # of the oldest open invoice
    last_notice: str


@dataclass(frozen=True, slots=True)
class Figures:
    since: date
    until: date
    money: tuple[Money, ...]  # the largest currency first
    customers: int
    invoices: int
    posted: int
    drafts: int
    overdue: int
    paid: int
    mailed: int
    charges: Mapping[str, int]  # status -> card attempts
    notices: Mapping[str, int]  # kind -> sent
    not_sent: Mapping[str, int]  # status -> notices that were not sent
    flagged: int
    debtors: tuple[Debtor, ...]
    on_time_percent: int | None  # of what was due by now, paid on or before its due date


@dataclass(frozen=True, slots=True)
class World:
    """What the API lists at the end."""

    since: date
    until: date
    timezone: str
    customers: Sequence[Body]
    invoices: Sequence[Body]
    payments: Sequence[Body]
    notices: Sequence[Body]

    def day_of(self, instant: str) -> date:
        return datetime.fromisoformat(instant).astimezone(ZoneInfo(self.timezone)).date()


def figures_of(world: World) -> Figures:
    posted = [i for i in world.invoices if i["status"] == "posted"]
    sent = Counter(n["kind"] for n in world.notices if n["status"] in ("sent", "bounced"))
    attempts = [p for p in world.payments if p["attempt"] is not None]
    return Figures(
        since=world.since,
        until=world.until,
        money=_money(world, posted),
        customers=len(world.customers),
        invoices=len(world.invoices),
        posted=len(posted),
        drafts=sum(i["status"] == "draft" for i in world.invoices),
        overdue=sum(i["payment_status"] == "overdue" for i in posted),
        paid=sum(i["payment_status"] == "paid" for i in posted),
        mailed=sum(sent.values()),
        charges=Counter(p["status"] for p in attempts),
        notices=dict(sorted(sent.items())),
        not_sent=Counter(n["status"] for n in world.notices if n["status"] not in ("sent", "bounced")),
        flagged=sum(bool(i["flags"]) for i in world.invoices),
        debtors=_debtors(world, posted),
        on_time_percent=_on_time(world, posted),
    )


def minor(amount: str, currency: str) -> int:
    return parse_minor(amount, currency)


def bucket(due_on: date, as_of: date) -> str:
    """On the due date itself an invoice is still current."""
    days = (as_of - due_on).days
    return next((label for label, last in BUCKETS if days <= last), OLDEST)


def _money(world: World, posted: Sequence[Body]) -> tuple[Money, ...]:
    by_currency: dict[str, Money] = {}
    movements: dict[str, list[tuple[date, int, int]]] = defaultdict(list)
    for invoice in posted:
        currency = invoice["currency"]
        money = by_currency.setdefault(currency, Money(currency))
        movements[currency].append(_invoiced(money, invoice, world))
    for payment in world.payments:
        if payment["status"] in ("succeeded", "refunded") and payment["method"] != "credit":
            currency = payment["currency"]
            money = by_currency.setdefault(currency, Money(currency))
            movements[currency].append(_collected(money, payment, world))
    for currency, money in by_currency.items():
        money.weeks = _weeks(movements[currency], world)
    return tuple(sorted(by_currency.values(), key=lambda m: -m.invoiced_minor))


def _invoiced(money: Money, invoice: Body, world: World) -> tuple[date, int, int]:
    """Into the currency's sums; answers (day, invoiced, collected)."""
    total, residual = (minor(invoice[key], money.currency) for key in ("total", "residual"))
    on = date.fromisoformat(invoice["invoice_date"])
    if total < 0:
        money.credited_minor -= total
    elif on < world.since:
        money.carried_minor += total
    else:
        money.invoiced_minor += total
    money.open_minor += residual
    if residual and invoice["due_on"]:
        due_on = date.fromisoformat(invoice["due_on"])
        money.ageing[bucket(due_on, world.until)] += residual
        money.past_due_minor += residual if due_on < world.until else 0
    return on, total, 0


def _collected(money: Money, payment: Body, world: World) -> tuple[date, int, int]:
    amount = minor(payment["amount"], money.currency) - minor(payment["refunded"], money.currency)
    money.collected_minor += amount
    money.by_card_minor += amount if payment["method"] == "card" else 0
    return world.day_of(payment["at"]), 0, amount


def _weeks(movements: Iterable[tuple[date, int, int]], world: World) -> list[Week]:
    """Every week from `since`; what came before is in the first one's balance."""
    ordered = sorted(movements)
    owed = sum(invoiced - collected for on, invoiced, collected in ordered if on < world.since)
    weeks: list[Week] = []
    start = world.since
    while start < world.until:
        inside = [(i, c) for on, i, c in ordered if start <= on < start + WEEK]
        invoiced, collected = sum(i for i, _ in inside), sum(c for _, c in inside)
        owed += invoiced - collected
        weeks.append(Week(start, invoiced, collected, owed))
        start += WEEK
    return weeks


def _debtors(world: World, posted: Sequence[Body]) -> tuple[Debtor, ...]:
    """Oldest first, then by amount."""
    names = {c["id"]: c["name"] for c in world.customers}
    last: dict[str, str] = {}
    for notice in sorted(world.notices, key=lambda n: n["created_at"]):
        if notice["kind"].startswith("past_due") and notice["status"] == "sent":
            last[notice["customer_id"]] = notice["kind"]
    open_: dict[tuple[str, str], list[tuple[date, int]]] = defaultdict(list)
    for invoice in posted:
        residual = minor(invoice["residual"], invoice["currency"])
        if residual and invoice["due_on"] and date.fromisoformat(invoice["due_on"]) < world.until:
            key = (invoice["customer_id"], invoice["currency"])
            open_[key].append((date.fromisoformat(invoice["due_on"]), residual))
    debtors = [
        Debtor(
            customer, names.get(customer, customer), currency, sum(amount for _, amount in found),
            (world.until - min(found)[0]).days, last.get(customer, ""),
        )
        for (customer, currency), found in open_.items()
    ]  # fmt: skip
    return tuple(sorted(debtors, key=lambda d: (-d.days, -d.past_due_minor)))


def _on_time(world: World, posted: Sequence[Body]) -> int | None:
    """By number of invoices; None if nothing was due yet."""
    last_paid: dict[str, date] = {}
    for payment in world.payments:
        if payment["status"] == "succeeded":
            for allocation in payment["allocations"]:
                on, invoice = world.day_of(payment["at"]), allocation["invoice_id"]
                last_paid[invoice] = max(on, last_paid.get(invoice, on))
    due = [
        i
        for i in posted
        if i["due_on"] and date.fromisoformat(i["due_on"]) < world.until and not i["total"].startswith("-")
    ]
    paid = [i for i in due if i["payment_status"] == "paid"]
    in_time = [i for i in paid if last_paid.get(i["id"], world.since) <= date.fromisoformat(i["due_on"])]
    return 100 * len(in_time) // len(due) if due else None
