"""A world to write diaries of collections in, which can lose the past-due job's ticks.

With `late` no past-due tick comes until something else happens (a payment, a change, the end of a stretch); then one
comes, and has to make up for every day that was missed.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from infra.local.cloud import LocalCloud
from infra.local.engine import Engine
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.ports import INVOICES, NOTICES
from tests.integration.world import World
from tests.simulation.invariants import stored

SIX_HOURLY = timedelta(hours=6)  # a diary of a year has thousands of ticks; the past-due job of 14:00 runs at 18:00
TICKS_MAX = 4
SWEEP = "PastDueSweepFunction"
STEPS = ("customer.limited", "customer.suspended", "customer.terminated", "customer.restored")


@dataclass(frozen=True)
class Done:
    """What collections did, in any order but for the steps: each with what it is about, whenever it was done."""

    notices: tuple[tuple[str, str], ...]
    fees: tuple[tuple[str, str, int], ...]
    steps: tuple[str, ...]


class CollectionsWorld(World):
    def __init__(self, cloud: LocalCloud, *, late: bool = False) -> None:
        super().__init__(cloud)
        self.late = late
        if late:
            self.sweep()  # the job exists before the story begins

    # ---- time -----------------------------------------------------------------------------------

    def to(self, when):
        if not self.late:
            return super().to(when)
        with self.without(SWEEP):
            super().to(when)
        return self.sweep()

    @contextmanager
    def without(self, function):
        """An outage of one function's ticks."""
        tick = Engine._tick

        def lossy(engine, armed):
            if armed.rule.function == function:
                armed.fire()
            else:
                tick(engine, armed)

        Engine._tick = lossy
        try:
            yield
        finally:
            Engine._tick = tick

    @contextmanager
    def outage(self):
        """No tick of anything comes."""
        tick = Engine._tick
        Engine._tick = lambda engine, armed: armed.fire()
        try:
            yield
        finally:
            Engine._tick = tick

    def sweep(self):
        """Ticks of the past-due job, now, until it has made up for everything: a month with each."""
        for _ in range(TICKS_MAX):
            self.cloud.engine.invoker.invoke(SWEEP, {})
        return self.settle()

    # ---- what happened --------------------------------------------------------------------------

    def service(self, customer):
        return self.account(customer)["service"]

    def fees(self, customer):
        """The late fees charged, as (amount, on the invoice, on the day), in order."""
        found = [i for i in stored(self.cloud, INVOICES) if i.customer_id == customer and i.late_fee is not None]
        found.sort(key=lambda i: (i.posted_on, i.number))
        return [(i.total_minor, i.adjusts_invoice_id, str(i.posted_on)) for i in found]

    def steps(self):
        return [e["detail_type"] for e in self.events() if e["detail_type"] in STEPS]

    def done(self):
        """Everything that collections recorded; superseded notices too, which were called for on their day."""
        found = stored(self.cloud, NOTICES)
        notices = [n for n in found if n.kind != "invoice" and not n.kind.startswith("payment")]
        fees = [i for i in stored(self.cloud, INVOICES) if i.late_fee is not None]
        return Done(
            tuple(sorted((n.kind, _about(n)) for n in notices)),
            tuple(sorted(_fee(i) for i in fees)),
            tuple(self.steps()),
        )


def _about(notice: Notice) -> str:
    return f"{notice.customer_id} {notice.episode} {notice.subject_id}"


def _fee(invoice: Invoice):
    return (str(invoice.adjusts_invoice_id), str(invoice.late_fee), invoice.total_minor)


def lived(story, *, late, every=SIX_HOURLY, wiring=None, backend="memory"):
    """What collections did in a story, and whether it was lived through with its ticks or with few of them."""
    with LocalCloud(backend, wiring=wiring, every=every) as cloud:
        world = CollectionsWorld(cloud, late=late)
        story(world)
        world.rest()
        world.assert_well()
        return world.done()


def agree(story, wiring):
    """A story with all of its daily ticks and with one late tick per stretch: the same notices, fees and steps."""
    daily = lived(story, late=False, wiring=wiring)
    assert lived(story, late=True, wiring=wiring) == daily
    return daily


@pytest.fixture
def world(wiring):
    """A world in memory, for diaries of many days."""
    with LocalCloud("memory", wiring=wiring, every=SIX_HOURLY) as cloud:
        world = CollectionsWorld(cloud)
        yield world
        world.assert_well()


@pytest.fixture(params=["memory", pytest.param("moto", marks=pytest.mark.moto)])
def either(request, wiring):
    """A world on both backends, for short diaries: on moto a day takes a second."""
    with LocalCloud(request.param, wiring=wiring, every=SIX_HOURLY) as cloud:
        world = CollectionsWorld(cloud)
        yield world
        world.assert_well()
