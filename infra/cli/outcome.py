"""How a command ends, and the types its options share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final

from shared.contracts import api_fields

OK: Final = 0
FAILED: Final = 1  # refused or failed
WRONG_USAGE: Final = 2  # which argparse decides, but for options that do not go together

Subparsers = Any  # argparse keeps the class of what add_subparsers returns to itself


class Refused(Exception):
    """The command cannot do what was asked; the message is for the person who asked."""


class Misused(Refused):
    """Options that make no sense together."""


def instant(text: str) -> datetime:
    """An option's instant. Raises what argparse turns into wrong usage."""
    try:
        return api_fields.instant(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(f"{text!r} {wrong}") from None


def day(text: str) -> date:
    """As an argument's type: `2026-03-31`."""
    try:
        return api_fields.day(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date") from None


def whole(least: int, most: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number, both bounds inclusive."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:12]) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from {least} to {most}")
        return int(text)

    return read
