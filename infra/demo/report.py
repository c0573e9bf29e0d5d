"""Writes what a company's quarter came to as a folder of plain HTML pages: figures, charts, invoices and mails."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from babel.numbers import format_currency, get_currency_symbol
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from infra.demo import charts
from infra.demo.figures import BUCKETS, Figures, Money, World, figures_of
from shared.domain.money import exponent, format_minor

TEMPLATES: Final = Path(__file__).parent / "templates"
LOCALE: Final = "en_US"
MAIL_PAGES_MAX: Final = 120
MAIL_PAGES_PER_KIND_MAX: Final = 20
DEBTORS_MAX: Final = 20
KINDS: Final = {
    "invoice": "invoice", "past_due_1": "past due, first", "past_due_2": "past due, second",
    "past_due_3": "past due, third", "payment_failed": "payment failed", "payment_received": "payment received",
    "card_expiring": "card expiring", "account_summary": "account summary", "reminder": "reminder before due",
    "service_step": "service step",
}  # fmt: skip

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Runs:
    """What ran and what a person did about it."""

    bill: int = 0
    with_drafts: int = 0
    payment: int = 0
    reviewed: int = 0  # drafts that were held for review and then posted by hand
    held: int = 0  # invoices on hold at the end


@dataclass(frozen=True, slots=True)
class Material:
    """Everything a report is made from."""

    company: str
    seed: int
    world: World
    runs: Runs
    mails: Sequence[Body]  # as GET /_local/emails shows them
    pdfs: Mapping[str, bytes]  # invoice id -> document

    def figures(self) -> Figures:
        return figures_of(self.world)


def write_report(material: Material, folder: Path) -> Path:
    """Into `folder`, which is made if need be; answers the first page. Nothing that is there is deleted."""
    figures = material.figures()
    pdfs = _write_pdfs(material, folder / "pdf")
    pages = _chosen(material.mails)
    pages_of = _environment()
    shown = {"company": material.company, "seed": material.seed, "up": ""}
    names = {c["id"]: c["name"] for c in material.world.customers}
    printed = {c["id"]: "print" for c in material.world.customers if "print" in c["delivery"]}
    invoices = sorted(material.world.invoices, key=lambda i: (i["invoice_date"], i["number"] or ""), reverse=True)
    overview = {
        "f": figures, "runs": material.runs, "charts": {m.currency: _charts(m) for m in figures.money},
        "last_day": figures.until - timedelta(days=1), "debtors_max": DEBTORS_MAX,
    }  # fmt: skip
    written: dict[str, tuple[str, dict[str, Any]]] = {
        "index.html": ("index", overview),
        "invoices.html": ("invoices", {"invoices": invoices, "names": names, "pdfs": pdfs, "printed": printed}),
        "mails.html": ("mails", {"mails": list(reversed(material.mails)), "pages": pages}),
    }
    for name, (page, values) in written.items():
        (folder / name).write_text(pages_of.get_template(name).render(**shown, page=page, **values), "utf-8")
    _write_mails(material, pages, pdfs, folder / "mails", pages_of, shown)
    (folder / "style.css").write_text(_style(figures.money), "utf-8")
    return folder / "index.html"


# ---- pages ------------------------------------------------------------------------------------------------------


def _write_pdfs(material: Material, folder: Path) -> dict[str, str]:
    """Answers the address of each from the first page."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {i["id"]: i["number"] or i["id"] for i in material.world.invoices}
    addresses = {}
    for invoice, content in material.pdfs.items():
        name = f"{re.sub(r'[^A-Za-z0-9_-]', '-', numbers.get(invoice, invoice))}.pdf"
        (folder / name).write_bytes(content)
        addresses[invoice] = f"pdf/{name}"
    return addresses


def _chosen(mails: Sequence[Body]) -> dict[int, str]:
    """Mails that get a page of their own: some of every kind of subject, the rarest kinds whole."""
    by_kind: dict[str, list[Body]] = {}
    for mail in mails:
        by_kind.setdefault(re.sub(r"[\d.,]+|[A-Z]{2,}-\S+", "#", mail["subject"]).split("#")[0], []).append(mail)
    chosen: list[Body] = []
    for found in sorted(by_kind.values(), key=len):
        chosen += found[-MAIL_PAGES_PER_KIND_MAX:]
    return {mail["n"]: f"{mail['n']:05d}.html" for mail in chosen[:MAIL_PAGES_MAX]}


