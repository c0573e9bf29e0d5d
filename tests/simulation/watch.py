"""Laws that hold at every moment: each write, charge and mail is looked at as it happens. QUALITY "Invariants".

The watch stands behind the faults, right before the world, so it sees what really happens and not what is said of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from zoneinfo import ZoneInfo

from shared.domain.account_event import AccountEvent
from shared.domain.audit import AuditEntry
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice, InvoiceLines
from shared.domain.notice import Notice
from shared.domain.outbox import OutboxEvent
from shared.domain.pay_link import PayLink, digest_of
from shared.domain.payment import Payment, PaymentMethod
from shared.domain.settings import Settings
from shared.ports import Check, Mail, Ports
from shared.storage.records import keys_of
from shared.use_cases.send_notice import AT_MOST_ONCE
from tests.simulation.invariants import PAY_LINK

FIXED = ("customer_id", "currency", "invoice_date", "type", "subtotal_minor", "tax_minor", "total_minor", "line_count",
         "lines", "number", "posted_on", "posted_at", "bill_run_id", "adjusts_invoice_id")  # fmt: skip
OF_A_PAYMENT = ("customer_id", "currency", "amount_minor", "method", "invoice_id", "token", "attempt", "run_id")
NEVER_REMOVED = (Payment, AccountEvent, AuditEntry)
ALWAYS_TOLD = ("payment_failed", "payment_received", "card_expiring", "service_step", "pay_link")


class Watch:
    """What was seen to be broken, and how often each law had something to say."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.seen: Counter[str] = Counter()
        self.reading = False  # a GET is being answered, or something that must have no effect
        self.events: dict[str, str] = {}  # every event that was stored, by its id
        self._store = None
        self._gateway = None
        self._open = defaultdict(set)
        self._highest = {}
        self._mailed = Counter()

    def over(self, ports: Ports, gateway) -> Ports:
        self._store, self._gateway = ports.store, gateway
        return replace(
            ports, store=_Store(ports.store, self), gateway=_Gateway(ports.gateway, self),
            mailer=_Mailer(ports.mailer, self),
        )  # fmt: skip

    def record(self, kind, id: str):
        """What is stored, read behind all faults and rights."""
        return self._store.get(kind, id)

    def law(self, name: str, holds: bool, text: object) -> None:
        self.seen[name] += 1
        if not holds:
            self.broken.append(f"{name}: {text}")

    # ---- writes ---------------------------------------------------------------------------------

    def wrote(self, kind, before, after) -> None:
        self.law("reading writes nothing", not self.reading, f"{kind.__name__} {after}")
        if kind is Invoice:
            self._invoice(before, after)
        elif kind is Payment:
            self._payment(before, after)
        elif kind is Notice and after is not None and after.claimed_at and (before is None or not before.claimed_at):
            self._claim(after)
        elif kind is InvoiceLines and before is not None:
            invoice = self._store.get(Invoice, before.invoice_id)
            posted = invoice is not None and invoice.status != "draft"
            self.law("posted invoices never change", not posted or before.lines == after.lines, before.invoice_id)
        if kind is OutboxEvent and after is not None:
            self.events[after.id] = after.detail_type
        if kind in NEVER_REMOVED:
            self.law("entries are only appended", after is not None, before)

    def _invoice(self, before, after) -> None:
        if before is not None and before.status != "draft":
            same = after is not None and all(getattr(before, f) == getattr(after, f) for f in FIXED)
            self.law("posted invoices never change", same and after.status != "draft", before.id)
            self.law("a void invoice stays void", before.status != "void" or after.status == "void", before.id)
        elif after is not None and after.number is not None:
            series, _, digits = after.number.rpartition("-")
            last = self._highest.get(series, int(digits) - 1)
            self.law("numbers increase", int(digits) == last + 1, after.number)
            self._highest[series] = int(digits)

    def _payment(self, before, after) -> None:
        if after is None:
            return
        if before is not None:
            same = all(getattr(before, f) == getattr(after, f) for f in OF_A_PAYMENT)
            self.law("a payment stays what it is", same, after.id)
            kept = before.status not in ("succeeded", "refunded") or after.status in ("succeeded", "refunded")
            self.law("money received stays received", kept, f"{after.id} {before.status} {after.status}")
        if after.method == "card":
            self._attempt(before, after)

    def _attempt(self, before, after) -> None:
        attempts = self._open[after.invoice_id]
        if after.status not in ("pending", "unknown"):
            attempts.discard(after.id)
            return
        attempts.add(after.id)
        self.law("one attempt is open per invoice", len(attempts) == 1, f"{after.invoice_id} {attempts}")
        if before is None:
            self._opened(after)

    def _opened(self, payment: Payment) -> None:
        """What must hold at the moment in which an attempt is stored."""
        invoice, customer = self._store.get(Invoice, payment.invoice_id), self._customer(payment.customer_id)
        method = self._store.get(PaymentMethod, payment.customer_id, payment.payment_method_id)
        self.law("only posted invoices are charged", invoice.status == "posted", payment.id)
        self.law("what is charged is what is left", payment.amount_minor == invoice.residual_minor, payment.id)
        self.law("only a card on file is charged", method is not None and method.token == payment.token, payment.id)
        if payment.run_id is not None:
            on = self._today(customer)
            held = any(h is not None and (h.through is None or on <= h.through) for h in (customer.hold, invoice.hold))
            self.law("nothing is charged during a hold", not held, f"{payment.id} of {customer.id}")

    def _claim(self, notice: Notice) -> None:
        """Voids, pauses and switches are honoured up to the transaction that claims: what follows it, nothing stops."""
        if notice.kind == "invoice":
            invoice = self._store.get(Invoice, notice.subject_id)
            self.law("only posted invoices are mailed", invoice.status == "posted", notice.id)
        if notice.by_hand or notice.kind in ALWAYS_TOLD:
            return
        customer, settings = self._customer(notice.customer_id), self._store.get(Settings, "settings") or Settings()
        name = {"invoice": "send_new_invoices", "account_summary": "account_summary"}.get(notice.kind, "past_due")
        on = self._today(customer)
        paused = any(p.automation == name and (p.through is None or on <= p.through) for p in customer.pauses)
        ours = getattr(settings.automations, name).enabled or notice.by_run
        act = ours and customer.automations.enabled and getattr(customer.automations, name) is not False
        self.law("nothing is claimed after a pause", not paused, f"{notice.id} {notice.kind}")
        self.law("nothing is claimed after a switch", act, f"{notice.id} {notice.kind}")

    def _customer(self, id: str) -> Customer:
        return self._store.get(Customer, id)

    def _today(self, customer: Customer):
        settings = self._store.get(Settings, "settings") or Settings()
        return self.now().astimezone(ZoneInfo(customer.timezone or settings.business.timezone)).date()

    # ---- the world outside ----------------------------------------------------------------------

    def charging(self, payment: Payment) -> None:
        stored = self._store.get(Payment, payment.id)
        known = stored is not None and stored.amount_minor == payment.amount_minor and stored.status == "pending"
        self.law("an attempt is stored before it is charged", known, payment.id)
        declined = any(c.idempotency_key == payment.id and c.status == "declined" for c in self._gateway.charges)
        self.law("no key is used again after a decline", not declined, payment.id)

    def mailing(self, mail: Mail) -> None:
        notice = self._store.get(Notice, mail.notice_id)
        if notice is None:
            self.law("a mail is claimed first", False, mail.notice_id)
            return
        self.law("a mail is claimed first", notice.claimed_at is not None and notice.status == "pending", notice.id)
        self.law("a mail goes to whom it is for", mail.to == notice.to, notice.id)
        if notice.kind == "invoice":
            invoice = self._store.get(Invoice, notice.subject_id)
            self.law("an invoice is mailed to its customer", invoice.customer_id == notice.customer_id, notice.id)
        text = f"{mail.subject} {mail.text} {mail.html}"
        for id in self.customers:
            if id != notice.customer_id:
                name = self._customer(id).name
                self.law("no mail tells of another customer", name not in text and id not in text, notice.id)
        for token in set(PAY_LINK.findall(mail.html + mail.text)):
            link = self._store.get(PayLink, digest_of(token))
            own = link is not None and link.customer_id == notice.customer_id
            self.law("a mail's link is its customer's", own, notice.id)

    def mailed(self, mail: Mail) -> None:
        self._mailed[mail.notice_id] += 1
        notice = self._store.get(Notice, mail.notice_id)
        if notice.kind in AT_MOST_ONCE or notice.kind.startswith("template:"):
            self.law("nobody is chased twice", self._mailed[mail.notice_id] == 1, mail.notice_id)

    customers: tuple[str, ...] = ()
    now = staticmethod(lambda: None)


class _Over:
    def __init__(self, inner, watch: Watch) -> None:
        self._inner, self._watch = inner, watch

    def __getattr__(self, name):
        return getattr(self._inner, name)


class _Store(_Over):
    def commit(self, *changes) -> None:
        keys = [k for c, k in zip(changes, keys_of(changes), strict=True) if not isinstance(c, Check)]
        before = [self._inner.get(*key) for key in keys]
        self._inner.commit(*changes)
        for key, old in zip(keys, before, strict=True):
            new = self._inner.get(*key)
            if new != old:
                self._watch.wrote(key[0], old, new)


class _Gateway(_Over):
    def charge(self, payment):
        self._watch.charging(payment)
        return self._inner.charge(payment)


class _Mailer(_Over):
    def send(self, mail):
        self._watch.mailing(mail)
        answer = self._inner.send(mail)
        self._watch.mailed(mail)
        return answer
