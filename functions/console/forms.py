"""What forms hold, as the API takes it. A field is named by its path in the body, with dots.

Nothing is judged here: a text that should have been a number goes to the API as it is, which says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from functions.pay_page.requests import Fields

Reader = Callable[[str], Any]
DIGITS_MAX: Final = 9  # of a number; a longer one is none
LIST_MARK: Final = ", "
ADDRESS: Final = ("line1", "line2", "postal_code", "city", "region", "country")  # in the order of forms


def yes(text: str) -> bool:
    return text == "yes"


def text_or_none(text: str) -> str | None:
    return text or None


def whole(text: str) -> int | str:
    return int(text) if text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= DIGITS_MAX else text


def whole_or_none(text: str) -> int | str | None:
    return whole(text) if text else None


def whole_list(text: str) -> list[int | str]:
    return [whole(word) for word in text.replace(",", " ").split()]


def line_list(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def tree_of(fields: Fields, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The body that the fields stand for. A box that is not ticked is not sent, and means no."""
    body: dict[str, Any] = {}
    for path, read in readers.items():
        put(body, path, read(fields.one(path)))
    return body


def put(body: dict[str, Any], path: str, value: Any) -> None:
    *groups, name = path.split(".")
    for group in groups:
        body = body.setdefault(group, {})
    body[name] = value


def laid_over(tree: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """The tree with what was typed in its place, fit to be shown or not."""
    both = ((name, tree.get(name), value) for name, value in typed.items())
    return {**tree, **{name: laid_over(old, new) if isinstance(old, Mapping) and isinstance(new, Mapping) else new
                       for name, old, new in both}}  # fmt: skip


def flat(tree: Mapping[str, Any], at: str = "") -> dict[str, str]:
    """Each value by its path, as a field holds it."""
    found: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{at}{name}.")
        else:
            found[f"{at}{name}"] = _held(value)
    return found


def _held(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, list):
        return LIST_MARK.join(map(str, value))
    return "" if value is None else str(value)


def typed(fields: Fields) -> dict[str, str]:
    """A form as it was sent, to be shown again; of a name that comes twice the first."""
    return dict(reversed(fields.pairs))
