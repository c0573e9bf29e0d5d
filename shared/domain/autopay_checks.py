"""Reading autopay rules as someone wrote them: everything that is missing or wrong is named. PRODUCT 8.

A rule that cannot be saved is one that lacks a part, has a value of another kind than its criterion, refers to a
method or contract the customer does not have, or mixes amounts with another currency.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, Final, cast, get_args
from unicodedata import category

from shared.domain.autopay import (
    CRITERIA_MAX,
    NUMERIC,
    OPERATORS,
    RULES_MAX,
    TYPES_IN_RULES,
    VALUES_MAX,
    AutopayList,
    AutopayRule,
    Criterion,
    CriterionType,
    Operator,
    References,
    Value,
)
from shared.domain.errors import DomainError, Invalid, Refused
from shared.domain.money import exponent, parse_minor
from shared.domain.values import dataclass

DAYS_MAX: Final = 36_500  # either way
TEXT_CHARS_MAX: Final = 200
VALUE_BYTES_MAX: Final = 200_000  # of all values of a list, which is kept as one record of at most 400 KB
BYTES_BESIDE_A_VALUE: Final = 8
UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, half characters, line and paragraph ends


@dataclass(frozen=True, slots=True)
class CriterionDraft:
    """A criterion as it was sent; None is a part left out."""

    type: object = None
    operator: object = None
    values: object = None


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule as it was sent, with the id it has or will have."""

    id: str
    payment_method_id: object = None
    criteria: Sequence[CriterionDraft] | None = None
    disabled: bool = False
    locked: bool = False


@dataclass(slots=True)
class _Reading:
    """What the values are read against, and what was found wrong so far."""

    currency: str
    known: References
    wrong: list[Invalid] = field(default_factory=list)

    def refuse(self, at: str, message: str) -> None:
        self.wrong.append(Invalid(at, message))


def read_rules(
    drafts: Sequence[RuleDraft], currency: str, known: References
) -> tuple[tuple[AutopayRule, ...], list[Invalid]]:
    """The rules, and all that is wrong with the drafts by path (`rules[0].criteria[1].values`).

    Amounts are in `currency`, the customer's. The rules may be used only if nothing is wrong.
    """
    reading = _Reading(currency, known)
    if len(drafts) > RULES_MAX:
        reading.refuse("rules", f"must have at most {RULES_MAX} entries")
        return (), reading.wrong
    seen: set[str] = set()
    rules: list[AutopayRule] = []
    for n, draft in enumerate(drafts):
        if draft.id in seen:
            reading.refuse(f"rules[{n}].id", "is the same as that of a rule before it")
        seen.add(draft.id)
        rules.append(_read_rule(draft, f"rules[{n}]", reading))
    values = (v for rule in rules for c in rule.criteria for v in c.values)
    if sum(len(str(v).encode()) + BYTES_BESIDE_A_VALUE for v in values) > VALUE_BYTES_MAX:
        reading.refuse("rules", "have too many or too long values in all: use fewer")
    return tuple(rules), reading.wrong


def _read_rule(draft: RuleDraft, at: str, reading: _Reading) -> AutopayRule:
    method = draft.payment_method_id
    if method is None:
        reading.refuse(f"{at}.payment_method_id", "is required")
    elif not isinstance(method, str) or method not in reading.known.method_ids:
        reading.refuse(f"{at}.payment_method_id", "is not a payment method of this customer")
    drafts = draft.criteria
    if drafts is None:
        reading.refuse(f"{at}.criteria", "is required")
    elif not 1 <= len(drafts) <= CRITERIA_MAX:
        reading.refuse(f"{at}.criteria", f"must have 1 to {CRITERIA_MAX} entries")
        drafts = None
    read = [_read_criterion(c, f"{at}.criteria[{n}]", reading) for n, c in enumerate(drafts or ())]
    _check_currencies(read, at, reading)
    return AutopayRule(draft.id, str(method), tuple(c for c in read if c), draft.disabled, draft.locked)


def _check_currencies(criteria: Sequence[Criterion | None], at: str, reading: _Reading) -> None:
    """Amounts are the customer's currency, so a rule that has one may ask for no other."""
    if not any(c and c.type == "amount" for c in criteria):
        return
    for n, c in enumerate(criteria):
        if c is None or c.type != "currency":
            continue
        other = set(c.values) != {reading.currency} if c.operator == "is" else reading.currency in c.values
        if other:
            reading.refuse(
                f"{at}.criteria[{n}].values",
                f"mixes currencies: the amounts of this rule are in {reading.currency}; use a rule without an amount",
            )


