"""Remind runs that are posting: a hint or a worker may have been lost."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports
from shared.observability import count, observed
from shared.use_cases.post_invoices import sweep_posting


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> None:
    if reminded := sweep_posting(ports()):
        count("posting_reminded", reminded)
