"""Laws that hold once a world has come to rest, each recounted from the facts. QUALITY "Invariants"."""

from __future__ import annotations

from calendar import monthrange
from collections import Counter, defaultdict
from datetime import date

from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.payment import CreditBalance
from shared.domain.task import Task
from shared.use_cases.notices import task_of
from tests.simulation.invariants import Facts

RECEIVED = ("succeeded", "refunded")


def at_rest(world, watch, today: date) -> None:
    """Hold every law; `watch` takes down what is broken."""
    cloud = world.cloud
    facts = Facts.of(cloud)
    contracts = {
        c.id: c for id in watch.customers for c in cloud.ports.store.list(Contract, id).items
    }  # fmt: skip
    billing(facts, contracts, watch)
    billed(cloud, contracts, today, watch)
    numbers(facts, watch)
    ledger(world, facts, watch)
    payments(facts, cloud, watch)
    mail(facts, cloud, watch)
    runs(world, facts, watch)
    events(cloud, watch)
    work(world, watch)


def billing(facts, contracts, watch) -> None:
    periods = defaultdict(list)
    for invoice in facts.invoices:
        lines = facts.lines[invoice.id]
        total = sum(line.amount_minor for line in lines)
        watch.law("a total is the sum of its lines", total == invoice.subtotal_minor, invoice.id)
        tax = round_half_up(
            sum(line.amount_minor for line in lines if line.taxable) * invoice.tax_rate_percent, 100
        )  # fmt: skip
        whole = invoice.total_minor == total + (invoice.tax_minor if invoice.adjusts_invoice_id else tax)
        watch.law("tax is one rate on the sum", whole, f"{invoice.id} {total} {tax} {invoice.total_minor}")
        if invoice.status != "void":
            for line in lines:
                if line.contract_id in contracts and line.service_start and plain(contracts[line.contract_id]):
                    periods[line.contract_id, line.charge_id].append((line.service_start, line.service_end))
                    expected = recomputed(contracts[line.contract_id], line)
                    watch.law("a line is what is agreed", line.amount_minor == expected, f"{invoice.id} {line}")
    for key, found in periods.items():
        for (_, end), (following, _) in zip(sorted(found), sorted(found)[1:], strict=False):
            watch.law("no period is billed twice", following >= end, f"{key} {following}")
            watch.law("no period is left out", following <= end, f"{key} {end}")


def plain(contract: Contract) -> bool:
    """Never changed, suspended or ended: its lines can be computed by hand."""
    changed = any(c.changes or c.starts_on for c in contract.charges)
    return not (contract.suspensions or contract.end_date or changed)


def recomputed(contract: Contract, line) -> int:
    """days of it ÷ days of the whole period, half up, from the anchor alone."""
    charge = next(c for c in contract.charges if c.id == line.charge_id)
    full = charge.amount_minor * charge.quantity
    if charge.interval != "month":
        return int(full)
    start, end = whole_month(contract.bill_cycle_day, line.service_start)
    return round_half_up(full * (line.service_end - line.service_start).days, (end - start).days)


def whole_month(anchor: int, on: date) -> tuple[date, date]:
    """The month from anchor to anchor that contains a day."""

    def start(year, month):
        year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
        return date(year, month, min(anchor, monthrange(year, month)[1]))

    first = start(on.year, on.month)
    if on < first:
        return start(on.year, on.month - 1), first
    return first, start(on.year, on.month + 1)


