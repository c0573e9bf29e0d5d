"""The invoices of a run that go out on paper, as one file. PRODUCT 6.

On paper go the posted invoices of customers with delivery by print, and of those whose mail has nowhere to go. The
file is stored once for what is posted at that moment: asking again gives the same bytes, until more of the run is
posted or something of it voided.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from shared import ports as p
from shared.domain.customer import Customer
from shared.domain.errors import Refused
from shared.domain.invoice import Invoice
from shared.domain.runs import BillRun
from shared.ports import Ports
from shared.use_cases.bill_runs import bill_run_of
from shared.use_cases.lookups import entries, settings_of
from shared.use_cases.render_document import document_key, render_document

POSTED_MAX = 1_000_000  # invoices of one run
PER_PART = 1_000  # invoices in one file: it is made within a minute, and fits into an answer
PARTS_MAX = 100
LOOKED_AT_MAX = 2_000  # posted invoices of a run, to find one to print while somebody waits
PAGE = 200

WANTED = {None: "", "bounced": "mail to its address bounced", "complained": "its mail was reported as spam"}


def batch_key(run: BillRun, part: int, ports: Ports) -> str:
    """Where a part (from 1) of the batch of what is posted now is stored."""
    posted = hashlib.sha256()
    for entry in entries(ports, p.INVOICES_BY_RUN, run.id, prefix="posted#", most=POSTED_MAX):
        posted.update(f"{entry.partition};".encode())
    return f"print-batches/{run.id}-{run.post_round}-{posted.hexdigest()[:16]}-{part}.pdf"


def on_paper(customer: Customer) -> bool:
    """By choice, or because a mail has nowhere to go."""
    return "print" in customer.delivery or ("email" in customer.delivery and not customer.mailable())


def remark(customer: Customer) -> str:
    """Why it is printed, where that was not chosen."""
    if "print" in customer.delivery:
        return ""
    return WANTED[customer.email_problem] or "no e-mail address"


def maybe_to_print(run_id: str, ports: Ports) -> bool:
    """False if surely nothing of the run is to be printed; of a large run only the beginning is looked at."""
    looked_at = 0
    for customers in _owners(run_id, ports):
        if any(on_paper(c) for c in customers):
            return True
        looked_at += PAGE
        if looked_at >= LOOKED_AT_MAX:
            return True
    return False


def _owners(run_id: str, ports: Ports) -> Iterator[Sequence[Customer]]:
    """The customers of a run's posted invoices, a page at a time; the index names them."""
    after: str | None = None
    for _ in range(POSTED_MAX // PAGE):
        page = ports.store.find(p.INVOICES_BY_RUN, run_id, prefix="posted#", after=after, limit=PAGE)
        ids = dict.fromkeys(e.at.split("#")[1] for e in page.items)
        yield ports.store.get_many(Customer, [(i, "") for i in ids])
        after = page.cursor
        if after is None:
            return


def make_print_batch(run_id: str, part: int, ports: Ports) -> int:
    """Render and store a part of the batch unless it is there; how many invoices are in it. None: an empty file."""
    from shared.rendering.print_batch import Sheet, render_print_batch  # only one function carries the typesetter

    run = bill_run_of(run_id, ports)
    key = batch_key(run, part, ports)
    if ports.files.read(key) is not None:
        return 0
    chosen = sorted(_chosen(run_id, ports), key=_address_order)
    its = chosen[(part - 1) * PER_PART : part * PER_PART]
    sheets = [Sheet(c.name, _place(c), i.number or "", _pdf(i, ports), remark(c)) for i, c in its]
    parts = -(-len(chosen) // PER_PART)
    seller = settings_of(ports).business.name
    said = str(run.as_of) if parts == 1 else f"{run.as_of}, part {part} of {parts}"
    content = render_print_batch(seller, run.id, said, sheets) if sheets else b""
    ports.files.write_once(key, content, "application/pdf")
    return len(sheets)


def _chosen(run_id: str, ports: Ports) -> list[tuple[Invoice, Customer]]:
    chosen: list[tuple[Invoice, Customer]] = []
    after: str | None = None
    for _ in range(POSTED_MAX // PAGE):
        page = ports.store.find(p.INVOICES_BY_RUN, run_id, prefix="posted#", after=after, limit=PAGE)
        invoices = [i for i in ports.store.get_many(Invoice, [e.key for e in page.items]) if i.status == "posted"]
        ids = sorted({i.customer_id for i in invoices})
        customers = {c.id: c for c in ports.store.get_many(Customer, [(i, "") for i in ids]) if on_paper(c)}
        chosen += [(i, customers[i.customer_id]) for i in invoices if i.customer_id in customers]
        if len(chosen) > PER_PART * PARTS_MAX:
            raise Refused(
                "too_many_to_print", f"more than {PER_PART * PARTS_MAX} invoices of {run_id} are to be printed"
            )
        after = page.cursor
        if after is None:
            break
    return chosen


def _address_order(pair: tuple[Invoice, Customer]) -> tuple[str, ...]:
    invoice, customer = pair
    a = customer.address
    by = (a.country, a.postal_code, a.city, customer.name)
    return (*(part.casefold() for part in by), customer.id, invoice.number or "")


def _place(customer: Customer) -> str:
    a = customer.address
    return ", ".join(part for part in (f"{a.postal_code} {a.city}".strip(), a.country) if part)


def _pdf(invoice: Invoice, ports: Ports) -> bytes:
    """The invoice's own, which is made if it is not there yet."""
    key = document_key(invoice.id)
    pdf = ports.files.read(key)
    if pdf is None:
        render_document(invoice.id, ports)
        pdf = ports.files.read(key)
    if pdf is None:
        raise LookupError(f"the PDF of invoice {invoice.id} is not there")
    return pdf
