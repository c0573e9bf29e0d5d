"""A changed or new payment method allows one attempt at once, whatever became of those before. PRODUCT 7."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from shared.domain.autopay import AutopayList
from shared.domain.invoice import Invoice
from shared.domain.payment import PaymentMethod
from shared.ports import Ports
from shared.use_cases.autopay_rules import Choice, choose_payer, saved_list
from shared.use_cases.payment_methods import methods_of
from shared.use_cases.settle_payment import attempts_of


def choose_new(invoice: Invoice, ports: Ports, on: date) -> Choice | None:
    """Who pays the invoice now that its customer has another payment method than at the last attempt, if anyone.

    A method is new if it came after the last attempt, or if the rules were changed since and name one that was never
    tried. Once it has been tried it is not new any more, not even under another id: it is the gateway's token. What was
    refunded stays outside autopay.
    """
    if invoice.refunded_minor:
        return None
    listed, methods = saved_list(invoice.customer_id, ports), methods_of(invoice.customer_id, ports)
    if not other_than_at_posting(invoice, listed, methods):
        return None
    tried = [a for a in attempts_of(invoice, ports) if a.status != "failed"]
    if not tried:
        return None
    since, before = tried[-1].at, {a.payment_method_id or "" for a in tried}
    before |= same_cards(methods, (a.token for a in tried))
    changed = listed is not None and listed.changed_at is not None and listed.changed_at >= since
    if not changed:
        before |= {m.id for m in methods if m.created_at is None or m.created_at < since}
        if all(m.id in before for m in methods):
            return None
    choice = choose_payer(invoice, ports, on, before)
    return choice if choice.method is not None else None


def same_cards(methods: Iterable[PaymentMethod], tokens: Iterable[str | None]) -> set[str]:
    """The ids of the methods that stand for one of these tokens: a card that was removed may have been saved again."""
    known = frozenset(tokens)
    return {m.id for m in methods if m.token in known}


def other_than_at_posting(invoice: Invoice, listed: AutopayList | None, methods: Sequence[PaymentMethod]) -> bool:
    """Whether a method came, or the rules were changed, since the invoice was posted, so before any attempt on it."""
    if invoice.posted_at is None:
        return True
    if listed is not None and listed.changed_at is not None and listed.changed_at >= invoice.posted_at:
        return True
    came = (m.created_at for m in methods)
    return any(at is not None and at >= invoice.posted_at for at in came)
