"""How dates, figures and fixed words are said in a customer's language. PRODUCT 6, 10.

English is written here, as Paidup always wrote it; every other language takes its dates and figures from babel (CLDR)
and its words from a table in shared/rendering/words. A language is offered only once its table is complete.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from shared.rendering.page_words import GERMAN_PAGES
from shared.rendering.words import GERMAN

ENGLISH: Final = "en"
WORDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({ENGLISH: {}, "de": {**GERMAN, **GERMAN_PAGES}})
LANGUAGES: Final = tuple(WORDS)
NO_COUNTRIES: Final = frozenset({"EU", "EZ", "UN", "XA", "XB", "QO", "ZZ"})  # codes of the CLDR's own
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Speech:
    """One language. `point` and `group` are its decimal sign and its sign between thousands."""

    language: str = ENGLISH
    point: str = "."
    group: str = ""
    words: Mapping[str, str] = field(default_factory=dict)

    def say(self, words: str) -> str:
        """Fixed words, given in English."""
        return self.words.get(words, words)

    def day(self, on: date) -> str:
        """14 February 2026."""
        if self.language == ENGLISH:
            return f"{on.day} {MONTHS[on.month - 1]} {on.year}"
        return _written(on, "long", self.language)

    def noted(self, on: date) -> str:
        """A date as mails write it: 2026-02-14 in English, as in every other language they write its long form."""
        return str(on) if self.language == ENGLISH else self.day(on)

    def short_day(self, on: date) -> str:
        """14 Feb 2026."""
        if self.language == ENGLISH:
            return f"{on.day} {MONTHS[on.month - 1][:3]} {on.year}"
        return _written(on, "d. MMM y", self.language)

    def month(self, on: date) -> str:
        """February 2026."""
        if self.language == ENGLISH:
            return f"{MONTHS[on.month - 1]} {on.year}"
        return _written(on, "LLLL y", self.language)

    def period(self, first: date, last: date) -> str:
        """A service period in the fewest words: one day, a whole month, or the first to the last day."""
        if first == last:
            return self.short_day(first)
        if (first, last) == (first.replace(day=1), first.replace(day=monthrange(first.year, first.month)[1])):
            return self.month(first)
        opening = self.short_day(first)
        if first.year == last.year:
            opening = opening.removesuffix(f" {first.year}")
        return f"{opening} – {self.short_day(last)}"

    def country(self, written: str) -> str:
        """The name of a country that is given by its code; anything else stays as it is."""
        if len(written) != 2:
            return written
        from babel import Locale

        name: str = Locale(self.language).territories.get(written.upper(), written)
        return name

    def figure(self, plain: str) -> str:
        """A plain decimal such as "-1249.95" in the language's signs; what is no such number stays as it is."""
        if self.language == ENGLISH:
            return plain
        whole, _, fraction = plain.partition(".")
        digits = whole.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and (not fraction or fraction.isdigit())):
            return plain
        grouped = f"{int(digits):,}".replace(",", self.group)
        sign = "-" if whole.startswith("-") else ""
        return f"{sign}{grouped}{self.point}{fraction}" if fraction else f"{sign}{grouped}"

    def plain(self, typed: str) -> str:
        """The plain decimal of a figure that somebody typed in the language's signs; anything else stays as it is."""
        if self.language == ENGLISH:
            return typed
        point, group = re.escape(self.point), re.escape(self.group)
        written = re.fullmatch(rf"([0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]+)(?:{point}([0-9]+))?", typed)
        if written is None:
            return typed
        whole = written[1].replace(self.group, "")
        return f"{whole}.{written[2]}" if written[2] else whole


@lru_cache(maxsize=len(LANGUAGES) + 1)
def speech_of(language: str) -> Speech:
    """The speech of a language; English for one that there is no table of."""
    if language == ENGLISH or language not in WORDS:
        return Speech()
    from babel.numbers import get_decimal_symbol, get_group_symbol  # costs a cold start something

    return Speech(language, get_decimal_symbol(language), get_group_symbol(language), WORDS[language])


def country_code(written: str) -> str | None:
    """The ISO 3166 code of a country that is given by its code, or by its name in a language that we speak."""
    from babel import Locale

    wanted = written.strip()
    for language in LANGUAGES:
        known: dict[str, str] = {
            code: name for code, name in Locale(language).territories.items() if len(code) == 2 and code.isalpha()
        }
        if wanted.upper() in known and wanted.upper() not in NO_COUNTRIES:
            return wanted.upper()
        found = next((code for code, name in known.items() if name.casefold() == wanted.casefold()), None)
        if found is not None and found not in NO_COUNTRIES:
            return found
    return None


@lru_cache(maxsize=1024)
def _written(on: date, form: str, language: str) -> str:
    from babel.dates import format_date

    return format_date(on, form, locale=language)
