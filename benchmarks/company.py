"""The records of a company whose every customer is billed for two lines on one day, mailed and charged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar

from infra.local.cloud import LocalCloud
from shared.domain.card import WINDOW, CardTries
from shared.domain.contract import Charge, Contract
from shared.domain.customer import Customer, Switches
from shared.domain.payment import PaymentMethod
from shared.domain.policy import AutoCharge, CustomerClass, Policy
from shared.domain.records import Owner
from shared.domain.settings import Automations, BillRunSettings, PastDue, PaymentRunSettings, SendNewInvoices, Settings
from shared.gateways.rehearsal import RehearsedFiles
from shared.ports import COMMIT_MAX, Change, Check, Entry, Key, Mail, Page, Queue, QueueName, Remove, Save, Store
from shared.storage.within import StoreWithin

E = TypeVar("E")

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
BILLED_ON: Final = date(2026, 1, 2)
QUIET: Final = datetime(2026, 1, 1, 12, 5, tzinfo=UTC)  # every schedule has had its first occurrence
BEFORE: Final = datetime(2026, 1, 2, 3, 59, tzinfo=UTC)  # nothing is due yet
SETTLED: Final = datetime(2026, 1, 2, 11, 30, tzinfo=UTC)


def company(customers: int) -> Iterator[Any]:
    yield Settings(
        bill_run=BillRunSettings(enabled=True, auto_post=True, auto_email=True, gate="all"),
        payment_run=PaymentRunSettings(enabled=True),
        automations=Automations(SendNewInvoices(enabled=True), past_due=PastDue(enabled=True)),
    )  # fmt: skip
    policy = Policy(terms_days=0, auto_charge=AutoCharge("due_on"))
    yield CustomerClass("cls_card", "By card", policy, policy)
    for n in range(customers):
        id = f"cus_{n:07d}"
        yield Customer(
            id, f"Customer {n}", email=f"ap{n}@example.com", class_id="cls_card", automations=Switches(enabled=True),
            created_at=START,
        )  # fmt: skip
        charges = (
            Charge(f"chg_{n}_0", "Support", "recurring", 249_95), Charge(f"chg_{n}_1", "Backup", "recurring", 10_00),
        )  # fmt: skip
        yield Contract(
            f"con_{n:07d}", id, "IT", "USD", BILLED_ON, BILLED_ON, BILLED_ON.day, charges=charges,
            next_bill_on=BILLED_ON, created_at=START,
        )  # fmt: skip
        yield Owner(f"con_{n:07d}", id)
        yield CardTries(id, START - WINDOW)
        yield PaymentMethod(f"pm_{n}", id, f"tok_{n}", "visa", "4242", 12, 2035, START)


class CountingStore(StoreWithin):
    """Counts the calls of a store, and the records that they bring or write."""

    def __init__(self, inner: Store, count: Callable[[str, int], None]) -> None:
        super().__init__(inner)
        self._count = count

    def get(self, kind: type[E], partition: str, sort: str = "") -> E | None:
        self._count("get", 1)
        return self._inner.get(kind, partition, sort)

    def get_many(self, kind: type[E], keys: Sequence[tuple[str, str]]) -> list[E]:
        self._count("get_many", len(keys))
        return self._inner.get_many(kind, keys)

    def get_all(self, keys: Sequence[Key]) -> list[Any]:
        self._count("get_all", len(keys))
        return self._inner.get_all(keys)

    def list(self, *asked: Any, **how: Any) -> Page[Any]:
        page: Page[Any] = self._inner.list(*asked, **how)
        self._count("list", len(page.items))
        return page

    def find(self, *asked: Any, **how: Any) -> Page[Entry]:
        page = self._inner.find(*asked, **how)
        self._count("find", len(page.items))
        return page

    def commit(self, *changes: Save[E] | Remove[E] | Check[E]) -> None:
        self._count("commit", len(changes))
        self._inner.commit(*changes)


class LookingQueue:
    """Has every document looked for, also that of an invoice posted just now, which would be typeset otherwise."""

    def __init__(self, inner: Queue) -> None:
        self._inner = inner

    def send(self, queue: QueueName, bodies: Sequence[str], delay_seconds: int = 0) -> None:
        looked_for = [body.replace('"first":true', '"first":false') for body in bodies]
        self._inner.send(queue, looked_for, delay_seconds)


class DroppingMailer:
    """Implements shared.ports.Mailer: takes each rendered mail, and keeps none."""

    def __init__(self) -> None:
        self.taken = 0

    def send(self, mail: Mail) -> str:
        self.taken += 1
        return f"{mail.notice_id}-{self.taken}"


@contextmanager
def living(customers: int, count: Callable[[str, int], None] = lambda _, __: None) -> Iterator[LocalCloud]:
    """A world with this company in memory: mails are rendered and dropped, and every document is there already."""
    with LocalCloud("memory", START) as cloud:
        save(cloud.ports.store, company(customers))
        store = CountingStore(cloud.ports.store, count)
        queue = LookingQueue(cloud.ports.queue)
        cloud.use_ports(replace(cloud.ports, store=store, mailer=DroppingMailer(), files=RehearsedFiles(), queue=queue))
        yield cloud


def save(store: Store, entities: Iterable[Any]) -> None:
    changes: list[Change] = []
    for entity in entities:
        changes.append(Save(entity))
        if len(changes) == COMMIT_MAX:
            store.commit(*changes)
            changes = []
    store.commit(*changes)
