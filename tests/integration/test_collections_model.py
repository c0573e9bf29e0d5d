"""Collections against an independent, slow model: payments, credits, pauses, holds, promises, and days.

The model knows the rules of PRODUCT 9 and nothing of how they are carried out: it looks at every day in its turn, tries
every month for a fee, and keeps plain lists. Ticks come on each day, or one for many. It covers reminders, tiers,
triggers, fees and service steps; the advance notices of steps have laws of their own (test_collections_laws.py).
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from moto import mock_aws

from shared.domain.contract import Contract
from shared.domain.customer import Hold, Promise
from shared.domain.invoice import Invoice, InvoiceHold
from shared.domain.notice import Notice
from shared.domain.payment import Allocation
from shared.domain.policy import CustomerClass, LateFee, Policy
from shared.domain.settings import Action, Automations, PastDue, Settings, Tier, Trigger
from shared.domain.task import Task
from shared.storage.dynamo import DynamoStore
from shared.storage.memory import MemoryStore
from shared.use_cases.accounts import account_of
from shared.use_cases.adjust_invoice import adjust_invoice
from shared.use_cases.pauses_and_holds import hold_customer, hold_invoice, pause, unpause
from shared.use_cases.promises import make_promise, withdraw_promise
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.sweep_past_due import sweep_past_due
from tests.contract.tables import REGION, create_tables, dump, table_name
from tests.integration.stage import Stage

START = datetime(2026, 1, 30, tzinfo=UTC)  # months of different length are near
DAY = timedelta(days=1)
TIERS = (1, 4, 8)
THRESHOLDS = (5, 9)
FEE_OF_TRIGGER, TRIGGERED = 2_00, "t5.1"
LIMIT_AFTER, SUSPEND_AFTER = 3, 7
REMIND_BEFORE = (0, 2)
SERVICES = ("active", "limited", "suspended")


@dataclass
class Owed:
    """An invoice, as the model knows it."""

    id: str
    due: date
    total: int
    left: int
    fee_of: str | None = None
    held_through: date | None = None
    credited: int = 0
    charged: set = field(default_factory=set)
    charged_minor: int = 0
    waits: int | None = None


class Model:
    def __init__(self, fee: LateFee, threshold: int) -> None:
        self.fee, self.threshold = fee, threshold
        self.invoices: list[Owed] = []
        self.paused_through = self.held_through = self.promised_through = None
        self.since: date | None = None  # the first day of the episode
        self.worst = 0
        self.fired: set[int] = set()
        self.service = "active"
        self.notices: list[tuple[str, str]] = []
        self.tasks = 0
        self.reminders: set[tuple[str, str]] = set()

    # ---- what happens ---------------------------------------------------------------------------

    def late(self, on):
        return [i for i in self.invoices if i.left > 0 and i.due < on]

    def settled(self, on):
        """After money or a credit came in: an episode ends at once, and service follows."""
        if not self.late(on):
            self.end()
        else:
            self.service = min(self.service, self.called_for(on), key=SERVICES.index)

    def end(self):
        self.since, self.worst, self.fired, self.service = None, 0, set(), "active"
        for invoice in self.invoices:
            invoice.waits = None

    def called_for(self, on):
        """What the oldest invoice calls for, on hold or not, if more is past due than the threshold."""
        late = self.late(on)
        if sum(i.left for i in late) <= self.threshold:
            return "active"
        days = max((on - i.due).days for i in late)
        return "suspended" if days >= SUSPEND_AFTER else "limited" if days >= LIMIT_AFTER else "active"

    # ---- a day ----------------------------------------------------------------------------------

    def day(self, on, today):
        """The evening of a day, looked at on `today`."""
        self.remind(on)
        late = self.late(on)
        if not late:
            self.end()
            return
        if self.since is None:
            self.since = max(min(i.due for i in late) + DAY, self.ended_on or date.min)
        held = self.held_through is not None and on <= self.held_through
        promised = self.promised_through is not None and on <= self.promised_through
        paused = self.paused_through is not None and on <= self.paused_through
        free = [i for i in late if not held and not (i.held_through and on <= i.held_through)]
        chased = free if sum(i.left for i in free) > self.threshold else []
        kept = late if sum(i.left for i in late) > self.threshold else []
        oldest = max(((on - i.due).days for i in chased), default=0)
        tier = sum(oldest >= t for t in TIERS)
        if tier > self.worst and not (held or promised or paused):
            self.worst = tier
            self.notices.append((f"past_due_{tier}", str(self.since)))
        self.trigger(on, free, chased, today)
        self.charge(on, late, chased, kept, free, today)
        self.service = min(self.service, self.called_for(on), key=SERVICES.index)
        if not promised:
            up = "suspended" if oldest >= SUSPEND_AFTER else "limited" if oldest >= LIMIT_AFTER else "active"
            self.service = max(self.service, up, key=SERVICES.index)

    def remind(self, on):
        """Each invoice by itself, whatever else is owed: not while anything keeps it quiet."""
        ends = (self.paused_through, self.held_through, self.promised_through)
        if any(end is not None and on <= end for end in ends):
            return
        for invoice in self.invoices:
            before = (invoice.due - on).days
            held = invoice.held_through is not None and on <= invoice.held_through
            if before in REMIND_BEFORE and invoice.left > self.threshold and not held and invoice.fee_of is None:
                self.reminders.add((invoice.id, str(before)))

    def trigger(self, on, free, chased, today):
        day = (on - self.since).days + 1
        if day in THRESHOLDS and day not in self.fired and free:
            self.fired.add(day)
            self.tasks += 1
            principal = next((i for i in sorted(chased, key=lambda i: (i.due, i.id)) if i.fee_of is None), None)
            if day == THRESHOLDS[0] and principal is not None and TRIGGERED not in principal.charged:
                self.add_fee(principal, TRIGGERED, self.reduced(FEE_OF_TRIGGER, principal), today)

    def charge(self, on, late, chased, kept, free, today):
        for invoice in late:
            if invoice.fee_of is not None:
                continue
            number = self.occurrence(invoice, on)
            number = invoice.waits if number is None else number
            invoice.waits = None
            if number is None or number in invoice.charged:
                continue
            if invoice in chased:
                whole = cents(self.fee.amount) + (invoice.total * int(self.fee.percent) + 50) // 100
                amount = self.reduced(whole, invoice)
                if self.fee.cap is not None:
                    amount = min(amount, cents(self.fee.cap) - self.standing(invoice))
                if amount > 0:
                    self.add_fee(invoice, number, amount, today)
            elif invoice in kept and invoice not in free:
                invoice.waits = number

    def occurrence(self, invoice, on):
        """Which fee's day it is, by trying every month."""
        first = invoice.due + (self.fee.grace_days + 1) * DAY
        for number in range(1 if self.fee.repeat == "once" else 24):
            month = first.month - 1 + number
            year, month = first.year + month // 12, month % 12 + 1
            if date(year, month, min(first.day, monthrange(year, month)[1])) == on:
                return number
        return None

    def reduced(self, amount, invoice):
        """Less the share that was credited of the invoice, rounded half up."""
        return amount - (2 * amount * invoice.credited + invoice.total) // (2 * invoice.total)

    def standing(self, invoice):
        return sum(i.total - i.credited for i in (*self.invoices, *self.pending) if i.fee_of == invoice.id)

    def add_fee(self, invoice, number, amount, today):
        invoice.charged.add(number)
        self.pending.append(Owed(f"{invoice.id}/{number}", today, amount, amount, fee_of=invoice.id))

    ended_on: date | None = None
    pending: list = []  # noqa: RUF012 - set for each look


