"""The customer's page: behind a link, without a password. GET and HEAD write nothing; only forms of the page act.

PRODUCT 11, API.md `/pay/{token}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from functions.pay_page import forms, unsubscribe
from functions.pay_page.rendering import asset, pdf
from functions.pay_page.requests import PageRequest, Unreadable, known_id, read_request
from functions.pay_page.views import (
    Answer,
    account_page,
    autopay_page,
    cards_page,
    message_page,
    refusal_said,
    result_page,
)
from shared.bootstrap import audited, ports
from shared.contracts.api_fields import InvalidBody
from shared.domain.audit import AuditedRequest
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import Invalid, NotFound
from shared.domain.pay_link import NoEntry, StalePage
from shared.observability import observed, report
from shared.ports import Conflict, Ports, Unavailable
from shared.rendering.speech import speech_of
from shared.use_cases.lookups import settings_of
from shared.use_cases.pay_invoices import results_of, submission_of
from shared.use_cases.pay_links import open_link, send_fresh_link
from shared.use_cases.pay_page import own_account, own_document, own_invoice, own_rules

Handler = Callable[[PageRequest, Customer, Ports], Answer]


def _account(request: PageRequest, customer: Customer, ports: Ports) -> Answer:
    return account_page(request, own_account(customer, request.settings, ports), ports)


def _result(request: PageRequest, customer: Customer, ports: Ports) -> Answer:
    submission = submission_of(customer.id, request.id, ports)
    invoices = {a.invoice_id: own_invoice(customer, a.invoice_id, ports) for a in submission.asked}
    return result_page(request, customer, results_of(submission, ports), invoices)


def _document(request: PageRequest, customer: Customer, ports: Ports) -> Answer:
    file = request.parameters.get("file", "")
    if not file.endswith(".pdf"):
        raise NotFound("document", "")
    content = own_document(customer, known_id(file.removesuffix(".pdf")), ports)
    if content is not None:
        return pdf(content, file)
    later = message_page(request, 503, "The invoice is being made", "Please try again in a moment.", back=True)
    return {**later, "headers": {**later["headers"], "Retry-After": "5"}}


def _cards(request: PageRequest, customer: Customer, ports: Ports) -> Answer:
    return cards_page(request, customer, ports)


def _autopay(request: PageRequest, customer: Customer, ports: Ports) -> Answer:
    return autopay_page(request, customer, own_rules(customer, ports), ports)


HANDLERS: Final[Mapping[tuple[str, str], Handler]] = {
    ("GET", "/pay/{token}"): _account,
    ("POST", "/pay/{token}"): forms.pay,
    ("GET", "/pay/{token}/promise"): _account,
    ("POST", "/pay/{token}/promise"): forms.promise,
    ("GET", "/pay/{token}/results/{id}"): _result,
    ("POST", "/pay/{token}/results/{id}"): forms.go_on_paying,
    ("GET", "/pay/{token}/invoices/{file}"): _document,
    ("GET", "/pay/{token}/cards"): _cards,
    ("POST", "/pay/{token}/cards"): forms.card,
    ("GET", "/pay/{token}/unsubscribe"): unsubscribe.ask,
    ("POST", "/pay/{token}/unsubscribe"): unsubscribe.unsubscribe,
    ("GET", "/pay/{token}/autopay"): _autopay,
    ("POST", "/pay/{token}/autopay"): forms.autopay,
}
ROLE: Final = "customer"  # in the audit log
ASSET: Final = ("GET", "/pay/assets/{file}")
RENEW: Final = ("POST", "/pay/{token}/renew")
ROUTES: Final = frozenset({*HANDLERS, ASSET, RENEW})


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    try:
        request = read_request(event)
    except Unreadable as wrong:
        return message_page(PageRequest("GET", "", ""), 400, "That did not arrive as a form", str(wrong))
    try:
        return _answered(request)
    except NotFound:  # an asset
        return message_page(request, 404, "There is no such thing here", "Nothing was done.", back=True)
    except Unavailable:
        return _busy(request)


def _answered(request: PageRequest) -> Answer:
    key = (request.method, request.resource)
    if key == ASSET:
        found = asset(request.parameters.get("file", ""))
        return found or message_page(request, 404, "There is no such thing here")
    everything = ports()
    request = replace(request, settings=settings_of(everything))
    handler = HANDLERS.get(key)
    try:
        if handler is None and key != RENEW:
            raise NoEntry("unknown")
        customer = open_link(request.token, everything)
    except NoEntry as closed:
        once_his = everything.store.get(Customer, closed.customer_id) if closed.customer_id else None
        request = _speaking(request, once_his)
        if key == RENEW and closed.reason == "expired":
            return _renewed(request, everything)
        report(f"pay_link_{closed.reason}")
        return _closed(request, closed)
    request = _speaking(request, customer)
    if handler is None:
        return _renewed(request, everything)
    if request.method == "POST":  # what a form changes is told in the audit log, as what admins change is
        action = f"POST {request.resource}"
        by = AuditedRequest(f"customer {customer.id}", ROLE, action, request.number, (customer.id,))
        everything = audited(everything, by)
    return _handled(handler, request, customer, everything)


def _speaking(request: PageRequest, customer: Customer | None) -> PageRequest:
    """In the customer's language, or where nobody is known, in the business's."""
    settings = request.settings
    language = customer.speaks(settings) if customer else settings.business.language
    return replace(request, speech=speech_of(language))


def _handled(handler: Handler, request: PageRequest, customer: Customer, everything: Ports) -> Answer:
    try:
        return handler(request, customer, everything)
    except StalePage:
        report("pay_form_refused")
        return message_page(
            request, 403, "This form cannot be used any more",
            "Nothing was done. Please open your page again and repeat what you wanted to do.", back=True,
        )  # fmt: skip
    except NotFound:
        return message_page(request, 404, "There is no such thing here", "Nothing was done.", back=True)
    except (Invalid, InvalidBody) as wrong:
        return message_page(request, 422, "That cannot be done", *refusal_said(wrong, request.speech), back=True)
    except (Conflict, Unavailable):
        return _busy(request)


def _busy(request: PageRequest) -> Answer:
    report("pay_page_busy")
    later = message_page(request, 503, "Please try again in a moment", "We could not do that just now.", back=True)
    return {**later, "headers": {**later["headers"], "Retry-After": "5"}}


def _renewed(request: PageRequest, everything: Ports) -> Answer:
    """The answer is the same whether a mail goes out, one went within the hour, or there is no address for it."""
    if request.fields.pairs:
        return message_page(request, 422, "That cannot be done", "Nothing was done.", back=True)
    report("pay_link_renewed" if send_fresh_link(request.token, everything) else "pay_link_not_renewed")
    return message_page(
        request, 200, "Look into your mailbox",
        "If there is an e-mail address on file, a fresh link is on its way to it. It can take a few minutes.",
        "Nothing came? Please write to whoever sends you the invoices.",
    )  # fmt: skip


def _closed(request: PageRequest, closed: NoEntry) -> Answer:
    if closed.reason == "expired":
        return message_page(
            request, 410, "This link has expired",
            "Links work for a while only, so that an old mail opens nobody's account.",
            "We can send a fresh one to the e-mail address that we have on file.", renew=True,
        )  # fmt: skip
    if closed.reason == "revoked":
        return message_page(
            request, 410, "This link does not work any more",
            "It was withdrawn. Please use the link in a newer mail, or ask whoever sends you the invoices.",
        )  # fmt: skip
    return message_page(
        request, 404, "This link leads nowhere",
        "Please check that you copied all of it, or open it from the mail again.",
    )  # fmt: skip
