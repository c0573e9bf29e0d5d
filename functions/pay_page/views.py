"""What the pages say, as text: amounts and dates are written out here, templates only place them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from functions.pay_page.rendering import page
from functions.pay_page.requests import PageRequest
from shared.contracts.api_fields import FieldError
from shared.domain.autopay import AutopayRule, Criterion
from shared.domain.invoice import Invoice
from shared.domain.money import format_minor
from shared.domain.pay_link import PageName, once_of
from shared.domain.payment import PaymentMethod
from shared.ports import CardSetup, Ports
from shared.rendering.speech import Speech
from shared.use_cases.pay_invoices import INVOICES_MAX, Result
from shared.use_cases.pay_page import OwnAccount, OwnRules, mark_of_invoice

Answer = dict[str, Any]

SPEECH: Final = Speech()  # the page speaks English

NOT_PAID: Final[Mapping[str, str]] = {
    "nothing_due": "Nothing is left to pay on it.",
    "attempt_open": "Another payment of it is under way. It was not charged again.",
    "amount_changed": "Its amount has changed since you looked. It was not charged.",
    "card_limit": "This card has been tried too often of late. Please use another one.",
    "method_removed": "This card was removed. Please use another one.",
    "left": "It has not been charged yet.",
}
OUTCOMES: Final[Mapping[str, str]] = {
    "succeeded": "Paid. Thank you.",
    "refunded": "Paid, and given back since.",
    "declined": "The payment was declined{why}. Nothing was charged.",
    "failed": "The payment could not be made just now. Nothing was charged; please try again.",
    "unknown": "We do not know yet whether the payment went through. Please do not pay it again: we are finding out.",
    "pending": "The payment is under way. Please do not pay it again.",
}
OPERATORS: Final[Mapping[str, str]] = {
    "lt": "less than", "lte": "at most", "eq": "exactly", "gte": "at least", "gt": "more than", "between": "from",
    "is": "is", "is_not": "is not", "contains": "contains", "not_contains": "does not contain",
}  # fmt: skip
SUBJECTS: Final[Mapping[str, str]] = {
    "contract": "the contract", "amount": "the amount is", "line_item": "a line",
    "invoice_age_days": "its age in days is", "days_past_due": "the days past due are",
    "invoice_type": "the kind of invoice", "currency": "the currency",
}  # fmt: skip


def account_page(
    request: PageRequest, account: OwnAccount, ports: Ports, status: int = 200, errors: Sequence[FieldError] = (),
    typed: Mapping[str, str] | None = None,
) -> Answer:  # fmt: skip
    """The page behind the link. `errors` are told on top of it, `typed` is what was typed into the promise's form."""
    customer, settings, now = account.customer, account.settings, ports.clock.now()
    shown = account.invoices[:INVOICES_MAX]
    promise = customer.promise if customer.promised(account.on) else None
    return page(
        "account", status,
        home=request.home, root=request.root, business=settings.business.name, email=settings.business.email_from,
        customer=customer.name, errors=[{"field": e.field, "message": e.message} for e in errors],
        invoices=[_invoice(i, account) for i in shown], more=len(account.invoices) - len(shown),
        totals=_sums(account.invoices), credit=[_money(m, c) for c, m in sorted(account.credit.items())],
        methods=[method_said(m) for m in account.methods], on_hold=customer.on_hold(account.on),
        once=once_of(request.token, "account", ports.ids.new(""), now, map(mark_of_invoice, shown)),
        promise={"by": SPEECH.day(promise.through), "amount": _money(promise.amount_minor, customer.currency)
                 if promise.amount_minor is not None else None} if promise else None,
        currency=customer.currency, today=str(account.on), typed=typed or {"date": "", "amount": ""},
    )  # fmt: skip


def result_page(
    request: PageRequest, account: OwnAccount, results: Sequence[Result], invoices: Mapping[str, Invoice]
) -> Answer:
    rows = [_result(r, invoices[r.invoice_id]) for r in results]
    return page(
        "result", home=request.home, root=request.root, business=account.settings.business.name,
        email=account.settings.business.email_from, customer=account.customer.name, results=rows,
        paid=all(r["good"] for r in rows), left=any(r.reason == "left" for r in results),
        again=request.id,
    )  # fmt: skip


def cards_page(
    request: PageRequest, account: OwnAccount, ports: Ports, setup: CardSetup | None = None, status: int = 200,
    errors: Sequence[FieldError] = (),
) -> Answer:  # fmt: skip
    """The saved cards; with `setup`, the gateway's own form for a new one."""
    return page(
        "cards", status, hosted_fields=bool(setup and not setup.choices),
        home=request.home, root=request.root, business=account.settings.business.name,
        email=account.settings.business.email_from, customer=account.customer.name,
        methods=[method_said(m) for m in account.methods], once=_once(request, "cards", ports), setup=setup,
        errors=[{"field": e.field, "message": e.message} for e in errors],
    )  # fmt: skip


