"""A stage for use cases: the memory adapters behind the ports, a clock to move, and queues that do as a test says.

The diaries (world.py) drive everything through the API; here one use case is called at a time, and what it enqueued is
delivered by hand: twice, in another order, late or never.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

from functions.account_summary.compose import compose
from functions.auto_post.post import post
from functions.autopay.charge import charge
from functions.past_due.assess import assess
from functions.send_email.send import send
from functions.webhooks.deliver import deliver
from infra.local.clock import CountingIds, VirtualClock
from shared import bootstrap
from shared.domain.customer import Customer, Switches
from shared.domain.invoice import Invoice, Line, parts, totalled
from shared.domain.payment import PaymentMethod
from shared.domain.policy import CustomerClass, Policy
from shared.domain.runs import BillRun, Watermark
from shared.domain.settings import Automations, PastDue, PaymentRunSettings, SendNewInvoices, Settings
from shared.gateways.memory import MemoryBus, MemoryFiles, MemoryMailer, MemoryWebhookSender
from shared.gateways.simulated import SimulatedGateway
from shared.ports import INVOICES_BY_RUN, Conflict, Ports, Save
from shared.storage.memory import MemoryStore
from shared.use_cases.notices import hint
from shared.use_cases.post_invoices import post_invoice
from shared.use_cases.render_document import document_key
from tests.integration.api.client import NoDeadLetters

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TODAY = date(2026, 1, 31)
DELIVERIES_MAX = 2_000

ALL_ON = Settings(
    payment_run=PaymentRunSettings(enabled=True),
    automations=Automations(send_new_invoices=SendNewInvoices(enabled=True), past_due=PastDue(enabled=True)),
)


class Queues:
    """What was sent, in order, each with the instant from which it may be delivered."""

    def __init__(self, clock):
        self.clock = clock
        self.waiting = []  # (from, queue, body)

    def send(self, queue, bodies, delay_seconds=0):
        assert 0 <= delay_seconds <= 900
        self.waiting += [(self.clock.now() + timedelta(seconds=delay_seconds), queue, body) for body in bodies]

    def depth(self, queue):
        return sum(1 for _, name, _ in self.waiting if name == queue)


class Stage:
    def __init__(self, now=NOW, store=None):
        self.clock = VirtualClock(now)
        self.store = store or MemoryStore()
        self.queue = Queues(self.clock)
        self.gateway = SimulatedGateway(self.clock)
        self.mailer = MemoryMailer()
        self.files = MemoryFiles()
        self.webhooks = MemoryWebhookSender()
        self.ports = Ports(
            store=self.store, clock=self.clock, ids=CountingIds(), queue=self.queue,
            dead_letters=NoDeadLetters(), gateway=self.gateway,
            mailer=self.mailer, files=self.files, bus=MemoryBus(),
            webhooks=self.webhooks,
        )  # fmt: skip
        self.made = 0

    # ---- builders -------------------------------------------------------------------------------

    def save(self, *entities):
        self.store.commit(*map(Save, entities))
        return entities[0]

    def settings(self, settings=ALL_ON, **parts):
        """Written as change_settings does it: with the gates that claims check, and the jobs' watermarks."""
        before = self.store.get(Settings, "settings") or Settings()
        self.save(replace(settings, version=before.version, **parts))
        for job in ("bill_run", "payment_run", "past_due"):
            mark = self.store.get(Watermark, "watermarks", job)
            if mark is None:
                self.save(Watermark(job, self.clock.now()))
        return self.store.get(Settings, "settings")

    def klass(self, id="cls_standard", **policy):
        return self.save(CustomerClass(id, id, Policy(**policy), Policy(**policy)))

    def customer(self, id="cus_a", **fields):
        fields = {"name": id, "email": f"{id}@example.com", "automations": Switches(enabled=True)} | fields
        return self.save(Customer(id, **fields))

    def card(self, customer_id="cus_a", *outcomes, id=None):
        id = id or f"pm_{self._number()}"
        if outcomes:
            self.gateway.behave(f"tok_{id}", outcomes)
        made_at = self.clock.now() + timedelta(seconds=self.made)
        return self.save(PaymentMethod(id, customer_id, f"tok_{id}", "visa", "4242", 12, 2035, created_at=made_at))

    def draft(self, customer_id="cus_a", total=100_00, on=TODAY, **fields):
        id = fields.pop("id", None) or f"inv_{self._number():03d}"
        lines = (Line("Work", total, total),)
        head = Invoice(id, customer_id, fields.pop("currency", "USD"), on, created_at=self.clock.now(), **fields)
        self.save(totalled(head, lines), *parts(id, lines))
        return id

    def posted(self, customer_id="cus_a", total=100_00, due_on=None, **fields):
        """A posted invoice; its mail and document are forgotten."""
        id = self.draft(customer_id, total, due_on=due_on, **fields)
        post_invoice(id, self.ports)
        self.queue.waiting.clear()
        return id

    def bill_run(self, id="brn_1", **fields):
        fields = {"status": "completed", "completed_at": self.clock.now(), "created_at": self.clock.now()} | fields
        return self.save(BillRun(id, TODAY, cursor=None, **fields))

    def _number(self):
        self.made += 1
        return self.made

    # ---- reading --------------------------------------------------------------------------------

    def get(self, kind, id, sort=""):
        return self.store.get(kind, id, sort)

    def invoice(self, id):
        return self.store.get(Invoice, id)

    def numbers(self, run_id="brn_1"):
        keys = [e.key for e in self.store.find(INVOICES_BY_RUN, run_id, limit=10_000).items]
        return sorted(i.number for i in self.store.get_many(Invoice, keys) if i.number)

    def every(self, kind):
        return [self.store.get(kind, *key) for key in self.store.dump().get(kind.__name__, {})]

    def mails(self):
        return [(a.mail.to, a.mail.subject) for a in self.mailer.accepted]

    # ---- time and messages ----------------------------------------------------------------------

    def advance(self, **step):
        self.clock.move_to(self.clock.now() + timedelta(**step))

    def deliver(self, queue=None, twice=False, latest_first=False):
        """Deliver what may be delivered until nothing is left; a message whose worker raises is lost."""
        for _ in range(DELIVERIES_MAX):
            ready = [m for m in self.queue.waiting if m[0] <= self.clock.now() and queue in (None, m[1])]
            if not ready:
                return
            message = ready[-1 if latest_first else 0]
            self.queue.waiting.remove(message)
            for _ in range(2 if twice else 1):
                self.work(message[1], message[2])
        raise AssertionError("the queues do not come to rest")

    def work(self, queue, body):
        bootstrap.install(self.ports)
        try:
            WORKERS[queue](SimpleNamespace(body=body))
        finally:
            bootstrap.uninstall()


