"""What one invoice costs from draft through posted, mailed and charged to settled: CPU, AWS calls, DynamoDB's units.

    python -m benchmarks.lifecycle [--customers N]

One bill run and one payment run of N customers with an invoice of two lines each. First on moto, writing down every
request and answer; then once more with those answers played back, timing the functions: that leaves what the code,
pynamodb and botocore themselves take. Mail is rendered and handed to SES; the PDF is timed apart. Not counted: setting
customers up, and what the rules' ticks cost when nothing is due, which is the same for any number of invoices and has a
table of its own. Prints tables, then one JSON line per figure.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import process_time
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.figures import report
from benchmarks.tape import Tape
from benchmarks.units import Meter
from infra.cli.client import LocalApi, ask
from infra.local.app import LocalClient
from infra.local.cloud import LocalCloud
from shared.config import Config
from shared.gateways.clients import Clients
from shared.gateways.s3 import S3Files
from shared.gateways.ses import SesMailer
from shared.gateways.sqs import SqsQueue
from shared.ports import Mail, Mailer, Ports, Queue, QueueName
from shared.storage.dynamo import DynamoStore

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
QUIET: Final = "2026-01-01T12:05:00Z"  # every schedule has had its first occurrence
BEFORE: Final = "2026-01-02T03:59:00Z"  # nothing is due yet
BILLED: Final = "2026-01-02T04:30:00Z"
SETTLED: Final = "2026-01-02T11:30:00Z"
PDF: Final = "RenderPdfFunction"
BARS: Final = {"CPU": 4.0, "calls": 8.0, "write units": 20.0, "read units": 4.0}  # per lifecycle


@dataclass(slots=True)
class Cost:
    cpu: float = 0  # seconds
    calls: float = 0
    write: float = 0
    read: float = 0
    invocations: int = 0

    def less(self, idle: Cost) -> Cost:
        """Without what as many invocations cost that find nothing to do."""
        share = self.invocations / idle.invocations
        return Cost(
            self.cpu - idle.cpu * share, self.calls - round(idle.calls * share), self.write - idle.write * share,
            self.read - idle.read * share, self.invocations,
        )  # fmt: skip


@dataclass(slots=True)
class Stretch:
    """What each function cost while the clock went from one instant to another."""

    first: int = 0  # on the tape
    last: int = 0
    costs: defaultdict[str, Cost] = field(default_factory=lambda: defaultdict(Cost))


@dataclass(slots=True)
class Spent:
    """A quiet stretch, and the one in which everything happens."""

    idle: Stretch = field(default_factory=Stretch)
    busy: Stretch = field(default_factory=Stretch)
    operations: Counter[str] = field(default_factory=Counter)
    settled: int = 0

    def own(self) -> dict[str, Cost]:
        """What the invoices cost, by function."""
        idle = self.idle.costs
        return {name: cost.less(idle[name]) if name in idle else cost for name, cost in self.busy.costs.items()}


class SendingTwice:
    """Hands messages to the SDK for its work, and to the local queues for them to arrive."""

    def __init__(self, sdk: Queue, local: Queue) -> None:
        self._sdk, self._local = sdk, local

    def send(self, queue: QueueName, bodies: Sequence[str], delay_seconds: int = 0) -> None:
        self._sdk.send(queue, bodies, delay_seconds)
        self._local.send(queue, bodies, delay_seconds)


class MailingTwice:
    """The same for mail: SES's events come from the local post office."""

    def __init__(self, sdk: Mailer, local: Mailer) -> None:
        self._sdk, self._local = sdk, local

    def send(self, mail: Mail) -> str:
        self._sdk.send(mail)
        return self._local.send(mail)


def measure(customers: int) -> Spent:
    """One world recorded, and the same world played back and timed."""
    tape = Tape()
    run(customers, tape, lambda cloud: tape.recording(cloud.wiring, cloud.clock.now))
    spent = run(customers, tape, lambda cloud: tape.playing(cloud.clock.now))
    priced(tape, spent.idle, spent.busy)
    spent.operations.update(call.operation for call in tape.calls[spent.busy.first : spent.busy.last])
    return spent


def priced(tape: Tape, *stretches: Stretch) -> None:
    """Add what the recorded calls cost to the functions of the stretches that they fall into."""
    meter = Meter()
    for number, call in enumerate(tape.calls):
        units = meter.cost(call)
        for stretch in stretches:
            if stretch.first <= number < stretch.last:
                cost = stretch.costs[call.function]
                cost.calls, cost.write, cost.read = cost.calls + 1, cost.write + units.write, cost.read + units.read