def autopay_page(
    request: PageRequest, account: OwnAccount, rules: OwnRules, ports: Ports, status: int = 200,
    errors: Sequence[FieldError] = (),
) -> Answer:  # fmt: skip
    listed = rules.listed
    cards = {m.id: method_said(m)["said"] for m in rules.methods}
    return page(
        "autopay", status, home=request.home, root=request.root, business=account.settings.business.name,
        email=account.settings.business.email_from, customer=account.customer.name, enabled=listed.enabled,
        saved=bool(listed.version), version=listed.version, currency=listed.currency,
        once=_once(request, "autopay", ports),
        rules=[_rule(n, r, listed.currency, cards, rules.contracts) for n, r in enumerate(listed.rules, 1)],
        methods=[method_said(m) for m in rules.methods],
        errors=[{"field": e.field, "message": e.message} for e in errors],
    )  # fmt: skip


def message_page(
    request: PageRequest,
    status: int,
    title: str,
    *paragraphs: str,
    back: bool = False,
    renew: bool = False,
    stop: bool = False,
) -> Answer:
    """A page that says one thing. It names nobody: who sees it may not be the customer."""
    return page(
        "message", status, home=request.home, root=request.root, title=title, paragraphs=paragraphs, back=back,
        renew=renew, stop=stop,
    )  # fmt: skip


def method_said(method: PaymentMethod) -> dict[str, str]:
    brand = method.brand.replace("_", " ").title()
    said = f"{brand} ending in {method.last4}"
    return {"id": method.id, "said": said, "expires": f"{method.exp_month:02d}/{method.exp_year}"}


def _once(request: PageRequest, name: PageName, ports: Ports) -> str:
    return once_of(request.token, name, ports.ids.new(""), ports.clock.now())


def _invoice(invoice: Invoice, account: OwnAccount) -> dict[str, object]:
    """Preselected unless it is on hold; not to be chosen at all while a payment of it is under way."""
    held = invoice.on_hold(account.on)
    return {
        "id": invoice.id, "number": invoice.number or "", "invoice_date": SPEECH.day(invoice.invoice_date),
        "due_on": SPEECH.day(invoice.due_on) if invoice.due_on else "",
        "residual": _money(invoice.residual_minor, invoice.currency),
        "total": _money(invoice.total_minor, invoice.currency) if invoice.residual_minor < invoice.total_minor else "",
        "overdue": invoice.payment_status(account.on) == "overdue", "held": held,
        "under_way": invoice.open_attempt_id is not None, "selected": not held,
    }  # fmt: skip


def _result(result: Result, invoice: Invoice) -> dict[str, object]:
    payment = result.payment
    said, status = "", ""
    if payment is None:
        said, status = NOT_PAID[result.reason or "left"], result.reason or "left"
    else:
        why = f" ({payment.code.replace('_', ' ')})" if payment.code else ""
        said, status = OUTCOMES[payment.status].format(why=why), payment.status
    amount = payment.amount_minor if payment is not None else invoice.residual_minor
    return {
        "number": invoice.number or "", "amount": _money(amount, invoice.currency), "said": said, "status": status,
        "good": status == "succeeded",
    }  # fmt: skip


def _rule(
    place: int, rule: AutopayRule, currency: str, cards: Mapping[str, str], contracts: Mapping[str, str]
) -> dict[str, object]:
    return {
        "place": place, "id": rule.id, "card": cards.get(rule.payment_method_id, "a card that was removed"),
        "method_id": rule.payment_method_id, "disabled": rule.disabled, "locked": rule.locked,
        "when": [_criterion(c, currency, contracts) for c in rule.criteria],
    }  # fmt: skip


def _criterion(criterion: Criterion, currency: str, contracts: Mapping[str, str]) -> str:
    def value(given: object) -> str:
        if criterion.type == "amount":
            return _money(int(str(given)), currency)
        return contracts.get(str(given), str(given)).replace("_", " ")

    joined = (" to " if criterion.operator == "between" else " or ").join(map(value, criterion.values))
    return f"{SUBJECTS[criterion.type]} {OPERATORS[criterion.operator]} {joined}"


def _sums(invoices: Iterable[Invoice]) -> list[str]:
    totals: dict[str, int] = {}
    for invoice in invoices:
        totals[invoice.currency] = totals.get(invoice.currency, 0) + invoice.residual_minor
    return [_money(minor, currency) for currency, minor in sorted(totals.items())]


def _money(minor: int, currency: str) -> str:
    return f"{currency}\u00a0{format_minor(minor, currency)}"
