"""What the pages say, as text: amounts and dates are written out here, templates only place them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from functions.pay_page.rendering import page
from functions.pay_page.requests import PageRequest
from shared.contracts.api_fields import FieldError, InvalidBody
from shared.domain.autopay import AutopayRule, Criterion
from shared.domain.customer import Customer
from shared.domain.errors import Invalid
from shared.domain.invoice import Invoice
from shared.domain.money import format_minor
from shared.domain.pay_link import PageName, once_of
from shared.domain.payment import PaymentMethod
from shared.ports import CardSetup, Ports
from shared.rendering.speech import ENGLISH, Speech
from shared.use_cases.pay_invoices import INVOICES_MAX, Result
from shared.use_cases.pay_page import OwnAccount, OwnRules, mark_of_invoice
from shared.use_cases.payment_methods import methods_of

Answer = dict[str, Any]

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
HOW_TO_FILL: Final[Mapping[str, str]] = {
    "date": "choose a day from today on, not too far ahead",
    "amount": "write an amount of more than zero, such as 49.95",
    "card": "please enter the card anew",
    "payment_method_id": "choose a card",
    "rule_id": "this rule cannot be changed like this",
    "": "this cannot be done as it was sent",
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
    customer, now, speech = account.customer, ports.clock.now(), request.speech
    shown = account.invoices[:INVOICES_MAX]
    promise = customer.promise if customer.promised(account.on) else None
    return page(
        "account", speech, status, **_frame(request, customer), errors=errors_said(errors, speech),
        invoices=[_invoice(i, account, speech) for i in shown], more=len(account.invoices) - len(shown),
        totals=_sums(account.invoices, speech),
        credit=[_money(m, c, speech) for c, m in sorted(account.credit.items())],
        methods=[method_said(m, speech) for m in account.methods], on_hold=customer.on_hold(account.on),
        once=once_of(request.token, "account", ports.ids.new(""), now, map(mark_of_invoice, shown)),
        promise={"by": speech.day(promise.through), "amount": _money(promise.amount_minor, customer.currency, speech)
                 if promise.amount_minor is not None else None} if promise else None,
        currency=customer.currency, today=str(account.on), typed=typed or {"date": "", "amount": ""},
    )  # fmt: skip


def result_page(
    request: PageRequest, customer: Customer, results: Sequence[Result], invoices: Mapping[str, Invoice]
) -> Answer:
    rows = [_result(r, invoices[r.invoice_id], request.speech) for r in results]
    return page(
        "result", request.speech, **_frame(request, customer), results=rows, paid=all(r["good"] for r in rows),
        left=any(r.reason == "left" for r in results), again=request.id,
    )  # fmt: skip


def cards_page(
    request: PageRequest, customer: Customer, ports: Ports, setup: CardSetup | None = None, status: int = 200,
    errors: Sequence[FieldError] = (),
) -> Answer:  # fmt: skip
    """The saved cards; with `setup`, the gateway's own form for a new one."""
    return page(
        "cards", request.speech, status, hosted_fields=bool(setup and not setup.choices), **_frame(request, customer),
        methods=[method_said(m, request.speech) for m in methods_of(customer.id, ports)],
        once=_once(request, "cards", ports), setup=setup, errors=errors_said(errors, request.speech),
    )  # fmt: skip


def autopay_page(
    request: PageRequest, customer: Customer, rules: OwnRules, ports: Ports, status: int = 200,
    errors: Sequence[FieldError] = (),
) -> Answer:  # fmt: skip
    listed, speech = rules.listed, request.speech
    cards = {m.id: method_said(m, speech)["said"] for m in rules.methods}
    return page(
        "autopay", speech, status, **_frame(request, customer), enabled=listed.enabled,
        saved=bool(listed.version), version=listed.version, currency=listed.currency,
        once=_once(request, "autopay", ports),
        rules=[_rule(n, r, listed.currency, cards, rules.contracts, speech) for n, r in enumerate(listed.rules, 1)],
        methods=[method_said(m, speech) for m in rules.methods], errors=errors_said(errors, speech),
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
        "message", request.speech, status, home=request.home, root=request.root, title=request.speech.say(title),
        paragraphs=[request.speech.say(p) for p in paragraphs], back=back, renew=renew, stop=stop,
    )  # fmt: skip


def errors_said(errors: Sequence[FieldError], speech: Speech) -> list[dict[str, str]]:
    """What is wrong with fields. The rules' own words are English: in another language, where there are none for the
    message itself, the field's own sentence tells how it is filled in."""
    found = []
    for error in errors:
        message = error.message
        if speech.language != ENGLISH and message not in speech.words:
            message = HOW_TO_FILL.get(error.field, HOW_TO_FILL[""])
        name = error.field.replace("_id", "").replace("_", " ").capitalize()
        found.append({"field": error.field, "name": speech.say(name), "message": speech.say(message)})
    return found