def run(
    customers: int, tape: Tape, wire: Callable[[LocalCloud], AbstractContextManager[None]],
    observe: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Spent:  # fmt: skip
    """The world once, on a tape that records or plays; what is to be measured of it is done within `observe`."""
    spent = Spent()
    tape.played = 0
    with LocalCloud("memory", START) as cloud, wire(cloud):
        cloud.use_ports(through_the_sdk(cloud.ports))
        api = LocalApi(LocalClient(cloud))
        set_up(api, customers)
        advance(api, QUIET)
        with watched(cloud, tape, spent.idle):
            advance(api, BEFORE)
        with watched(cloud, tape, spent.busy), observe():
            advance(api, BILLED)
            spent.settled = advance(api, SETTLED).get("charge_succeeded", 0)
        if spent.settled != customers:
            raise SystemExit(f"{spent.settled} of {customers} invoices were settled")
    return spent


def through_the_sdk(local: Ports) -> Ports:
    config = Config()
    clients = Clients(config.region)
    return replace(
        local,
        store=DynamoStore(config.table, config.region),
        files=S3Files(lambda: config.files_bucket, clients),
        queue=SendingTwice(SqsQueue(config.queue_url, clients), local.queue),
        mailer=MailingTwice(SesMailer(clients, config.mail_configuration_set), local.mailer),
    )


@contextmanager
def watched(cloud: LocalCloud, tape: Tape, stretch: Stretch) -> Iterator[None]:
    began = 0.0

    def before(function: str) -> None:
        nonlocal began
        tape.function = function
        stretch.costs[function].invocations += 1
        began = process_time()

    def after() -> None:
        stretch.costs[tape.function].cpu += process_time() - began

    invoker = cloud.engine.invoker
    stretch.first = tape.played
    invoker.before.append(before)
    invoker.after.append(after)
    yield
    stretch.last = tape.played
    invoker.before.remove(before)
    invoker.after.remove(after)


def advance(api: LocalApi, to: str) -> dict[str, int]:
    outcomes: dict[str, int] = ask(api, "POST", "/_local/clock", {"advance_to": to})["outcomes"]
    return outcomes


def set_up(api: LocalApi, customers: int) -> None:
    """Customers with a contract of two charges and a card that pays, everything switched on."""
    ask(api, "PATCH", "/v1/settings", {
        "bill_run": {"enabled": True, "auto_post": True, "auto_email": True, "gate": "all"},
        "payment_run": {"enabled": True},
        "automations": {"send_new_invoices": {"enabled": True}, "past_due": {"enabled": True}},
    })  # fmt: skip
    policy = {"terms_days": 0, "auto_charge": {"on": "due_on", "offset_days": 0}}
    ask(api, "PUT", "/v1/customer-classes/cls_card", {"id": "cls_card", "name": "By card", "regular": policy})
    charges = [
        {"id": f"chg_{n}", "name": name, "type": "recurring", "amount": amount, "interval": "month"}
        for n, (name, amount) in enumerate([("Support", "249.95"), ("Backup", "10.00")])
    ]
    for n in range(customers):
        key = f"/v1/customers/cus_{n}"
        ask(api, "POST", "/v1/customers", {
            "id": f"cus_{n}", "name": f"Customer {n}", "email": f"c{n}@example.com", "class_id": "cls_card",
            "currency": "USD", "delivery": ["email"], "automations": {"enabled": True},
        })  # fmt: skip
        ask(api, "POST", f"{key}/contracts", {
            "id": f"con_{n}", "name": "IT", "start_date": "2026-01-02", "bill_cycle_day": 2, "charges": charges,
        })  # fmt: skip
        ask(api, "POST", f"{key}/payment-methods", {
            "id": f"pm_{n}", "token": f"tok_{n}", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030,
        })  # fmt: skip
        rule = {"id": f"apr_{n}", "payment_method_id": f"pm_{n}",
                "criteria": [{"type": "amount", "operator": "gte", "values": ["1.00"]}]}  # fmt: skip
        ask(api, "PUT", f"{key}/autopay", {"enabled": True, "rules": [rule]})


# ---- showing ----------------------------------------------------------------------------------------------------


def show(spent: Spent) -> None:
    n = spent.settled
    table = _table(f"One invoice from draft to settled, of {n}", "CPU ms")
    own = spent.own()
    for name in sorted(own, key=lambda f: -own[f].calls):
        _row(table, name, own[name], n)
    figures = figures_of(spent)
    table.add_section()
    table.add_row("all but the PDF", *(f"{figures[name]:.2f}" for name in BARS))
    table.add_row("bar", *(f"{bar:.2f}" for bar in BARS.values()))
    ticks = _table("A tick with nothing due", "CPU ms")
    for name, cost in spent.idle.costs.items():
        _row(ticks, name, cost, cost.invocations)
    console = Console()
    console.print(table)
    console.print("AWS calls: " + ", ".join(f"{name} {c / n:.2f}" for name, c in spent.operations.most_common()))
    console.print(ticks)
    for name, value in figures.items():
        report("lifecycle", name, value, BARS.get(name))


def _table(title: str, cpu: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in ("function", cpu, "AWS calls", "write units", "read units"):
        table.add_column(heading, justify="left" if heading == "function" else "right")
    return table


def _row(table: Table, name: str, cost: Cost, times: int) -> None:
    values = (cost.cpu * 1000, cost.calls, cost.write, cost.read)
    table.add_row(name.removesuffix("Function"), *(f"{value / times:.2f}" for value in values))


def figures_of(spent: Spent) -> dict[str, float]:
    """Per lifecycle; CPU in milliseconds, the typesetter's function apart."""
    own, n = spent.own(), spent.settled
    pdf = own.pop(PDF)
    return {
        "CPU": sum(cost.cpu for cost in own.values()) * 1000 / n,
        "calls": (sum(cost.calls for cost in own.values()) + pdf.calls) / n,
        "write units": sum(cost.write for cost in own.values()) / n,
        "read units": (sum(cost.read for cost in own.values()) + pdf.read) / n,
        "CPU of the PDF": pdf.cpu * 1000 / n,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lifecycle", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--customers", type=int, default=100, help="default: 100; recording takes a second each")
    show(measure(parser.parse_args().customers))


if __name__ == "__main__":
    main()
