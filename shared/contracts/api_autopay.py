"""Autopay lists, rules and decisions, read and shown. API.md "Shapes", PRODUCT 8.

Bodies say little about what may be in a rule: shared/domain/autopay_checks.py does, and names all that is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from shared.contracts.api_fields import ID_CHARS_MAX, AnyId, Body, Currency, id_of
from shared.domain.autopay import (
    CRITERIA_MAX,
    OPERATORS,
    RULES_MAX,
    VALUES_MAX,
    AutopayList,
    AutopayRule,
    Criterion,
    Decision,
    Operator,
    RuleResult,
    Verdict,
)
from shared.domain.autopay_checks import CriterionDraft, RuleDraft
from shared.domain.money import format_minor

_OPERATORS: list[Operator] = list(dict.fromkeys(o for operators in OPERATORS.values() for o in operators))
_VALUE = {"type": ["string", "integer"]}

RuleId = Annotated[
    str,
    BeforeValidator(id_of("apr_")),
    WithJsonSchema({"type": "string", "pattern": "^apr_[A-Za-z0-9_-]+$", "maxLength": ID_CHARS_MAX}),
]
TypeName = Annotated[str | None, WithJsonSchema({"type": "string", "enum": list(OPERATORS)})]
OperatorName = Annotated[str | None, WithJsonSchema({"type": "string", "enum": _OPERATORS})]
Values = Annotated[
    list[Any] | None, WithJsonSchema({"type": "array", "items": _VALUE, "minItems": 1, "maxItems": VALUES_MAX})
]


class CriterionBody(Body):
    """One condition. Amounts are decimal strings in the customer's currency, days whole numbers, the rest texts."""

    model_config = ConfigDict(json_schema_extra={"required": ["type", "operator", "values"]})

    type: TypeName = None
    operator: OperatorName = None
    values: Values = None


Criteria = Annotated[
    list[CriterionBody] | None, Field(json_schema_extra={"minItems": 1, "maxItems": CRITERIA_MAX})
]  # fmt: skip


class RuleBody(Body):
    """A rule; what answers add to it may be sent back, and is not read."""

    model_config = ConfigDict(json_schema_extra={"required": ["payment_method_id", "criteria"]})

    id: RuleId | None = None
    payment_method_id: AnyId | None = None
    disabled: bool = False
    locked: bool = False
    criteria: Criteria = None
    invalid: bool | None = None
    removed: list[str] | None = None
    shadowed_by: RuleId | None = None


class AutopayBody(Body):
    """The whole list, in order of precedence. If `rules` is left out, the rules stay as they are."""

    enabled: bool = True
    fall_through_on_decline: bool = False
    rules: Annotated[list[RuleBody] | None, Field(json_schema_extra={"maxItems": RULES_MAX})] = None
    customer_id: AnyId | None = None
    currency: Currency | None = None
    version: int | None = None


class RulePatchBody(Body):
    """What is left out stays."""

    disabled: bool | None = None
    locked: bool | None = None
    version: int | None = None


def rule_draft(body: RuleBody, new_id: str) -> RuleDraft:
    criteria = body.criteria
    drafts = None if criteria is None else tuple(CriterionDraft(c.type, c.operator, c.values) for c in criteria)
    return RuleDraft(body.id or new_id, body.payment_method_id, drafts, body.disabled, body.locked)


# ---- showing --------------------------------------------------------------------------------------------------


def list_json(
    listed: AutopayList, removed: Mapping[str, Collection[str]], shadows: Mapping[str, str | None]
) -> dict[str, Any]:
    """`removed` are, by rule, the ids it names that are gone; `shadows` the rule that keeps it from ever firing."""
    return {
        "customer_id": listed.customer_id,
        "currency": listed.currency,
        "enabled": listed.enabled,
        "fall_through_on_decline": listed.fall_through_on_decline,
        "rules": [rule_json(r, listed.currency, removed[r.id], shadows[r.id]) for r in listed.rules],
        "version": listed.version,
    }


def rule_json(rule: AutopayRule, currency: str, removed: Collection[str], shadowed_by: str | None) -> dict[str, Any]:
    return {
        "id": rule.id,
        "payment_method_id": rule.payment_method_id,
        "disabled": rule.disabled,
        "locked": rule.locked,
        "criteria": [_criterion(c, currency) for c in rule.criteria],
        "invalid": bool(removed),
        "removed": list(removed),
        "shadowed_by": shadowed_by,
    }


def decision_json(decision: Decision, rules_currency: str, invoice_currency: str) -> list[dict[str, Any]]:
    """Every rule with its result, every criterion with what it found."""
    return [_result(r, rules_currency, invoice_currency) for r in decision.results]


def _result(result: RuleResult, rules_currency: str, invoice_currency: str) -> dict[str, Any]:
    return {
        "rule_id": result.rule.id,
        "payment_method_id": result.rule.payment_method_id,
        "result": result.result,
        "criteria": [
            {**_criterion(v.criterion, rules_currency), "actual": _actual(v, rules_currency, invoice_currency),
             "holds": v.holds}
            for v in result.verdicts
        ],
    }  # fmt: skip


def _criterion(c: Criterion, currency: str) -> dict[str, Any]:
    values = [format_minor(int(v), currency) for v in c.values] if c.type == "amount" else list(c.values)
    return {"type": c.type, "operator": c.operator, "values": values}


def _actual(verdict: Verdict, rules_currency: str, invoice_currency: str) -> object:
    """An amount in another currency than the rules' says so: that is why it does not hold."""
    actual = verdict.actual
    if verdict.criterion.type == "amount" and isinstance(actual, int):
        amount = format_minor(actual, invoice_currency)
        return amount if invoice_currency == rules_currency else f"{amount} {invoice_currency}"
    return list(actual) if isinstance(actual, tuple) else actual
