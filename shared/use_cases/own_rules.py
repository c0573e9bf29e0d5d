"""A customer manages his own autopay rules, as far as they are not locked. PRODUCT 8, 11."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from shared.domain.autopay import RULES_MAX, AutopayList, AutopayRule, Criterion
from shared.domain.autopay_checks import check_locks
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import Invalid, NotFound, Refused, Stale
from shared.domain.payment import PaymentMethod
from shared.domain.records import Owner
from shared.ports import Check, Conflict, Ports, Save
from shared.use_cases.autopay_rules import list_of

Change = Literal["disable", "enable", "remove", "up", "down", "method"]
CHANGES: tuple[Change, ...] = ("disable", "enable", "remove", "up", "down", "method")


def change_own_rule(
    customer: Customer, rule_id: str, change: Change, version: int, ports: Ports, payment_method_id: str = ""
) -> AutopayList:
    """Change one rule of the list that he was shown, which had this version.

    Raises NotFound for a rule or card that is not his, Refused for what is locked, Stale if the list changed since.
    """
    if change == "method":
        _check_method(customer, payment_method_id, ports)

    def edit(listed: AutopayList) -> AutopayList:
        rule = listed.rule(rule_id)
        if rule is None:
            raise NotFound("autopay rule", rule_id)
        return replace(listed, rules=_changed(listed.rules, rule, change, payment_method_id))

    return _edited(customer, version, edit, ports)


def add_own_rule(
    customer: Customer, payment_method_id: str, up_to_minor: int | None, version: int, ports: Ports
) -> AutopayList:
    """A last rule that pays every invoice, or every one up to an amount, with one card. Raises as change_own_rule."""
    _check_method(customer, payment_method_id, ports)
    if up_to_minor is not None and up_to_minor <= 0:
        raise Invalid("amount", "must be more than zero")
    at_most = Criterion("amount", "lte", (up_to_minor,)) if up_to_minor else Criterion("amount", "gt", (0,))
    rule = AutopayRule(ports.ids.new("apr_"), payment_method_id, (at_most,))

    def edit(listed: AutopayList) -> AutopayList:
        if len(listed.rules) >= RULES_MAX:
            raise Refused("too_many", f"there are at most {RULES_MAX} rules; remove one first")
        return replace(listed, rules=(*listed.rules, rule))

    return _edited(customer, version, edit, ports, Owner(rule.id, customer.id))


def _edited(
    customer: Customer, version: int, edit: Callable[[AutopayList], AutopayList], ports: Ports, *beside: Owner
) -> AutopayList:
    before = list_of(customer, ports)
    if before.version != version:
        raise Stale("the rules have changed since this page was opened")
    after = edit(before)
    check_locks(before, after)
    if after == before:
        return before
    after = replace(after, changed_at=ports.clock.now())
    try:
        ports.store.commit(Save(after), *map(Save, beside), Check(customer))
    except Conflict:
        raise Stale("the rules have changed since this page was opened") from None
    return replace(after, version=before.version + 1)


def _check_method(customer: Customer, payment_method_id: str, ports: Ports) -> None:
    if ports.store.get(PaymentMethod, customer.id, payment_method_id) is None:
        raise NotFound("payment method", payment_method_id)


def _changed(
    rules: tuple[AutopayRule, ...], rule: AutopayRule, change: Change, payment_method_id: str
) -> tuple[AutopayRule, ...]:
    at = rules.index(rule)
    if change in ("up", "down"):
        to = at - 1 if change == "up" else at + 1
        if not 0 <= to < len(rules):
            return rules
        swapped = list(rules)
        swapped[at], swapped[to] = swapped[to], swapped[at]
        return tuple(swapped)
    if change == "remove":
        return (*rules[:at], *rules[at + 1 :])
    if change == "method":
        return (*rules[:at], replace(rule, payment_method_id=payment_method_id), *rules[at + 1 :])
    return (*rules[:at], replace(rule, disabled=change == "disable"), *rules[at + 1 :])
