"""The forms of the customer's page: each needs the one-time value of the page that it was on.

A scanner that submits a form as it finds it changes nothing: no payment method is chosen, no date is given, and the
rest needs a button that only a person presses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from functions.pay_page.rendering import redirect
from functions.pay_page.requests import PageRequest, known_id
from functions.pay_page.views import Answer, account_page, autopay_page, cards_page
from shared.contracts.api_fields import FieldError, Findings, InvalidBody, amount, day, minor, refuse
from shared.domain.customer import Customer, Promise
from shared.domain.errors import Invalid, Refused, Stale
from shared.domain.ids import derive_id
from shared.domain.pay_link import Asked, Once, read_once
from shared.observability import report
from shared.ports import Ports
from shared.use_cases.new_cards import add_card, prepare_card
from shared.use_cases.own_rules import CHANGES, add_own_rule, change_own_rule
from shared.use_cases.pay_invoices import go_on, pay_invoices, submission_of
from shared.use_cases.pay_page import mark_of_invoice, own_account, own_invoice, own_rules
from shared.use_cases.promises import make_promise
from shared.use_cases.submissions import burn, submitted

REFERENCE_CHARS_MAX: Final = 200
CUSTOMER: Final = "customer"  # who made a promise


def pay(request: PageRequest, customer: Customer, ports: Ports) -> Answer:
    """Charge the chosen invoices. Without a choice of how to pay, or once an amount has changed, nothing is done."""
    once = read_once(request.token, "account", request.fields.one("once"), ports.clock.now())
    known = submitted(customer.id, once.nonce, ports)
    if known is not None:
        return redirect(f"{request.home}/results/{go_on(known, ports).id}")
    try:
        fields = request.fields.only(("once", "invoice_id", "payment_method_id"))
        method_id = known_id(fields.one("payment_method_id") or refuse("payment_method_id", "choose how to pay"))
        chosen = fields.all("invoice_id") or refuse("invoice_id", "choose at least one invoice to pay")
        asked = tuple(_asked(invoice_id, customer, once, ports) for invoice_id in dict.fromkeys(chosen))
        made = pay_invoices(customer, once.nonce, method_id, asked, ports)
    except _Changed:
        changed = FieldError("invoice_id", "an amount has changed since you opened the page: please look again")
        return account_page(request, own_account(customer, request.settings, ports), ports, 409, [changed])
    except (Invalid, InvalidBody) as wrong:
        return account_page(request, own_account(customer, request.settings, ports), ports, 422, _errors(wrong))
    report("paid_by_customer", submission_id=made.id, customer_id=customer.id)
    return redirect(f"{request.home}/results/{made.id}")


class _Changed(Exception):
    """An invoice that was chosen is not what the page showed."""


def _asked(invoice_id: str, customer: Customer, once: Once, ports: Ports) -> Asked:
    """The invoice for what is left of it, if that is what the page showed, or nothing: then it has been paid."""
    invoice = own_invoice(customer, known_id(invoice_id), ports)
    if invoice.residual_minor and mark_of_invoice(invoice) not in once.marks:
        raise _Changed
    return Asked(invoice.id, invoice.residual_minor)


def go_on_paying(request: PageRequest, customer: Customer, ports: Ports) -> Answer:
    """Charge what there was no time for. It was chosen before, so it needs no value of the page."""
    request.fields.only(())
    made = go_on(submission_of(customer.id, request.id, ports), ports)
    return redirect(f"{request.home}/results/{made.id}")


def promise(request: PageRequest, customer: Customer, ports: Ports) -> Answer:
    """Note a promise to pay. The page's value may be left out: without a date there is no promise either way."""
    value, once = request.fields.one("once"), None
    if value:
        once = read_once(request.token, "account", value, ports.clock.now())
        if submitted(customer.id, _promised(once), ports) is not None:
            return redirect(request.home)
    typed = {name: request.fields.one(name) for name in ("date", "amount")}
    try:
        request.fields.only(("once", "date", "amount"))
        plain = {**typed, "amount": request.speech.plain(typed["amount"])}
        made = _promise(plain, once, customer)
        make_promise(customer.id, made, ports)
    except (Invalid, InvalidBody) as wrong:
        return account_page(request, own_account(customer, request.settings, ports), ports, 422, _errors(wrong), typed)
    if once is not None:
        burn(customer.id, _promised(once), ports)
    report("promised_by_customer", customer_id=customer.id)
    return redirect(f"{request.home}#promise")


