"""What a mail costs in CPU time, from its message on the queue to its mark: `python -m benchmarks.mail [COUNT]`.

On the memory adapter, with a stored PDF of PDF_BYTES and a mailer that composes the MIME text as SES's does. Beside it
what the two largest parts cost by themselves, and what it costs to take in one event of the mail service. Prints one
JSON line per figure.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from time import process_time
from typing import Final

from infra.local.cloud import LocalCloud
from shared.domain.customer import Customer, Switches
from shared.domain.invoice import Invoice, Line, parts, totalled
from shared.domain.notice import Notice, notice_id
from shared.gateways.mime import compose as compose_mime
from shared.ports import Attachment, Mail, Ports, Save
from shared.rendering.defaults import default_template, sample_data
from shared.rendering.mail import render_mail
from shared.use_cases.mail_feedback import MailEvent, take_mail_event
from shared.use_cases.render_document import document_key
from shared.use_cases.send_notice import send_notice

PDF_BYTES: Final = 40_000  # an invoice of a page
COUNT_DEFAULT: Final = 2_000
NOW: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)


def prepared(count: int, ports: Ports) -> list[str]:
    """So many customers with an invoice each, its PDF stored and its notice pending; the notices' ids."""
    made = []
    for n in range(count):
        customer = Customer(f"cus_{n}", f"Customer {n}", f"ap{n}@example.com", automations=Switches(enabled=True))
        lines = (Line("Support", 10_000),)
        head = Invoice(f"inv_{n}", customer.id, "USD", NOW.date(), created_at=NOW)
        posted = totalled(head, lines).posted(f"INV-{n:06d}", NOW.date(), NOW, NOW.date())
        id = notice_id(customer.id, "invoice", head.id)
        notice = Notice(id, customer.id, "invoice", head.id, "", NOW, by_hand=True)
        ports.store.commit(*map(Save, (customer, posted, *parts(head.id, lines), notice)))
        ports.files.write_once(document_key(head.id), bytes(PDF_BYTES), "application/pdf")
        made.append(id)
    return made


class ComposingMailer:
    """Takes every mail, after composing what SES would be given."""

    def send(self, mail: Mail) -> str:
        return str(len(compose_mime(mail)))


def each(ids: list[str], act: Callable[[str], object]) -> float:
    """Milliseconds of CPU per call."""
    begun = process_time()
    for id in ids:
        act(id)
    return (process_time() - begun) * 1_000 / len(ids)


def measure(count: int) -> dict[str, float]:
    template, data = default_template("invoice"), sample_data("invoice")
    said = render_mail(template, data)
    pdf = Attachment("INV-000042.pdf", bytes(PDF_BYTES))
    mail = Mail("ntc_1", "b@example.com", "ap@example.com", said.subject, said.text, said.html, (pdf,))
    with LocalCloud("memory", NOW) as cloud:
        ids = prepared(count, cloud.ports)
        cloud.ports.mailer.send = ComposingMailer().send  # type: ignore[method-assign]
        return {
            "send": each(ids, lambda id: send_notice(id, cloud.ports)),
            "of which words": each(ids, lambda id: render_mail(template, data)),
            "of which MIME": each(ids, lambda id: compose_mime(mail)),
            "delivery taken in": each(ids, lambda id: take_mail_event(MailEvent(id, "delivered"), cloud.ports)),
        }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mail", description=__doc__.split("\n\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=COUNT_DEFAULT)
    for figure, value in measure(parser.parse_args().count).items():
        print(json.dumps({"benchmark": "mail", "figure": figure, "value": round(value, 3), "unit": "ms CPU"}))


if __name__ == "__main__":
    main()
