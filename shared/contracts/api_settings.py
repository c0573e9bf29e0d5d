"""The settings tree: as the API shows it, and read back from it. API.md "Shapes", PRODUCT 2, 4, 5, 7, 9, 10."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from shared.contracts.api_business import BusinessBody, business_tree, check_business, read_business
from shared.contracts.api_fields import (
    Amount,
    Body,
    Findings,
    Name,
    Schedule,
    name,
    plain,
    read_body,
    rfc3339,
)
from shared.domain.settings import (
    AccountSummary,
    Action,
    Automations,
    BillRunSettings,
    DueDateBasis,
    Gate,
    PastDue,
    PayLinkSettings,
    PaymentRunSettings,
    Retries,
    SendNewInvoices,
    Settings,
    SettingsChange,
    SpotCheckSettings,
    SummaryFormat,
    Tier,
    Trigger,
)

TIERS_MAX: Final = 3  # PRODUCT 9: global, three
TRIGGERS_MAX: Final = 20
ACTIONS_MAX: Final = 20
RETRIES_MAX: Final = 20
DAYS_MAX: Final = 3_650
CHANGE_PERCENT_MAX: Final = 1_000_000
DEFAULT_VERSION: Final = 1  # the defaults count as a version that nobody had to save


def _change_percent(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number")
    if not 0 <= value <= CHANGE_PERCENT_MAX:
        raise ValueError(f"must lie from 0 to {CHANGE_PERCENT_MAX}")
    if len(Decimal(value).as_tuple().digits) > 12:
        raise ValueError("must have at most 12 digits")
    return Decimal(value)


def _template(value: object) -> str:
    template = name(value)
    if not all(c.isascii() and (c.isalnum() or c in "_-") for c in template):
        raise ValueError("must be the name of a template: letters, digits, '_' and '-'")
    return template


ChangePercent = Annotated[Decimal, BeforeValidator(_change_percent), WithJsonSchema({"type": "number", "minimum": 0})]
Template = Annotated[str, BeforeValidator(_template), WithJsonSchema({"type": "string"})]
Days = Annotated[int, Field(ge=1, le=DAYS_MAX)]


_DEFAULTS: Final = Settings()


class SpotCheckBody(Body):
    change_percent: Annotated[ChangePercent, Field(json_schema_extra={"default": 50})] = Decimal(50)
    flag_first_invoice: bool = True


class BillRunSettingsBody(Body):
    enabled: bool = False
    schedule: Schedule = _DEFAULTS.bill_run.schedule
    auto_post: bool = False
    auto_email: bool = False
    gate: Gate = "clean_only"
    spot_check: SpotCheckBody = Field(default_factory=SpotCheckBody)


class PaymentRunSettingsBody(Body):
    enabled: bool = False
    schedule: Schedule = _DEFAULTS.payment_run.schedule
    wait_for_bill_run: bool = True
    max_wait_hours: Annotated[int, Field(ge=1, le=168)] = _DEFAULTS.payment_run.max_wait_hours


class SendNewInvoicesBody(Body):
    enabled: bool = False


class AccountSummaryBody(Body):
    enabled: bool = False
    schedule: Schedule = _DEFAULTS.automations.account_summary.schedule
    format: SummaryFormat = "open_invoices"
    send_when_empty: bool = False


class TierBody(Body):
    from_days: Days
    template: Template
    repeat_every_days: Days | None = None
    repeat_max: Days | None = None


class SendTemplateBody(Body):
    type: Literal["send_template"]
    template: Template


class LateFeeActionBody(Body):
    type: Literal["late_fee"]
    amount: Amount


class SuspendBody(Body):
    type: Literal["suspend"]


class EmitEventBody(Body):
    type: Literal["emit_event"]
    name: Name


class OpenTaskBody(Body):
    type: Literal["task"]
    title: Name


ActionBody = Annotated[
    SendTemplateBody | LateFeeActionBody | SuspendBody | EmitEventBody | OpenTaskBody, Field(discriminator="type")
]


class TriggerBody(Body):
    days: Days
    actions: Annotated[list[ActionBody], Field(max_length=ACTIONS_MAX)] = Field(default_factory=list)


def _default_tiers() -> list[TierBody]:
    return [TierBody(from_days=t.from_days, template=t.template) for t in _DEFAULTS.automations.past_due.tiers]


def _default_triggers() -> list[TriggerBody]:
    return [TriggerBody(days=t.days) for t in _DEFAULTS.automations.past_due.triggers]


class PastDueBody(Body):
    enabled: bool = False
    schedule: Schedule = _DEFAULTS.automations.past_due.schedule
    tiers: Annotated[list[TierBody], Field(min_length=1, max_length=TIERS_MAX)] = Field(default_factory=_default_tiers)
    triggers: Annotated[list[TriggerBody], Field(max_length=TRIGGERS_MAX)] = Field(default_factory=_default_triggers)


class AutomationsBody(Body):
    send_new_invoices: SendNewInvoicesBody = Field(default_factory=SendNewInvoicesBody)
    account_summary: AccountSummaryBody = Field(default_factory=AccountSummaryBody)
    past_due: PastDueBody = Field(default_factory=PastDueBody)


class RetriesBody(Body):
    retry_days: Annotated[list[Days], Field(max_length=RETRIES_MAX)] = Field(
        default_factory=lambda: list(_DEFAULTS.retries.retry_days)
    )
    max_attempts_per_card_30_days: Annotated[int, Field(ge=1, le=1_000)] = (
        _DEFAULTS.retries.max_attempts_per_card_30_days
    )


class PayLinkBody(Body):
    expires_days: Annotated[int, Field(ge=1, le=DAYS_MAX)] = _DEFAULTS.pay_link.expires_days


class SettingsBody(Body):
    business: BusinessBody = Field(default_factory=BusinessBody)
    bill_run: BillRunSettingsBody = Field(default_factory=BillRunSettingsBody)
    payment_run: PaymentRunSettingsBody = Field(default_factory=PaymentRunSettingsBody)
    automations: AutomationsBody = Field(default_factory=AutomationsBody)
    retries: RetriesBody = Field(default_factory=RetriesBody)
    due_date_basis: DueDateBasis = _DEFAULTS.due_date_basis
    pay_link: PayLinkBody = Field(default_factory=PayLinkBody)


# ---- reading --------------------------------------------------------------------------------------------------


def read_settings(tree: Mapping[str, Any], version: int) -> Settings:
    """A whole tree as settings of that stored version. Raises InvalidBody, naming every wrong field."""
    body = read_body(SettingsBody, tree)
    _check(body)
    return Settings(
        business=read_business(body.business),
        bill_run=BillRunSettings(
            **{**dict(body.bill_run), "spot_check": SpotCheckSettings(**dict(body.bill_run.spot_check))}
        ),
        payment_run=PaymentRunSettings(**dict(body.payment_run)),
        automations=_automations(body.automations),
        retries=Retries(tuple(body.retries.retry_days), body.retries.max_attempts_per_card_30_days),
        due_date_basis=body.due_date_basis,
        pay_link=PayLinkSettings(body.pay_link.expires_days),
        version=version,
    )


def _automations(body: AutomationsBody) -> Automations:
    past_due = PastDue(
        enabled=body.past_due.enabled,
        schedule=body.past_due.schedule,
        tiers=tuple(Tier(**dict(t)) for t in body.past_due.tiers),
        triggers=tuple(Trigger(t.days, tuple(Action(**dict(a)) for a in t.actions)) for t in body.past_due.triggers),
    )
    return Automations(
        SendNewInvoices(body.send_new_invoices.enabled), AccountSummary(**dict(body.account_summary)), past_due
    )


def _check(body: SettingsBody) -> None:
    """What no single field can know."""
    found = Findings()
    check_business(body.business, found)
    if body.bill_run.auto_email and not body.bill_run.auto_post:
        found.add("bill_run.auto_email", "needs bill_run.auto_post: only posted invoices are mailed")
    tiers, at = body.automations.past_due.tiers, "automations.past_due.tiers"
    for n, (before, tier) in enumerate(pairwise(tiers), start=1):
        if tier.from_days <= before.from_days:
            found.add(f"{at}[{n}].from_days", "must be more than that of the tier before it")
    for n, tier in enumerate(tiers):
        if tier.repeat_max is not None and tier.repeat_every_days is None:
            found.add(f"{at}[{n}].repeat_max", "needs repeat_every_days")
    triggers, at = body.automations.past_due.triggers, "automations.past_due.triggers"
    for n, trigger in enumerate(triggers):
        if trigger.days in [t.days for t in triggers[:n]]:
            found.add(f"{at}[{n}].days", "is the same as that of a trigger before it")
    found.done()


# ---- showing --------------------------------------------------------------------------------------------------


def settings_tree(settings: Settings) -> dict[str, Any]:
    """The tree without its version: what a merge patch applies to."""
    bill_run, past_due = settings.bill_run, settings.automations.past_due
    return {
        "business": business_tree(settings.business),
        "bill_run": {
            **_plain(bill_run, "enabled", "schedule", "auto_post", "auto_email", "gate"),
            "spot_check": {
                "change_percent": _number(bill_run.spot_check.change_percent),
                "flag_first_invoice": bill_run.spot_check.flag_first_invoice,
            },
        },
        "payment_run": _plain(settings.payment_run, "enabled", "schedule", "wait_for_bill_run", "max_wait_hours"),
        "automations": {
            "send_new_invoices": _plain(settings.automations.send_new_invoices, "enabled"),
            "account_summary": _plain(
                settings.automations.account_summary, "enabled", "schedule", "format", "send_when_empty"
            ),
            "past_due": {
                **_plain(past_due, "enabled", "schedule"),
                "tiers": [
                    _plain(t, "from_days", "template", "repeat_every_days", "repeat_max") for t in past_due.tiers
                ],
                "triggers": [{"days": t.days, "actions": [_action(a) for a in t.actions]} for t in past_due.triggers],
            },
        },
        "retries": {
            "retry_days": list(settings.retries.retry_days),
            "max_attempts_per_card_30_days": settings.retries.max_attempts_per_card_30_days,
        },
        "due_date_basis": settings.due_date_basis,
        "pay_link": {"expires_days": settings.pay_link.expires_days},
    }


def settings_json(settings: Settings) -> dict[str, Any]:
    return {**settings_tree(settings), "version": settings_version(settings)}


def settings_version(settings: Settings) -> int:
    return settings.version + DEFAULT_VERSION


def change_json(change: SettingsChange) -> dict[str, Any]:
    """One entry of the history: only what changed, before and after."""
    return {
        "version": change.settings_version + DEFAULT_VERSION,
        "changed_at": rfc3339(change.changed_at),
        "changed_by": change.changed_by,
        "before": change.before,
        "after": change.after,
    }


def _plain(part: object, *names: str) -> dict[str, Any]:
    return {n: getattr(part, n) for n in names}


def _action(action: Action) -> dict[str, Any]:
    given = _plain(action, "type", "template", "amount", "name", "title")
    return {key: value for key, value in given.items() if value is not None}


def _number(value: Decimal) -> int | Decimal:
    """Whole numbers as such. The rest stays exact until it is written as JSON."""
    return int(value) if value == value.to_integral_value() else Decimal(plain(value))
