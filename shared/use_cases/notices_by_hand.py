"""Mails that an admin asks for: an invoice, a whole run, a notice once more. PRODUCT 6, 12.

Apart from the sending itself, so that who only asks for mails starts without what writes them.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared import ports as p
from shared.contracts.messages import SendRun
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import Invalid, NotFound, Refused
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice, notice_id
from shared.ports import Change, Conflict, Ports, Save, Unavailable
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, invoice_of
from shared.use_cases.notices import hint

RUN_PAGES_INLINE = 5
NOTICES_PER_COMMIT = p.COMMIT_MAX // 2  # each changes the one it follows, if there is one
BY_RUN = "run"  # episode of the mails that an admin asked for by run


def send_invoice(invoice_id: str, ports: Ports) -> Notice:
    """Mail a posted invoice by hand, as often as asked: needs an address and nothing else."""
    asked = ports.ids.new("")  # under an Idempotency-Key the same again
    for _ in range(CONFLICT_RETRIES):
        invoice = invoice_of(ports, invoice_id)
        customer = customer_of(ports, invoice.customer_id)
        if invoice.status != "posted":
            raise Refused("not_posted", f"invoice {invoice_id} is {invoice.status}; only a posted one can be mailed")
        _need_address(customer)
        first = ports.store.get(Notice, notice_id(customer.id, "invoice", invoice.id))
        if first is not None and first.asked == asked:
            return _hinted(first, ports)
        notice = _by_hand(invoice, first, asked, ports)
        if first is not None and notice.version == 0 and (known := ports.store.get(Notice, notice.id)) is not None:
            return _hinted(known, ports)
        try:
            ports.store.commit(*_asked(notice, first))
        except Conflict:
            continue
        return _hinted(replace(notice, version=notice.version + 1), ports)
    raise Unavailable(f"the mail of invoice {invoice_id} kept changing")


def _need_address(customer: Customer) -> None:
    if not customer.mailable():
        raise Invalid("email", f"customer {customer.id} has no usable e-mail address; give one first")


def _asked(notice: Notice, first: Notice | None) -> list[Change]:
    """A mail that was asked for by hand; the invoice's own tells which was the last.

    Unless its own is on its way this moment: nobody may keep its sender from marking that it went.
    """
    if first is None or first.id == notice.id or first.status == "pending":
        return [Save(notice)]
    return [Save(notice), Save(first.followed_by(notice.id))]


def _hinted(notice: Notice, ports: Ports) -> Notice:
    hint(ports, notice.id)
    return notice


def _by_hand(invoice: Invoice, first: Notice | None, asked: str, ports: Ports) -> Notice:
    """The invoice's own notice if it has not gone yet, otherwise a further one of an episode of its own."""
    if first is not None and first.unclaimed:
        return replace(first, by_hand=True, retry_at=None, asked=asked)
    episode = "" if first is None else asked
    return Notice(
        id=notice_id(invoice.customer_id, "invoice", invoice.id, episode), customer_id=invoice.customer_id,
        kind="invoice", subject_id=invoice.id, episode=episode, created_at=ports.clock.now(),
        bill_run_id=None if first is not None and first.sent_at else invoice.bill_run_id, by_hand=True, asked=asked,
    )  # fmt: skip


def resend_notice(id: str, ports: Ports) -> Notice:
    """Send the same notice again by hand, to the address on file now."""
    episode = ports.ids.new("")
    for _ in range(CONFLICT_RETRIES):
        notice = ports.store.get(Notice, id)
        if notice is None:
            raise NotFound("notice", id)
        known = ports.store.get(Notice, notice_id(notice.customer_id, notice.kind, notice.subject_id, episode))
        if known is not None:
            return _hinted(known, ports)  # the answer to the same request was lost
        if notice.status == "pending":
            raise Refused("pending", f"notice {id} has not been sent yet; wait for it")
        _need_address(customer_of(ports, notice.customer_id))
        again = _once_more(notice, episode, ports)
        try:
            ports.store.commit(*_asked(again, _own(notice, ports)))
        except Conflict:
            continue
        return _hinted(replace(again, version=1), ports)
    raise Unavailable(f"notice {id} kept changing")


