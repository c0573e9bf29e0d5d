"""Pick up webhook deliveries that had to wait, or whose message was lost."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports
from shared.observability import count, observed
from shared.use_cases.webhook_deliveries import sweep_deliveries


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> None:
    if hinted := sweep_deliveries(ports()):
        count("event_delivery_hinted", hinted)