def refusal_said(wrong: Invalid | InvalidBody, speech: Speech) -> list[str]:
    """The paragraphs of a page that says why nothing was done."""
    return [f"Nothing was done: {wrong}."] if speech.language == ENGLISH else [speech.say("Nothing was done.")]


def method_said(method: PaymentMethod, speech: Speech) -> dict[str, str]:
    brand = method.brand.replace("_", " ").title()
    said = speech.say("{} ending in {}").format(brand, method.last4)
    return {"id": method.id, "said": said, "expires": f"{method.exp_month:02d}/{method.exp_year}"}


def _frame(request: PageRequest, customer: Customer) -> dict[str, Any]:
    """What stands around every page of a customer."""
    business = request.settings.business
    return {
        "home": request.home, "root": request.root, "business": business.name, "email": business.email_from,
        "customer": customer.name,
    }  # fmt: skip


def _once(request: PageRequest, name: PageName, ports: Ports) -> str:
    return once_of(request.token, name, ports.ids.new(""), ports.clock.now())


def _invoice(invoice: Invoice, account: OwnAccount, speech: Speech) -> dict[str, object]:
    """Preselected unless it is on hold; not to be chosen at all while a payment of it is under way."""
    held, part = invoice.on_hold(account.on), invoice.residual_minor < invoice.total_minor
    return {
        "id": invoice.id, "number": invoice.number or "", "invoice_date": speech.day(invoice.invoice_date),
        "due_on": speech.day(invoice.due_on) if invoice.due_on else "",
        "residual": _money(invoice.residual_minor, invoice.currency, speech),
        "total": _money(invoice.total_minor, invoice.currency, speech) if part else "",
        "overdue": invoice.payment_status(account.on) == "overdue", "held": held,
        "under_way": invoice.open_attempt_id is not None, "selected": not held,
    }  # fmt: skip


def _result(result: Result, invoice: Invoice, speech: Speech) -> dict[str, object]:
    payment = result.payment
    if payment is None:
        status: str = result.reason or "left"
        said = speech.say(NOT_PAID[status])
    else:
        status, why = payment.status, _why(payment.code, speech)
        said = speech.say(OUTCOMES[status]).format(why=f" ({why})" if why else "")
    amount = payment.amount_minor if payment is not None else invoice.residual_minor
    return {
        "number": invoice.number or "", "amount": _money(amount, invoice.currency, speech), "said": said,
        "status": status, "good": status == "succeeded",
    }  # fmt: skip


def _why(code: str | None, speech: Speech) -> str:
    """Why a payment was declined; in another language, what there are no words for is better left out."""
    if not code:
        return ""
    return code.replace("_", " ") if speech.language == ENGLISH else speech.words.get(code, "")


def _rule(
    place: int,
    rule: AutopayRule,
    currency: str,
    cards: Mapping[str, str],
    contracts: Mapping[str, str],
    speech: Speech,
) -> dict[str, object]:
    return {
        "place": place, "id": rule.id,
        "card": cards.get(rule.payment_method_id, speech.say("a card that was removed")),
        "method_id": rule.payment_method_id, "disabled": rule.disabled, "locked": rule.locked,
        "when": [_criterion(c, currency, contracts, speech) for c in rule.criteria],
    }  # fmt: skip


def _criterion(criterion: Criterion, currency: str, contracts: Mapping[str, str], speech: Speech) -> str:
    def value(given: object) -> str:
        if criterion.type == "amount":
            return _money(int(str(given)), currency, speech)
        if criterion.type == "invoice_type":
            return speech.say(str(given).replace("_", " "))
        return contracts.get(str(given), str(given))

    joint = " to " if criterion.operator == "between" else " or "
    joined = speech.say(joint).join(map(value, criterion.values))
    return f"{speech.say(SUBJECTS[criterion.type])} {speech.say(OPERATORS[criterion.operator])} {joined}"


def _sums(invoices: Iterable[Invoice], speech: Speech) -> list[str]:
    totals: dict[str, int] = {}
    for invoice in invoices:
        totals[invoice.currency] = totals.get(invoice.currency, 0) + invoice.residual_minor
    return [_money(minor, currency, speech) for currency, minor in sorted(totals.items())]


def _money(minor: int, currency: str, speech: Speech) -> str:
    """The currency stands where the language has it."""
    figure = speech.figure(format_minor(minor, currency))
    return f"{currency}\u00a0{figure}" if speech.language == ENGLISH else f"{figure}\u00a0{currency}"
