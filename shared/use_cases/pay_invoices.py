"""A customer pays invoices on his own page. PRODUCT 7, 11.

What he chose is stored before anything is charged, under an id derived from the page that he was shown: a second submit
of the same page finds it, has no effect of its own, and sees the first one's result. Each invoice is charged at most
once for it, for the amount that the page showed, so one that was interrupted can simply be gone on with.

He pays of his own accord: a hold on collection or terminated service does not keep him from it. An open attempt does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import Invalid, NotFound
from shared.domain.invoice import Invoice
from shared.domain.pay_link import KEPT_SUBMITTED, Asked, NotPaid, Submission
from shared.domain.payment import Payment, PaymentMethod
from shared.domain.values import dataclass
from shared.ports import Check, Conflict, Ports, Save, Unavailable
from shared.use_cases.autopay_rules import Choice
from shared.use_cases.card_tries import with_card
from shared.use_cases.charge_invoice import open_attempt, read_for_charge
from shared.use_cases.lookups import CONFLICT_RETRIES
from shared.use_cases.settle_payment import attempts_of, settle
from shared.use_cases.submissions import submission_id

INVOICES_MAX = 100  # in one submission
WORK_MAX = timedelta(seconds=15)  # begun in one request, which API Gateway ends after 29; the rest is gone on with

Reason = Literal["nothing_due", "attempt_open", "amount_changed", "card_limit", "method_removed", "left"]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one chosen invoice: the attempt on it, or the reason why there is none ("left": not yet tried)."""

    invoice_id: str
    payment: Payment | None = None
    reason: Reason | None = None


def pay_invoices(
    customer: Customer, nonce: str, payment_method_id: str, asked: Sequence[Asked], ports: Ports
) -> Submission:
    """Charge these invoices to one method, once per `nonce`. The submission as it is afterwards.

    `customer` is as it was read with the link that let him in: if it was revoked since, nothing is done. A nonce that
    was used before goes on with what was submitted then, whatever is asked now. Raises Invalid, NotFound and Conflict
    with nothing charged.
    """
    id = submission_id(customer.id, nonce)
    submission = ports.store.get(Submission, id)
    if submission is None:
        _check(customer.id, payment_method_id, asked, ports)
        now = ports.clock.now()
        fresh = Submission(id, customer.id, now, now + KEPT_SUBMITTED, payment_method_id, tuple(asked))
        try:
            ports.store.commit(Save(fresh), Check(customer))
            submission = replace(fresh, version=1)
        except Conflict:
            submission = ports.store.get(Submission, id)
            if submission is None:
                raise  # the customer changed: his links may have been revoked
    return go_on(submission, ports)


def go_on(submission: Submission, ports: Ports) -> Submission:
    """Charge what of it has not been tried, as far as there is time. Safe to repeat, and to do twice at once."""
    if submission.done:
        return submission
    began, not_paid = ports.clock.now(), []
    for asked in submission.asked:
        if ports.clock.now() - began >= WORK_MAX:
            return submission
        reason = _charge(asked, submission, ports)
        if reason is not None:
            not_paid.append(NotPaid(asked.invoice_id, reason))
    done = replace(submission, not_paid=tuple(not_paid), done=True)
    try:
        ports.store.commit(Save(done))
    except Conflict:
        return ports.store.get(Submission, submission.id) or submission  # someone else came to its end
    return replace(done, version=submission.version + 1)


def results_of(submission: Submission, ports: Ports) -> list[Result]:
    """What became of each chosen invoice, in the order in which they were chosen."""
    reasons: dict[str, Reason] = {n.invoice_id: n.reason for n in submission.not_paid}  # type: ignore[misc]
    invoices = ports.store.get_many(Invoice, [(a.invoice_id, "") for a in submission.asked])
    paid = {i.id: _attempt_of(submission, i, ports) for i in invoices if i.id not in reasons}
    return [
        Result(a.invoice_id, payment)
        if (payment := paid.get(a.invoice_id)) is not None
        else Result(a.invoice_id, reason=reasons.get(a.invoice_id, "left"))
        for a in submission.asked
    ]


def submission_of(customer_id: str, id: str, ports: Ports) -> Submission:
    """Raises NotFound, also for another customer's."""
    found = ports.store.get(Submission, id)
    if found is None or found.customer_id != customer_id:
        raise NotFound("payment", id)
    return found


def _check(customer_id: str, payment_method_id: str, asked: Sequence[Asked], ports: Ports) -> None:
    if not asked:
        raise Invalid("invoice_id", "choose at least one invoice to pay")
    if len(asked) > INVOICES_MAX:
        raise Invalid("invoice_id", f"choose at most {INVOICES_MAX} invoices at a time")
    if len({a.invoice_id for a in asked}) < len(asked):
        raise Invalid("invoice_id", "names an invoice twice")
    found = ports.store.get_many(Invoice, [(a.invoice_id, "") for a in asked])
    mine = {i.id for i in found if i.customer_id == customer_id and i.status == "posted"}
    for one in asked:
        if one.invoice_id not in mine:
            raise NotFound("invoice", one.invoice_id)
    if ports.store.get(PaymentMethod, customer_id, payment_method_id) is None:
        raise NotFound("payment method", payment_method_id)


def _charge(asked: Asked, submission: Submission, ports: Ports) -> Reason | None:
    """Charge one of them, unless that was done; why it was not."""
    for _ in range(CONFLICT_RETRIES):
        read = read_for_charge(asked.invoice_id, None, ports)
        if _attempt_of(submission, read.invoice, ports) is not None:
            return None
        reason = _why_not(asked, read.invoice)
        if reason is not None:
            return reason
        method = ports.store.get(PaymentMethod, submission.customer_id, submission.payment_method_id)
        if method is None:
            return "method_removed"
        tries = with_card(read.tries, method.token, ports)
        if tries.at_limit(method.token, read.now, read.settings.retries.max_attempts_per_card_30_days):
            return "card_limit"
        try:
            attempt = open_attempt(read, method, tries, Choice(method), None, ports, submission.id)
        except Conflict:
            continue
        settle(attempt, ports.gateway.charge(attempt), ports)
        return None
    raise Unavailable(f"invoice {asked.invoice_id} kept changing while it was charged")


def _why_not(asked: Asked, invoice: Invoice) -> Reason | None:
    if not invoice.collectable():
        return "nothing_due"
    if invoice.open_attempt_id is not None:
        return "attempt_open"
    return "amount_changed" if invoice.residual_minor != asked.amount_minor else None


def _attempt_of(submission: Submission, invoice: Invoice, ports: Ports) -> Payment | None:
    """The attempt that was made for this submission; there is at most one."""
    return next((p for p in reversed(attempts_of(invoice, ports)) if p.submission_id == submission.id), None)
