"""Customer classes and their collection policies, read and shown. API.md "Shapes", PRODUCT 9."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from shared.contracts.api_fields import Body, ClassId, Findings, Name, Percent, amount, plain
from shared.domain.policy import DEFAULT_CLASS_ID, AutoCharge, CustomerClass, LateFee, Policy

DAYS_MAX: Final = 3_650
REMINDERS_MAX: Final = 20
DECIMALS_MAX: Final = 4  # of any currency: a class serves several
_OUT_OF_TURN_TERMS: Final = 6


def _class_amount(value: object) -> str:
    """An amount in each customer's own currency."""
    if len(amount(value).partition(".")[2]) > DECIMALS_MAX:
        raise ValueError(f"must have at most {DECIMALS_MAX} decimals")
    if len(str(value)) > 16:
        raise ValueError("is too large")
    return str(value)


ClassAmount = Annotated[
    str, BeforeValidator(_class_amount), WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,4})?$"})
]
Days = Annotated[int, Field(ge=0, le=DAYS_MAX)]
StepDays = Annotated[int, Field(ge=1, le=DAYS_MAX)]


class AutoChargeBody(Body):
    on: Literal["due_on", "invoice_date", "day_of_month"] = "due_on"
    offset_days: Annotated[int, Field(ge=-365, le=365)] | None = None
    day: Annotated[int, Field(ge=1, le=31)] | None = None


class LateFeeBody(Body):
    amount: ClassAmount = "0.00"
    percent: Percent = Decimal(0)
    grace_days: Days = 0
    repeat: Literal["once", "monthly"] = "once"
    cap: ClassAmount | None = None


class PolicyBody(Body):
    terms_days: Days = 30
    auto_charge: AutoChargeBody | None = Field(default_factory=AutoChargeBody)
    reminders_before_due: Annotated[list[Annotated[int, Field(ge=0, le=365)]], Field(max_length=REMINDERS_MAX)] = Field(
        default_factory=lambda: [7, 1]
    )
    collection_threshold: ClassAmount = "0.00"
    late_fee: LateFeeBody = Field(default_factory=LateFeeBody)
    limit_after_days: StepDays | None = None
    suspend_after_days: StepDays | None = None
    terminate_after_days: StepDays | None = None
    step_notice_days: Annotated[int, Field(ge=0, le=365)] = 3
    confirm_termination: bool = True


class OutOfTurnBody(PolicyBody):
    terms_days: Days = _OUT_OF_TURN_TERMS


class ClassBody(Body):
    """A class as PUT: what is left out takes its default."""

    id: ClassId | None = None
    name: Name
    regular: PolicyBody = Field(default_factory=PolicyBody)
    out_of_turn: OutOfTurnBody = Field(default_factory=OutOfTurnBody)
    version: int | None = None


def read_class(body: ClassBody, class_id: str, version: int = 0, created_at: datetime | None = None) -> CustomerClass:
    found = Findings()
    regular = _policy("regular", body.regular, found)
    out_of_turn = _policy("out_of_turn", body.out_of_turn, found)
    found.done()
    return CustomerClass(class_id, body.name, regular, out_of_turn, created_at, version)


def _policy(at: str, body: PolicyBody, found: Findings) -> Policy:
    days = body.reminders_before_due
    if len(set(days)) < len(days):
        found.add(f"{at}.reminders_before_due", "names a day twice")
    return Policy(
        terms_days=body.terms_days,
        auto_charge=_auto_charge(f"{at}.auto_charge", body.auto_charge, found),
        reminders_before_due=tuple(days),
        collection_threshold=body.collection_threshold,
        late_fee=LateFee(**dict(body.late_fee)),
        limit_after_days=body.limit_after_days,
        suspend_after_days=body.suspend_after_days,
        terminate_after_days=body.terminate_after_days,
        step_notice_days=body.step_notice_days,
        confirm_termination=body.confirm_termination,
    )


def _auto_charge(at: str, body: AutoChargeBody | None, found: Findings) -> AutoCharge | None:
    if body is None:
        return None
    monthly = body.on == "day_of_month"
    if monthly and body.day is None:
        found.add(f"{at}.day", "is required with day_of_month")
    if monthly and body.offset_days is not None:
        found.add(f"{at}.offset_days", "makes no sense with day_of_month")
    if not monthly and body.day is not None:
        found.add(f"{at}.day", "makes sense with day_of_month only")
    return AutoCharge(body.on, body.offset_days or 0, body.day)


def class_json(shown: CustomerClass) -> dict[str, Any]:
    return {
        "id": shown.id,
        "name": shown.name,
        "regular": policy_json(shown.regular),
        "out_of_turn": policy_json(shown.out_of_turn),
        "version": class_version(shown),
    }


def class_version(shown: CustomerClass) -> int:
    """The standard class counts as saved before anyone has saved it."""
    return shown.version + 1 if shown.id == DEFAULT_CLASS_ID else shown.version


def policy_json(policy: Policy) -> dict[str, Any]:
    fee = policy.late_fee
    return {
        "terms_days": policy.terms_days,
        "auto_charge": _auto_charge_json(policy.auto_charge),
        "reminders_before_due": list(policy.reminders_before_due),
        "collection_threshold": policy.collection_threshold,
        "late_fee": {
            "amount": fee.amount, "percent": plain(fee.percent), "grace_days": fee.grace_days, "repeat": fee.repeat,
            "cap": fee.cap,
        },
        "limit_after_days": policy.limit_after_days,
        "suspend_after_days": policy.suspend_after_days,
        "terminate_after_days": policy.terminate_after_days,
        "step_notice_days": policy.step_notice_days,
        "confirm_termination": policy.confirm_termination,
    }  # fmt: skip


def _auto_charge_json(rule: AutoCharge | None) -> dict[str, Any] | None:
    if rule is None:
        return None
    return (
        {"on": rule.on, "day": rule.day}
        if rule.on == "day_of_month"
        else {"on": rule.on, "offset_days": rule.offset_days}
    )
