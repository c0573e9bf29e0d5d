"""Find the account summaries that are due."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports
from shared.observability import count, observed
from shared.use_cases.sweep_summaries import sweep_summaries


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> None:
    if due := sweep_summaries(ports()):
        count("summary_schedule_due", due)