def _promised(once: Once) -> str:
    """The page's value works once for each of its two forms."""
    return f"promise {once.nonce}"


def _promise(typed: dict[str, str], once: Once | None, customer: Customer) -> Promise:
    """The same form makes the same promise, however often it is sent."""
    if not typed["date"]:
        refuse("date", "is required: say by which day you will pay")
    found = Findings()
    through = found.attempt("date", lambda: day(typed["date"]), date.min)
    owed = _minor(typed["amount"], customer.currency, found)
    found.done()
    key = once.nonce if once is not None else (typed["date"], typed["amount"])
    return Promise(derive_id("prm_", customer.id, key), through, owed, made_by=CUSTOMER)


def _minor(text: str, currency: str, found: Findings) -> int | None:
    return found.attempt("amount", lambda: minor(amount(text), currency), 1) if text else None


def _errors(wrong: Invalid | InvalidBody) -> tuple[FieldError, ...]:
    return wrong.errors if isinstance(wrong, InvalidBody) else (FieldError(wrong.field, wrong.message),)


def card(request: PageRequest, customer: Customer, ports: Ports) -> Answer:
    """Ask the gateway for its form; once that was filled in, keep the card that it names."""
    read_once(request.token, "cards", request.fields.one("once"), ports.clock.now())
    try:
        reference = request.fields.only(("once", "card")).one("card")
        if len(reference) > REFERENCE_CHARS_MAX:
            refuse("card", "is no card of the payment gateway's form")
        if not reference:
            setup = prepare_card(customer.id, ports)
            return cards_page(request, customer, ports, setup)
        add_card(customer.id, reference, ports)
    except (Invalid, InvalidBody) as wrong:
        return cards_page(request, customer, ports, None, 422, _errors(wrong))
    except Refused as refused:
        error = FieldError("card", str(refused))
        return cards_page(request, customer, ports, None, 409, [error])
    report("card_added_by_customer", customer_id=customer.id)
    return redirect(f"{request.home}/cards")


def autopay(request: PageRequest, customer: Customer, ports: Ports) -> Answer:
    """Add or change a rule that is not locked. A list that changed since the page was opened is left as it is."""
    read_once(request.token, "autopay", request.fields.one("once"), ports.clock.now())
    try:
        _change_rules(request, customer, ports)
    except (Invalid, InvalidBody) as wrong:
        return _rules_again(request, customer, ports, 422, _errors(wrong))
    except (Refused, Stale) as refused:
        return _rules_again(request, customer, ports, 409, [FieldError("rule_id", str(refused))])
    report("autopay_changed_by_customer", customer_id=customer.id)
    return redirect(f"{request.home}/autopay")


def _rules_again(
    request: PageRequest, customer: Customer, ports: Ports, status: int, errors: Sequence[FieldError]
) -> Answer:
    return autopay_page(request, customer, own_rules(customer, ports), ports, status, errors)


def _change_rules(request: PageRequest, customer: Customer, ports: Ports) -> None:
    fields = request.fields.only(("once", "version", "rule_id", "change", "payment_method_id", "amount"))
    change, method_id, given = fields.one("change"), fields.one("payment_method_id"), fields.one("version")
    version = int(given) if given.isascii() and given.isdigit() and len(given) <= 9 else -1
    if change == "add":
        if not method_id:
            refuse("payment_method_id", "choose a card")
        found = Findings()
        most = _minor(request.speech.plain(fields.one("amount")), customer.currency, found)
        found.done()
        add_own_rule(customer, known_id(method_id), most, version, ports)
        return
    if change not in CHANGES:
        refuse("change", "choose what to do")
    card_id = known_id(method_id) if change == "method" else ""
    change_own_rule(customer, known_id(fields.one("rule_id")), change, version, ports, card_id)
