"""A customer's autopay rules: keeping them, and deciding by them which method pays an invoice. PRODUCT 8.

A customer for whom no list was ever saved pays everything with his first payment method; once there is a list, it
alone decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from typing import Literal

from shared.domain import account_event
from shared.domain.autopay import (
    AutopayList,
    AutopayRule,
    Decision,
    References,
    RuleResult,
    choose,
    facts_of,
    needs_lines,
    removed_from,
)
from shared.domain.autopay_checks import RuleDraft, check_locks, read_rules
from shared.domain.autopay_shadows import matching_nothing, shadowed_by
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import Invalid, NotFound
from shared.domain.invoice import Invoice
from shared.domain.payment import Payment, PaymentMethod, attempt_id
from shared.domain.records import Owner
from shared.domain.terms import due_date
from shared.domain.values import dataclass
from shared.ports import Change, Conflict, Ports, Save, Unavailable
from shared.use_cases.lookups import (
    CONFLICT_RETRIES,
    class_of,
    customer_of,
    lines_of,
    local_on,
    settings_of,
    today,
)
from shared.use_cases.payment_methods import methods_of

By = Literal["staff", "customer"]
Expect = Callable[[AutopayList], None]
SkipReason = Literal[
    "not_posted", "not_due", "on_hold", "no_rule", "autopay_off", "no_payment_method", "attempt_open",
    "retry_scheduled", "attempts_exhausted", "card_limit", "nothing_due", "service_terminated",
]  # fmt: skip


# ---- keeping --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListDraft:
    """A list as it was sent. Without `rules`, those there are stay as they are."""

    enabled: bool = True
    fall_through_on_decline: bool = False
    rules: tuple[RuleDraft, ...] | None = None
    currency: str | None = None  # what the sender takes the amounts to be in


class WrongRules(Exception):
    """What is wrong with a list, part by part; nothing of it was saved."""

    def __init__(self, wrong: Sequence[Invalid]) -> None:
        super().__init__("; ".join(map(str, wrong[:3])))
        self.wrong = tuple(wrong)


def saved_list(customer_id: str, ports: Ports) -> AutopayList | None:
    return ports.store.get(AutopayList, customer_id)


def list_of(customer: Customer, ports: Ports) -> AutopayList:
    """The customer's list; one of version 0 as long as none was saved."""
    return saved_list(customer.id, ports) or AutopayList(customer.id, customer.currency)


def put_list(
    customer_id: str, draft: ListDraft, ports: Ports, expect: Expect, by: By = "staff", dry_run: bool = False
) -> AutopayList:  # fmt: skip
    """Replace the list: its order is the precedence. `expect` is shown what is there, and may raise.

    A rule's id is its own or a new one, never that of another customer's rule. Only staff may change what is locked.
    With `dry_run` nothing is written. Raises WrongRules.
    """
    for _ in range(CONFLICT_RETRIES):
        customer = customer_of(ports, customer_id)
        before = list_of(customer, ports)
        expect(before)
        after = replace(before, enabled=draft.enabled, fall_through_on_decline=draft.fall_through_on_decline)
        if draft.rules is not None:
            after = replace(after, currency=customer.currency, rules=_read(draft, customer, ports))
        if by == "customer":
            check_locks(before, after)
        if dry_run or (after == before and before.version):
            return after
        after = replace(after, changed_at=ports.clock.now())
        happened = account_event.of_autopay(after, ports.clock.now())
        try:
            ports.store.commit(Save(after), Save(happened), *_owners(after, ports))
        except Conflict:
            continue
        return replace(after, version=before.version + 1)
    raise Unavailable(f"the autopay rules of {customer_id} kept changing")


def patch_rule(
    rule_id: str, ports: Ports, disabled: bool | None = None, locked: bool | None = None,
    expect: Expect | None = None, by: By = "staff",
) -> AutopayList:  # fmt: skip
    """Switch one rule off or on, lock or unlock it; None leaves as is. The list it is in, as changed."""
    for _ in range(CONFLICT_RETRIES):
        before = list_with(rule_id, ports)
        if expect is not None:
            expect(before)
        after = replace(before, rules=tuple(_patched(r, rule_id, disabled, locked) for r in before.rules))
        if by == "customer":
            check_locks(before, after)
        if after == before:
            return before
        after = replace(after, changed_at=ports.clock.now())
        happened = account_event.of_autopay(after, ports.clock.now())
        try:
            ports.store.commit(Save(after), Save(happened))
        except Conflict:
            continue
        return replace(after, version=before.version + 1)
    raise Unavailable(f"autopay rule {rule_id} kept changing")


