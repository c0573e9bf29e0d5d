"""Pick up notices whose hint to the sender was lost."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports
from shared.observability import count, observed
from shared.use_cases.send_notice import sweep_notices


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> None:
    if hinted := sweep_notices(ports()):
        count("notice_hinted", hinted)
