"""The errors of the domain, as a tree.

DomainError
├── Invalid        a value is wrong: says which field, what is wrong with it and the way out
├── Refused        the request conflicts with the state of the thing (an API answers 409)
├── TooMuch        the answer would be larger, or take longer, than one request may
├── NotFound       there is no such thing, or it is not yours
└── Stale          someone else changed it first: the given version is not the current one
"""

from __future__ import annotations


class DomainError(Exception):
    """Base of every expected error. The message is for people and names the way out."""


class Invalid(DomainError, ValueError):
    """A field's value breaks a rule."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class Refused(DomainError):
    """The state of the thing does not allow the request. `code` is stable, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TooMuch(DomainError):
    """One request cannot answer this. The message says what to ask for instead."""


class NotFound(DomainError):
    def __init__(self, what: str, id: str) -> None:
        super().__init__(f"no {what} {id!r}")
        self.what = what
        self.id = id


class Stale(DomainError):
    """The caller's version is not the stored one: read again and repeat the change on what is there now."""
