"""A company lived through twice, with faults and without: at rest both have the same money. QUALITY "Invariants".

What people do depends on what they find, and what goes wrong moves what they find. So here faults rage at night, when
the jobs run, and while people are at work; in between is a calm, after which everything must be what it would have been
anyway. That is compared when the office opens and when all is over; and as long as it is so, people do the same.

What the other seeds have and this world has not, because no calm undoes it: somebody who acts in the midst of a
function; hours in which all stands still; a bounce of which nobody tells; what takes until another day, as work that
failed so often that it was put aside, an attempt that the gateway could not tell of twice, or a message to charge or
assess again that SQS accepted and lost; and whatever hangs on which of two messages comes first, as the last attempt
that a card's limit allows.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import ClassVar

from infra.local.cloud import LocalCloud
from infra.wiring import Wiring, load_wiring
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.payment import CreditBalance, Payment
from shared.domain.settings import Settings
from shared.gateways.simulated import SimulatedGateway
from shared.ports import Save
from tests.simulation.invariants import Facts
from tests.simulation.laws import RECEIVED
from tests.simulation.simulator import Seen, Simulation, redrive
from tests.simulation.storm import Place, Storm, swarm_of
from tests.simulation.workload import Act, People, Workload

MORNING = timedelta(hours=14)  # the jobs of the night were due by then
OPENS, NIGHT = timedelta(hours=16), timedelta(hours=24)
SLOT = timedelta(hours=2)  # of each act; in its second half all is calm, and it comes to its end
ACTS_MAX = (NIGHT - OPENS) // SLOT  # a day
TICK_HOURS = (1,)  # what was missed is made up for before somebody acts again
UNDER_WAY = timedelta(seconds=61)  # by then no claim of a key is left
TRIES_MAX = 100  # in the worst of weather most requests fail
LEFT_OUT = ("meanwhile", "jump", "silence")
IN_A_ROW_MAX = 2  # of five deliveries
FAILING = ("crash_before", "crash_after", "throttle", "lose_response", "lose_request")
NEVER_LOST = ('"kind":"retry_charge"', '"kind":"assess_customers"')
ATTEMPTS_MAX = 1_000
DEFINITE = ("charge", "page")  # he who is told that nothing was charged decides anew, so nothing goes wrong with these

NUMBER = re.compile(r"\bINV-\d+")  # who got which depends on who was posted first

LAW = "money at rest is that of the life without faults"
Money = Counter[str]


class Company(Workload):
    """Few acts, each with time to come to its end; a payment run waits for its bill run."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.acts = [Act(timedelta(days=act.after.days), act.name, act.draw) for act in self.acts]

    def prepare(self, world) -> None:
        outcomes_by_invoice(world.cloud.gateway)
        super().prepare(world)
        world.settings(
            payment_run={"wait_for_bill_run": True}, automations={"past_due": {"schedule": "0 12 * * *"}},
            due_date_basis="invoice_date",
        )  # fmt: skip
        store = world.cloud.ports.store
        settings = store.get(Settings, "settings")
        retries = replace(settings.retries, max_attempts_per_card_30_days=ATTEMPTS_MAX)  # more than an admin may set
        store.commit(Save(replace(settings, retries=retries)))


def outcomes_by_invoice(gateway: SimulatedGateway) -> None:
    """Each invoice meets the outcomes of a card from the first, whichever is charged before it."""
    charge, played = gateway.charge, Counter[tuple[str, str | None]]()
    asking: list[Payment] = []

    def charging(payment):
        asking[:] = [payment]
        return charge(payment)

    def following(token):
        script = gateway._scripts.get(token, ["succeeded"])
        place = token, asking[0].invoice_id
        played[place] += 1
        return script[min(played[place], len(script)) - 1]

    gateway.charge, gateway._next = charging, following


