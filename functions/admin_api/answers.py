"""Which shape each route answers with: what the OpenAPI document says of answers. Only that document reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from functions.admin_api.routing import Endpoint
from functions.admin_api.schemas import REFERENCE, put_among
from shared.contracts import api_answers as a
from shared.contracts import api_answers_runs as r
from shared.contracts.api_classes import ClassBody
from shared.contracts.api_customers import CustomerBody
from shared.contracts.api_rehearsals import RehearsalAnswer, SettingsPreviewAnswer
from shared.contracts.api_settings import SettingsBody
from shared.contracts.api_warnings import WARNINGS
from shared.domain.values import dataclass

Schemas = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mirror:
    """The whole of what a body of this model makes: each of its fields, and more."""

    name: str
    body: type[BaseModel]
    more: Mapping[str, Any]
    at_times: Mapping[str, Any] = field(default_factory=dict)  # what the answer only sometimes has


@dataclass(frozen=True, slots=True)
class Many:
    """A page of a list."""

    of: Any


VERSION: Final = {"version": {"type": "integer", "minimum": 1}}
ID: Final = {"id": {"type": "string"}}
CUSTOMER: Final = Mirror("CustomerAnswer", CustomerBody, {**ID, **VERSION})
SERVED: Final = Mirror("ServedCustomerAnswer", CustomerBody, {**ID, **VERSION, "service": {"type": "string"}})
CLASS: Final = Mirror("CustomerClassAnswer", ClassBody, {**ID, **VERSION})
WARNED: Final = {"warnings": WARNINGS}
SAVED_CUSTOMER: Final = Mirror("SavedCustomerAnswer", CustomerBody, {**ID, **VERSION}, WARNED)
SAVED_CLASS: Final = Mirror("SavedClassAnswer", ClassBody, {**ID, **VERSION}, WARNED)
EFFECTS: Final = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
SETTINGS: Final = Mirror("SettingsAnswer", SettingsBody, VERSION)
CHANGED_SETTINGS: Final = Mirror("ChangedSettingsAnswer", SettingsBody, {**VERSION, "effects": EFFECTS}, WARNED)
DRY_RUN: Final = {"type": "object", "required": ["effects"], "properties": {"effects": EFFECTS, **WARNED}}

# One shape, or several of which the answer has one.
ANSWERS: Final[Mapping[str, tuple[Any, ...]]] = {
    "GET /v1/health": (a.HealthAnswer,),
    "GET /v1/openapi.json": ({"type": "object"},),
    "GET /v1/settings": (SETTINGS,),
    "PATCH /v1/settings": (CHANGED_SETTINGS, DRY_RUN, SettingsPreviewAnswer),
    "GET /v1/settings/history": (Many(r.SettingsChangeAnswer),),
    "GET /v1/audit": (Many(r.AuditEntryAnswer),),
    "GET /v1/audit/verify": (r.VerifiedAnswer,),
    "GET /v1/customer-classes": (Many(CLASS),),
    "POST /v1/customer-classes": (SAVED_CLASS,),
    "GET /v1/customer-classes/{class_id}": (CLASS,),
    "PUT /v1/customer-classes/{class_id}": (SAVED_CLASS, a.PolicyPreviewAnswer),
    "GET /v1/customers": (Many(CUSTOMER),),
    "POST /v1/customers": (SAVED_CUSTOMER,),
    "GET /v1/customers/{customer_id}": (CUSTOMER,),
    "PATCH /v1/customers/{customer_id}": (SAVED_CUSTOMER, a.PolicyPreviewAnswer),
    "GET /v1/customers/{customer_id}/account": (a.AccountAnswer,),
    "GET /v1/customers/{customer_id}/statement": (a.StatementAnswer,),
    "GET /v1/customers/{customer_id}/timeline": (Many(a.TimelineAnswer),),
    "GET /v1/customers/{customer_id}/automations": (a.AutomationsAnswer,),
    "PUT /v1/customers/{customer_id}/pauses/{automation}": (a.PauseAnswer,),
    "PUT /v1/customers/{customer_id}/hold": (a.HoldAnswer,),
    "POST /v1/customers/{customer_id}/promises": (a.PromiseAnswer,),
    "POST /v1/customers/{customer_id}/terminate": (SERVED,),
    "POST /v1/customers/{customer_id}/restore": (SERVED,),
    "POST /v1/customers/{customer_id}/erase": (SERVED,),
    "POST /v1/customers/{customer_id}/pay-link": (a.PayLinkAnswer,),
    "GET /v1/customers/{customer_id}/contracts": (Many(a.ContractAnswer),),
    "POST /v1/customers/{customer_id}/contracts": (a.ContractAnswer,),
    "GET /v1/contracts/{contract_id}": (a.ContractAnswer,),
    "PATCH /v1/contracts/{contract_id}": (a.ContractAnswer,),
    "POST /v1/contracts/{contract_id}/changes": (a.ContractAnswer,),
    "POST /v1/contracts/{contract_id}/suspend": (a.ContractAnswer,),
    "POST /v1/contracts/{contract_id}/resume": (a.ContractAnswer,),
    "POST /v1/contracts/{contract_id}/end": (a.ContractAnswer,),
    "POST /v1/usage": (a.UsageAnswer,),
    "GET /v1/customers/{customer_id}/payment-methods": (Many(a.PaymentMethodAnswer),),
    "POST /v1/customers/{customer_id}/payment-methods": (a.PaymentMethodAnswer,),
    "GET /v1/customers/{customer_id}/autopay": (a.AutopayAnswer,),
    "PUT /v1/customers/{customer_id}/autopay": (a.AutopayAnswer,),
    "PATCH /v1/autopay-rules/{rule_id}": (a.ChangedRuleAnswer,),
    "GET /v1/invoices": (Many(a.InvoiceAnswer),),
    "POST /v1/invoices": (a.InvoiceAnswer,),
    "GET /v1/invoices/{invoice_id}": (a.InvoiceAnswer,),
    "PATCH /v1/invoices/{invoice_id}": (a.InvoiceAnswer,),
    "POST /v1/invoices/{invoice_id}/post": (a.InvoiceAnswer,),
    "POST /v1/invoices/{invoice_id}/void": (a.InvoiceAnswer,),
    "POST /v1/invoices/{invoice_id}/send": (r.NoticeAnswer,),
    "POST /v1/invoices/{invoice_id}/charge": (r.PaymentAnswer,),
    "POST /v1/invoices/{invoice_id}/adjustments": (a.AdjustmentAnswer,),
    "PUT /v1/invoices/{invoice_id}/hold": (a.HoldAnswer,),
    "GET /v1/invoices/{invoice_id}/explain": (a.ExplanationAnswer,),
    "GET /v1/bill-runs": (Many(r.BillRunAnswer),),
    "POST /v1/bill-runs": (r.BillRunAnswer, r.BillRunPreviewAnswer),
    "GET /v1/bill-runs/{bill_run_id}": (r.BillRunAnswer,),
    "GET /v1/bill-runs/{bill_run_id}/review": (r.ReviewAnswer,),
    "PUT /v1/bill-runs/{bill_run_id}/review/{invoice_id}": (r.VerdictAnswer,),
    "POST /v1/bill-runs/{bill_run_id}/post": (r.BillRunAnswer,),
    "POST /v1/bill-runs/{bill_run_id}/send": (r.BillRunAnswer,),
    "POST /v1/bill-runs/{bill_run_id}/cancel": (r.BillRunAnswer,),
    "GET /v1/payment-runs": (Many(r.PaymentRunAnswer),),
    "POST /v1/payment-runs": (r.OnePaymentRunAnswer,),
    "GET /v1/payment-runs/{payment_run_id}": (r.OnePaymentRunAnswer,),
    "GET /v1/payment-runs/{payment_run_id}/skipped": (Many(r.SkippedAnswer),),
    "GET /v1/payments": (Many(r.PaymentAnswer),),
    "POST /v1/payments": (r.PaymentAnswer,),
    "GET /v1/payments/{payment_id}": (r.PaymentAnswer,),
    "POST /v1/payments/{payment_id}/refund": (r.PaymentAnswer,),
    "GET /v1/notices": (Many(r.NoticeAnswer),),
    "GET /v1/notices/{notice_id}": (r.NoticeAnswer,),
    "POST /v1/notices/{notice_id}/resend": (r.NoticeAnswer,),
    "GET /v1/past-due": (Many(a.PastDueAnswer),),
    "GET /v1/tasks": (Many(r.TaskAnswer),),
    "POST /v1/tasks/{task_id}/done": (r.TaskAnswer,),
    "GET /v1/templates": (Many(r.TemplateAnswer),),
    "GET /v1/templates/{name}": (r.TemplateAnswer,),
    "PUT /v1/templates/{name}": (r.TemplateAnswer,),
    "DELETE /v1/templates/{name}": (r.TemplateAnswer,),
    "POST /v1/templates/{name}/preview": (r.MailAnswer,),
    "GET /v1/webhook-endpoints": (Many(r.WebhookEndpointAnswer),),
    "POST /v1/webhook-endpoints": (r.WebhookEndpointAnswer,),
    "GET /v1/webhook-endpoints/{endpoint_id}": (r.WebhookEndpointAnswer,),
    "POST /v1/webhook-endpoints/{endpoint_id}/rotate": (r.WebhookEndpointAnswer,),
    "POST /v1/webhook-endpoints/{endpoint_id}/enable": (r.WebhookEndpointAnswer,),
    "GET /v1/webhook-endpoints/{endpoint_id}/deliveries": (Many(r.DeliveryOfEventAnswer),),
    "POST /v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/redeliver": (r.DeliveryOfEventAnswer,),
    "GET /v1/dead-letters": (Many(r.DeadLetterAnswer),),
    "POST /v1/dead-letters/{dead_letter_id}/redrive": (r.RedrivenAnswer,),
    "GET /v1/reports/aged-receivables": (r.AgedReceivablesAnswer,),
    "GET /v1/reports/dso": (r.DsoAnswer,),
    "GET /v1/reports/collection-effectiveness": (r.EffectivenessAnswer,),
    "GET /v1/reports/cash-forecast": (r.CashForecastAnswer,),
    "POST /v1/rehearsals": (RehearsalAnswer,),
    "GET /v1/rehearsals/{rehearsal_id}": (RehearsalAnswer,),
    "GET /v1/reports/runs": (r.RunsAnswer,),
    "POST /v1/import/customers": (r.ImportAnswer,),
    "POST /v1/import/contracts": (r.ImportAnswer,),
    "POST /v1/import/usage": (r.ImportAnswer,),
    "POST /v1/import/invoices": (r.ImportAnswer,),
    "POST /v1/import/payments": (r.ImportAnswer,),
}


def answer_schema(made: Endpoint, schemas: Schemas) -> dict[str, Any]:
    """The schema of a route's JSON answer; what it refers to is put among `schemas`."""
    shapes = [_schema(shape, schemas) for shape in ANSWERS.get(f"{made.method} {made.shown}", ({"type": "object"},))]
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def _schema(shape: Any, schemas: Schemas) -> dict[str, Any]:
    if isinstance(shape, dict):
        return shape
    if isinstance(shape, Many):
        cursor = {"type": ["string", "null"], "description": "Pass it as `cursor` for the next page; null: the last"}
        properties = {"items": {"type": "array", "items": _schema(shape.of, schemas)}, "next_cursor": cursor}
        return {"type": "object", "required": ["items", "next_cursor"], "properties": properties}
    if isinstance(shape, Mirror):
        return _referred(shape.name, lambda: _mirrored(shape), schemas)
    return _referred(shape.__name__, lambda: TypeAdapter(shape).json_schema(ref_template=REFERENCE), schemas)


def _referred(name: str, make: Callable[[], Schemas], schemas: Schemas) -> dict[str, Any]:
    if name not in schemas:
        put_among(schemas, name, make())
    return {"$ref": REFERENCE.format(model=name)}


def _mirrored(shape: Mirror) -> dict[str, Any]:
    made = shape.body.model_json_schema(ref_template=REFERENCE)
    made["properties"] = {**made["properties"], **shape.more}
    made["required"] = sorted(made["properties"])
    made["properties"] |= shape.at_times
    made["title"] = shape.name
    return made
