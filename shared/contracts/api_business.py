"""The seller as the settings say it: its address, how it is paid, and how its documents look. PRODUCT 6."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from babel import Locale
from pydantic import BeforeValidator, Field, WithJsonSchema

from shared.contracts.api_fields import AddressBody, Body, Currency, Email, Findings, Name, Timezone, refuse, text
from shared.domain.address import Address
from shared.domain.picture import BYTES_MAX, NotAPicture, Picture, picture
from shared.domain.settings import Business, EInvoice, Language

INSTRUCTIONS_MAX: Final = 6
TAX_ID_CHARS_MAX: Final = 40
CONTRAST_MIN: Final = 4.5  # WCAG 2.1 AA, for text on white and for white text on a button
WHITE_LUMINANCE: Final = 1.0
BASE64_CHARS_MAX: Final = 4 * (BYTES_MAX + 2) // 3 + 200  # with line breaks and a data URL's head

_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_LOGO_KEY: Final = re.compile(r"logos/[0-9a-f]{64}\.(?:png|jpg|svg)")
_DATA_URL: Final = re.compile(r"data:image/[a-z+.-]+;base64,")
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_BIC: Final = re.compile(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_DEFAULTS: Final = Business()


def iban(value: object) -> str:
    """Without spaces, with check digits that are right."""
    written = re.sub(r"\s", "", text(value, 50)).upper()
    if not _IBAN.fullmatch(written):
        raise ValueError("must be an IBAN such as 'DE89 3704 0044 0532 0130 00'")
    number = "".join(str(int(c, 36)) for c in written[4:] + written[:4])
    if int(number) % 97 != 1:
        raise ValueError("is not an IBAN: its check digits are wrong; compare it with your bank's")
    return written


def bic(value: object) -> str:
    written = text(value, 20).replace(" ", "").upper()
    if not _BIC.fullmatch(written):
        raise ValueError("must be a BIC such as 'COBADEFFXXX'")
    return written


def tax_id(value: object) -> str:
    return text(value, TAX_ID_CHARS_MAX)


def colour(value: object) -> str:
    """A colour that can be read on white, and that white can be read on."""
    if not isinstance(value, str) or not _COLOUR.fullmatch(value):
        raise ValueError("must be a colour such as '#0e5a66'")
    if contrast_with_white(value) < CONTRAST_MIN:
        raise ValueError("is too light to be read on white; give a darker one")
    return value.lower()


def contrast_with_white(value: str) -> float:
    """The contrast ratio of WCAG 2.1: from 1 for white itself to 21 for black."""
    parts = [int(value[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return (WHITE_LUMINANCE + 0.05) / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def logo(value: object) -> str:
    """An image as base64, or the reference that the settings show for one that is kept already."""
    if not isinstance(value, str):
        raise ValueError("must be an image as base64")
    if not _LOGO_KEY.fullmatch(value):
        logo_of(value)
    return value


def logo_of(value: str) -> Picture:
    """The picture in a base64 text. Raises ValueError."""
    if len(value) > BASE64_CHARS_MAX:
        raise ValueError(f"must have at most {BYTES_MAX} bytes; make it smaller")
    packed = re.sub(r"\s", "", value[m.end() :] if (m := _DATA_URL.match(value)) else value)
    try:
        content = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be an image as base64") from None
    if not content:
        raise ValueError("must not be empty; null takes the logo away")
    return picture(content)


def new_logo(patch: Mapping[str, Any]) -> Picture | None:
    """The picture that a patch of the settings brings, if it brings one that is not kept already."""
    business = patch.get("business")
    value = business.get("logo") if isinstance(business, dict) else None
    if not isinstance(value, str) or _LOGO_KEY.fullmatch(value):
        return None
    try:
        return logo_of(value)
    except ValueError as wrong:
        refuse("business.logo", str(wrong))


def _field(pattern: str = "") -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **({"pattern": pattern} if pattern else {})})


Iban = Annotated[str, BeforeValidator(iban), _field()]
Bic = Annotated[str, BeforeValidator(bic), _field()]
TaxId = Annotated[str, BeforeValidator(tax_id), _field()]
Colour = Annotated[str, BeforeValidator(colour), _field("^#[0-9a-fA-F]{6}$")]
Logo = Annotated[str, BeforeValidator(logo), _field()]


class BusinessBody(Body):
    name: Name = _DEFAULTS.name
    timezone: Timezone = _DEFAULTS.timezone
    email_from: Email = _DEFAULTS.email_from
    currency: Currency = _DEFAULTS.currency
    address: AddressBody = Field(default_factory=AddressBody)
    tax_id: TaxId | None = None
    iban: Iban | None = None
    bic: Bic | None = None
    payment_instructions: Annotated[list[Name], Field(max_length=INSTRUCTIONS_MAX)] = Field(default_factory=list)
    logo: Logo | None = None
    accent_colour: Colour = _DEFAULTS.accent_colour
    language: Language = _DEFAULTS.language
    e_invoice: EInvoice = _DEFAULTS.e_invoice


def read_business(body: BusinessBody) -> Business:
    parts = dict(body)
    address, instructions = Address(**dict(body.address)), tuple(body.payment_instructions)
    return Business(**{**parts, "address": address, "payment_instructions": instructions})


def check_business(body: BusinessBody, found: Findings) -> None:
    """What an e-invoice cannot do without: EN 16931 asks for it, and who receives one may refuse it otherwise."""
    if body.e_invoice == "off":
        return
    needed = "is needed by business.e_invoice: give it, or leave e_invoice off"
    for part in ("line1", "city", "postal_code"):
        if not getattr(body.address, part):
            found.add(f"business.address.{part}", needed)
    if not _COUNTRY.fullmatch(body.address.country) or body.address.country not in Locale("en").territories:
        found.add("business.address.country", "must be a code of two capital letters, such as 'DE', for e-invoices")
    if body.tax_id is None:
        found.add("business.tax_id", needed)


def business_tree(business: Business) -> dict[str, Any]:
    a = business.address
    return {
        "name": business.name, "timezone": business.timezone, "email_from": business.email_from,
        "currency": business.currency,
        "address": {
            "line1": a.line1, "line2": a.line2, "city": a.city, "region": a.region, "postal_code": a.postal_code,
            "country": a.country,
        },
        "tax_id": business.tax_id, "iban": business.iban, "bic": business.bic,
        "payment_instructions": list(business.payment_instructions), "logo": business.logo,
        "accent_colour": business.accent_colour, "language": business.language, "e_invoice": business.e_invoice,
    }  # fmt: skip


__all__ = ["BusinessBody", "NotAPicture", "business_tree", "check_business", "new_logo", "read_business"]
