"""Find the customers for whom collections have something to do."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports
from shared.observability import count, observed
from shared.use_cases.outbox import sweep_events
from shared.use_cases.sweep_past_due import sweep_past_due


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> None:
    sweep_events(ports())
    swept = sweep_past_due(ports())
    if swept.customers:
        count("customer_to_assess", swept.customers)
