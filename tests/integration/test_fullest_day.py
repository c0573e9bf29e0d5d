"""All that one day can bring to one customer fits into transactions, and comes once. PRODUCT 9."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date

from shared.contracts.api_settings import TRIGGERS_MAX
from shared.domain.account_event import AccountEvent
from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.policy import LateFee
from shared.domain.settings import Action, Automations, PastDue, Trigger
from shared.domain.task import Task
from shared.use_cases.change_service import CONTRACTS_PER_COMMIT
from tests.integration.stage import Stage
from tests.integration.test_collections import DUE, MAIL_ONLY, MIDNIGHT, evening_of

INVOICES = 20


def test_a_long_outage_with_everything_on_is_made_up_for_once():
    stage = Stage(MIDNIGHT)
    actions = (Action("task", title="Call"), Action("emit_event", name="customer.late"))
    triggers = tuple(Trigger(days, actions) for days in range(1, TRIGGERS_MAX + 1))
    stage.settings(replace(MAIL_ONLY, automations=Automations(past_due=PastDue(enabled=True, triggers=triggers))))
    stage.klass(suspend_after_days=15, step_notice_days=0, late_fee=LateFee("1.00", grace_days=0))
    stage.customer()
    contracts = 2 * CONTRACTS_PER_COMMIT + 1
    for n in range(contracts):
        stage.save(Contract(f"con_{n:02d}", "cus_a", "IT", "USD", DUE, DUE, 1, created_at=MIDNIGHT))
    for _ in range(INVOICES):
        stage.posted(due_on=DUE)
    for days in (25, 26, 27):  # the first after everything, the others for the contracts that are left
        evening_of(stage, days)
    told = Counter(e.kind for e in stage.every(AccountEvent))
    assert told == {"episode_began": 1, "tier_entered": 2, "trigger_fired": TRIGGERS_MAX, "service_suspended": 1}
    assert len(stage.every(Task)) == TRIGGERS_MAX
    assert sum(i.late_fee is not None for i in stage.every(Invoice)) == INVOICES
    assert stage.get(Customer, "cus_a").service == "suspended"
    assert {c.status(date(2026, 12, 1)) for c in stage.every(Contract)} == {"suspended"}