def _read_criterion(draft: CriterionDraft, at: str, reading: _Reading) -> Criterion | None:
    """None if anything is wrong with it. Values can be judged only once type and operator are known."""
    known_type = draft.type in OPERATORS if isinstance(draft.type, str) else False
    if not known_type:
        reading.refuse(f"{at}.type", _choice(draft.type, tuple(OPERATORS)))
    type = cast(CriterionType, draft.type)
    allowed = OPERATORS[type] if known_type else cast(tuple[Operator, ...], get_args(Operator))
    known_operator = draft.operator in allowed
    if not known_operator:
        reading.refuse(f"{at}.operator", _choice(draft.operator, allowed))
    if draft.values is None:
        reading.refuse(f"{at}.values", "is required")
    elif not isinstance(draft.values, list | tuple):
        reading.refuse(f"{at}.values", "must be a list")
    elif not draft.values:
        reading.refuse(f"{at}.values", "must not be empty")
    elif len(draft.values) > VALUES_MAX:
        reading.refuse(f"{at}.values", f"must have at most {VALUES_MAX} entries")
    elif known_type:
        operator = cast(Operator, draft.operator) if known_operator else None
        return _read_values(type, operator, draft.values, f"{at}.values", reading)
    return None


def _choice(given: object, allowed: Sequence[str]) -> str:
    return "is required" if given is None else f"must be one of {', '.join(allowed)}"


# ---- values ---------------------------------------------------------------------------------------------------


def _read_values(
    type: CriterionType, operator: Operator | None, given: Sequence[Any], at: str, reading: _Reading
) -> Criterion | None:
    values: list[Value] = []
    before = len(reading.wrong)
    for n, value in enumerate(given):
        try:
            values.append(_READERS[type](value, reading))
        except (DomainError, ValueError) as wrong:
            reading.refuse(f"{at}[{n}]", str(wrong))
    if operator is None or len(reading.wrong) > before:
        return None
    if operator in NUMERIC and (message := _wrong_count(operator, cast(list[int], values))):
        reading.refuse(at, message)
        return None
    return Criterion(type, operator, tuple(values))


def _wrong_count(operator: Operator, values: Sequence[int]) -> str | None:
    if operator != "between":
        return None if len(values) == 1 else f"must have exactly one entry for {operator}"
    if len(values) != 2:
        return "must have exactly two entries for between, the lower one first"
    return None if values[0] <= values[1] else "must have the lower of the two entries first"


def _money(value: object, reading: _Reading) -> int:
    if not isinstance(value, str):
        raise ValueError('must be a decimal string such as "249.95"')
    minor = parse_minor(value, reading.currency)
    if minor < 0:
        raise ValueError("must not be negative")
    return minor


def _days(value: object, reading: _Reading) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number of days")
    if abs(value) > DAYS_MAX:
        raise ValueError(f"must lie from -{DAYS_MAX} to {DAYS_MAX}")
    return value


def _text(value: object, reading: _Reading) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    if not value.strip():
        raise ValueError("must not be empty")
    if len(value) > TEXT_CHARS_MAX:
        raise ValueError(f"must have at most {TEXT_CHARS_MAX} characters")
    if any(category(char) in UNPRINTABLE for char in value):
        raise ValueError("must not hold control characters or line breaks")
    return value.strip()


def _contract(value: object, reading: _Reading) -> str:
    if not isinstance(value, str) or value not in reading.known.contract_ids:
        raise ValueError("is not a contract of this customer")
    return value


def _invoice_type(value: object, reading: _Reading) -> str:
    if value not in TYPES_IN_RULES:
        raise ValueError(f"must be one of {', '.join(TYPES_IN_RULES)}")
    return str(value)


def _currency(value: object, reading: _Reading) -> str:
    if not isinstance(value, str):
        raise ValueError("must be an ISO 4217 code such as 'USD'")
    exponent(value)
    return value


_READERS: Final[dict[CriterionType, Callable[[object, _Reading], Value]]] = {
    "contract": _contract,
    "amount": _money,
    "line_item": _text,
    "invoice_age_days": _days,
    "days_past_due": _days,
    "invoice_type": _invoice_type,
    "currency": _currency,
}


# ---- locks ----------------------------------------------------------------------------------------------------


def check_locks(before: AutopayList, after: AutopayList) -> None:
    """What a customer may not do: change, unlock, remove or make a locked rule, put anything before one, or switch the
    whole list off while it has one.

    Raises Refused. Staff may do all of it.
    """
    locked = {r.id for r in before.rules if r.locked} | {r.id for r in after.rules if r.locked}
    if locked and before.enabled and not after.enabled:
        raise Refused("locked", "a rule of this list is locked: ask us to switch autopay off")
    for rule_id in locked:
        if before.rule(rule_id) != after.rule(rule_id) or not _ahead(after, rule_id) <= _ahead(before, rule_id):
            raise Refused("locked", f"rule {rule_id} is locked: ask us to change it")


def _ahead(listed: AutopayList, rule_id: str) -> set[str]:
    """The rules that are tried before this one."""
    ids = [r.id for r in listed.rules]
    return set(ids[: ids.index(rule_id)]) if rule_id in ids else set()
