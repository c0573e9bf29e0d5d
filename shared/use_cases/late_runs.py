"""Runs that should have ended by now: what an alarm tells the people who operate Paidup. QUALITY, Security."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared import ports as p
from shared.domain.runs import BillRun, PaymentRun
from shared.ports import Ports
from shared.use_cases.lookups import settings_of

LATE_AFTER = timedelta(hours=2)  # a million invoices take one; counted from when the run was due or asked for


def late_bill_runs(ports: Ports) -> list[BillRun]:
    """Bill runs still generating or posting, LATE_AFTER after they were due."""
    due_by = ports.clock.now() - LATE_AFTER
    entries = ports.store.find(p.BILL_RUNS_ACTIVE, "all", last=_until(due_by)).items
    runs = ports.store.get_many(BillRun, [e.key for e in entries])
    return [r for r in runs if r.status in ("pending", "generating", "posting")]


def late_payment_runs(ports: Ports) -> list[PaymentRun]:
    """Payment runs that have not ended LATE_AFTER after the latest moment at which they had to start."""
    patience = timedelta(hours=settings_of(ports).payment_run.max_wait_hours)
    due_by = ports.clock.now() - LATE_AFTER - patience
    entries = ports.store.find(p.PAYMENT_RUNS_ACTIVE, "all", last=_until(due_by)).items
    runs = ports.store.get_many(PaymentRun, [e.key for e in entries])
    return [r for r in runs if r.status in ("pending", "waiting", "collecting")]


def _until(instant: datetime) -> str:
    """Behind every entry of that instant, whichever run it is of."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ~")
