"""Autopay rules that can never fire, because an earlier one matches everything they match. PRODUCT 8.

A rule is reduced, type by type, to what an invoice must be like to match it. An earlier rule shadows it if each of
its criteria follows from that. The types do not bear on each other, except that an amount also asks for the list's
currency; so the answer is exact for any one earlier rule. Two earlier rules that only together match all are not
reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.domain.autopay import (
    NEGATIVE,
    NUMERIC,
    AutopayList,
    AutopayRule,
    Bounds,
    Criterion,
    References,
    bounds,
    folded,
    removed_from,
)
from shared.domain.money import EXPONENTS

COLLECTABLE_FROM_MINOR: Final = 1  # nothing is charged on an invoice with nothing left to pay
COLLECTABLE_TYPES: Final = frozenset({"regular", "out_of_turn", "debit_memo"})
CURRENCIES: Final = frozenset(EXPONENTS)


def shadowed_by(listed: AutopayList, known: References) -> dict[str, str | None]:
    """Each rule's id with that of the first earlier rule that always matches before it.

    Disabled and invalid rules neither shadow nor are shadowed, nor is a rule that no invoice could ever match.
    """
    found: dict[str, str | None] = {}
    earlier: list[AutopayRule] = []
    for rule in listed.rules:
        found[rule.id] = None
        if rule.disabled or removed_from(rule, known):
            continue
        matches = _Matches.of(rule.criteria, listed.currency)
        if matches.anything:
            found[rule.id] = next((e.id for e in earlier if matches.imply(e.criteria, listed.currency)), None)
        earlier.append(rule)
    return found


def matching_nothing(listed: AutopayList, known: References) -> frozenset[str]:
    """The rules whose own criteria exclude each other, so that no invoice could ever match."""
    return frozenset(
        r.id for r in listed.rules
        if not (r.disabled or removed_from(r, known)) and not _Matches.of(r.criteria, listed.currency).anything
    )  # fmt: skip


@dataclass(slots=True)
class _Matches:
    """What an invoice that meets all criteria is like."""

    amount: Bounds = (COLLECTABLE_FROM_MINOR, None)
    invoice_age_days: Bounds = (None, None)
    days_past_due: Bounds = (None, None)
    invoice_type: frozenset[str] = COLLECTABLE_TYPES
    currency: frozenset[str] = CURRENCIES
    contract: list[Criterion] = field(default_factory=list)
    line_item: list[Criterion] = field(default_factory=list)

    @classmethod
    def of(cls, criteria: Iterable[Criterion], currency: str) -> _Matches:
        made = cls()
        for criterion in _spelled_out(criteria, currency):
            made._narrow(criterion)
        return made

    def _narrow(self, c: Criterion) -> None:
        if c.operator in NUMERIC:
            setattr(self, c.type, _overlap(getattr(self, c.type), bounds(c)))
        elif c.type in ("contract", "line_item"):
            getattr(self, c.type).append(_names(c))
        else:
            before: frozenset[str] = getattr(self, c.type)
            setattr(self, c.type, before - set(c.values) if c.operator == "is_not" else before & set(c.values))

    @property
    def anything(self) -> bool:
        """Whether there can be such an invoice."""
        numbers = (self.amount, self.invoice_age_days, self.days_past_due)
        if any(low is not None and high is not None and low > high for low, high in numbers):
            return False
        if not self.invoice_type or not self.currency:
            return False
        return _satisfiable(self.contract) and _satisfiable(self.line_item)

    def imply(self, criteria: Iterable[Criterion], currency: str) -> bool:
        return all(self._implies(c) for c in _spelled_out(criteria, currency))

    def _implies(self, c: Criterion) -> bool:
        if c.operator in NUMERIC:
            within: Bounds = getattr(self, c.type)
            return _overlap(within, bounds(c)) == within
        if c.type in ("contract", "line_item"):
            return _names_imply(getattr(self, c.type), _names(c))
        possible: frozenset[str] = getattr(self, c.type)
        return possible.isdisjoint(c.values) if c.operator == "is_not" else possible <= set(c.values)


def _spelled_out(criteria: Iterable[Criterion], currency: str) -> Iterator[Criterion]:
    for criterion in criteria:
        yield criterion
        if criterion.type == "amount":
            yield Criterion("currency", "is", (currency,))


def _overlap(a: Bounds, b: Bounds) -> Bounds:
    lows = [low for low in (a[0], b[0]) if low is not None]
    highs = [high for high in (a[1], b[1]) if high is not None]
    return (max(lows, default=None), min(highs, default=None))


# ---- names: an invoice has any number of contracts and of lines --------------------------------------------------


def _names(c: Criterion) -> Criterion:
    return c if c.type == "contract" else Criterion(c.type, c.operator, tuple(folded(str(v)) for v in c.values))


def _split(criteria: Iterable[Criterion]) -> tuple[list[Criterion], list[Criterion]]:
    """Those some name must fit, and those no name may."""
    criteria = tuple(criteria)
    return [c for c in criteria if c.operator not in NEGATIVE], [c for c in criteria if c.operator in NEGATIVE]


def _satisfiable(given: Iterable[Criterion]) -> bool:
    """Whether each positive criterion has a value left: an invoice can then have one name for each."""
    positives, negatives = _split(given)
    return all(any(True for _ in _possible(p, negatives)) for p in positives)


def _names_imply(given: Iterable[Criterion], c: Criterion) -> bool:
    """A name that must be there satisfies a positive criterion if it does so whichever of its values it is.

    A negative one is satisfied only by what the given ones forbid: any other name may be on the invoice besides.
    """
    positives, negatives = _split(given)
    if c.operator in NEGATIVE:
        return all(_forbidden(str(v), c.operator == "not_contains", negatives) for v in c.values)
    return any(all(_covered(v, p.operator == "contains", c) for v in _possible(p, negatives)) for p in positives)


def _possible(positive: Criterion, negatives: Sequence[Criterion]) -> Iterator[str]:
    """The values by which a name can still fit, given what no name may be."""
    return (str(v) for v in positive.values if not _forbidden(str(v), positive.operator == "contains", negatives))


def _forbidden(value: str, with_more: bool, negatives: Sequence[Criterion]) -> bool:
    """Whether no name may be this value; `with_more`, whether none may contain it."""
    return any(_covered(value, with_more, n) for n in negatives)


def _covered(value: str, with_more: bool, c: Criterion) -> bool:
    """Whether the name (`with_more`: every name that contains it) fits some value of the criterion."""
    if c.operator in ("contains", "not_contains"):
        return any(str(v) in value for v in c.values)
    return not with_more and value in c.values
