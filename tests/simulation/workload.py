"""What people do in one seed: a small company, its customers, and what they and the admins do over some days.

Drawn from a stream of its own. Whom an action is about is settled when it is done, by what is there at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from infra.local.engine import Engine
from infra.local.webhooks import post
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.domain.payment import Payment
from tests.integration.browser import Browser

STARTS = tuple(
    datetime(*day, 0, 30, tzinfo=UTC) for day in ((2026, 1, 29), (2026, 3, 27), (2028, 2, 26), (2026, 6, 10))
)
DAYS = (2, 5)
CARDS = (("succeeded",), ("succeeded",), ("declined:insufficient_funds",), ("declined:stolen_card",),
         ("timeout_charged", "succeeded"), ("timeout_not_charged", "succeeded"), ("error_500", "succeeded"),
         ("declined:insufficient_funds", "succeeded"))  # fmt: skip
MAIL = ("delivered", "delivered", "delivered", "bounce", "complaint")
AMOUNTS = ("10.00", "99.99", "33.33", "250.00", "0.01")
ANSWERS_AGAIN = (502, 503)
TRIES = 8


@dataclass(frozen=True)
class Act:
    after: timedelta
    name: str
    draw: int  # settles whom it is about, and how


class Workload:
    def __init__(self, seed: int) -> None:
        random = self.random = Random(f"workload {seed}")
        self.seed = seed
        self.start = random.choice(STARTS)
        self.days = random.randint(*DAYS)
        self.acts = sorted(
            (
                Act(timedelta(hours=random.randint(1, self.days * 24 - 1), minutes=random.choice((0, 20, 40))),
                    random.choice(OFTEN), random.getrandbits(30))
                for _ in range(random.randint(0, 14))
            ),
            key=lambda act: act.after,
        )  # fmt: skip

    # ---- the company ----------------------------------------------------------------------------

    def prepare(self, world) -> None:
        pick = self.random.choice
        world.automate()
        world.settings(
            bill_run={"schedule": "0 4 * * *", "gate": "all", "auto_email": pick((True, False))},
            payment_run={"schedule": "0 6 * * *", "wait_for_bill_run": pick((True, False))},
            retries={"retry_days": [1, 2], "max_attempts_per_card_30_days": pick((15, 15, 3))},
            automations={
                "past_due": {
                    "schedule": "0 8 * * *",
                    "tiers": [{"from_days": n, "template": f"past_due_{n}"} for n in (1, 2, 3)],
                    "triggers": [{"days": 2, "actions": pick(TRIGGERS)}],
                },
                "account_summary": {"enabled": pick((True, False)), "schedule": "0 9 */2 * *"},
            },
        )
        if pick((True, False)):
            world.post("/v1/webhook-endpoints", {"url": "http://127.0.0.1:9/hooks", "events": ["*"]}, status=None)
        self.customers = tuple(self._customer(world) for _ in range(self.random.randint(2, 4)))
        world.settle()

    def _customer(self, world) -> str:
        random, pick = self.random, self.random.choice
        policy = {"reminders_before_due": [1], "step_notice_days": 1}
        if pick((True, False)):
            policy |= {"late_fee": {"amount": "5.00", "grace_days": pick((0, 1))}}
        if pick((True, False)):
            policy |= {"limit_after_days": 2, "suspend_after_days": 3}
        klass = world.klass(random.randint(0, 2), **policy)
        number = world.made + 1
        customer = world.customer(
            class_id=klass, name=f"Zanzibar{number}x Ltd", delivery=pick((["email"], ["email"], ["print"])),
            tax_rate_percent=pick(("0", "19", "7.7")), timezone=pick((None, "Europe/Berlin", "America/New_York")),
        )  # fmt: skip
        if random.random() < 0.8:
            world.card(customer, *pick(CARDS))
        world.put(f"/_local/mail/ap{number}@example.com", {"outcome": pick(MAIL)})
        for _ in range(random.randint(0, 2)):
            self._contract(world, customer)
        for _ in range(random.randint(0, 3)):
            due = (self.start + timedelta(days=random.randint(-4, 2))).date()
            world.invoice(customer, pick(AMOUNTS), on=str(due - timedelta(days=5)), due_on=str(due))
        return customer

    def _contract(self, world, customer) -> None:
        pick, random = self.random.choice, self.random
        start = self.start.date() - timedelta(days=random.randint(0, 5))
        interval = pick(("month", "month", "day"))
        n = world.made + 1
        charges = [
            {"id": f"chg_{n}_{i}", "name": f"Support {i}", "type": "recurring", "amount": pick(AMOUNTS),
             "quantity": pick(("1", "3")), "interval": interval, "timing": pick(("advance", "arrears"))}
            for i in range(random.randint(1, 2))
        ]  # fmt: skip
        world.contract(customer, start=str(start), day=pick((start.day, 31, 30, 1)), charges=charges)


TRIGGERS = (
    [],
    [{"type": "send_template", "template": "past_due_3"}],
    [{"type": "late_fee", "amount": "2.50"}],
    [{"type": "suspend"}],
    [{"type": "emit_event", "name": "customer.escalated"}, {"type": "task", "title": "Call"}],
)


class People:
    """Does what a workload says, and asks again when a request was answered with trouble."""

    tries = TRIES

    def __init__(self, world, workload: Workload, watch) -> None:
        self.world, self.workload, self.watch = world, workload, watch
        self.links: list[str] = []
        self.revoked: list[str] = []
        self.asked = 0
        self._about: str | None = None  # whom the call is about that is being interrupted
        self._subject: str | None = None  # and which invoice
        self._untold: list[tuple[str, str]] = []  # charges given back at the gateway's own, and by which refund
        self.statuses: list[int] = []

    def act(self, act: Act) -> None:
        self.tell_again()
        getattr(self, f"_{act.name}")(Random(act.draw))

    def toggle(self, number: int, key: str) -> None:
        """What somebody else does in the midst of it all: `number` says what, and to whom; mostly to whom it is about.

        `key` is of the call that he comes before: a record's kind and id, or an id.
        """
        self._about, self._subject = self._concerned(key.rpartition(" ")[2])
        random, reading = Random(f"toggle {number}"), self.watch.reading
        self.watch.reading = False
        try:
            voided = self._subject is not None and random.random() < 0.2
            getattr(self, "_void" if voided else f"_{random.choice(TOGGLES)}")(random)
        except Exception as error:  # noqa: BLE001 - whoever is interrupted would take it for his own
            self.watch.broken.append(f"raised in the midst: {type(error).__name__}: {error}")
        finally:
            self.watch.reading, self._about, self._subject = reading, None, None

    def ask(self, method, path, body=None, token=None):
        self.asked += 1
        headers = {"idempotency-key": f"ask-{self.asked}"} if method == "POST" else {}
        for _ in range(self.tries):
            status, _, answer = self.world.client.request(method, path, body, token=token, headers=headers)
            self.statuses.append(status)
            if not self._trouble(status, answer):
                self.watch.law("no request ends in a 500", status < 500, f"{method} {path}: {status} {answer}")
                return status, answer
        return status, answer

    def _trouble(self, status, answer) -> bool:
        """Whether to ask again."""
        return status in ANSWERS_AGAIN

    # ---- whom it is about -----------------------------------------------------------------------

    def _who(self, random) -> str:
        if self._about is not None and random.random() < 0.7:
            return self._about
        return random.choice(self.workload.customers)

    def _concerned(self, id: str) -> tuple[str | None, str | None]:
        """The customer that a record belongs to, and the invoice that it is about."""
        if id in self.workload.customers:
            return id, None
        kind = {"ntc_": Notice, "inv_": Invoice, "pay_": Payment}.get(id[:4])
        record = self.watch.record(kind, id) if kind else None
        if record is None or record.customer_id not in self.workload.customers:
            return None, None
        invoice = {Notice: "subject_id", Invoice: "id", Payment: "invoice_id"}[kind]
        return record.customer_id, getattr(record, invoice)

    def _one(self, random, path):
        status, answer = self._read(path)
        items = sorted(answer["items"], key=lambda i: i["id"]) if status == 200 else []
        if (meant := [i for i in items if i["id"] == self._subject]) and random.random() < 0.7:
            return meant[0]
        return random.choice(items) if items else None

    def _read(self, path):
        self.watch.reading = True
        try:
            return self.ask("GET", path)
        finally:
            self.watch.reading = False

    def _today(self, plus=0) -> str:
        return str((self.world.cloud.clock.now() + timedelta(days=plus)).date())

    # ---- what admins do -------------------------------------------------------------------------

    def _pause(self, random):
        name = random.choice(("past_due", "send_new_invoices", "account_summary"))
        body = {} if random.random() < 0.5 else {"through": self._today(random.randint(0, 2))}
        self.ask("PUT", f"/v1/customers/{self._who(random)}/pauses/{name}", body)

    def _unpause(self, random):
        name = random.choice(("past_due", "send_new_invoices", "account_summary"))
        self.ask("DELETE", f"/v1/customers/{self._who(random)}/pauses/{name}")

    def _stop(self, random):
        """All at once: nobody is to be charged or chased from now on."""
        for who in self.workload.customers:
            self.ask("PUT", f"/v1/customers/{who}/hold", {"reason": "dispute"})
            for name in ("past_due", "send_new_invoices"):
                self.ask("PUT", f"/v1/customers/{who}/pauses/{name}", {})

    def _start(self, random):
        for who in self.workload.customers:
            self.ask("DELETE", f"/v1/customers/{who}/hold")
            for name in ("past_due", "send_new_invoices"):
                self.ask("DELETE", f"/v1/customers/{who}/pauses/{name}")

    def _hold(self, random):
        body = {"reason": "dispute"} | ({} if random.random() < 0.5 else {"through": self._today(1)})
        self.ask("PUT", f"/v1/customers/{self._who(random)}/hold", body)

    def _unhold(self, random):
        self.ask("DELETE", f"/v1/customers/{self._who(random)}/hold")

    def _hold_invoice(self, random):
        if invoice := self._one(random, f"/v1/invoices?customer_id={self._who(random)}"):
            self.ask("PUT", f"/v1/invoices/{invoice['id']}/hold", {"reason": "other", "through": self._today(1)})

    def _switch(self, random):
        field = random.choice(("enabled", "past_due", "send_new_invoices"))
        value = random.choice((True, False))
        self.ask("PATCH", f"/v1/customers/{self._who(random)}", {"automations": {field: value}})

    def _global_switch(self, random):
        names = ("past_due", "send_new_invoices", "account_summary")
        on = {"enabled": random.choice((True, False))}
        chosen = names if random.random() < 0.5 else (random.choice(names),)
        self.ask("PATCH", "/v1/settings", {"automations": dict.fromkeys(chosen, on)})

    def _payment_run_off(self, random):
        self.ask("PATCH", "/v1/settings", {"payment_run": {"enabled": random.choice((True, False))}})

    def _rename(self, random):
        who = self._who(random)
        self.ask("PATCH", f"/v1/customers/{who}", {"email": f"{who[4:]}.{random.randint(1, 9)}@example.com"})

    def _cheque(self, random):
        body = {"customer_id": self._who(random), "amount": random.choice(AMOUNTS), "method": "check",
                "reference": f"cheque {random.randint(1, 10**6)}"}  # fmt: skip
        self.ask("POST", "/v1/payments", body)

    def _pay_oldest(self, random):
        """What is late longest is paid to the cent, and the rest stays late."""
        who = self._who(random)
        status, answer = self._read(f"/v1/invoices?customer_id={who}&status=posted")
        late = [i for i in answer["items"] if i["residual"] != "0.00"] if status == 200 else []
        if late:
            oldest = min(late, key=lambda i: (i["due_on"] or "", i["id"]))
            part = [{"invoice_id": oldest["id"], "amount": oldest["residual"]}]
            body = {"customer_id": who, "amount": oldest["residual"], "method": "check", "allocations": part,
                    "reference": f"cheque {random.randint(1, 10**6)}"}  # fmt: skip
            self.ask("POST", "/v1/payments", body)

    def _refund(self, random):
        taken = "" if random.random() < 0.2 else "&status=succeeded&method=card"
        if payment := self._one(random, f"/v1/payments?customer_id={self._who(random)}{taken}"):
            body = {} if random.random() < 0.6 else {"amount": "5.00"}
            self.ask("POST", f"/v1/payments/{payment['id']}/refund", body)

    def _void(self, random):
        if invoice := self._one(random, f"/v1/invoices?customer_id={self._who(random)}"):
            self.ask("POST", f"/v1/invoices/{invoice['id']}/void")

    def _adjust(self, random):
        if invoice := self._one(random, f"/v1/invoices?customer_id={self._who(random)}"):
            body = {"kind": random.choice(("credit", "debit")), "amount": "3.00", "reason": "goodwill"}
            self.ask("POST", f"/v1/invoices/{invoice['id']}/adjustments", body)

    def _charge(self, random):
        if invoice := self._one(random, f"/v1/invoices?customer_id={self._who(random)}"):
            self.ask("POST", f"/v1/invoices/{invoice['id']}/charge", {})

    def _send(self, random):
        if invoice := self._one(random, f"/v1/invoices?customer_id={self._who(random)}"):
            self.ask("POST", f"/v1/invoices/{invoice['id']}/send")

    def _invoice(self, random):
        body = {"customer_id": self._who(random), "type": "out_of_turn", "post": random.choice((True, False)),
                "lines": [{"name": "Work", "amount": random.choice(AMOUNTS)}]}  # fmt: skip
        self.ask("POST", "/v1/invoices", body)

    def _card(self, random):
        number = random.randint(1, 10**6)
        self.world.put(f"/_local/gateway/methods/tok_n{number}", {"outcomes": list(random.choice(CARDS))})
        body = {"token": f"tok_n{number}", "brand": "visa", "last4": "4242", "exp_month": random.randint(1, 12),
                "exp_year": random.choice((2026, 2035))}  # fmt: skip
        self.ask("POST", f"/v1/customers/{self._who(random)}/payment-methods", body)

    def _remove_card(self, random):
        if card := self._one(random, f"/v1/customers/{self._who(random)}/payment-methods"):
            self.ask("DELETE", f"/v1/payment-methods/{card['id']}")

    def _bill_run(self, random):
        body = {} if random.random() < 0.5 else {"customer_ids": [self._who(random)]}
        self.ask("POST", "/v1/bill-runs", body | {"auto_post": True, "auto_email": random.choice((True, False))})

    def _cancel(self, random):
        if run := self._one(random, "/v1/bill-runs"):
            self.ask("POST", f"/v1/bill-runs/{run['id']}/{random.choice(('cancel', 'post', 'send'))}")

    def _payment_run(self, random):
        self.ask("POST", "/v1/payment-runs", {} if random.random() < 0.5 else {"customer_ids": [self._who(random)]})

    def _suspend(self, random):
        if contract := self._one(random, f"/v1/customers/{self._who(random)}/contracts"):
            action = random.choice(("suspend", "resume", "end"))
            self.ask("POST", f"/v1/contracts/{contract['id']}/{action}", {"on": self._today(random.randint(0, 2))})

    def _change(self, random):
        if contract := self._one(random, f"/v1/customers/{self._who(random)}/contracts"):
            body = {"charge_id": contract["charges"][0]["id"], "effective_on": self._today(), "quantity": "2"}
            self.ask("POST", f"/v1/contracts/{contract['id']}/changes", body)

    def _promise(self, random):
        self.ask("POST", f"/v1/customers/{self._who(random)}/promises", {"date": self._today(2)})

    def _restore(self, random):
        self.ask("POST", f"/v1/customers/{self._who(random)}/restore")

    def _redrive(self, random):
        if letter := self._one(random, "/v1/dead-letters"):
            self.ask("POST", f"/v1/dead-letters/{letter['id']}/redrive")

    def _import(self, random):
        rows = f"id,name,email\n{self._who(random)},=Zanzibar,bad mail\n"
        self.world.client.request("POST", "/v1/import/customers", rows.encode(), headers={"content-type": "text/csv"})

    def _look(self, random):
        who = self._who(random)
        for path in (f"/v1/customers/{who}/timeline", f"/v1/customers/{who}/automations", "/v1/past-due",
                     "/v1/reports/aged-receivables"):  # fmt: skip
            self._read(path)

    def _refund_elsewhere(self, random):
        """The gateway tells of it until it is heard, for days, as gateways do."""
        charges = [c for c in self.world.cloud.gateway.charges if c.status == "succeeded"]
        if charges:
            gateway, charge = self.world.cloud.gateway, random.choice(charges)
            self._untold.append((charge.id, gateway.refund_elsewhere(charge.id)))
            self.tell_again()

    def tell_again(self) -> None:
        """What the gateway has to tell and nobody heard, signed anew."""
        engine, gateway = self.world.cloud.engine, self.world.cloud.gateway
        self._untold = [
            (charge, refund) for charge, refund in self._untold
            if not post(engine, *gateway.reversal_webhook(charge, "charge.refunded", refund))
        ]  # fmt: skip

    # ---- what the machines do at the same time --------------------------------------------------

    def _worker(self, random):
        """Another worker takes a batch, perhaps a second copy of the very message."""
        self.world.cloud.engine.work_beside(random.getrandbits(8))

    def _tick(self, random):
        self.world.cloud.engine.tick_beside(random.getrandbits(8))

    # ---- what customers do ----------------------------------------------------------------------

    def _page(self, random):
        who = self._who(random)
        status, answer = self.ask("POST", f"/v1/customers/{who}/pay-link")
        if status not in (200, 201):
            return
        browser = Browser(self.world.cloud)
        self.links.append(answer["url"])
        page = self._shown(browser, answer["url"])
        for other in self.workload.customers:
            if other != who:
                name = self.watch.name_of(other)
                self.watch.law("no page tells of another customer", name not in page.text, f"{who} {other}")
        self._press(browser, answer["url"], page, random)

    def _press(self, browser, url, page, random):
        form = page.forms[0] if page.forms else None
        if page.status != 200 or form is None or not (methods := form.offers("payment_method_id")):
            return
        fields = [("once", form.value("once")), *[("invoice_id", i) for i in form.offers("invoice_id")],
                  ("payment_method_id", random.choice(methods))]  # fmt: skip
        for _ in range(random.randint(1, 3)):
            browser.post(url, fields, follow=False)

    def _shown(self, browser, url):
        self.watch.reading = True
        try:
            return browser.get(url)
        finally:
            self.watch.reading = False

    def _revoke(self, random):
        """From the moment in which its links are revoked, none has an effect."""
        who = self._who(random)
        status, answer = self.ask("POST", f"/v1/customers/{who}/pay-link")
        if status in (200, 201) and self.ask("DELETE", f"/v1/customers/{who}/pay-link")[0] < 300:
            browser = Browser(self.world.cloud)
            self.watch.reading = True
            shown = browser.post(answer["url"], [("payment_method_id", "pm_1")], follow=False)
            self.watch.reading = False
            self.watch.law("a revoked link has no effect", shown.status in (404, 410, 502, 503), shown.status)


def jump(engine: Engine, hours: int) -> None:
    engine.jump_to(engine.clock.now() + timedelta(hours=hours))


_OWN = (
    "act", "toggle", "ask", "trouble", "who", "one", "read", "today", "press", "shown", "worker", "tick", "concerned",
)  # fmt: skip
NAMES = tuple(sorted(n[1:] for n in vars(People) if n[0] == "_" and n[1] != "_" and n[1:] not in _OWN))
OFTEN = (
    *NAMES, *("refund",) * 6, *("page",) * 3, *("pay_oldest",) * 5, *("global_switch",) * 2, *("charge",) * 2,
)  # fmt: skip
TOGGLES = (
    *("stop",) * 3, *("start",) * 3, *("pause",) * 2, *("hold",) * 2, *("switch",) * 2, *("cheque",) * 2,
    *("global_switch",) * 6, *("void",) * 2, *("charge",) * 2, *("refund",) * 2, *("pay_oldest",) * 2,
    *("worker",) * 8, *("tick",) * 3,
    "remove_card", "unpause", "unhold", "hold_invoice", "payment_run_off", "rename", "promise", "card", "send",
    "page",
)  # fmt: skip