def render(record):
    """In place of the typesetter: the file is there, and its mail may go."""
    import json

    from shared.domain.notice import Notice, notice_id

    ports = bootstrap.ports()
    invoice = ports.store.get(Invoice, json.loads(record.body)["invoice_id"])
    ports.files.write_once(document_key(invoice.id), b"%PDF-", "application/pdf")
    notice = ports.store.get(Notice, notice_id(invoice.customer_id, "invoice", invoice.id))
    if notice is not None and notice.status == "pending":
        hint(ports, notice.id)


def batched(work):
    """A batch of one record."""
    return lambda record: work(record, bootstrap.ports_for_batch())


WORKERS: dict[str, Callable] = {
    "post": post, "charge": batched(charge), "assess": assess, "notice": batched(send), "document": render,
    "summary": compose, "webhook": deliver,
}  # fmt: skip


class Meddling:
    """A store in front of another: before the n-th commit (from 1) something else happens."""

    def __init__(self, inner, n, act):
        self._inner, self._n, self._act = inner, n, act
        self.commits = 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def commit(self, *changes):
        self.commits += 1
        if self.commits == self._n:
            self._act()
        self._inner.commit(*changes)


class Behind:
    """A store whose indexes show nothing newer than when `freeze` was called."""

    def __init__(self, inner):
        self._inner, self._old = inner, None

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def freeze(self):
        self._old = MemoryStore()
        self._old.restore(self._inner.snapshot())

    def thaw(self):
        self._old = None

    def find(self, *args, **options):
        return (self._old or self._inner).find(*args, **options)


def conflicting(store, times):
    """The store, whose next so many commits conflict."""
    left = [times]
    inner = store.commit

    def commit(*changes):
        if left[0]:
            left[0] -= 1
            raise Conflict((0,))
        inner(*changes)

    wrapped = Meddling(store, 0, None)
    wrapped.commit = commit
    return wrapped
