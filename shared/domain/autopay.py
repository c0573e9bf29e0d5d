"""Autopay rules: which payment method pays an invoice, and why the others do not. PRODUCT 8."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from typing import Final, Literal

from shared.domain.invoice import Invoice
from shared.domain.values import dataclass

CriterionType = Literal[
    "contract", "amount", "line_item", "invoice_age_days", "days_past_due", "invoice_type", "currency"
]  # fmt: skip
Operator = Literal["lt", "lte", "eq", "gte", "gt", "between", "is", "is_not", "contains", "not_contains"]
Result = Literal["pays", "ignored", "no_match", "disabled", "invalid"]
Value = str | int

RULES_MAX: Final = 50  # of one customer
CRITERIA_MAX: Final = 20  # of one rule
VALUES_MAX: Final = 50  # of one criterion
ACTUALS_MAX: Final = 20  # names or ids that an explanation shows of one invoice

NUMERIC: Final[tuple[Operator, ...]] = ("lt", "lte", "eq", "gte", "gt", "between")
BELONGS: Final[tuple[Operator, ...]] = ("is", "is_not")
NEGATIVE: Final[frozenset[Operator]] = frozenset({"is_not", "not_contains"})

OPERATORS: Final[Mapping[CriterionType, tuple[Operator, ...]]] = MappingProxyType(
    {
        "contract": BELONGS,
        "amount": NUMERIC,
        "line_item": ("is", "is_not", "contains", "not_contains"),
        "invoice_age_days": NUMERIC,
        "days_past_due": NUMERIC,
        "invoice_type": BELONGS,
        "currency": BELONGS,
    }
)
TYPES_IN_RULES: Final = ("regular", "out_of_turn")  # a memo is neither


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition. Values are minor units for `amount`, days for the two counts of days, and texts for the rest."""

    type: CriterionType
    operator: Operator
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class AutopayRule:
    """Pays with one method what meets all criteria. A locked rule is changed by staff only."""

    id: str
    payment_method_id: str
    criteria: tuple[Criterion, ...]
    disabled: bool = False
    locked: bool = False


@dataclass(frozen=True, slots=True)
class AutopayList:
    """A customer's rules in order of precedence. Amounts in them are of `currency`: in others they never hold."""

    customer_id: str
    currency: str
    enabled: bool = True
    fall_through_on_decline: bool = False
    rules: tuple[AutopayRule, ...] = ()
    changed_at: datetime | None = None
    version: int = 0

    def rule(self, rule_id: str) -> AutopayRule | None:
        return next((r for r in self.rules if r.id == rule_id), None)


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules can know of an invoice on a date."""

    as_of: date
    residual_minor: int
    currency: str
    type: str
    invoice_date: date
    due_on: date | None
    contract_ids: tuple[str, ...] = ()
    line_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class References:
    """The customer's payment methods and contracts that exist now."""

    method_ids: frozenset[str]
    contract_ids: frozenset[str]


Actual = str | int | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a criterion found on the invoice. For ids and names, those that decided come first."""

    criterion: Criterion
    actual: Actual
    holds: bool


@dataclass(frozen=True, slots=True)
class RuleResult:
    """`removed` are the ids that make a rule invalid."""

    rule: AutopayRule
    result: Result
    verdicts: tuple[Verdict, ...]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Every rule of the list with what came of it, in order."""

    results: tuple[RuleResult, ...] = ()

    @property
    def matching(self) -> tuple[AutopayRule, ...]:
        """The rule that pays, then those that would have, had the ones before them not matched."""
        return tuple(r.rule for r in self.results if r.result in ("pays", "ignored"))

    @property
    def pays(self) -> AutopayRule | None:
        return next((r.rule for r in self.results if r.result == "pays"), None)


def facts_of(invoice: Invoice, as_of: date, line_names: Iterable[str] = ()) -> Facts:
    """The amount of a draft is what posting it will leave to pay."""
    amount = max(invoice.total_minor, 0) if invoice.status == "draft" else invoice.residual_minor
    return Facts(
        as_of, amount, invoice.currency, invoice.type, invoice.invoice_date, invoice.due_on, invoice.contract_ids,
        tuple(line_names),
    )  # fmt: skip


