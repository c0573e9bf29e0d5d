"""Pick up notices whose hint to the sender was lost, and ask a person about those that nothing helps."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports
from shared.observability import count, observed, report
from shared.use_cases.stuck_work import ask_about_mail
from shared.use_cases.sweep_notices import sweep_notices


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> None:
    if hinted := sweep_notices(ports()):
        count("notice_hinted", hinted)
    if ask_about_mail(ports()):
        report("mail_stuck")
