"""What must be true of any world at rest, whatever went wrong on the way there. QUALITY "Invariants".

Facts are read from the stores and from what the outside world saw, never from what the API says about them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from infra.local.cloud import LocalCloud
from shared.domain.ids import SHARDS
from shared.domain.invoice import Invoice, InvoiceLines
from shared.domain.notice import Notice
from shared.domain.pay_link import PayLink, digest_of
from shared.domain.payment import Payment
from shared.ports import INVOICES, NOTICES, PAYMENTS

PAGES_MAX = 1_000
PAY_LINK = re.compile(r"/pay/([\w-]+)")


def stored(cloud: LocalCloud, index):
    """Every record that an index over all shards knows, as it is stored now."""
    keys = []
    for shard in range(SHARDS):
        after = None
        for _ in range(PAGES_MAX):
            page = cloud.ports.store.find(index, str(shard), after=after)
            keys += [entry.key for entry in page.items]
            if (after := page.cursor) is None:
                break
    return cloud.ports.store.get_many(index.entity, keys)


@dataclass
class Facts:
    invoices: list[Invoice]
    lines: dict[str, list]
    payments: list[Payment]
    notices: list[Notice]

    @classmethod
    def of(cls, cloud: LocalCloud) -> Facts:
        invoices = stored(cloud, INVOICES)
        lines = {}
        for invoice in invoices:
            parts = cloud.ports.store.list(InvoiceLines, invoice.id).items
            lines[invoice.id] = [*invoice.lines, *(line for part in parts for line in part.lines)]
        return cls(invoices, lines, stored(cloud, PAYMENTS), stored(cloud, NOTICES))


def broken(cloud: LocalCloud) -> list[str]:
    """Every invariant that does not hold, in words; empty for a world that is well."""
    facts = Facts.of(cloud)
    return [
        *(f"billing: {b}" for b in billing(facts)),
        *(f"numbers: {b}" for b in numbers(facts)),
        *(f"ledger: {b}" for b in ledger(facts)),
        *(f"payments: {b}" for b in payments(facts, cloud)),
        *(f"mail: {b}" for b in mail(facts, cloud)),
        *(f"work: {b}" for b in work(cloud)),
    ]


def billing(facts):
    periods = defaultdict(list)
    for invoice in facts.invoices:
        lines = facts.lines[invoice.id]
        if sum(line.amount_minor for line in lines) != invoice.subtotal_minor or len(lines) != invoice.line_count:
            yield f"{invoice.id} is not the sum of its lines"
        if invoice.subtotal_minor + invoice.tax_minor != invoice.total_minor:
            yield f"{invoice.id} has a total that is not subtotal plus tax"
        if invoice.status != "void":
            for line in lines:
                if line.charge_id and line.service_start:
                    periods[line.contract_id, line.charge_id].append((line.service_start, line.service_end))
    for (contract, charge), found in periods.items():
        for (start, end), (following, _) in zip(sorted(found), sorted(found)[1:], strict=False):
            if following < end:
                yield f"{contract} {charge}: the periods from {start} and {following} overlap: billed twice"
            if following > end:
                yield f"{contract} {charge}: nothing was billed from {end} to {following}"


def numbers(facts):
    series = defaultdict(list)
    for invoice in facts.invoices:
        if (invoice.number is None) != (invoice.status == "draft"):
            yield f"{invoice.id} is {invoice.status} with number {invoice.number}"
        if invoice.number:
            prefix, _, digits = invoice.number.rpartition("-")
            series[prefix].append(int(digits))
    for prefix, used in series.items():
        if sorted(used) != list(range(1, len(used) + 1)):
            yield f"{prefix} has gaps or repetitions: {sorted(used)}"


def ledger(facts):
    paid = Counter()
    for payment in facts.payments:
        if payment.status in ("succeeded", "refunded"):
            if sum(a.amount_minor for a in payment.allocations) + payment.credited_minor != payment.amount_minor:
                yield f"{payment.id} of {payment.amount_minor} is not what it paid and credited"
            for allocation in payment.allocations_left():
                paid[allocation.invoice_id] += allocation.amount_minor
            back = sum(r.amount_minor for r in payment.refunds if r.status == "succeeded")
            if back != payment.refunded_minor or (back == payment.amount_minor) != (payment.status == "refunded"):
                yield f"{payment.id} is {payment.status} with {payment.refunded_minor} of its refunds of {back}"
        elif payment.allocations:
            yield f"{payment.id} is {payment.status} and has allocations"
    for invoice in facts.invoices:
        owed = max(invoice.total_minor, 0) if invoice.status == "posted" else 0
        if (
            invoice.status == "posted"
            and invoice.credited_minor == 0
            and owed - paid[invoice.id] != invoice.residual_minor
        ):
            yield f"{invoice.id}: {owed} owed, {paid[invoice.id]} paid, but residual {invoice.residual_minor}"


def payments(facts, cloud):
    charges = cloud.gateway.charges
    known = {payment.id: payment for payment in facts.payments}
    per_invoice = Counter(c.invoice_id for c in charges if c.status == "succeeded")
    yield from (f"invoice {i} was charged {n} times" for i, n in per_invoice.items() if n > 1)
    for charge in charges:
        payment = known.get(charge.idempotency_key)
        if payment is None:
            yield f"the gateway has charge {charge.id} that no attempt was stored for"
        elif (payment.amount_minor, payment.currency) != (charge.amount_minor, charge.currency):
            yield f"{payment.id} and its charge differ in amount"
        elif (payment.status, payment.refunded_minor) != (charge.status, charge.refunded_minor):
            yield f"{payment.id} is {payment.status}, but the gateway says {charge.status}"
    reached = {charge.idempotency_key for charge in charges}
    for payment in facts.payments:
        if payment.unresolved:
            yield f"{payment.id} is {payment.status} at rest"
        if payment.open_refund is not None:
            yield f"{payment.id} has a refund open at rest"
        if payment.method == "card" and payment.status in ("succeeded", "declined") and payment.id not in reached:
            yield f"{payment.id} is {payment.status}, but never reached the gateway"
    for invoice in facts.invoices:
        if invoice.open_attempt_id is not None:
            yield f"{invoice.id} has an attempt open at rest"


def mail(facts, cloud):
    invoices = {invoice.id: invoice for invoice in facts.invoices}
    notices = {notice.id: notice for notice in facts.notices}
    sent = Counter(s.mail.notice_id for s in cloud.mail.sent)
    mails = {s.mail.notice_id: s.mail for s in cloud.mail.sent}
    yield from (f"notice {n} was mailed {count} times" for n, count in sent.items() if count > 1)
    for id in sent:
        notice = notices.get(id)
        if notice is None:
            yield f"a mail was sent for notice {id}, which does not exist"
            continue
        if notice.status not in ("sent", "bounced"):
            yield f"notice {id} ({notice.kind}) was mailed, but is {notice.status}"
        yield from (f"notice {id} carries a link of another customer" for _ in strange_links(mails[id], notice, cloud))
        if notice.kind == "invoice" and invoices[notice.subject_id].status != "posted":
            yield f"invoice {notice.subject_id} was mailed and is {invoices[notice.subject_id].status}"
    for notice in facts.notices:
        if notice.status == "pending":
            yield f"notice {notice.id} ({notice.kind}) is pending at rest"
        if notice.status == "sent" and notice.id not in sent:
            yield f"notice {notice.id} ({notice.kind}) is sent, but there was no mail"
    tiers = defaultdict(list)
    for notice in sorted(facts.notices, key=lambda n: n.created_at):
        if notice.tier is not None:
            tiers[notice.customer_id, notice.episode].append(notice.tier)
    for key, found in tiers.items():
        if found != sorted(set(found)):
            yield f"tiers of {key} came as {found}"


def strange_links(mail, notice, cloud):
    """The pay links of a mail that are not stored, or that open another customer's page."""
    for token in set(PAY_LINK.findall(mail.html + mail.text)):
        link = cloud.ports.store.get(PayLink, digest_of(token))
        if link is None or link.customer_id != notice.customer_id:
            yield token


def work(cloud):
    labels = {queue.name: queue.label for queue in cloud.wiring.queues.values()}
    for name, depth in cloud.engine.broker.depths().items():
        if depth:
            yield f"{depth} messages in {labels[name]}"
