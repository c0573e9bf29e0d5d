"""Payment methods, read and shown. API.md "Resources", PRODUCT 7."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from shared.contracts.api_fields import Body, MethodId, name
from shared.domain.payment import PaymentMethod

_TOKEN: Final = re.compile(r"[A-Za-z0-9_.:/=+-]{1,200}")
_CARD_NUMBER: Final = re.compile(r"[0-9]{12,19}")


def token(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ValueError("must be a gateway token of letters, digits and '_.:/=+-'")
    if _CARD_NUMBER.fullmatch(value):
        raise ValueError("looks like a card number: give the gateway's token instead")
    return value


def last4(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch("[0-9]{4}", value):
        raise ValueError("must be a string of four digits")
    return value


Token = Annotated[str, BeforeValidator(token), WithJsonSchema({"type": "string", "maxLength": 200})]
Last4 = Annotated[str, BeforeValidator(last4), WithJsonSchema({"type": "string", "pattern": "^[0-9]{4}$"})]
Brand = Annotated[str, BeforeValidator(name), WithJsonSchema({"type": "string"})]


class MethodBody(Body):
    id: MethodId | None = None
    token: Token
    brand: Brand
    last4: Last4
    exp_month: Annotated[int, Field(ge=1, le=12)]
    exp_year: Annotated[int, Field(ge=2000, le=2100)]


def read_method(body: MethodBody, method_id: str, customer_id: str) -> PaymentMethod:
    return PaymentMethod(
        method_id, customer_id, body.token, body.brand, body.last4, exp_month=body.exp_month, exp_year=body.exp_year
    )


def method_json(method: PaymentMethod) -> dict[str, Any]:
    """The token is shown: it is of no use to anyone but the gateway's account holder."""
    return {
        "id": method.id, "customer_id": method.customer_id, "token": method.token, "brand": method.brand,
        "last4": method.last4, "exp_month": method.exp_month, "exp_year": method.exp_year, "version": method.version,
    }  # fmt: skip
