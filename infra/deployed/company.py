"""A small company, as bodies of the admin API: who pays by card, who by transfer, and who does not pay."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

Body = dict[str, Any]

CARD: Final = ("cus_alder", "cus_birch", "cus_cedar")
TRANSFER: Final = ("cus_elm", "cus_fir")
LATE: Final = "cus_oak"
LATER: Final = "cus_rowan"  # signs up when the first run is over
DAYS_LATE: Final = 20
MONTHLY: Final = "49.00"

EVERY_MINUTE: Final = "* * * * *"  # so that something falls due while one waits
SETTINGS: Final[Body] = {
    "business": {"name": "Larkfield Cloud Services", "email_from": "billing@example.com"},
    "bill_run": {"enabled": True, "schedule": EVERY_MINUTE, "auto_post": True, "auto_email": True, "gate": "all"},
    "payment_run": {"enabled": True, "schedule": EVERY_MINUTE},
    "automations": {
        "send_new_invoices": {"enabled": True},
        "past_due": {"enabled": True, "schedule": EVERY_MINUTE},
    },
}
CLASSES: Final[tuple[Body, ...]] = (
    {"id": "cls_card", "name": "Card on file", "regular": {"terms_days": 0, "auto_charge": {"on": "due_on"}}},
    {"id": "cls_net14", "name": "Net 14", "regular": {"terms_days": 14, "auto_charge": None}},
)


def mail_of(customer_id: str) -> str:
    return f"ap@{customer_id.removeprefix('cus_')}.example"


def customer(id: str) -> Body:
    class_id = "cls_card" if id in CARD else "cls_net14"
    name = id.removeprefix("cus_").title()
    return {"id": id, "name": name, "email": mail_of(id), "class_id": class_id, "automations": {"enabled": True}}


def card(customer_id: str) -> Body:
    end = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2035}
    return {"id": customer_id.replace("cus_", "pm_"), "token": f"tok_{customer_id}"} | end


def contract(customer_id: str, on: date) -> Body:
    charge = {"name": "Support", "type": "recurring", "amount": MONTHLY, "interval": "month", "timing": "advance"}
    id_ = customer_id.replace("cus_", "con_")
    return {"id": id_, "name": "Support", "start_date": str(on), "bill_cycle_day": on.day, "charges": [charge]}


def old_invoice(today: date) -> Body:
    due = today - timedelta(days=DAYS_LATE)
    return {
        "id": "inv_old", "customer_id": LATE, "type": "regular", "number": "OLD-1", "post": True,
        "invoice_date": str(due - timedelta(days=14)), "due_on": str(due),
        "lines": [{"name": "Brought forward", "amount": "120.00"}],
    }  # fmt: skip
