"""A customer who wants no more account summaries says so from a mail. PRODUCT 2, 10.

Only of these: an invoice or a past-due notice has to reach whom it is for, whatever a mail program offers.
"""

from __future__ import annotations

from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.ports import Ports
from shared.use_cases.customers import change_customer

KINDS = ("account_summary",)  # of notices from which one can unsubscribe


def stop_summaries(customer_id: str, ports: Ports) -> Customer:
    """Turn off the customer's own switch; who did it is in the audit log, and staff may turn it on again."""
    return change_customer(
        customer_id, lambda c: replace(c, automations=replace(c.automations, account_summary=False)), ports
    )
