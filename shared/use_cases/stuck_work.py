"""Work that makes no progress, brought before a person: runs that are late, and mails that nobody sends. PRODUCT 12.

Everything is retried by itself for as long as that can help; what is found here has been through all of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain.ids import derive_id
from shared.domain.runs import BillRun, PaymentRun
from shared.domain.task import Task
from shared.ports import NOTICES_PENDING, Conflict, Entry, Ports, Save
from shared.use_cases.late_runs import LATE_AFTER
from shared.use_cases.lookups import shards

NOTICE_STUCK_AFTER = timedelta(hours=24)  # a million mails at the usual quota of SES take twenty


def ask_about_run(run: BillRun | PaymentRun, ports: Ports) -> bool:
    """Open a task for a run that should have ended by now, once; whether this was the first time.

    One that has only just begun, because nothing ran when it was due, is given its time.
    """
    if run.created_at is not None and ports.clock.now() - run.created_at < LATE_AFTER:
        return False
    what = "bill run" if isinstance(run, BillRun) else "payment run"
    hours = int(LATE_AFTER.total_seconds()) // 3600
    reason = f"{what} {run.id} is still {run.status}, more than {hours} hours late; look at the dead letters"
    return _opened(Task(derive_id("tsk_", "run_stuck", run.id), "run_stuck", reason, run.id, ports.clock.now()), ports)


def ask_about_mail(ports: Ports) -> bool:
    """Open a task a day while mails wait that should have been looked at NOTICE_STUCK_AFTER ago; whether it is new."""
    now = ports.clock.now()
    oldest = min(_waiting_since(now - NOTICE_STUCK_AFTER, ports), key=lambda entry: entry.at, default=None)
    if oldest is None:
        return False
    since = oldest.at.partition("#")[0]
    reason = f"mails wait to be sent, the longest since {since}; look at the dead letters and at the quota of SES"
    id = derive_id("tsk_", "mail_stuck", now.date())
    return _opened(Task(id, "mail_stuck", reason, oldest.partition, now), ports)


def _waiting_since(instant: datetime, ports: Ports) -> list[Entry]:
    """The first of each shard."""
    last = instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ~")
    return [e for shard in shards() for e in ports.store.find(NOTICES_PENDING, shard, last=last, limit=1).items]


def _opened(task: Task, ports: Ports) -> bool:
    if ports.store.get(Task, task.id) is not None:
        return False  # a person has been asked before
    try:
        ports.store.commit(Save(task))
    except Conflict:
        return False
    return True
