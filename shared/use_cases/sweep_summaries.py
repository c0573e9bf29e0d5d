"""Find the account summaries that are due: by schedule, so that a tick with nothing due costs the same few reads
however many customers there are. PRODUCT 10.

Customers with the same schedule in the same time zone share one SummarySchedule, found by its next occurrence; the
customers of a schedule that is due are found in an index and worked off through the queue.
"""

from __future__ import annotations

from datetime import datetime

from shared import ports as p
from shared.contracts.messages import SelectSummaries, SummarizeAccounts
from shared.domain.account_summary import GLOBAL, SummarySchedule, schedule_id, schedule_key
from shared.domain.calendar import parse_cron
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.ids import SHARDS
from shared.domain.runs import Watermark
from shared.domain.settings import Settings
from shared.ports import Conflict, Ports, Save
from shared.use_cases.lookups import settings_of

SCHEDULES_MAX = 100_000  # pairs of schedule and time zone in use
OCCURRENCES_MAX = 1_000  # missed occurrences read at a time
ROUNDS_MAX = 1_000  # of reading them: the next tick goes on
CUSTOMERS_PER_MESSAGE = 25
PAGES_PER_MESSAGE = 20  # of the index of a schedule's customers


def sweep_summaries(ports: Ports) -> int:
    """Take up every schedule that is due; how many. Missed occurrences of one collapse into the latest."""
    settings, now = settings_of(ports), ports.clock.now()
    if not settings.automations.account_summary.enabled:
        return 0
    try:
        _follow_settings(settings, now, ports)
    except Conflict:
        return 0  # another tick is at it
    due, taken, after = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ~"), 0, None
    for _ in range(SCHEDULES_MAX // p.PAGE_LIMIT):
        page = ports.store.find(p.SUMMARIES_DUE, "all", last=due, after=after)
        for schedule in ports.store.get_many(SummarySchedule, [e.key for e in page.items]):
            taken += _take_up(schedule, settings, now, ports)
        after = page.cursor
        if after is None:
            break
    return taken


def _follow_settings(settings: Settings, now: datetime, ports: Ports) -> None:
    """Plan every schedule anew after the settings changed what they depend on: from then on, no backlog.

    change_settings moves the watermark; its cursor is the version that the schedules were last planned for.
    """
    mark = ports.store.get(Watermark, "watermarks", "account_summary") or Watermark("account_summary", now)
    if mark.version and mark.cursor == str(mark.version):
        return
    first = schedule_id(GLOBAL, GLOBAL)
    if ports.store.get(SummarySchedule, first) is None:
        ports.store.commit(Save(SummarySchedule(first, GLOBAL, GLOBAL, mark.through).planned(mark.through, settings)))
    after = None
    for _ in range(SCHEDULES_MAX // p.PAGE_LIMIT):
        page = ports.store.find(p.SUMMARIES_DUE, "all", after=after)
        for schedule in ports.store.get_many(SummarySchedule, [e.key for e in page.items]):
            planned = schedule.planned(max(schedule.through, mark.through), settings)
            if planned != schedule:
                ports.store.commit(Save(planned))
        after = page.cursor
        if after is None:
            break
    ports.store.commit(Save(replace(mark, cursor=str(mark.version + 1))))


def _take_up(schedule: SummarySchedule, settings: Settings, now: datetime, ports: Ports) -> bool:
    """Ask for the summaries of its latest occurrence, then remember that. A crash in between asks again: no harm."""
    at = _latest(schedule, settings, now)
    if at is None:
        return False
    messages = [SelectSummaries(schedule_id=schedule.id, shard=n, occurred_at=at).body() for n in range(SHARDS)]
    ports.queue.send("summary", messages)
    try:
        ports.store.commit(Save(schedule.planned(at, settings)))
    except Conflict:
        return False  # another tick took it up, for the same occurrence
    return True


def _latest(schedule: SummarySchedule, settings: Settings, now: datetime) -> datetime | None:
    """The last occurrence up to now that was not taken up."""
    cron = parse_cron(schedule.schedule or settings.automations.account_summary.schedule)
    zone, latest = schedule.timezone or settings.business.timezone, None
    for _ in range(ROUNDS_MAX):
        found = cron.between(latest or schedule.through, now, zone, OCCURRENCES_MAX)
        latest = found[-1] if found else latest
        if len(found) < OCCURRENCES_MAX:
            break
    return latest


# ---- the customers of a schedule ------------------------------------------------------------------------------


def select_summaries(message: SelectSummaries, ports: Ports) -> int:
    """Hand out one shard of a schedule's customers, some pages at a time; how many."""
    id, at = message.schedule_id, message.occurred_at
    after, found = message.after, 0
    for _ in range(PAGES_PER_MESSAGE):
        page = ports.store.find(p.CUSTOMERS_SUMMARIZED, f"{id}|{message.shard}", after=after)
        ids = tuple(e.partition for e in page.items)
        chunks = [ids[n : n + CUSTOMERS_PER_MESSAGE] for n in range(0, len(ids), CUSTOMERS_PER_MESSAGE)]
        bodies = [SummarizeAccounts(schedule_id=id, customer_ids=c, occurred_at=at).body() for c in chunks]
        ports.queue.send("summary", bodies)
        found, after = found + len(ids), page.cursor
        if after is None:
            return found
    again = SelectSummaries(schedule_id=id, shard=message.shard, occurred_at=at, after=after)
    ports.queue.send("summary", [again.body()])
    return found


def keep_schedule(customer: Customer, ports: Ports) -> None:
    """Before a customer is stored: see that the schedule it follows is known. It begins now: no backlog."""
    key = schedule_key(customer)
    if key == (GLOBAL, GLOBAL) or ports.store.get(SummarySchedule, schedule_id(*key)) is not None:
        return
    settings, now = settings_of(ports), ports.clock.now()
    try:
        ports.store.commit(Save(SummarySchedule(schedule_id(*key), *key, now).planned(now, settings)))
    except Conflict:
        pass  # someone else's customer is the first to follow it
