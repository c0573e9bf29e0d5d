"""The kinds of field that bodies of the admin API are made of, and how a wrong one is reported. API.md "Conventions".

Every reader takes what JSON gave and answers the domain's value, or raises ValueError with words that follow the
field's name: "must be a decimal string". The text of a wrong value is never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema

from shared.domain.calendar import FIRST_DATE, LAST_DATE, parse_cron, zone
from shared.domain.errors import DomainError, Invalid
from shared.domain.money import MAX_AMOUNT_CHARS, MAX_FACTOR_DIGITS, exponent, parse_minor
from shared.domain.values import dataclass

ID_CHARS_MAX: Final = 64
NAME_CHARS_MAX: Final = 200
EMAIL_CHARS_MAX: Final = 254
TEXT_CHARS_MAX: Final = 1_000
ERRORS_MAX: Final = 100  # reported at once; a body of ten thousand wrong lines need not be answered with all of them

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}")
_DECIMAL: Final = re.compile(r"-?([0-9]+)(?:\.([0-9]+))?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class Body(BaseModel):
    """A body or a part of one: unknown fields are refused, and no value is turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True, hide_input_in_errors=True)


class Empty(Body):
    """The body of an action that takes nothing."""


# ---- reporting ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldError:
    field: str
    message: str


class InvalidBody(DomainError, ValueError):
    """One or more fields break a rule; an API answers 422 and names each."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors[:3]))
        self.errors = tuple(errors[:ERRORS_MAX])


X = TypeVar("X")


@dataclass(slots=True)
class Findings:
    """Collects what is wrong with several fields, so that all of it is reported at once."""

    errors: list[FieldError] = field(default_factory=list)

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """What is refused inside belongs to this field."""
        try:
            yield
        except Invalid as wrong:
            self.add(f"{name}.{wrong.field}" if wrong.field else name, wrong.message)
        except ValueError as wrong:
            self.add(name, str(wrong))

    def attempt(self, name: str, read: Callable[[], X], otherwise: X) -> X:
        """What `read` gives, or `otherwise` if it is refused: nothing comes of it, since something is wrong."""
        try:
            return read()
        except ValueError as wrong:
            self.add(name, str(wrong))
            return otherwise

    def add(self, name: str, message: str) -> None:
        self.errors.append(FieldError(name, message))

    def done(self) -> None:
        if self.errors:
            raise InvalidBody(self.errors)


def refuse(name: str, message: str) -> NoReturn:
    raise InvalidBody([FieldError(name, message)])


B = TypeVar("B", bound=Body)


def read_body(model: type[B], value: object) -> B:
    """The body as its model. Raises InvalidBody, naming every wrong field."""
    if not isinstance(value, dict):
        refuse("body", "must be a JSON object")
    try:
        return model.model_validate(value)
    except ValidationError as wrong:
        raise InvalidBody(field_errors(wrong)) from None


def field_errors(wrong: ValidationError) -> list[FieldError]:
    """Pydantic's findings in the API's words: `charges[0].amount`, "is required"."""
    found = wrong.errors(include_url=False, include_input=False)
    return [FieldError(_path(e["loc"]), _words(e["type"], e["msg"], e.get("ctx", {}))) for e in found[:ERRORS_MAX]]


# The variants of charges and actions: pydantic puts the variant's tag into the path of its fields.
_TAGS: Final = frozenset(
    {"recurring", "usage", "one_time", "send_template", "late_fee", "suspend", "emit_event", "task"}
)
_ONE_VARIANT: Final = frozenset({"add"})  # a field that holds one of them; elsewhere they are in lists
_FIELD_CHARS_MAX: Final = 60  # of one part of a path: the sender chooses the names of unknown fields


def harmless(text: str) -> str:
    """What a sender called something, fit to be repeated."""
    return ascii(text)[1:-1][:_FIELD_CHARS_MAX]


def _path(loc: tuple[int | str, ...]) -> str:
    path, before_tag = "", False
    for part in loc:
        if isinstance(part, int):
            path, before_tag = f"{path}[{part}]", True
        elif before_tag and part in _TAGS:
            before_tag = False
        else:
            name = harmless(part)
            path = f"{path}.{name}" if path else name
            before_tag = path in _ONE_VARIANT
    return path or "body"


_WORDS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "string_type": "must be a string",
    "string_unicode": "must be a string of valid Unicode",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "union_tag_not_found": "must be an object with a type",
}


def _words(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"must be one of {context['expected']}"
    if kind == "union_tag_invalid":
        return f"must have a type that is one of {context['expected_tags']}"
    if kind in _WORDS:
        return _WORDS[kind]
    bounds = {
        "greater_than_equal": "must be at least {ge}", "less_than_equal": "must be at most {le}",
        "too_long": "must have at most {max_length} entries", "too_short": "must have at least {min_length} entries",
        "string_too_long": "must have at most {max_length} characters", "string_too_short": "must not be empty",
    }  # fmt: skip
    return bounds[kind].format(**context) if kind in bounds else message.lower()


# ---- readers --------------------------------------------------------------------------------------------------


def text(value: object, most: int = TEXT_CHARS_MAX) -> str:
    """A line of text that can stand in a mail header: not blank, no control character, no line break."""
    if not isinstance(value, str):
        raise ValueError("must be a string")
    if len(value) > most:
        raise ValueError(f"must have at most {most} characters")
    if _CONTROL.search(value):
        raise ValueError("must not hold control characters or line breaks")
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def name(value: object) -> str:
    return text(value, NAME_CHARS_MAX)


def optional_line(value: object) -> str:
    """Like a name, but may be empty: a part of an address."""
    return "" if value == "" else text(value, NAME_CHARS_MAX)


def email(value: object) -> str:
    address = text(value, EMAIL_CHARS_MAX)
    if not _EMAIL.fullmatch(address) or len(address.partition("@")[0]) > ID_CHARS_MAX:
        raise ValueError("must be an e-mail address such as 'ap@acme.example'")
    return address


def identifier(value: object) -> str:
    """An id of any kind: opaque, safe in a path."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("must be an id of 1 to 64 letters, digits, '_' and '-'")
    return value