def list_with(rule_id: str, ports: Ports) -> AutopayList:
    """The list that a rule is in. Raises NotFound."""
    owner = ports.store.get(Owner, rule_id)
    listed = saved_list(owner.customer_id, ports) if owner else None
    if listed is None or listed.rule(rule_id) is None:
        raise NotFound("autopay rule", rule_id)
    return listed


def _patched(rule: AutopayRule, rule_id: str, disabled: bool | None, locked: bool | None) -> AutopayRule:
    if rule.id != rule_id:
        return rule
    return replace(
        rule,
        disabled=rule.disabled if disabled is None else disabled,
        locked=rule.locked if locked is None else locked,
    )


def _read(draft: ListDraft, customer: Customer, ports: Ports) -> tuple[AutopayRule, ...]:
    drafts = draft.rules or ()
    methods = [d.payment_method_id for d in drafts if isinstance(d.payment_method_id, str)]
    values = (c.values for d in drafts for c in d.criteria or () if c.type == "contract")
    contracts = [v for given in values if isinstance(given, list | tuple) for v in given if isinstance(v, str)]
    rules, wrong = read_rules(drafts, customer.currency, _those_there(customer.id, methods, contracts, ports))
    owners = {o.id: o for o in ports.store.get_many(Owner, [(d.id, "") for d in drafts])}
    if draft.currency not in (None, customer.currency):
        wrong.append(Invalid("currency", f"amounts are in the customer's currency, {customer.currency}"))
    for n, rule in enumerate(drafts):
        if rule.id in owners and owners[rule.id].customer_id != customer.id:
            wrong.append(Invalid(f"rules[{n}].id", "is not a rule of this customer: leave it out for a new rule"))
    if wrong:
        raise WrongRules(wrong)
    return rules


def _owners(listed: AutopayList, ports: Ports) -> list[Change]:
    """Records that say whose rule it is, for the ids that are new. They stay when a rule goes: ids are not reused."""
    known = {o.id for o in ports.store.get_many(Owner, [(r.id, "") for r in listed.rules])}
    return [Save(Owner(r.id, listed.customer_id)) for r in listed.rules if r.id not in known]


# ---- showing --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Findings:
    """What is to be said of a list's rules: per rule the ids it names that are gone, and the rule that shadows it.

    `impossible` are those that no invoice could ever match.
    """

    removed: dict[str, tuple[str, ...]]
    shadows: dict[str, str | None]
    impossible: frozenset[str]


def findings_of(listed: AutopayList, ports: Ports) -> Findings:
    known = references(listed.rules, listed.customer_id, ports)
    removed = {r.id: removed_from(r, known) for r in listed.rules}
    return Findings(removed, shadowed_by(listed, known), matching_nothing(listed, known))


@dataclass(frozen=True, slots=True)
class Explanation:
    """What each rule would make of an invoice; empty where no list was saved. Amounts of rules are in `currency`."""

    decision: Decision
    currency: str


def explain_rules(invoice: Invoice, ports: Ports) -> Explanation:
    """As of today; of a draft as if it were posted today. Of a paid invoice as of its last charge, with the rule that
    paid it, whatever became of the list since.
    """
    customer, settings = customer_of(ports, invoice.customer_id), settings_of(ports)
    listed = list_of(customer, ports)
    on = today(ports, customer, settings)
    if invoice.status == "draft" and invoice.due_on is None:
        terms = class_of(ports, customer.class_id).policy(invoice.type).terms_days
        invoice = replace(invoice, due_on=due_date(invoice, on, terms, settings.due_date_basis))
    charged = _last_charge(invoice, ports) if invoice.status == "posted" and not invoice.residual_minor else None
    if charged is not None:
        invoice, on = replace(invoice, residual_minor=charged.amount_minor), local_on(charged.at, customer, settings)
    decision = decide(listed, invoice, ports, on)
    return Explanation(decision if charged is None else as_charged(decision, charged), listed.currency)


def as_charged(decision: Decision, charged: Payment) -> Decision:
    """With what the attempt recorded: the rule that paid, also one that has since gone or lost its card, and that the
    others did not. What was charged by hand is as the rules say.
    """
    paid = charged.rule_id
    if paid is None:
        return decision
    results = [_as_recorded(r, charged) for r in decision.results]
    if all(r.rule.id != paid for r in results):
        gone = AutopayRule(paid, charged.payment_method_id or "", ())
        results.insert(0, RuleResult(gone, "pays", ()))
    return Decision(tuple(results))


