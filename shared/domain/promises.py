"""Whether a promise to pay was kept, from what came in and when nothing was past due any more. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Literal

from shared.domain.values import dataclass

PromiseStatus = Literal["open", "kept", "broken"]


@dataclass(frozen=True, slots=True)
class Received:
    """Money that came in on a local date of the customer, in the promise's currency."""

    on: date
    amount_minor: int


def kept_on(
    made_on: date, through: date, amount_minor: int | None, received: Iterable[Received], cleared: Iterable[date]
) -> date | None:
    """The day on which the promise was kept: the promised amount had come in, or nothing was past due any more.

    `received` is in order and counts from the moment the promise was made. What comes after its date (inclusive) keeps
    no promise. `cleared` are the days on which an episode ended.
    """
    days = [d for d in cleared if made_on <= d <= through]
    total = 0
    for money in received:
        total += money.amount_minor
        if amount_minor is not None and total >= amount_minor and money.on <= through:
            days.append(money.on)
            break
    return min(days, default=None)


def status_of(
    kept: date | None, through: date, amount_minor: int | None, on: date, *, owing: bool, late: bool
) -> PromiseStatus:
    """Broken once its date (inclusive) has passed with something past due, or without the promised amount.

    Before that it is open as long as anything is owed. `owing` and `late`: whether anything is owed, or past due, now.
    """
    if kept is not None:
        return "kept"
    if on <= through:
        return "open" if owing else "kept"
    return "broken" if late or amount_minor is not None else "kept"
