"""Record the bill runs that are due, start them one after the other, and remind those that are stuck."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports
from shared.observability import observed, report
from shared.use_cases.late_runs import late_bill_runs
from shared.use_cases.plan_bill_runs import plan_bill_runs
from shared.use_cases.stuck_work import ask_about_run


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> None:
    for run in plan_bill_runs(ports()):
        report("bill_run_recorded", run_id=run.id, as_of=run.as_of)
    for run in late_bill_runs(ports()):
        report("run_late", run_id=run.id, status=run.status)
        ask_about_run(run, ports())
