"""A mail's data in the customer's language: its dates, its amounts and the words that come from us. PRODUCT 6, 10.

Use cases say everything once, in English: ISO dates, plain decimals. What a value is follows from its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from shared.rendering.speech import ENGLISH, Speech, speech_of

DATES: Final = frozenset(
    {"invoice_date", "due_on", "on", "as_of", "since", "effective_on", "next_attempt_on", "next_charge_on"}
)
FIGURES: Final = frozenset({"total", "residual", "amount", "opening", "closing"})
OUR_WORDS: Final = frozenset({"method", "step"})
CODE: Final = "code"  # why a payment was declined: what there are no words for is better left out
DESCRIPTION: Final = "description"  # begins with our words, and goes on with a number
MOVEMENTS: Final = ("Credit applied", "Credit memo", "Debit memo", "Invoice", "Payment", "Refund", "Voided")
_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def spoken(data: Mapping[str, object], language: str) -> dict[str, object]:
    """The data of a template in a language; in English it stays as it is."""
    if language == ENGLISH:
        return dict(data)
    speech = speech_of(language)
    return {name: _said(name, value, speech) for name, value in data.items()}


def _said(name: str, value: object, speech: Speech) -> object:
    if isinstance(value, Mapping):
        return {key: _said(key, inner, speech) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_said(name, inner, speech) for inner in value]
    if not isinstance(value, str):
        return value
    if name in DATES and _ISO.fullmatch(value):
        return speech.noted(date.fromisoformat(value))
    if name in FIGURES:
        return speech.figure(value)
    if name in OUR_WORDS:
        return speech.say(value.replace("_", " "))
    if name == CODE:
        return speech.words.get(value, "")
    return _described(value, speech) if name == DESCRIPTION else value


def _described(value: str, speech: Speech) -> str:
    for movement in MOVEMENTS:
        if value.startswith(movement):
            return f"{speech.say(movement)}{value.removeprefix(movement)}"
    return value
