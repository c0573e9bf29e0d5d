"""What a customer sees, as pictures for the README: an invoice, a credit memo, a reminder and a statement.

    python -m infra.pictures [FOLDER]      docs/pictures if none is given

It needs `pdftoppm` (poppler) for documents and `chromium` for mails on the path; what is missing is said and left out.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

from shared.domain.address import Address
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice, Line, totalled
from shared.domain.settings import Business, Settings
from shared.rendering.defaults import default_template, sample_data
from shared.rendering.documents import render_invoice_pdf
from shared.rendering.mail import render_mail
from shared.use_cases.compose_notice import shared_data
from shared.use_cases.e_invoice_facts import Page
from shared.use_cases.render_document import document

FOLDER: Final = Path("docs/pictures")
DPI: Final = 80
MAIL_WIDTH: Final = 680  # CSS pixels: a mail in a desktop's reading pane
BYTES_MAX: Final = 150_000  # of one picture
LOW, HIGH = 200, 1_000  # CSS pixels: to measure in, and if that fails
MEASURE: Final = "<script>document.body.dataset.high = document.documentElement.scrollHeight</script>"
SECONDS_MAX: Final = 120  # for one picture
LOGO: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 60"><rect width="60" height="60" rx="14" fill="#1f3a8a"/>'
    '<path d="M14 44V16h7l18 19V16h7v28h-7L21 25v19z" fill="#fff"/></svg>'
)
PAY_URL: Final = "https://pay.northwind.example/pay/Zk3J9tq0aBv1wQ8s7LxYpR5hN2mC4dEf"

ENGLISH: Final = Business(
    name="Northwind Services", address=Address("12 Harbour Street", "", "London", "", "EC1A 1BB", "GB"),
    email_from="billing@northwind.example", tax_id="GB123456789", accent_colour="#1f3a8a",
    iban="GB29NWBK60161331926819", bic="NWBKGB2L",
)  # fmt: skip
GERMAN: Final = replace(
    ENGLISH, name="Nordwind Dienste GmbH", address=Address("Hafenstraße 12", "", "Hamburg", "", "20457", "DE"),
    email_from="rechnung@nordwind.example", tax_id="DE123456789", language="de", iban="DE89370400440532013000",
    bic="COBADEFFXXX",
)  # fmt: skip
ACME: Final = Customer(
    "cus_acme", "Acme Ltd", "ap@acme.example", address=Address("1 Mill Lane", "", "Leeds", "", "LS1 4AP", "GB")
)
MUELLER: Final = Customer(
    "cus_mueller", "Müller & Söhne KG", "buchhaltung@mueller.example",
    address=Address("Am Markt 3", "", "Berlin", "", "10115", "DE"),
)  # fmt: skip
START, END = date(2026, 1, 15), date(2026, 2, 15)
CREDITED: Final = (Line("Support desk, two days without service", -16_13),)


def _lines(support: str, backup: str, seats: str, setup: str) -> tuple[Line, ...]:
    return (
        Line(support, 249_95, 249_95, service_start=START, service_end=END),
        Line(backup, 15_53, 5, Decimal("310.5"), service_start=START, service_end=END),
        Line(seats, 42_58, 60_00, service_start=date(2026, 1, 24), service_end=END),
        Line(setup, 99_00, 99_00),
    )


LINES: Final = _lines("Managed IT, support desk", "Backup, GB", "Two more seats, from 24 January", "Setup")
POSTEN: Final = _lines("IT-Betreuung", "Datensicherung, GB", "Zwei weitere Plätze ab 24. Januar", "Einrichtung")


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m infra.pictures", description=__doc__)
    arguments.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder: Path = arguments.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    missing = [tool for tool in ("pdftoppm", "chromium") if shutil.which(tool) is None]
    if "pdftoppm" not in missing:
        for name, pdf in documents().items():
            _picture_of_page(pdf, folder / f"{name}.png")
    if "chromium" not in missing:
        for name, page in mails().items():
            _picture_of_mail(page, folder / f"{name}.png")
    large = [p.name for p in folder.glob("*.png") if p.stat().st_size > BYTES_MAX]
    for problem in (*(f"{tool} is not on the path" for tool in missing), *(f"{p} is too large" for p in large)):
        sys.stderr.write(f"{problem}\n")
    return 1 if missing or large else 0


def documents() -> dict[str, bytes]:
    """PDFs by the name of their picture."""
    invoice = Invoice(
        "inv_1", "cus_acme", "GBP", date(2026, 1, 15), number="INV-000042", tax_rate_percent=Decimal(20),
        due_on=date(2026, 2, 14), status="posted",
    )  # fmt: skip
    memo = replace(
        invoice, id="inv_2", type="credit_memo", number="CM-000007", reason="Two days without service in January"
    )
    euro = replace(invoice, currency="EUR", number="RE-000042", tax_rate_percent=Decimal(19))
    return {
        "invoice": _pdf(invoice, LINES, ACME, ENGLISH, Page(pay_url=PAY_URL)),
        "credit_memo": _pdf(memo, CREDITED, ACME, ENGLISH, Page(for_invoice="INV-000042")),
        "invoice_german": _pdf(euro, POSTEN, MUELLER, GERMAN, Page(pay_url=PAY_URL.replace("northwind", "nordwind"))),
    }


def _pdf(invoice: Invoice, lines: tuple[Line, ...], customer: Customer, business: Business, page: Page) -> bytes:
    said = document(totalled(invoice, lines), lines, customer, Settings(business), page)
    logo = {"format": "svg", "content": LOGO.encode()}
    seller = said["seller"]
    return render_invoice_pdf({**said, "seller": {**seller, "logo": logo} if isinstance(seller, Mapping) else seller})


def mails() -> dict[str, str]:
    """Pages of HTML by the name of their picture."""
    chosen = {
        "reminder": ("past_due_1", ACME, ENGLISH),
        "statement": ("account_summary", ACME, ENGLISH),
        "reminder_german": ("past_due_1", MUELLER, GERMAN),
    }
    return {picture: _mail(*said) for picture, said in chosen.items()}


def _mail(kind: str, customer: Customer, business: Business) -> str:
    data = sample_data(kind, business.language) | shared_data(customer, Settings(business))
    return render_mail(default_template(kind, business.language), data).html


def _picture_of_page(pdf: bytes, target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.pdf"
        source.write_bytes(pdf)
        _run("pdftoppm", "-png", "-r", str(DPI), "-singlefile", str(source), str(target.with_suffix("")))


def _picture_of_mail(page: str, target: Path) -> None:
    """As high as the mail is: the browser is asked first."""
    with tempfile.TemporaryDirectory() as folder:
        source, profile = Path(folder) / "mail.html", str(Path(folder) / "profile")
        source.write_text(page + MEASURE, encoding="utf-8")
        measured = re.search(r'data-high="([0-9]+)"', _chromium(profile, LOW, source, "--dump-dom"))
        source.write_text(page, encoding="utf-8")
        _chromium(profile, int(measured[1]) if measured else HIGH, source, f"--screenshot={target.resolve()}")


def _chromium(profile: str, height: int, source: Path, *options: str) -> str:
    size = f"--window-size={MAIL_WIDTH},{height}"
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}")
    return _run("chromium", *quiet, size, *options, source.as_uri())


def _run(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, timeout=SECONDS_MAX)  # noqa: S603  named above
    return done.stdout.decode("utf-8", "replace")


if __name__ == "__main__":
    sys.exit(main())
