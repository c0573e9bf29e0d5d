"""Ask the gateway about attempts whose outcome nobody knows."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports
from shared.observability import count, observed
from shared.use_cases.reconcile_payments import reconcile_payments


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> None:
    for status, number in reconcile_payments(ports()).items():
        count(f"reconciled_{status}", number)
