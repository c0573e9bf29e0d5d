"""What a rehearsal's seed decides: how a card ends, when somebody pays by hand, drawn from what each did before.

Nothing is drawn in order: each draw is named, so that two runs with the same seed differ only where something is
different, and not in all that comes after it. PRODUCT 12.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from hashlib import sha256
from typing import Final, TypeVar

T = TypeVar("T")

HISTORY_MAX: Final = 50  # of the latest attempts, or invoices paid, that are drawn from
HISTORY_MIN: Final = 3  # invoices that somebody must have paid before they say anything


def draw(choices: Sequence[T], seed: int, *about: object) -> T:
    """One of them, each as likely; the same for the same seed and name. Raises IndexError for none."""
    if not choices:
        raise IndexError("nothing to draw from")
    digest = sha256("\x1f".join(map(str, (seed, *about))).encode()).digest()
    return choices[int.from_bytes(digest[:8], "big") % len(choices)]


def paid_by_hand_on(due_on: date, days_late: Sequence[int], since: date, seed: int, *about: object) -> date | None:
    """The day on which a customer pays an invoice who was so many days late (negative: early) before.

    One that is late already is drawn from those that were as late. None if that was never so, or too little is known.
    """
    already = (since - due_on).days
    like = [days for days in days_late[-HISTORY_MAX:] if days >= already]
    if len(days_late) < HISTORY_MIN or not like:
        return None
    return due_on + timedelta(days=draw(like, seed, "paid", *about))
