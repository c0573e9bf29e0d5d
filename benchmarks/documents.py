"""What documents and mails take to make: CPU per PDF, per e-invoice and per mail, once the process is warm.

    python -m benchmarks.documents [--rounds N]

Rendering only: nothing is read, stored or sent. Prints a table, then one JSON line per figure.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import count
from time import process_time
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.figures import report
from shared.domain.address import Address
from shared.domain.customer import Customer
from shared.domain.invoice import LINES_MAX, Invoice, Line, totalled
from shared.domain.settings import Business, Language, Settings
from shared.rendering.defaults import TEMPLATE_NAMES, default_template, sample_data
from shared.rendering.documents import render_invoice_pdf
from shared.rendering.e_invoice import factur_x
from shared.rendering.mail import render_mail
from shared.rendering.speech import LANGUAGES
from shared.use_cases.e_invoice_facts import Page, e_invoice_facts
from shared.use_cases.render_document import document

MILLISECONDS_PROMISED: Final = {"PDF, 1 lines": 15, "PDF, 10,000 lines": 10_000}
LONG: Final = 1_000  # lines from which one round is enough
MAILS_PER_ROUND: Final = 20
SELLER: Final = Business(
    name="Nordwind GmbH", address=Address("Hafenstraße 12", "", "Hamburg", "", "20457", "DE"), tax_id="DE123456789",
    iban="DE89370400440532013000", e_invoice="factur_x",
)  # fmt: skip
BUYER: Final = Customer("cus_1", "Acme Ltd", address=Address("Am Markt 3", "", "Berlin", "", "10115", "DE"))
PAGE: Final = Page(pay_url="https://pay.northwind.example/pay/Zk3J9tq0aBv1wQ8s7LxYpR5hN2mC4dEf")
LINE: Final = Line("Managed IT", 249_95, 249_95, service_start=date(2026, 1, 15), service_end=date(2026, 2, 15))


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    cpu_ms: float
    kilobytes: float


_made = count(1)  # the typesetter remembers what it has set before, so no two invoices are alike


def invoice_of(lines: int) -> tuple[Invoice, tuple[Line, ...]]:
    its = tuple(replace(LINE, name=f"Managed IT, order {next(_made)}") for _ in range(lines))
    head = Invoice(
        "inv_1", "cus_1", "EUR", date(2026, 1, 15), number=f"INV-{next(_made):06d}", tax_rate_percent=Decimal(19),
        status="posted", due_on=date(2026, 2, 14),
    )  # fmt: skip
    return totalled(head, its), its


def pdf(lines: int, *, e_invoice: bool = False, language: Language = "en") -> bytes:
    invoice, its = invoice_of(lines)
    customer, settings = replace(BUYER, language=language), Settings(SELLER)
    xml = factur_x(e_invoice_facts(invoice, its, customer, settings, PAGE)) if e_invoice else None
    return render_invoice_pdf(document(invoice, its, customer, settings, PAGE), xml)


def mails(language: str) -> bytes:
    """One of each kind."""
    made = [render_mail(default_template(name, language), sample_data(name, language)) for name in TEMPLATE_NAMES]
    return "".join(mail.html + mail.text for mail in made).encode()


def figures(rounds: int) -> Iterator[Figure]:
    """The long ones last: what the typesetter remembers of them slows the next few pages down."""
    for language in LANGUAGES:
        yield measured(f"mails of every kind, {language}", rounds * MAILS_PER_ROUND, partial(mails, language))
    yield measured("PDF in German, 40 lines", rounds, partial(pdf, 40, language="de"))
    for lines in (1, 40, LINES_MAX):
        few = 1 if lines >= LONG else rounds
        yield measured(f"PDF, {lines:,} lines", few, partial(pdf, lines))
        yield measured(f"PDF with e-invoice, {lines:,} lines", few, partial(pdf, lines, e_invoice=True))


def measured(name: str, rounds: int, make: Callable[[], bytes]) -> Figure:
    """The mean of some rounds after a first one, which loads what is loaded once."""
    size = len(make())
    began = process_time()
    for _ in range(rounds):
        make()
    return Figure(name, (process_time() - began) / rounds * 1_000, size / 1_000)


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.documents", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=20, help="how often each short one is made")
    rounds: int = arguments.parse_args().rounds
    found = list(figures(rounds))
    table = Table("what", "CPU, ms", "KB")
    for figure in found:
        table.add_row(figure.name, f"{figure.cpu_ms:,.1f}", f"{figure.kilobytes:,.1f}")
    Console().print(table)
    for figure in found:
        report("documents", figure.name, figure.cpu_ms, MILLISECONDS_PROMISED.get(figure.name))


if __name__ == "__main__":
    main()
