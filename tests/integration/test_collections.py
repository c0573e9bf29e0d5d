"""Collections: the sweep finds whom to assess, and an assessment says what was called for, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.invoker import SimulatedCrash
from shared.contracts.messages import AssessCustomers, read
from shared.domain.collection import CollectionState, seen_of
from shared.domain.contract import Contract
from shared.domain.customer import Customer, Hold, Pause, Switches
from shared.domain.ids import shard_of
from shared.domain.invoice import Invoice, InvoiceHold
from shared.domain.notice import Notice
from shared.domain.policy import LateFee
from shared.domain.runs import PaymentRun, Watermark
from shared.domain.settings import Automations, PastDue, PaymentRunSettings, Settings
from shared.ports import Unavailable
from shared.use_cases.assess_customer import assess_customer
from shared.use_cases.change_service import CONTRACTS_PER_COMMIT
from shared.use_cases.customers import change_customer
from shared.use_cases.late_fees import FEES_PER_COMMIT
from shared.use_cases.pauses_and_holds import hold_invoice
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.refresh_episode import refresh_episode
from shared.use_cases.sweep_past_due import _Sweep, _to_assess, sweep_past_due
from tests.integration.stage import ALL_ON, Meddling, Stage

MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC)
AT_14 = datetime(2026, 1, 31, 14, tzinfo=UTC)  # the default schedule
DUE = date(2026, 1, 31)
MAIL_ONLY = replace(ALL_ON, payment_run=PaymentRunSettings(enabled=False))


@pytest.fixture
def stage():
    made = Stage(MIDNIGHT)
    made.settings(MAIL_ONLY)
    made.customer()
    return made


def at(days, hour=14):
    """So many days after the due date."""
    return datetime.combine(DUE + timedelta(days=days), datetime.min.time(), UTC) + timedelta(hours=hour)


def evening_of(stage, days):
    """Sweep every quarter of an hour until the evening, as the rule does, and let everything be delivered."""
    if stage.clock.now() < at(days, hour=23):
        stage.clock.move_to(at(days, hour=23))
    swept = sweep_past_due(stage.ports)
    stage.deliver()
    return swept


def told(stage, customer_id="cus_a", status="sent"):
    found = [n for n in stage.every(Notice) if n.customer_id == customer_id and n.kind.startswith("past_due")]
    return [n.kind for n in sorted(found, key=lambda n: (n.created_at, n.kind)) if n.status == status]


def state(stage, customer_id="cus_a"):
    return stage.get(CollectionState, customer_id)


def pays(stage, amount=100_00, id="pay_1"):
    record_payment(ManualPayment(id, "cus_a", "USD", amount, "check"), stage.ports)


# ---- tiers, day by day ----------------------------------------------------------------------------------------


def test_each_tier_is_told_once_on_its_day(stage):
    stage.posted(due_on=DUE)
    days = {}
    for day in range(45):
        evening_of(stage, day)
        days.setdefault(len(told(stage)), day)
    assert days == {0: 0, 1: 1, 2: 14, 3: 30}
    assert told(stage) == ["past_due_1", "past_due_2", "past_due_3"]


def test_paying_the_oldest_falls_back_a_tier_and_nothing_is_told_twice(stage):
    stage.posted(due_on=DUE)
    stage.posted(due_on=DUE + timedelta(days=19), total=40_00)
    evening_of(stage, 1)
    evening_of(stage, 14)
    stage.clock.move_to(at(20, hour=12))
    pays(stage)
    for day in range(20, 33):
        evening_of(stage, day)  # the second is 1 to 13 days past due: tier 1 again
    assert told(stage) == ["past_due_1", "past_due_2"]
    assert state(stage).episode_since == DUE + timedelta(days=1)
    evening_of(stage, 33)  # 14 days: tier 2, told before
    evening_of(stage, 49)  # 30 days
    assert told(stage) == ["past_due_1", "past_due_2", "past_due_3"]


def test_paying_all_ends_the_episode_at_once_and_falling_behind_again_starts_over(stage):
    stage.posted(due_on=DUE)
    stage.posted(due_on=DUE + timedelta(days=5), total=40_00)
    evening_of(stage, 1)
    stage.clock.move_to(at(2, hour=9))
    pays(stage)
    assert state(stage).episode_since is None  # not only at the next sweep
    for day in range(2, 7):
        evening_of(stage, day)
    assert told(stage) == ["past_due_1", "past_due_1"]


def test_an_hour_without_anything_past_due_starts_over_on_the_same_day(stage):
    stage.posted(due_on=DUE)
    evening_of(stage, 1)
    evening_of(stage, 14)
    stage.clock.move_to(at(15, hour=9))
    pays(stage)
    stage.posted(due_on=DUE)  # imported, long due, an hour later
    evening_of(stage, 15)
    assert state(stage).episode_since == DUE + timedelta(days=15)
    assert told(stage) == ["past_due_1", "past_due_2", "past_due_2"]


def test_a_tier_that_was_jumped_over_is_not_told_later(stage):
    stage.customer("cus_b", automations=Switches(True, past_due=False))
    stage.posted("cus_b", due_on=DUE)
    evening_of(stage, 1)
    change_customer("cus_b", lambda c: replace(c, automations=Switches(True)), stage.ports)
    evening_of(stage, 20)
    for day in range(21, 32):
        evening_of(stage, day)
    assert told(stage, "cus_b") == ["past_due_2", "past_due_3"]


def test_a_pause_is_quiet_through_its_last_day_and_then_the_tier_of_the_day_is_told(stage):
    stage.posted(due_on=DUE)
    stage.save(replace(stage.get(Customer, "cus_a"), pauses=(Pause("past_due", DUE + timedelta(days=14)),)))
    for day in range(15):
        evening_of(stage, day)
        assert told(stage) == []
    evening_of(stage, 15)
    assert told(stage) == ["past_due_2"]


@pytest.mark.parametrize("whole_customer", [True, False])
def test_a_hold_is_quiet_through_its_last_day(stage, whole_customer):
    id = stage.posted(due_on=DUE)
    through = DUE + timedelta(days=14)
    if whole_customer:
        stage.save(replace(stage.get(Customer, "cus_a"), hold=Hold("dispute", through)))
    else:
        hold_invoice(id, InvoiceHold("dispute", through), stage.ports)
    for day in range(15):
        evening_of(stage, day)
        assert told(stage) == []
    evening_of(stage, 15)
    assert told(stage) == ["past_due_2"]


def test_what_is_past_due_must_be_more_than_the_threshold_and_is_looked_at_when_more_is_owed(stage):
    stage.klass(collection_threshold="100.00")
    stage.posted(due_on=DUE)
    evening_of(stage, 1)
    assert (told(stage), state(stage).next_on) == ([], date.max)
    stage.posted(due_on=DUE + timedelta(days=1), total=1)
    evening_of(stage, 2)
    assert told(stage) == ["past_due_1"]


def test_the_day_is_the_customer_s_own(stage):
    stage.customer("cus_east", timezone="Pacific/Auckland")
    stage.customer("cus_west", timezone="America/Los_Angeles")
    for customer in ("cus_a", "cus_east", "cus_west"):
        stage.posted(customer, due_on=DUE)
    evening_of(stage, 0)  # at 14:00 UTC it is 1 February in Auckland
    assert [told(stage, c) for c in ("cus_a", "cus_east", "cus_west")] == [[], ["past_due_1"], []]
    evening_of(stage, 1)  # 06:00 on 1 February in Los Angeles
    assert [told(stage, c) for c in ("cus_a", "cus_east", "cus_west")] == [["past_due_1"]] * 3


def test_switching_on_tells_who_is_past_due_already_of_the_tier_of_the_day():
    stage = Stage(MIDNIGHT)
    stage.customer()
    stage.settings(Settings())
    stage.posted(due_on=DUE)
    evening_of(stage, 20)
    assert told(stage) == []
    stage.settings(MAIL_ONLY)
    stage.save(replace(stage.get(Watermark, "watermarks", "past_due"), through=stage.clock.now()))
    evening_of(stage, 21)
    assert told(stage) == ["past_due_2"]


# ---- told twice, late and by many -----------------------------------------------------------------------------


def test_two_workers_tell_once(stage):
    stage.posted(due_on=DUE)
    stage.clock.move_to(at(1))
    store = Meddling(stage.store, 1, lambda: assess_customer("cus_a", at(1), stage.ports))
    assess_customer("cus_a", at(1), replace(stage.ports, store=store))
    assess_customer("cus_a", at(1), stage.ports)
    assert len([n for n in stage.every(Notice) if n.kind == "past_due_1"]) == 1


def test_an_older_day_that_comes_after_a_later_one_is_left_out(stage):
    stage.posted(due_on=DUE)
    stage.clock.move_to(at(15))
    assert assess_customer("cus_a", at(15), stage.ports).notice == "past_due_2"
    assert assess_customer("cus_a", at(1), stage.ports).skipped
    assert told(stage, status="pending") == ["past_due_2"]


def test_a_pause_accepted_between_reading_and_recording_is_honoured(stage):
    stage.posted(due_on=DUE)
    stage.clock.move_to(at(1))

    def pause():
        stage.save(replace(stage.get(Customer, "cus_a"), pauses=(Pause("past_due"),)))

    assert assess_customer("cus_a", at(1), replace(stage.ports, store=Meddling(stage.store, 1, pause))).notice is None
    assert state(stage).worst_tier == 0  # so that it is told when the pause is over


@pytest.mark.parametrize("fee", ["0.00", "5.00"])
def test_who_pays_between_reading_and_recording_is_charged_no_fee_and_keeps_his_service(stage, fee):
    stage.klass(late_fee=LateFee(fee), suspend_after_days=1, step_notice_days=0)
    stage.posted(due_on=DUE)
    stage.clock.move_to(at(1))
    store = Meddling(stage.store, 1, lambda: pays(stage))
    assessed = assess_customer("cus_a", at(1), replace(stage.ports, store=store))
    assert (assessed.fees, assessed.service, assessed.notice) == (0, None, None)
    assert [i.type for i in stage.every(Invoice)] == ["regular"]
    assert stage.get(Customer, "cus_a").service == "active"


@pytest.mark.parametrize("fee", ["0.00", "5.00"])
def test_a_hold_accepted_between_reading_and_recording_stops_fees_and_steps(stage, fee):
    stage.klass(late_fee=LateFee(fee), suspend_after_days=1, step_notice_days=0)
    id = stage.posted(due_on=DUE)
    stage.clock.move_to(at(1))
    store = Meddling(stage.store, 1, lambda: hold_invoice(id, InvoiceHold("dispute"), stage.ports))
    assessed = assess_customer("cus_a", at(1), replace(stage.ports, store=store))
    assert (assessed.fees, assessed.service) == (0, None)


def test_more_fees_than_fit_into_a_transaction_are_all_charged_once(stage):
    stage.klass(late_fee=LateFee("5.00"))
    for _ in range(3 * FEES_PER_COMMIT + 1):
        stage.posted(due_on=DUE)
    stage.clock.move_to(at(1))
    assess_customer("cus_a", at(1), stage.ports)
    assess_customer("cus_a", at(1), stage.ports)
    memos = [i for i in stage.every(Invoice) if i.late_fee is not None]
    assert len(memos) == 3 * FEES_PER_COMMIT + 1
    assert sorted(i.number for i in memos) == [f"DM-{n:06d}" for n in range(1, len(memos) + 1)]


def test_more_reminders_than_fit_into_a_transaction_are_all_recorded(stage):
    for _ in range(120):
        stage.posted(due_on=DUE + timedelta(days=7))
    stage.clock.move_to(at(0))
    assess_customer("cus_a", at(0), stage.ports)
    assert len([n for n in stage.every(Notice) if n.kind == "reminder"]) == 120


def test_a_customer_with_many_contracts_is_suspended_over_several_days(stage):
    on = DUE - timedelta(days=30)
    for n in range(2 * CONTRACTS_PER_COMMIT + 1):
        stage.save(Contract(f"con_{n}", "cus_a", "IT", "USD", on, on, 1))
    stage.klass(suspend_after_days=1, step_notice_days=0)
    stage.posted(due_on=DUE)
    left = []
    for day in (1, 2, 3):
        evening_of(stage, day)
        left.append(sum(c.status(DUE + timedelta(days=day)) == "active" for c in stage.every(Contract)))
    assert left == [CONTRACTS_PER_COMMIT + 1, 1, 0]


def test_a_worker_that_died_before_the_end_of_an_episode_was_written_is_made_up_for(stage):
    id = stage.posted(due_on=DUE)
    evening_of(stage, 1)
    stage.clock.move_to(at(5, hour=9))
    stage.save(stage.invoice(id).paid(100_00, stage.clock.now()))  # and nobody wrote the end of the episode
    stage.posted(due_on=DUE + timedelta(days=5))
    evening_of(stage, 6)
    assert state(stage).episode_since == DUE + timedelta(days=6)
    assert told(stage) == ["past_due_1", "past_due_1"]


def test_refreshing_ends_nothing_while_something_is_past_due(stage):
    stage.posted(due_on=DUE)
    evening_of(stage, 1)
    assert not refresh_episode("cus_a", stage.ports)
    assert not refresh_episode("cus_never_seen", stage.ports)
    assert state(stage).episode_since == DUE + timedelta(days=1)


def test_one_customer_of_a_message_who_cannot_be_assessed_keeps_no_other_waiting(stage):
    stage.customer("cus_b")
    stage.posted("cus_b", due_on=DUE)
    stage.clock.move_to(at(1))
    body = AssessCustomers(customer_ids=("cus_gone", "cus_b"), occurred_at=at(1)).body()
    with pytest.raises(Exception, match="cus_gone"):
        stage.work("assess", body)
    assert told(stage, "cus_b", status="pending") == ["past_due_1"]


# ---- the sweep ------------------------------------------------------------------------------------------------


def assessed(stage):
    """The customers in the messages that wait."""
    found = [read(b, AssessCustomers).customer_ids for _, q, b in stage.queue.waiting if q == "assess"]
    return sorted(c for ids in found for c in ids)


def test_a_day_is_swept_once(stage):
    stage.posted(due_on=DUE)
    stage.clock.move_to(at(1, hour=13))
    assert sweep_past_due(stage.ports).days == 1  # of the 31st, on which nothing was late
    stage.queue.waiting.clear()
    stage.clock.move_to(at(1))
    assert (sweep_past_due(stage.ports).days, assessed(stage)) == (1, ["cus_a"])
    assert sweep_past_due(stage.ports).days == 0


def test_missed_days_are_taken_up_in_order(stage):
    stage.posted(due_on=DUE)
    stage.clock.move_to(at(3))
    assert sweep_past_due(stage.ports).days == 4
    at_of = [read(b, AssessCustomers).occurred_at for _, q, b in stage.queue.waiting]
    assert at_of == sorted(at_of)
    stage.deliver()
    assert told(stage) == ["past_due_1"]


def test_switched_off_nothing_is_swept_and_nothing_is_made_up_for():
    stage = Stage(MIDNIGHT)
    stage.customer()
    stage.save(Settings())
    stage.posted(due_on=DUE)
    stage.clock.move_to(at(5))
    assert sweep_past_due(stage.ports).days == 0
    stage.save(replace(stage.get(Settings, "settings"), automations=Automations(past_due=PastDue(True))))
    assert sweep_past_due(stage.ports).days == 0  # it begins now
    stage.clock.move_to(at(6))
    assert sweep_past_due(stage.ports).days == 1


def test_a_sweep_that_was_cut_off_goes_on_where_it_stopped(stage):
    owed = [f"cus_{n:02d}" for n in range(40)]
    for id in owed:
        stage.customer(id)
        stage.posted(id, due_on=DUE)
    stage.save(replace(stage.get(Watermark, "watermarks", "past_due"), through=at(0)))
    stage.clock.move_to(at(1))

    def die():
        raise SimulatedCrash("the function's time is up")

    with pytest.raises(SimulatedCrash):
        sweep_past_due(replace(stage.ports, store=Meddling(stage.store, 4, die)))
    mark = stage.get(Watermark, "watermarks", "past_due")
    assert (mark.through, mark.occurrence, mark.cursor) == (at(0), at(1), "3")
    before = assessed(stage)
    assert sweep_past_due(stage.ports).days == 1
    mark = stage.get(Watermark, "watermarks", "past_due")
    assert (mark.through, mark.occurrence, mark.cursor) == (at(1), None, None)
    assert set(assessed(stage)) == set(owed)
    again = {c for c in assessed(stage) if assessed(stage).count(c) > 1}
    assert again <= {c for c in before if shard_of(c) == 3}  # only the shard that was cut off is done again


def test_two_ticks_at_once_sweep_the_day_once_to_any_effect(stage):
    stage.posted(due_on=DUE)
    stage.clock.move_to(at(1))
    store = Meddling(stage.store, 3, lambda: sweep_past_due(stage.ports))
    sweep_past_due(replace(stage.ports, store=store))
    stage.deliver()
    assert told(stage) == ["past_due_1"]


# ---- the order of a day ---------------------------------------------------------------------------------------


@pytest.fixture
def with_payment_run(stage):
    stage.settings(ALL_ON)
    stage.posted(due_on=DUE)
    for job, hour in (("past_due", 14), ("payment_run", 11)):
        stage.save(replace(stage.get(Watermark, "watermarks", job), through=at(0, hour)))
    return stage


def recorded(stage, status, hour=11):
    from shared.use_cases.payment_runs import scheduled_run_id

    due_at = at(1, hour)
    stage.save(replace(stage.get(Watermark, "watermarks", "payment_run"), through=due_at))
    return stage.save(PaymentRun(scheduled_run_id(due_at), due_at.date(), due_at, status=status, scheduled_for=due_at))


def test_a_day_waits_for_its_payment_run_to_be_recorded(with_payment_run):
    stage = with_payment_run
    stage.clock.move_to(at(1))
    assert sweep_past_due(stage.ports).waiting
    assert assessed(stage) == []


@pytest.mark.parametrize(
    ("status", "waiting"),
    [("pending", True), ("waiting", True), ("collecting", True), ("completed", False), ("failed", False)],
)
def test_a_day_waits_for_its_payment_run_to_end(with_payment_run, status, waiting):
    stage = with_payment_run
    recorded(stage, status)
    stage.clock.move_to(at(1))
    assert sweep_past_due(stage.ports).waiting == waiting


@pytest.mark.parametrize(("hours", "waiting"), [(5.99, True), (6, False)])
def test_it_waits_no_longer_than_the_patience_of_the_settings(with_payment_run, hours, waiting):
    stage = with_payment_run
    recorded(stage, "collecting")
    stage.clock.move_to(at(1) + timedelta(hours=hours))
    assert sweep_past_due(stage.ports).waiting == waiting


def test_it_does_not_wait_for_a_payment_run_that_is_due_after_it(with_payment_run):
    stage = with_payment_run
    stage.settings(replace(ALL_ON, payment_run=PaymentRunSettings(enabled=True, schedule="0 15 * * *")))
    stage.save(replace(stage.get(Watermark, "watermarks", "payment_run"), through=at(0, 15)))
    stage.clock.move_to(at(1))
    assert not sweep_past_due(stage.ports).waiting


def test_who_pays_in_the_run_of_the_day_is_not_chased_on_that_day(with_payment_run):
    from shared.use_cases.payment_runs import plan_payment_runs

    stage = with_payment_run
    stage.card()
    stage.clock.move_to(at(1))
    sweep_past_due(stage.ports)
    plan_payment_runs(stage.ports)
    stage.deliver()
    sweep_past_due(stage.ports)
    stage.deliver()
    assert told(stage) == []
    assert stage.gateway.charges[0].status == "succeeded"


# ---- nothing to do costs nothing ------------------------------------------------------------------------------


class Counting:
    """A store that counts what is read by key."""

    def __init__(self, inner):
        self._inner = inner
        self.read = []

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def get(self, kind, *key):
        self.read.append(kind)
        return self._inner.get(kind, *key)

    def get_many(self, kind, keys):
        self.read += [kind] * len(keys)
        return self._inner.get_many(kind, keys)


def test_a_customer_with_nothing_to_do_costs_no_read_of_his_own(stage):
    for n in range(50):
        stage.customer(f"cus_{n:02d}")
        stage.posted(f"cus_{n:02d}", due_on=DUE + timedelta(days=60 * (n % 2)))  # half are late, half are not due
    evening_of(stage, 1)
    stage.clock.move_to(at(5))
    store = Counting(stage.store)
    sweep_past_due(replace(stage.ports, store=store))
    assert assessed(stage) == []
    assert Customer not in store.read
    assert Invoice not in store.read
    assert CollectionState not in store.read


def test_a_tick_with_nothing_due_reads_three_records(stage):
    evening_of(stage, 0)
    store = Counting(stage.store)
    sweep_past_due(replace(stage.ports, store=store))
    assert store.read == [Settings, Watermark]


def test_an_assessment_that_finds_nothing_new_writes_nothing(stage):
    stage.posted(due_on=DUE)
    evening_of(stage, 1)
    before = state(stage)
    stage.clock.move_to(at(2))
    assess_customer("cus_a", at(2), stage.ports)
    assert state(stage) == before
    stage.customer("cus_b")
    assess_customer("cus_b", at(2), stage.ports)
    assert state(stage, "cus_b") is None


# ---- against a naive model ------------------------------------------------------------------------------------

NAMES = st.sampled_from(["cus_a", "cus_a-b", "cus_a_b", "cus_ab", "cus_B", "cus_0", "cus_aa", "cus_z"])
OFFSETS = st.integers(-3, 3)


@settings(max_examples=300)
@given(
    st.dictionaries(NAMES, st.lists(OFFSETS, min_size=1, max_size=3)),
    st.dictionaries(NAMES, st.tuples(OFFSETS, st.booleans(), st.booleans(), st.booleans())),
    st.sets(OFFSETS, max_size=2),
    st.booleans(),
)
def test_the_two_indexes_are_merged_as_a_naive_model_would(due, states, reminded, acts):
    """A customer is assessed if something is late and no state that still holds says otherwise, if he is followed and
    nothing is late, or if one of his invoices is to be reminded of."""
    stage = Stage()
    on, version = DUE, 7
    ids = {}
    for customer, days in due.items():
        for n, day in enumerate(days):
            invoice = Invoice(f"inv_{customer}_{n}", customer, "USD", on, total_minor=1)
            stage.save(invoice.posted(f"N{n}", on, MIDNIGHT, on + timedelta(days=day)))
            ids.setdefault(customer, []).append((str(on + timedelta(days=day)), invoice.id))
    for customer, (next_in, same, current, same_class) in states.items():
        stage.save(
            CollectionState(
                customer, episode_since=on, next_on=on + timedelta(days=next_in),
                seen=seen_of(sorted(ids.get(customer, []))) if same else "other",
                settings_version=version if current else version - 1, class_id="cls_1",
                class_version=3 if same_class else 2,
            )
        )  # fmt: skip
    days = frozenset(str(on + timedelta(days=d)) for d in reminded)
    sweep = _Sweep(AT_14, AT_14, str(on), days, acts, str(version), {"cls_1": "3"})

    def expected(customer):
        oldest = min((on + timedelta(days=d) for d in due.get(customer, ())), default=None)
        late = oldest is not None and oldest < on
        wanted = any(d in reminded for d in due.get(customer, ()))
        if customer not in states:
            return (late or wanted) and acts
        next_in, same, current, same_class = states[customer]
        return wanted or not (late and same and current and same_class and next_in > 0)

    found = [c for shard in range(8) for c in _to_assess(str(shard), sweep, stage.ports)]
    assert len(found) == len(set(found))
    assert set(found) == {c for c in {*due, *states} if expected(c)}


def test_a_conflict_without_end_is_left_for_later(stage):
    from tests.integration.stage import conflicting

    stage.posted(due_on=DUE)
    stage.clock.move_to(at(1))
    with pytest.raises(Unavailable):
        assess_customer("cus_a", at(1), replace(stage.ports, store=conflicting(stage.store, 99)))
