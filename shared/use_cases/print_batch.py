"""The invoices of a run that go out on paper, as files of at most 1,000 invoices. PRODUCT 6.

On paper go the posted invoices of customers with delivery by print, and of those whose mail has nowhere to go. A part
is written down with its invoices before its file is made, and stays as it is: what is posted later, or whose mail
bounces later, goes into a further part. So no invoice is printed twice, and none is missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from shared import ports as p
from shared.domain.customer import Customer
from shared.domain.errors import Refused
from shared.domain.invoice import Invoice
from shared.domain.runs import PrintPart, part_sort
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.bill_runs import bill_run_of
from shared.use_cases.lookups import CONFLICT_RETRIES, settings_of
from shared.use_cases.render_document import document_key, render_document

POSTED_MAX = 1_000_000  # invoices of one run
PER_PART = 1_000  # invoices in one file: it is made within a minute, and fits into an answer
PARTS_MAX = 100
LOOKED_AT_MAX = 2_000  # posted invoices of a run, to find one to print while somebody waits
NOTHING_FOR = timedelta(minutes=1)  # that there was nothing for a part is believed for so long
PAGE = 200

WANTED = {None: "", "bounced": "mail to its address bounced", "complained": "its mail was reported as spam"}


def part_key(run_id: str, number: int) -> str:
    """Where the file of a part (from 1) is stored."""
    return f"print-batches/{run_id}-{number}.pdf"


def on_paper(customer: Customer) -> bool:
    """By choice, or because a mail has nowhere to go."""
    return "print" in customer.delivery or ("email" in customer.delivery and not customer.mailable())


def remark(customer: Customer) -> str:
    """Why it is printed, where that was not chosen."""
    if "print" in customer.delivery:
        return ""
    return WANTED[customer.email_problem] or "no e-mail address"


def parts_of(run_id: str, ports: Ports) -> list[PrintPart]:
    """Those that hold something, in order."""
    return [part for part in ports.store.list(PrintPart, run_id, limit=PARTS_MAX).items if part.invoice_ids]


def maybe_to_print(run_id: str, number: int, ports: Ports) -> bool:
    """False if surely nothing is to be printed as this part; of a large run only the beginning is looked at."""
    part = ports.store.get(PrintPart, run_id, part_sort(number))
    if part is not None and (part.invoice_ids or ports.clock.now() - part.made_at < NOTHING_FOR):
        return bool(part.invoice_ids)
    printed = _printed(run_id, ports)
    looked_at = 0
    for owners in _owners(run_id, ports):
        wanted = {c.id for c in ports.store.get_many(Customer, [(i, "") for i in sorted(owners)]) if on_paper(c)}
        if any(id not in printed for owner in wanted for id in owners[owner]):
            return True
        looked_at += PAGE
        if looked_at >= LOOKED_AT_MAX:
            return True
    return False


def _printed(run_id: str, ports: Ports) -> frozenset[str]:
    return frozenset(id for part in parts_of(run_id, ports) for id in part.invoice_ids)


def _owners(run_id: str, ports: Ports) -> Iterator[dict[str, list[str]]]:
    """The customers of a run's posted invoices with these, a page at a time; the index names them."""
    after: str | None = None
    for _ in range(POSTED_MAX // PAGE):
        page = ports.store.find(p.INVOICES_BY_RUN, run_id, prefix="posted#", after=after, limit=PAGE)
        found: dict[str, list[str]] = {}
        for entry in page.items:
            found.setdefault(entry.at.split("#")[1], []).append(entry.partition)
        yield found
        after = page.cursor
        if after is None:
            return


def make_print_batch(run_id: str, number: int, ports: Ports) -> int:
    """Render and store a part of the batch unless it is there; how many invoices are in it."""
    from shared.rendering.print_batch import Sheet, render_print_batch  # only one function carries the typesetter

    run = bill_run_of(run_id, ports)
    if ports.files.read(part_key(run_id, number)) is not None:
        return 0
    part = _part(run_id, number, ports)
    if not part.invoice_ids:
        return 0
    invoices = [i for i in ports.store.get_many(Invoice, [(i, "") for i in part.invoice_ids]) if i.status == "posted"]
    ids = sorted({i.customer_id for i in invoices})
    owners = {c.id: c for c in ports.store.get_many(Customer, [(i, "") for i in ids])}
    its = [(i, owners[i.customer_id]) for i in invoices]
    sheets = [Sheet(c.name, _place(c), i.number or "", _pdf(i, ports), remark(c)) for i, c in its]
    said = f"{run.as_of}, part {number}" if number > 1 or part.followed else str(run.as_of)
    content = render_print_batch(settings_of(ports).business.name, run.id, said, sheets)
    ports.files.write_once(part_key(run_id, number), content, "application/pdf")
    return len(sheets)


def _part(run_id: str, number: int, ports: Ports) -> PrintPart:
    """The part as it is written down, once everything that waits to be printed was; empty if that does not reach it."""
    for _ in range(CONFLICT_RETRIES):
        known = ports.store.get(PrintPart, run_id, part_sort(number))
        if known is not None and known.invoice_ids:
            return known
        try:
            made = _write_down(run_id, ports)
            if number not in made:
                nothing = PrintPart(run_id, number, (), ports.clock.now(), version=known.version if known else 0)
                ports.store.commit(Save(nothing))
                return nothing
            return made[number]
        except Conflict:
            continue  # another worker is at the same run
    raise Unavailable(f"the print batch of {run_id} kept changing")


def _write_down(run_id: str, ports: Ports) -> dict[int, PrintPart]:
    """What waits to be printed becomes parts after the last one, in address order; these, by their numbers."""
    printed = _printed(run_id, ports)
    waiting = sorted((pair for pair in _chosen(run_id, ports) if pair[0].id not in printed), key=_address_order)
    first = len(parts_of(run_id, ports)) + 1
    made: dict[int, PrintPart] = {}
    for number, at in enumerate(range(0, len(waiting), PER_PART), start=first):
        ids = tuple(invoice.id for invoice, _ in waiting[at : at + PER_PART])
        before = ports.store.get(PrintPart, run_id, part_sort(number))
        followed = at + PER_PART < len(waiting)
        part = PrintPart(run_id, number, ids, ports.clock.now(), followed, before.version if before else 0)
        if before is not None and before.invoice_ids:
            raise Conflict((0,))
        ports.store.commit(Save(part))
        made[number] = part
    return made


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