def cents(text):
    return int(text.replace(".", ""))


class Collections(RuleBasedStateMachine):
    @initialize(
        threshold=st.sampled_from(["0.00", "30.00"]),
        grace=st.sampled_from([0, 2]),
        repeat=st.sampled_from(["once", "monthly"]),
        cap=st.sampled_from([None, "6.00"]),
    )
    def begin(self, threshold, grace, repeat, cap):
        fee = LateFee("1.00", Decimal(5), grace, repeat, cap)
        policy = Policy(
            terms_days=2, reminders_before_due=REMIND_BEFORE, late_fee=fee, limit_after_days=LIMIT_AFTER,
            suspend_after_days=SUSPEND_AFTER, step_notice_days=0, collection_threshold=threshold,
        )  # fmt: skip
        ask = Action("task", title="Call")
        triggers = (
            Trigger(THRESHOLDS[0], (ask, Action("late_fee", amount="2.00"))),
            Trigger(THRESHOLDS[1], (ask,)),
        )
        tiers = tuple(Tier(days, f"past_due_{n}") for n, days in enumerate(TIERS, start=1))
        past_due = PastDue(enabled=True, schedule="0 14 * * *", tiers=tiers, triggers=triggers)
        self.stage = Stage(START, self.new_store())
        self.stage.settings(Settings(automations=Automations(past_due=past_due)))
        self.stage.save(CustomerClass("cls_standard", "Standard", policy, policy))
        self.stage.customer()
        on = START.date()
        self.stage.save(Contract("con_1", "cus_a", "IT", "USD", on, on, 1, created_at=START))
        self.model = Model(fee, cents(threshold))
        self.count = 0

    def new_store(self):
        return MemoryStore()

    @property
    def today(self):
        return self.stage.clock.now().date()

    @property
    def ports(self):
        return self.stage.ports

    # ---- rules ----------------------------------------------------------------------------------

    @rule(amount=st.integers(1, 60), due_in=st.integers(-3, 4))
    def invoice(self, amount, due_in):
        due = self.today + due_in * DAY
        id = self.stage.posted("cus_a", amount * 100, due, on=min(due, self.today))
        self.model.invoices.append(Owed(id, due, amount * 100, amount * 100))

    @precondition(lambda self: any(i.left for i in self.model.invoices))
    @rule(share=st.sampled_from([0.3, 0.7, 1.0, 1.0]), data=st.data())
    def pay_one(self, share, data):
        owed = data.draw(st.sampled_from([i for i in self.model.invoices if i.left]))
        amount = max(int(owed.left * share), 1)
        self.count += 1
        payment = ManualPayment(
            f"pay_{self.count}", "cus_a", "USD", amount, "check", None, (Allocation(self.real(owed), amount),)
        )
        record_payment(payment, self.ports)
        self.stage.deliver()
        owed.left -= amount
        self.after_settling()

    @precondition(lambda self: any(i.fee_of is None and i.total > i.credited for i in self.model.invoices))
    @rule(share=st.sampled_from([0.25, 1.0]), data=st.data())
    def credit(self, share, data):
        owed = data.draw(st.sampled_from([i for i in self.model.invoices if i.fee_of is None and i.total > i.credited]))
        amount = max(int((owed.total - owed.credited) * share), 1)
        fees = [i for i in self.model.invoices if i.fee_of == owed.id]
        if amount > owed.left or any(i.left < i.total - i.credited for i in fees):
            return  # what is paid already would become credit, and pay something else
        adjust_invoice(owed.id, "credit", None, amount, "broken", self.ports)
        self.stage.deliver()
        owed.credited += amount
        owed.left -= amount
        for fee in fees:
            back = fee.total - self.model.reduced(fee.total, owed) - fee.credited
            fee.credited += back
            fee.left -= back
        self.after_settling()

    def after_settling(self):
        before = self.model.since
        self.model.settled(self.today)
        if before is not None and self.model.since is None:
            self.model.ended_on = self.today

    @rule(days=st.integers(0, 6))
    def pause(self, days):
        self.model.paused_through = self.today + days * DAY
        pause("cus_a", "past_due", self.model.paused_through, self.ports)

    @rule()
    def unpause(self):
        self.model.paused_through = None
        unpause("cus_a", "past_due", self.ports)

    @rule(days=st.none() | st.integers(0, 6))
    def hold(self, days):
        self.model.held_through = None if days is None else self.today + days * DAY
        hold_customer("cus_a", None if days is None else Hold("dispute", self.model.held_through), self.ports)

    @precondition(lambda self: self.model.invoices)
    @rule(days=st.none() | st.integers(0, 6), data=st.data())
    def hold_one(self, days, data):
        owed = data.draw(st.sampled_from(self.model.invoices))
        owed.held_through = None if days is None else self.today + days * DAY
        hold = None if days is None else InvoiceHold("dispute", owed.held_through)
        hold_invoice(self.real(owed), hold, self.ports)

    @rule(days=st.none() | st.integers(0, 6))
    def promise(self, days):
        if days is None:
            self.model.promised_through = None
            withdraw_promise("cus_a", self.ports)
        else:
            self.count += 1
            self.model.promised_through = self.today + days * DAY
            make_promise("cus_a", Promise(f"prm_{self.count}", self.model.promised_through), self.ports)

    @rule(days=st.integers(1, 6))
    def days_pass(self, days):
        """With a tick on each."""
        for _ in range(days):
            self.look(1)

    @rule(days=st.integers(2, 12))
    def days_are_missed(self, days):
        """With one tick at the end of them."""
        self.look(days)

    def look(self, days):
        evening = datetime.combine(self.today, datetime.min.time(), UTC) + timedelta(days=days - 1, hours=20)
        self.stage.clock.move_to(evening)
        self.model.pending = []
        for day in range(days):
            self.model.day(evening.date() - (days - 1 - day) * DAY, evening.date())
        self.model.invoices += self.model.pending
        sweep_past_due(self.ports)
        self.stage.deliver()
        self.stage.clock.move_to(evening + timedelta(hours=10))  # the next morning

    # ---- they agree -----------------------------------------------------------------------------

    def real(self, owed):
        """The id of what the model calls a fee: the memo with that key on its invoice."""
        if owed.fee_of is None:
            return owed.id
        return next(i.id for i in self.memos() if f"{i.adjusts_invoice_id}/{i.late_fee}" == owed.id)

    def memos(self):
        return [i for i in self.stage.every(Invoice) if i.late_fee is not None]

    @invariant()
    def the_notices_are_the_model_s(self):
        if hasattr(self, "model"):
            told = [(n.kind, n.episode) for n in self.stage.every(Notice) if n.kind.startswith("past_due")]
            assert sorted(told) == sorted(self.model.notices)

    @invariant()
    def the_reminders_are_the_model_s(self):
        if hasattr(self, "model"):
            reminded = [(n.subject_id, n.episode) for n in self.stage.every(Notice) if n.kind == "reminder"]
            assert sorted(reminded) == sorted(self.model.reminders)

    @invariant()
    def the_fees_are_the_model_s(self):
        if hasattr(self, "model"):
            fees = {f"{i.adjusts_invoice_id}/{i.late_fee}": (i.total_minor, i.residual_minor) for i in self.memos()}
            assert fees == {i.id: (i.total, i.left) for i in self.model.invoices if i.fee_of is not None}

    @invariant()
    def the_service_and_the_tasks_are_the_model_s(self):
        if hasattr(self, "model"):
            assert account_of("cus_a", self.ports).service == self.model.service
            assert len([t for t in self.stage.every(Task) if t.kind == "past_due"]) == self.model.tasks


class CollectionsOnDynamo(Collections):
    """The same against the store that is deployed: few and short, for a commit takes moto a hundredth of a second."""

    def new_store(self):
        self.aws = mock_aws()
        self.aws.start()
        create_tables()
        return Dumped(DynamoStore(table_name, REGION, writer="test", sleep=lambda seconds: None))

    def teardown(self):
        if hasattr(self, "aws"):
            self.aws.stop()


class Dumped:
    """The store with all that is in it, for the invariants."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def dump(self):
        return dump()


TestCollections = Collections.TestCase
TestCollections.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestCollectionsOnDynamo = CollectionsOnDynamo.TestCase
TestCollectionsOnDynamo.settings = settings(
    max_examples=4, stateful_step_count=10, deadline=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
TestCollectionsOnDynamo.pytestmark = [pytest.mark.moto, pytest.mark.slow]