def _once_more(notice: Notice, episode: str, ports: Ports) -> Notice:
    return replace(
        notice, id=notice_id(notice.customer_id, notice.kind, notice.subject_id, episode), episode=episode,
        status="pending", reason=None, by_hand=True, claimed_at=None, claim=None, attempts=0, sent_at=None,
        message_id=None, delivered_at=None, bill_run_id=None, created_at=ports.clock.now(), to=None, retry_at=None,
        asked=None, again_ids=(), version=0,
    )  # fmt: skip


def _own(notice: Notice, ports: Ports) -> Notice | None:
    """The first mail of the invoice that a notice is a mail of; None for notices of other kinds."""
    if notice.kind != "invoice" or not notice.episode:
        return notice if notice.kind == "invoice" else None
    return ports.store.get(Notice, notice_id(notice.customer_id, "invoice", notice.subject_id))


def send_run(run_id: str, ports: Ports, after: str | None = None) -> str | None:
    """Mail a run's posted invoices that have not been mailed: some pages now, the rest through the queue.

    The place where the queue goes on, or None when this was all. Asking twice mails nothing twice.
    """
    for _ in range(RUN_PAGES_INLINE):
        page = ports.store.find(p.INVOICES_BY_RUN, run_id, prefix="posted#", after=after, limit=p.COMMIT_MAX)
        _send_page(ports.store.get_many(Invoice, [e.key for e in page.items]), ports)
        after = page.cursor
        if after is None:
            return None
    ports.queue.send("post", [SendRun(run_id=run_id, after=after).body()])
    return after


def _send_page(invoices: Sequence[Invoice], ports: Ports) -> None:
    """Record the notices that are missing, together if nobody else is at it; what is recorded by others goes anyway."""
    owners = sorted({i.customer_id for i in invoices})
    customers = {c.id: c for c in ports.store.get_many(Customer, [(i, "") for i in owners])}
    mailed = [i for i in invoices if i.status == "posted" and _by_email(customers.get(i.customer_id))]
    missing = _missing(mailed, ports)
    for at in range(0, len(missing), NOTICES_PER_COMMIT):
        part = missing[at : at + NOTICES_PER_COMMIT]
        try:
            ports.store.commit(*(change for notice, own in part for change in _asked(notice, own)))
        except Conflict:
            part = [(notice, own) for notice, own in part if _saved(notice, own, ports)]
        hint(ports, *(notice.id for notice, _ in part))


def _missing(invoices: Sequence[Invoice], ports: Ports) -> list[tuple[Notice, Notice | None]]:
    """A notice for each invoice that has none, or whose own did not go and was not followed by another; and its own."""
    own = {i.id: notice_id(i.customer_id, "invoice", i.id) for i in invoices}
    again = {i.id: notice_id(i.customer_id, "invoice", i.id, BY_RUN) for i in invoices}
    known = {n.id: n for n in ports.store.get_many(Notice, [(n, "") for n in (*own.values(), *again.values())])}
    missing = [i for i in invoices if again[i.id] not in known and _not_sent(known.get(own[i.id]))]
    return [(_by_hand(i, first, BY_RUN, ports), first) for i in missing for first in [known.get(own[i.id])]]


def _not_sent(first: Notice | None) -> bool:
    return first is None or first.status in ("suppressed", "failed")


def _saved(notice: Notice, own: Notice | None, ports: Ports) -> bool:
    try:
        ports.store.commit(*_asked(notice, own))
    except Conflict:
        return False
    return True


def _by_email(customer: Customer | None) -> bool:
    return customer is not None and "email" in customer.delivery and customer.mailable()