def _as_recorded(result: RuleResult, charged: Payment) -> RuleResult:
    if result.rule.id == charged.rule_id:
        return replace(result, result="pays")
    matched = result.result in ("pays", "ignored") or result.rule.id in charged.ignored_rule_ids
    return replace(result, result="ignored") if matched else result


def _last_charge(invoice: Invoice, ports: Ports) -> Payment | None:
    last = ports.store.get(Payment, attempt_id(invoice.id, invoice.attempts)) if invoice.attempts else None
    return last if last is not None and last.status == "succeeded" else None


# ---- deciding -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """Which method is to pay, by which rule, or why none is.

    `ignored` are the later rules that match too; `falls_through` says that a decline leads on to one of them.
    """

    method: PaymentMethod | None = None
    skipped: SkipReason | None = None
    rule_id: str | None = None
    ignored: tuple[str, ...] = ()
    falls_through: bool = False


def references(rules: Iterable[AutopayRule], customer_id: str, ports: Ports) -> References:
    """Of the methods and contracts that rules name, those that exist now."""
    rules = tuple(rules)
    contracts = [str(v) for r in rules for c in r.criteria if c.type == "contract" for v in c.values]
    return _those_there(customer_id, [r.payment_method_id for r in rules], contracts, ports)


def _those_there(customer_id: str, methods: Iterable[str], contracts: Iterable[str], ports: Ports) -> References:
    store = ports.store
    found = store.get_many(PaymentMethod, [(customer_id, i) for i in dict.fromkeys(methods)])
    on = store.get_many(Contract, [(customer_id, i) for i in dict.fromkeys(contracts)])
    return References(frozenset(m.id for m in found), frozenset(c.id for c in on))


def decide(listed: AutopayList, invoice: Invoice, ports: Ports, on: date) -> Decision:
    """What each rule makes of an invoice on a local date. Lines are read only if a rule asks for them."""
    names = [line.name for line in lines_of(ports, invoice)] if needs_lines(listed.rules) else []
    return choose(listed, facts_of(invoice, on, names), references(listed.rules, listed.customer_id, ports))


def choose_payer(invoice: Invoice, ports: Ports, on: date, spent: Collection[str] = ()) -> Choice:
    """Who pays automatically on a local date. Methods that are `spent` on this invoice are not tried again."""
    listed = saved_list(invoice.customer_id, ports)
    if listed is None:
        methods = methods_of(invoice.customer_id, ports)
        method = next((m for m in methods if m.id not in spent), None)
        return Choice(method, skipped=None if method else "attempts_exhausted" if methods else "no_payment_method")
    if not listed.enabled:
        return Choice(skipped="autopay_off")
    matching = decide(listed, invoice, ports, on).matching
    if not matching:
        return Choice(skipped="no_rule")
    allowed = matching if listed.fall_through_on_decline else matching[:1]
    return _first_of([r for r in allowed if r.payment_method_id not in spent], matching, ports, invoice.customer_id)


def _first_of(left: Sequence[AutopayRule], matching: Sequence[AutopayRule], ports: Ports, customer_id: str) -> Choice:
    method = ports.store.get(PaymentMethod, customer_id, left[0].payment_method_id) if left else None
    if method is None:  # every one was declined, or this one was removed this very moment
        return Choice(skipped="attempts_exhausted")
    later = tuple(r.id for r in matching[matching.index(left[0]) + 1 :])
    more = any(r.payment_method_id != method.id for r in left)
    return Choice(method, rule_id=left[0].id, ignored=later, falls_through=more)


def choose_by_hand(
    invoice: Invoice, payment_method_id: str | None, ports: Ports, on: date, spent: Collection[str] = ()
) -> Choice:
    """The method asked for, which must be the customer's; or else the one the rules name, or else his first.

    Methods that are `spent` on this invoice are tried again only if a person names them.
    """
    if payment_method_id is not None:
        asked = ports.store.get(PaymentMethod, invoice.customer_id, payment_method_id)
        if asked is None:
            raise NotFound("payment method", payment_method_id)
        return Choice(asked)
    choice = choose_payer(invoice, ports, on, spent)
    if choice.method is None:
        methods = methods_of(invoice.customer_id, ports)
        method = next((m for m in methods if m.id not in spent), None)
        choice = Choice(method, skipped=None if method else "attempts_exhausted" if methods else "no_payment_method")
    return replace(choice, falls_through=False)