def round_half_up(amount, divisor: int) -> int:
    sign = -1 if amount < 0 else 1
    return sign * int((2 * abs(amount) + divisor) // (2 * divisor))


def billed(cloud, contracts, today, watch) -> None:
    for contract in contracts.values():
        customer = cloud.ports.store.get(Customer, contract.customer_id)
        if customer.service != "terminated" and not contract.suspensions:
            due = contract.next_bill_on
            watch.law("what is due is billed", due is None or due > today, f"{contract.id} is due since {due}")


def numbers(facts, watch) -> None:
    series = defaultdict(list)
    for invoice in facts.invoices:
        right = (invoice.number is None) == (invoice.status == "draft")
        watch.law("what is posted has a number", right, invoice.id)
        if invoice.number:
            prefix, _, digits = invoice.number.rpartition("-")
            series[prefix].append(int(digits))
    for prefix, used in series.items():
        watch.law("numbers have no gaps", sorted(used) == list(range(1, len(used) + 1)), f"{prefix} {sorted(used)}")


def ledger(world, facts, watch) -> None:
    """Posted, less what came in and was not given back, is what is owed less the credit. PRODUCT, QUALITY."""
    posted = [i for i in facts.invoices if i.status == "posted"]
    money = [p for p in facts.payments if p.status in RECEIVED and p.method != "credit"]
    for id in watch.customers:
        credit = world.cloud.ports.store.get(CreditBalance, id, "USD")
        held = credit.amount_minor if credit else 0
        owed = sum(i.residual_minor for i in posted if i.customer_id == id) - held
        due = sum(i.total_minor for i in posted if i.customer_id == id)
        came = sum(p.amount_minor - p.refunded_minor for p in money if p.customer_id == id)
        watch.law("the books add up", owed == due - came and held >= 0, f"{id}: {owed} owed, {due} posted, {came} paid")
        said = world.get(f"/v1/customers/{id}/account")["balance"].get("USD", "0.00")
        watch.law("the account says so", said == f"{owed / 100:.2f}", f"{id}: {said}, not {owed}")
    for payment in (p for p in facts.payments if p.status in RECEIVED):
        whole = sum(a.amount_minor for a in payment.allocations) + payment.credited_minor == payment.amount_minor
        watch.law("a payment is what it paid and credited", whole, payment.id)
        sane = 0 <= payment.refunded_minor <= payment.amount_minor
        watch.law("no more is given back than came in", sane, payment.id)


def payments(facts, cloud, watch) -> None:
    known = {payment.id: payment for payment in facts.payments}
    paid = Counter(c.invoice_id for c in cloud.gateway.charges if c.status in ("succeeded", "refunded"))
    back = Counter(
        a.invoice_id for p in facts.payments for r in p.refunds if r.status == "succeeded" for a in r.reopened
    )  # whatever is given back, in however many parts, is owed again
    for invoice, times in paid.items():
        watch.law("an invoice is charged once", times <= 1 + back[invoice], f"{invoice} {times} times")
    for charge in cloud.gateway.charges:
        payment = known.get(charge.idempotency_key)
        watch.law("no charge without an attempt", payment is not None, charge.id)
        if payment is not None:
            same = (payment.amount_minor, payment.status, payment.refunded_minor) == (
                charge.amount_minor, charge.status, charge.refunded_minor)  # fmt: skip
            watch.law("we and the gateway agree", same, f"{payment.id} {payment.status} {charge.status}")
    for payment in facts.payments:
        watch.law("nothing is unknown at rest", not payment.unresolved, f"{payment.id} {payment.status}")
        watch.law("no refund is open at rest", payment.open_refund is None, payment.id)
    for invoice in facts.invoices:
        watch.law("no attempt is open at rest", invoice.open_attempt_id is None, invoice.id)


def mail(facts, cloud, watch) -> None:
    sent = Counter(s.mail.notice_id for s in cloud.mail.sent)
    told = defaultdict(list)
    # Of days made up for together, the tiers' notices are recorded at one instant, and the lower one is superseded.
    for notice in sorted(facts.notices, key=lambda n: (n.created_at, n.tier or 0)):
        asked = cloud.ports.store.get(Task, task_of(notice.id))
        settled = notice.status in ("sent", "bounced", "suppressed") or asked is not None
        watch.law("every notice comes to an end", settled, f"{notice.id} {notice.kind} {notice.status}")
        if notice.status == "sent":
            watch.law("what is called sent was mailed", sent[notice.id] > 0, notice.id)
        if notice.kind.startswith("past_due_") and not notice.by_hand:
            told[notice.customer_id, notice.episode].append(notice.tier)
    for key, tiers in told.items():
        watch.law("tiers rise, each told once", tiers == sorted(set(tiers)), f"{key} {tiers}")


def events(cloud, watch) -> None:
    """Everything that was stored to be told was told, at least once."""
    stored, told = Counter(watch.events.values()), Counter(p.detail_type for p in cloud.bus.published)
    for kind, times in stored.items():
        watch.law("every event reaches the bus", told[kind] >= times, f"{kind}: {told[kind]} of {times}")


def runs(world, facts, watch) -> None:
    made = Counter((i.bill_run_id, i.status) for i in facts.invoices if i.bill_run_id and not i.adjusts_invoice_id)
    for run in world.all("/v1/bill-runs"):
        if run["status"] != "cancelled":
            counted = (made[run["id"], "posted"], made[run["id"], "draft"])
            right = run["counts"]["posted"] == counted[0]
            watch.law("a run's counts are a recount", right, f"{run['id']} {run['counts']} {counted}")
        watch.law("every run ends", run["status"] in ("completed", "posted", "cancelled"), f"{run['id']} {run}")
    for run in world.all("/v1/payment-runs"):
        watch.law("every payment run ends", run["status"] == "completed", f"{run['id']} {run['status']}")


def work(world, watch) -> None:
    for name, depth in world.queues().items():
        watch.law("every queue is empty", False, f"{depth} in {name}")
    watch.law("every queue is empty", True, "")
    said = world.get("/v1/audit/verify")
    watch.law("the audit log is whole", said["valid"], said)
