"""A story of days at an accounts-receivable desk, lived through the API, with what reports said on each of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta

from shared.domain.invoice import Invoice, Line
from shared.domain.payment import ChargeOutcome
from shared.use_cases.create_invoice import create_invoice
from shared.use_cases.reconcile_payments import reconcile_payments
from tests.integration.api.client import Client

OWNERS = ("cus_a", "cus_b", "cus_c")
CURRENCIES = ("USD", "EUR")
ZONES = {"cus_a": None, "cus_b": "America/New_York", "cus_c": "Europe/Berlin"}
UNKNOWN, CHARGED = ChargeOutcome("unknown"), ChargeOutcome("succeeded", "ch_1")
MAY_BE_REFUSED = (200, 201, 409, 422)


@dataclass
class Story:
    """Everything happens at noon UTC, which is the same local date for all three customers."""

    api: Client
    made: int = 0
    done: Counter[str] = field(default_factory=Counter)  # acts that were not refused
    kept: dict[date, dict] = field(default_factory=dict)

    def begin(self):
        for owner in OWNERS:
            body = {"id": owner, "name": owner, **({"timezone": ZONES[owner]} if ZONES[owner] else {})}
            self.api.post("/v1/customers", body)
            card = {"id": f"pm_{owner}", "token": f"tok_{owner}", "brand": "visa", "last4": "4242"}
            self.api.post(f"/v1/customers/{owner}/payment-methods", {**card, "exp_month": 12, "exp_year": 2035})
        return self

    @property
    def today(self) -> date:
        return self.api.ports.clock.now().date()

    # ---- what happens ---------------------------------------------------------------------------

    def do(self, act: str, which: int, amount: int):
        """One act on one of the things there are; what the state does not allow is refused, never an error."""
        if getattr(self, act)(which, f"{amount}.00"):
            self.done[act] += 1

    def invoice(self, which, amount, *, post=True):
        self.made += 1
        body = {
            "id": f"inv_{self.made}", "customer_id": OWNERS[which % 3], "currency": CURRENCIES[which % 2], "post": post,
            "type": "out_of_turn" if which % 5 == 0 else "regular",
            "lines": [{"name": "Work", "amount": amount}],
            "invoice_date": str(self.today - timedelta(days=20)),
            "due_on": str(self.today + timedelta(days=which % 40 - 10)),
        }  # fmt: skip
        return self._asked("/v1/invoices", body)

    def draft(self, which, amount):
        return self.invoice(which, amount, post=False)

    def below_zero(self, which, amount):
        """As a bill run makes one when a contract has ended; by hand it is refused."""
        self.made += 1
        on, minor = self.today, -int(amount.removesuffix(".00")) * 100
        draft = Invoice(f"inv_{self.made}", OWNERS[which % 3], CURRENCIES[which % 2], on)
        return create_invoice(draft, [Line("Service not used", minor, minor)], True, self.api.ports)

    def post_draft(self, which, amount):
        return self._on("/v1/invoices?status=draft", which, "post", {})

    def cheque(self, which, amount):
        self.made += 1
        body = {"id": f"pay_{self.made}", "customer_id": OWNERS[which % 3], "currency": CURRENCIES[which % 2]}
        return self._asked("/v1/payments", {**body, "amount": amount, "method": "check"})

    def charge(self, which, amount):
        self.api.ports.gateway.outcome = CHARGED
        return self._on("/v1/invoices?status=posted", which, "charge", {})

    def charge_unheard(self, which, amount):
        """The gateway's answer is lost; it is heard on another day, or never."""
        self.api.ports.gateway.outcome = UNKNOWN
        return self._on("/v1/invoices?status=posted", which, "charge", {})

    def hear(self, which, amount):
        self.api.ports.gateway.outcome = CHARGED
        return reconcile_payments(self.api.ports)

    def refund(self, which, amount):
        self.api.ports.gateway.outcome = CHARGED
        return self._on("/v1/payments", which, "refund", {"amount": amount} if which % 2 else {})

    def refund_unheard(self, which, amount):
        self.api.ports.gateway.outcome = UNKNOWN
        return self._on("/v1/payments", which, "refund", {})

    def credit(self, which, amount):
        return self._on(
            "/v1/invoices?status=posted", which, "adjustments", {"kind": "credit", "amount": amount, "reason": "x"}
        )

    def debit(self, which, amount):
        return self._on(
            "/v1/invoices?status=posted", which, "adjustments", {"kind": "debit", "amount": amount, "reason": "x"}
        )

    def void(self, which, amount):
        return self._on("/v1/invoices?status=posted", which, "void", {})

    def _on(self, path, which, action, body):
        there = self.api.items(path)
        if there:
            kind, id = path.split("?")[0], there[which % len(there)]["id"]
            return self._asked(f"{kind}/{id}/{action}", body)
        return False

    def _asked(self, path, body):
        reply = self.api.post(path, body)
        assert reply.status in MAY_BE_REFUSED, reply.text
        return reply.status < 400

    # ---- what is said of it ---------------------------------------------------------------------

    def end_day(self):
        """Keep what the reports say, and let it become noon of the next day."""
        self.kept[self.today] = self.said()
        self.api.ports.clock.advance(days=1)

    def said(self, as_of=None):
        on = f"as_of={as_of}" if as_of else ""
        return {
            "aged": self.api.get(f"/v1/reports/aged-receivables?{on}").json,
            **{owner: self.api.get(f"/v1/reports/aged-receivables?customer_id={owner}&{on}").json for owner in OWNERS},
            "dso": self.api.get(f"/v1/reports/dso?days=7&{on}").json,
            "cei": self.api.get(f"/v1/reports/collection-effectiveness?days=3&periods=3&{on}").json,
        }


ACTS = (
    "invoice", "invoice", "draft", "below_zero", "post_draft", "cheque", "cheque", "charge", "charge_unheard", "hear",
    "refund", "refund_unheard", "credit", "debit", "void",
)  # fmt: skip
