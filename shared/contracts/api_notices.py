"""Notices and tasks, shown. API.md "Shapes"."""

from __future__ import annotations

from typing import Any

from shared.contracts.api_fields import rfc3339
from shared.domain.notice import Notice
from shared.domain.task import Task


def notice_json(notice: Notice) -> dict[str, Any]:
    return {
        "id": notice.id,
        "customer_id": notice.customer_id,
        "kind": notice.kind,
        "status": notice.status,
        "reason": notice.reason,
        "subject_id": notice.subject_id,
        "tier": notice.tier,
        "episode": notice.episode or None,
        "bill_run_id": notice.bill_run_id,
        "created_at": rfc3339(notice.created_at),
        "sent_at": rfc3339(notice.sent_at),
        "delivered_at": rfc3339(notice.delivered_at),
        "to": notice.to,
        "version": notice.version,
    }


def task_json(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "kind": task.kind,
        "reason": task.reason,
        "subject_id": task.subject_id,
        "customer_id": task.customer_id,
        "link": _link(task.subject_id),
        "status": task.status,
        "created_at": rfc3339(task.created_at),
        "done_at": rfc3339(task.done_at),
        "version": task.version,
    }


_PATHS = {
    "cus_": "customers", "con_": "contracts", "inv_": "invoices", "pay_": "payments", "ntc_": "notices",
    "brn_": "bill-runs", "prn_": "payment-runs", "whk_": "webhook-endpoints",
}  # fmt: skip


def _link(subject_id: str) -> str | None:
    """Where in the API the thing is that needs a person."""
    path = _PATHS.get(subject_id[:4])
    return f"/v1/{path}/{subject_id}" if path else None