def id_of(prefix: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not identifier(value).startswith(prefix) or len(str(value)) == len(prefix):
            raise ValueError(f"must be an id that starts with '{prefix}'")
        return str(value)

    return read


def day(value: object) -> date:
    """A date written YYYY-MM-DD, from FIRST_DATE to LAST_DATE."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("must be a date written YYYY-MM-DD")
    try:
        on = date.fromisoformat(value)
    except ValueError:
        raise ValueError("is not a day of the calendar") from None
    if not FIRST_DATE <= on <= LAST_DATE:
        raise ValueError(f"must lie from {FIRST_DATE} to {LAST_DATE}")
    return on


def instant(value: object) -> datetime:
    """An instant of RFC 3339, in UTC."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("must be an instant such as '2026-01-31T12:00:00Z'")
    try:
        at = datetime.fromisoformat(value.upper().replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is not an instant of the calendar") from None
    if not FIRST_DATE <= at.date() <= LAST_DATE:
        raise ValueError(f"must lie from {FIRST_DATE} to {LAST_DATE}")
    return at


def money(value: object) -> str:
    """An amount that may be negative. Its decimals are checked by `minor`, once the currency is known."""
    if not isinstance(value, str):
        raise ValueError('must be a decimal string such as "249.95"')
    if len(value) > MAX_AMOUNT_CHARS or not _DECIMAL.fullmatch(value):
        raise ValueError('must be a plain decimal number such as "249.95"')
    return value


def amount(value: object) -> str:
    """An amount of zero or more."""
    if money(value).startswith("-"):
        raise ValueError("must not be negative")
    return str(value)


def minor(value: str, currency: str) -> int:
    """The amount in minor units. Raises ValueError, as when it has more decimals than the currency."""
    return parse_minor(value, currency)


def decimal(value: object) -> Decimal:
    """A quantity or percentage that may be negative, written as a string."""
    if not isinstance(value, str):
        raise ValueError('must be a decimal string such as "1.5"')
    match = _DECIMAL.fullmatch(value) if len(value) <= MAX_AMOUNT_CHARS else None
    if match is None:
        raise ValueError('must be a plain decimal number such as "1.5"')
    if len(match.group(1).lstrip("0")) > MAX_FACTOR_DIGITS or len(match.group(2) or "") > MAX_FACTOR_DIGITS:
        raise ValueError(f"must have at most {MAX_FACTOR_DIGITS} digits on either side of its point")
    return Decimal(value)


def quantity(value: object) -> Decimal:
    number = decimal(value)
    if number.is_signed():
        raise ValueError("must not be negative")
    return number


def percent(value: object) -> Decimal:
    number = quantity(value)
    if number > 100:
        raise ValueError("must be at most 100")
    return number


def currency(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be an ISO 4217 code such as 'USD'")
    exponent(value)
    return value


def timezone(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be an IANA time zone such as 'Europe/Berlin'")
    return zone(value).key


def schedule(value: object) -> str:
    """Standard five-field cron that fires at least once."""
    if not isinstance(value, str):
        raise ValueError("must be a cron expression such as '0 8 1 * *'")
    return parse_cron(value).expression


def _schema(**schema: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **schema})


_PLAIN: Final = r"^-?[0-9]+(\.[0-9]+)?$"
_NOT_NEGATIVE: Final = r"^[0-9]+(\.[0-9]+)?$"

Name = Annotated[str, BeforeValidator(name), _schema(minLength=1, maxLength=NAME_CHARS_MAX)]
Text = Annotated[str, BeforeValidator(text), _schema(minLength=1, maxLength=TEXT_CHARS_MAX)]
Line = Annotated[str, BeforeValidator(optional_line), _schema(maxLength=NAME_CHARS_MAX)]
Email = Annotated[str, BeforeValidator(email), _schema(format="email", maxLength=EMAIL_CHARS_MAX)]
Day = Annotated[date, BeforeValidator(day), _schema(format="date")]
Instant = Annotated[datetime, BeforeValidator(instant), _schema(format="date-time")]
Money = Annotated[str, BeforeValidator(money), _schema(pattern=_PLAIN)]
Amount = Annotated[str, BeforeValidator(amount), _schema(pattern=_NOT_NEGATIVE)]
Quantity = Annotated[Decimal, BeforeValidator(quantity), _schema(pattern=_NOT_NEGATIVE)]
SignedQuantity = Annotated[Decimal, BeforeValidator(decimal), _schema(pattern=_PLAIN)]
Percent = Annotated[Decimal, BeforeValidator(percent), _schema(pattern=_NOT_NEGATIVE)]
Currency = Annotated[str, BeforeValidator(currency), _schema(pattern="^[A-Z]{3}$")]
Timezone = Annotated[str, BeforeValidator(timezone), _schema()]
Schedule = Annotated[str, BeforeValidator(schedule), _schema()]


class AddressBody(Body):
    line1: Line = ""
    line2: Line = ""
    city: Line = ""
    region: Line = ""
    postal_code: Line = ""
    country: Line = ""


_ID_TAIL: Final = "[A-Za-z0-9_-]+$"


def _id_schema(prefix: str) -> WithJsonSchema:
    return _schema(pattern=f"^{prefix}{_ID_TAIL}", maxLength=ID_CHARS_MAX)


AnyId = Annotated[str, BeforeValidator(identifier), _schema(pattern="^[A-Za-z0-9_-]{1,64}$")]
ClassId = Annotated[str, BeforeValidator(id_of("cls_")), _id_schema("cls_")]
CustomerId = Annotated[str, BeforeValidator(id_of("cus_")), _id_schema("cus_")]
ContractId = Annotated[str, BeforeValidator(id_of("con_")), _id_schema("con_")]
ChargeId = Annotated[str, BeforeValidator(id_of("chg_")), _id_schema("chg_")]
InvoiceId = Annotated[str, BeforeValidator(id_of("inv_")), _id_schema("inv_")]
BillRunId = Annotated[str, BeforeValidator(id_of("brn_")), _id_schema("brn_")]
PaymentRunId = Annotated[str, BeforeValidator(id_of("prn_")), _id_schema("prn_")]
PaymentId = Annotated[str, BeforeValidator(id_of("pay_")), _id_schema("pay_")]
MethodId = Annotated[str, BeforeValidator(id_of("pm_")), _id_schema("pm_")]
RehearsalId = Annotated[str, BeforeValidator(id_of("reh_")), _id_schema("reh_")]
AdjustmentId = Annotated[str, BeforeValidator(id_of("adj_")), _id_schema("adj_")]


# ---- writing --------------------------------------------------------------------------------------------------


def plain(value: Decimal) -> str:
    """A quantity without an exponent and without needless zeros: 1.50 is "1.5", 1E+2 is "100"."""
    if value == value.to_integral_value():
        return str(int(value))
    return format(value.normalize(), "f")


def rfc3339(at: datetime | None) -> str | None:
    """To the second, or to the microsecond where there is a fraction."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def iso(on: date | None) -> str | None:
    return on.isoformat() if on else None
