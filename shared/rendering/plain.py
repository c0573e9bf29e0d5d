"""Text that people typed, made safe to print: one line, no control characters, no change of direction."""

from __future__ import annotations

import re
from typing import Final

MAX_INTEGER: Final = 10**15  # the largest whole number a template handles

# Controls, line and paragraph separators, lone surrogates, and the bidirectional overrides that let
# a name display as something else. Joiners stay: Arabic, Persian and Indic names need them.
UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def one_line(text: str) -> str:
    """The text with each unprintable character, line breaks included, replaced by a space."""
    return UNPRINTABLE.sub(" ", text) if UNPRINTABLE.search(text) else str.__str__(text)