def needs_lines(rules: Iterable[AutopayRule]) -> bool:
    """Whether any rule asks for the names of lines, which are stored apart from the invoice."""
    return any(c.type == "line_item" for rule in rules for c in rule.criteria)


# ---- deciding -------------------------------------------------------------------------------------------------


def choose(listed: AutopayList, facts: Facts, known: References) -> Decision:
    """Try the rules from the top: the first that matches pays, every later match is ignored. PRODUCT 8.

    Disabled rules, all of them where the list is, and those that refer to something removed match nothing, whatever
    their criteria say.
    """
    results: list[RuleResult] = []
    paid = False
    for rule in listed.rules:
        verdicts = tuple(judge(c, facts, listed.currency) for c in rule.criteria)
        removed = removed_from(rule, known)
        result: Result
        if rule.disabled or not listed.enabled:
            result = "disabled"
        elif removed:
            result = "invalid"
        elif not all(v.holds for v in verdicts):
            result = "no_match"
        else:
            result, paid = ("ignored" if paid else "pays"), True
        results.append(RuleResult(rule, result, verdicts, removed))
    return Decision(tuple(results))


def removed_from(rule: AutopayRule, known: References) -> tuple[str, ...]:
    """The ids a rule names that are no longer there; any of them makes it invalid."""
    method = () if rule.payment_method_id in known.method_ids else (rule.payment_method_id,)
    named = (str(v) for c in rule.criteria if c.type == "contract" for v in c.values)
    return (*method, *dict.fromkeys(v for v in named if v not in known.contract_ids))


def judge(criterion: Criterion, facts: Facts, currency: str) -> Verdict:
    """Whether one criterion holds; amounts of the rule are in `currency`."""
    if criterion.type in ("contract", "line_item"):
        return _judge_many(criterion, facts.contract_ids if criterion.type == "contract" else facts.line_names)
    if criterion.type in ("invoice_type", "currency"):
        word = facts.type if criterion.type == "invoice_type" else facts.currency
        return Verdict(criterion, word, (word in criterion.values) != (criterion.operator in NEGATIVE))
    number = _number(criterion.type, facts)
    comparable = criterion.type != "amount" or facts.currency == currency
    holds = number is not None and comparable and in_bounds(number, bounds(criterion))
    return Verdict(criterion, number, holds)


def _number(type: CriterionType, facts: Facts) -> int | None:
    """Days past due are negative before the due date, and unknown while there is none."""
    if type == "amount":
        return facts.residual_minor
    since = facts.invoice_date if type == "invoice_age_days" else facts.due_on
    return None if since is None else (facts.as_of - since).days


def _judge_many(criterion: Criterion, names: Sequence[str]) -> Verdict:
    """A positive operator holds if any name fits any value, a negative one if none fits any."""
    distinct = tuple(dict.fromkeys(names))
    fits = fitting(criterion)
    found = tuple(name for name in distinct if fits(name))
    others = tuple(name for name in distinct if not fits(name)) if len(found) < ACTUALS_MAX else ()
    return Verdict(criterion, (found + others)[:ACTUALS_MAX], bool(found) != (criterion.operator in NEGATIVE))


def fitting(criterion: Criterion) -> Callable[[str], bool]:
    """Whether one name fits any of the values, whichever way the operator then counts it."""
    if criterion.type == "contract":
        return lambda name: name in criterion.values
    wanted = frozenset(folded(str(v)) for v in criterion.values)
    if criterion.operator in ("is", "is_not"):
        return lambda name: folded(name) in wanted
    return lambda name: any(value in folded(name) for value in wanted)


def folded(name: str) -> str:
    """For comparing without regard to case, nor to how accents are encoded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.strip()).casefold())


# ---- bounds ---------------------------------------------------------------------------------------------------

Bounds = tuple[int | None, int | None]  # both inclusive; None: open


def bounds(criterion: Criterion) -> Bounds:
    """A numeric criterion as the whole numbers that satisfy it."""
    first, last = int(criterion.values[0]), int(criterion.values[-1])
    table: dict[str, Bounds] = {
        "lt": (None, first - 1), "lte": (None, first), "eq": (first, first), "gte": (first, None),
        "gt": (first + 1, None), "between": (first, last),
    }  # fmt: skip
    return table[criterion.operator]


def in_bounds(number: int, within: Bounds) -> bool:
    low, high = within
    return (low is None or low <= number) and (high is None or number <= high)