def _write_mails(
    material: Material, pages: Mapping[int, str], pdfs: Mapping[str, str], folder: Path,
    environment: Environment, shown: Mapping[str, Any],
) -> None:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    by_number = {Path(address).stem: address for address in pdfs.values()}
    template = environment.get_template("mail.html")
    for mail in material.mails:
        if mail["n"] in pages:
            pdf = next((by_number[n] for a in mail["attachments"] if (n := _number_in(a["name"], by_number))), None)
            page = template.render(**{**shown, "up": "../"}, page="mails", mail=mail, pdf=pdf)
            (folder / pages[mail["n"]]).write_text(page, "utf-8")


def _number_in(attachment: str, by_number: Mapping[str, str]) -> str | None:
    return next((number for number in by_number if number in attachment), None)


def _style(money: Sequence[Money]) -> str:
    """The style sheet, with what makes each currency's tab show its panel."""
    rules = [
        f'#show-{m.currency}:checked ~ .panel[data-currency="{m.currency}"] {{ display: block; }}\n'
        f'#show-{m.currency}:checked ~ .picker label[for="show-{m.currency}"] '
        "{ background: #fff; color: var(--ink); box-shadow: 0 1px 2px #0002; }\n"
        f'#show-{m.currency}:focus-visible ~ .picker label[for="show-{m.currency}"] '
        "{ outline: 2px solid var(--blue); }"
        for m in money
    ]
    return (TEMPLATES / "style.css").read_text("utf-8") + "\n" + "\n".join(rules) + "\n"


# ---- charts -----------------------------------------------------------------------------------------------------


def _charts(money: Money) -> dict[str, Markup]:
    """Made of numbers and escaped texts only, so they may stand in a page as they are."""
    weeks = [
        charts.Point(
            f"{week.starts_on:%b} {week.starts_on.day}",
            (week.invoiced_minor, week.collected_minor),
            (
                f"week of {day(week.starts_on)}: invoiced {amount(week.invoiced_minor, money.currency)}",
                f"week of {day(week.starts_on)}: collected {amount(week.collected_minor, money.currency)}",
            ),
        )
        for week in money.weeks
    ]
    owed = [
        charts.Point(
            f"{ends_on:%b} {ends_on.day}",
            (week.owed_minor,),
            (f"{day(ends_on)}: {amount(week.owed_minor, money.currency)} owed",),
        )
        for week in money.weeks
        for ends_on in [week.starts_on + timedelta(days=6)]
    ]
    return {
        "weeks": Markup(charts.bars(weeks, "Invoiced and collected, by week", _axis(weeks, money.currency))),  # noqa: S704
        "owed": Markup(charts.area(owed, "Owed at the end of each week", _axis(owed, money.currency))),  # noqa: S704
    }


def _axis(points: Sequence[charts.Point], currency: str) -> list[tuple[int, str]]:
    """Round amounts in whole units, such as $20k."""
    unit = 10 ** exponent(currency)
    largest = max((value for point in points for value in point.values), default=0)
    symbol = get_currency_symbol(currency, LOCALE)
    steps = charts.round_steps(-(-largest // unit))
    return [
        (step * unit, f"{symbol}{step // 1000:,}k" if step >= 1000 and step % 1000 == 0 else f"{symbol}{step:,}")
        for step in steps
    ]


# ---- words ------------------------------------------------------------------------------------------------------


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "day": day,
        "whole": lambda number: f"{number:,}",
        "money": amount,
        "amount": lambda text, currency: format_currency(Decimal(text), currency, locale=LOCALE),
        "percent": lambda part, whole: f"{100 * part // whole}\u00a0%" if whole else "0\u00a0%",
        "kind": kind,
        "css": lambda name: re.sub(r"[^a-z0-9_]", "-", name),
        "age": age,
        "lying": lambda part, whole, css: Markup(charts.lying(part / whole if whole else 0, css)),  # noqa: S704
    }
    return environment


def day(on: date) -> str:
    return f"{on.day} {on:%B %Y}"


def amount(amount_minor: int, currency: str) -> str:
    """$1,234.50"""
    return format_currency(Decimal(format_minor(amount_minor, currency)), currency, locale=LOCALE)


def kind(name: str) -> str:
    """A notice's kind or an invoice's status in words."""
    return KINDS.get(name, name.replace("template:", "").replace("_", " "))


def age(days: int) -> int:
    """The ordinal of the bucket that a number of days past due is in."""
    return next((n for n, (_, last) in enumerate(BUCKETS) if days <= last), len(BUCKETS))