class Weather(Storm):
    """A function whose last invocations in a row met a fault is spared, before its message is put aside."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self._last = dict[str, tuple[int, bool, int]]()  # of a function: invocation, whether it met one, how many did

    def fault(self, call):
        number, met, row = self._last.get(call.function, (0, False, 0))
        if number != call.invocation:
            number, met, row = call.invocation, False, row + 1 if met else 0
        spared = row >= IN_A_ROW_MAX or (call.name == "gateway.look_up" and call.occurrence > 1)
        found = None if spared else super().fault(call)
        self._last[call.function] = number, met or found in FAILING, row
        return found

    def carried(self, function, queue, body):
        delays = super().carried(function, queue, body)
        return delays or [0] * any(kind in body for kind in NEVER_LOST)


class Staff(People):
    """They ask until they are answered, and choose by what things are: ids depend on how often something was tried."""

    tries = TRIES_MAX

    def _trouble(self, status, answer) -> bool:
        """Whoever is told that his request is under way waits until it is or is not."""
        if status == 409 and "under_way" in answer["type"]:
            cloud = self.world.cloud
            cloud.advance_to(cloud.clock.now() + UNDER_WAY)
            return True
        return super()._trouble(status, answer)

    def _one(self, random, path):
        status, answer = self._read(path)
        items = [(self._said(item["id"]), item) for item in answer["items"]] if status == 200 else []
        known = sorted((i for i in items if i[0]), key=lambda i: i[0])
        return random.choice(known)[1] if known else None

    def _said(self, id: str) -> str:
        """Of a payment what it was for, and nothing of one that was not processed: it has another that follows it."""
        payment = self.watch.record(Payment, id) if id.startswith("pay_") else None
        if payment is None:
            return id
        return "" if payment.status == "failed" else f"{payment.invoice_id} {payment_said(payment)} {payment.at.date()}"

    def _refund_elsewhere(self, random):
        gateway = self.world.cloud.gateway
        charges = [(self._said(c.idempotency_key), c) for c in gateway.charges if c.status == "succeeded"]
        if charges:
            _, charge = random.choice(sorted(charges, key=lambda c: c[0]))
            self._untold.append((charge.id, gateway.refund_elsewhere(charge.id)))
            self.tell_again()


@dataclass
class OfficeHours(Simulation):
    """One of the two lives. `seen_at` is the money at each moment that is compared."""

    ticks: ClassVar = TICK_HOURS
    people: ClassVar = Staff
    storms: ClassVar = Weather
    money: list[tuple[str, Money]] = field(default_factory=list)

    def _workload(self) -> Workload:
        return Company(self.seed)

    def _swarm(self) -> dict[str, float]:
        return {kind: rate for kind, rate in swarm_of(self.seed).items() if kind not in LEFT_OUT}

    def _live(self, cloud, people, workload, storm) -> None:
        midnight = workload.start.replace(hour=0, minute=0)
        for number in range(workload.days):
            day = midnight + timedelta(days=number)
            self._weather(cloud, storm, number)
            self._rest(cloud, people, storm, day + MORNING, day + OPENS)
            self.money.append((str(day.date()), money_of(cloud)))
            for slot, act in enumerate([a for a in workload.acts if a.after.days == number][:ACTS_MAX]):
                began = day + OPENS + slot * SLOT
                cloud.advance_to(began)
                storm.raging = act.name not in DEFINITE
                people.act(act)
                self._rest(cloud, people, storm, began + SLOT / 2, began + SLOT)
            self._rest(cloud, people, storm, cloud.clock.now(), day + NIGHT)

    def _rest(self, cloud, people, storm, calm_from, until) -> None:
        """Faults end, and what was put aside gets another chance, as does what that puts on the queues."""
        storm.raging = True
        cloud.advance_to(max(calm_from, cloud.clock.now()))
        storm.raging = False
        people.tell_again()
        redrive(cloud)
        cloud.advance_to(max(until - (until - calm_from) / 2, cloud.clock.now()))
        redrive(cloud)
        cloud.advance_to(max(until, cloud.clock.now()))
        storm.raging = True

    def _calm(self, cloud, world, people, storm):
        today = super()._calm(cloud, world, people, storm)
        self.money.append(("at rest", money_of(cloud)))
        return today


@dataclass
class Twice:
    """A seed with its faults, or those `listed`, held against the same seed with none."""

    seed: int
    listed: dict[Place, str] | None = None
    wiring: Wiring = field(default_factory=load_wiring)

    def run(self) -> Seen:
        plain = OfficeHours(self.seed, None, self.wiring, faultless=True)
        stormy = OfficeHours(self.seed, self.listed, self.wiring)
        expected, seen = plain.run(), stormy.run()
        seen.broken[:0] = [f"without a fault: {text}" for text in expected.broken]
        for (when, should), (_, found) in zip(plain.money, stormy.money, strict=False):
            seen.laws[LAW] += bool(seen.met)
            if should != found:
                missing, extra = sorted((should - found).elements()), sorted((found - should).elements())
                seen.broken.append(f"{LAW}: {when}: missing {missing}, extra {extra}")
                break  # from then on people do other things
        return seen


# ---- what money there is, in words -------------------------------------------------------------------------------


def invoice_said(invoice: Invoice) -> str:
    dates = f"{invoice.bill_on} {invoice.invoice_date} {invoice.due_on}"
    return (f"{invoice.customer_id} {invoice.type} {invoice.status} {dates} {invoice.contract_ids} "
            f"{invoice.currency} {invoice.total_minor} residual {invoice.residual_minor}")  # fmt: skip


def payment_said(payment: Payment) -> str:
    return (f"{payment.customer_id} {payment.method} {payment.status} {payment.currency} {payment.amount_minor} "
            f"credited {payment.credited_minor} refunded {payment.refunded_minor}")  # fmt: skip


def money_of(cloud: LocalCloud) -> Money:
    """What was billed, came in, was given back and is owed, here and at the gateway; without ids, and numbers."""
    facts = Facts.of(cloud)
    store = cloud.ports.store
    said = Counter(f"invoice {invoice_said(i)} {_lines(facts.lines[i.id])}" for i in facts.invoices)
    said.update(f"payment {payment_said(p)}" for p in facts.payments if p.status in (*RECEIVED, "declined"))
    said.update(f"charge {c.token} {c.amount_minor} {c.status} {c.refunded_minor}" for c in cloud.gateway.charges)
    for id in {i.customer_id for i in facts.invoices}:
        credit = store.get(CreditBalance, id, "USD")
        said[f"credit {id} {credit.amount_minor if credit else 0}"] += 1
        said[f"service {id} {store.get(Customer, id).service}"] += 1
    return said


def _lines(lines) -> list[str]:
    return sorted(
        f"{NUMBER.sub('', line.name)} {line.service_start} {line.service_end} {line.amount_minor}" for line in lines
    )
