"""Autopay: a customer's rules, and which of them would pay an invoice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from functions.admin_api.calls import Answer, Call, boolean, expect
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_autopay import (
    AutopayBody,
    RulePatchBody,
    decision_json,
    list_json,
    rule_draft,
    rule_json,
)
from shared.contracts.api_fields import FieldError, InvalidBody, refuse
from shared.contracts.api_warnings import warnings_json
from shared.domain.autopay import AutopayList
from shared.domain.invoice import Invoice
from shared.domain.policy_lint import lint_rules
from shared.ports import Ports
from shared.use_cases.autopay_rules import (
    ListDraft,
    WrongRules,
    explain_rules,
    findings_of,
    list_of,
    patch_rule,
    put_list,
)
from shared.use_cases.lookups import customer_of

router = new_router()


@endpoint(router, "GET", "/v1/customers/<customer_id>/autopay")
def get_autopay(call: Call[Any], customer_id: str) -> Answer:
    """A customer's rules in order of precedence. Version 0: none saved, the first payment method pays everything."""
    return _answer(list_of(customer_of(call.ports, customer_id), call.ports), call.ports)


@endpoint(router, "PUT", "/v1/customers/<customer_id>/autopay", body=AutopayBody, filters={"dry_run": boolean})
def put_autopay(call: Call[AutopayBody], customer_id: str) -> Answer:
    """Replace a customer's rules; the list's order is the precedence. A dry run only says what is wrong with them."""
    body, ids = call.body, call.ports.ids
    if body.customer_id not in (None, customer_id):
        refuse("customer_id", "must be that of the path, or left out")
    rules = None if body.rules is None else tuple(rule_draft(r, r.id or ids.new("apr_")) for r in body.rules)
    draft = ListDraft(body.enabled, body.fall_through_on_decline, rules, body.currency)
    with _named():
        saved = put_list(
            customer_id, draft, call.ports, lambda before: expect(call, before.version),
            dry_run=call.query.get("dry_run", False),
        )  # fmt: skip
    return _answer(saved, call.ports)


@endpoint(router, "PATCH", "/v1/autopay-rules/<rule_id>", body=RulePatchBody)
def patch_autopay_rule(call: Call[RulePatchBody], rule_id: str) -> Answer:
    """Disable or lock a rule, or undo it."""
    listed = patch_rule(
        rule_id, call.ports, call.body.disabled, call.body.locked, lambda before: expect(call, before.version)
    )
    found = findings_of(listed, call.ports)
    (rule,) = (r for r in listed.rules if r.id == rule_id)
    shown = rule_json(rule, listed.currency, found.removed[rule_id], found.shadows[rule_id])
    return Answer(200, {**shown, "customer_id": listed.customer_id, "version": listed.version})


def explain_autopay(invoice: Invoice, ports: Ports) -> list[dict[str, Any]]:
    """What each of the customer's rules makes of an invoice: `autopay` in its explanation."""
    explained = explain_rules(invoice, ports)
    return decision_json(explained.decision, explained.currency, invoice.currency)


def _answer(listed: AutopayList, ports: Ports) -> Answer:
    found = findings_of(listed, ports)
    warned = lint_rules([r.id for r in listed.rules], found.shadows, found.impossible)
    return Answer(200, {**list_json(listed, found.removed, found.shadows), **warnings_json(warned)})


@contextmanager
def _named() -> Iterator[None]:
    """What is wrong with rules, as a 422 that names each part."""
    try:
        yield
    except WrongRules as wrong:
        raise InvalidBody([FieldError(w.field, w.message) for w in wrong.wrong]) from None
