"""What a month costs on AWS, from measured figures and public prices: `python -m benchmarks.cost [--invoices N,N,…]`.

Every invoice is a lifecycle as benchmarks/stages measured it (benchmarks/measured.json). Prices are in
benchmarks/prices.json with their date and source. What is assumed and not measured stands in this file, in capitals.
Mail is told apart, and so is what is there whatever the number of invoices: ticks, pollers, alarms. What a gateway
takes for a payment is not counted; what a function costs while it waits for its answer is.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.table import Table

from benchmarks.figures import console, report
from benchmarks.stages import Measured, Stage, measured
from infra.local.schedules import read_schedule
from infra.wiring import Wiring, load_wiring

PRICES: Final = Path(__file__).with_name("prices.json")
INVOICES: Final = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
PROMISED: Final = {1_000_000: 25.0}  # dollars a month, besides mail and what the gateway takes

# Assumed, since no benchmark on one machine can tell.
VCPU_MB: Final = 1_769  # memory that comes with one whole processor
MILLISECONDS: Final = {  # that a call takes, from the function to the service and back
    "GetItem": 3, "BatchGetItem": 5, "Query": 5, "PutItem": 5, "DeleteItem": 5, "UpdateItem": 5,
    "TransactWriteItems": 12, "SendMessageBatch": 8, "GET s3": 20, "PUT s3": 40, "POST email": 60,
}  # fmt: skip
GATEWAY_MS: Final = 600  # a charge, until it is answered
CHARGE: Final = "AutopayChargeFunction"
MAIL_EVENTS: Final = 2  # that SES publishes per mail: sent, delivered
PLATFORM_LOG_BYTES: Final = 400  # that Lambda itself logs of an invocation
POLLS_A_MONTH: Final = 5 * 3 * 60 * 24 * 30  # of an idle queue: five pollers, 20 seconds each
VISITS: Final = 0.3  # of the pay page and the console, per invoice: a request and a function's tenth of a second
VISIT_SECONDS: Final = 0.1
METRICS: Final = 40  # names under which the functions count what came of their work
DAYS_A_MONTH: Final = 30
SOME_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
GB: Final = 1e9

Lines = dict[str, float]
Prices = Mapping[str, float]


def prices() -> Prices:
    kept: dict[str, dict[str, float]] = json.loads(PRICES.read_text())
    return kept["dollars"]


def seconds(function: str, stage: Stage, memory_mb: int) -> float:
    """How long a function runs for one lifecycle: its CPU at its share of a processor, and its waiting."""
    share = min(memory_mb / VCPU_MB, 1.0)
    waiting = sum(MILLISECONDS[operation] * calls for operation, calls in stage.calls.items())
    if function == CHARGE:
        waiting += GATEWAY_MS
    return (stage.cpu_ms / share + waiting) / 1000


def per_invoice(found: Measured, wiring: Wiring, price: Prices) -> Lines:
    """Dollars, but for mail. What is stored is paid for the month in which it is made, and in each that follows."""
    stages = found.stages.items()
    memory_mb = {name: wiring.functions[name].memory_mb for name, _ in stages}
    gb_seconds = sum(seconds(f, s, memory_mb[f]) * memory_mb[f] / 1024 for f, s in stages)
    written, read = (sum(sum(getattr(s, kind).values()) for _, s in stages) for kind in ("write", "read"))
    invocations = sum(stage.invocations for _, stage in stages)
    calls = _calls(found)
    stored = sum(found.stored_bytes.values()) / GB
    logged = (found.log_bytes + invocations * PLATFORM_LOG_BYTES) / GB
    recovery = price["dynamodb: GB-month of point-in-time recovery"]
    return {
        "DynamoDB, writing": written * price["dynamodb: million write units"] / 1e6,
        "DynamoDB, reading": read * price["dynamodb: million read units"] / 1e6,
        "DynamoDB, a month's storage": stored * (price["dynamodb: GB-month stored"] + recovery),
        "Lambda, running": gb_seconds * price["lambda: GB-second on arm64"],
        "Lambda, invocations": invocations * price["lambda: million requests"] / 1e6,
        "SQS": (calls.get("SendMessageBatch", 0) + 2 * invocations) * price["sqs: million requests"] / 1e6,
        "S3": calls.get("PUT s3", 0) * price["s3: thousand writes"] / 1e3
        + calls.get("GET s3", 0) * price["s3: thousand reads"] / 1e3
        + found.pdf_bytes / GB * price["s3: GB-month stored"],
        "CloudWatch Logs": logged * (price["logs: GB taken in"] + price["logs: GB-month stored"]),
        "API and pages": VISITS * (
            price["api: million requests"] / 1e6 + VISIT_SECONDS * price["lambda: GB-second on arm64"]
        ),
    }  # fmt: skip


def mail(found: Measured, price: Prices) -> Lines:
    return {
        "SES": price["ses: thousand mails"] / 1e3 + found.pdf_bytes / GB * price["ses: GB attached"],
        "SNS": MAIL_EVENTS * price["sns: million publishes"] / 1e6,
    }


def standing(found: Measured, wiring: Wiring, price: Prices) -> Lines:
    """Dollars a month, for none or for millions of invoices. Rules that fire are free."""
    gb_seconds = requests = units = 0.0
    for rule in wiring.rules:
        times = DAYS_A_MONTH * _times_a_day(rule.expression)
        tick, memory_mb = found.ticks[rule.function], wiring.functions[rule.function].memory_mb
        gb_seconds += times * seconds(rule.function, tick, memory_mb) * memory_mb / 1024
        requests += times
        units += times * sum(tick.read.values())
    alarms = sum(1 for _ in wiring.template.of("AWS::CloudWatch::Alarm"))
    secrets = sum(1 for _ in wiring.template.of("AWS::SecretsManager::Secret"))
    queues = sum(1 for _ in wiring.consumers())
    return {
        "ticks": gb_seconds * price["lambda: GB-second on arm64"] + requests * price["lambda: million requests"] / 1e6
        + units * price["dynamodb: million read units"] / 1e6,
        f"{queues} idle queues": queues * POLLS_A_MONTH * price["sqs: million requests"] / 1e6,
        f"{alarms} alarms": alarms * price["alarms: each a month"],
        f"{METRICS} metrics": METRICS * price["metrics: each a month"],
        f"{secrets} secrets": secrets * price["secrets: each a month"],
    }  # fmt: skip


def _times_a_day(expression: str) -> int:
    schedule, at, times = read_schedule(expression, SOME_DAY), SOME_DAY, 0
    while (at := schedule.next_after(at)) <= SOME_DAY + timedelta(days=1):
        times += 1
    return times


def _calls(found: Measured) -> dict[str, float]:
    calls: dict[str, float] = {}
    for stage in found.stages.values():
        for operation, n in stage.calls.items():
            calls[operation] = calls.get(operation, 0) + n
    return calls


# ---- showing ----------------------------------------------------------------------------------------------------


def rows(found: Measured, invoices: tuple[int, ...]) -> Iterator[tuple[str, tuple[float, ...]]]:
    wiring, price = load_wiring(), prices()
    each, mails, always = per_invoice(found, wiring, price), mail(found, price), standing(found, wiring, price)
    for name, dollars in each.items():
        yield name, tuple(dollars * n for n in invoices)
    yield "the invoices", tuple(sum(each.values()) * n for n in invoices)
    for name, dollars in always.items():
        yield name, (dollars,) * len(invoices)
    yield "besides mail", tuple(sum(each.values()) * n + sum(always.values()) for n in invoices)
    for name, dollars in mails.items():
        yield name, tuple(dollars * n for n in invoices)
    whole = sum(each.values()) + sum(mails.values())
    yield "everything", tuple(whole * n + sum(always.values()) for n in invoices)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--invoices", default=",".join(map(str, INVOICES)), help="a month")
    invoices = tuple(int(n) for n in parser.parse_args().invoices.split(","))
    kept = json.loads(PRICES.read_text())
    table = Table(title=f"Dollars by invoices a month: {kept['region']}, list prices of {kept['as_of']}")
    table.add_column("invoices", no_wrap=True)
    for n in invoices:
        table.add_column(f"{n:,}", justify="right", no_wrap=True)
    totals: dict[str, tuple[float, ...]] = {}
    for name, dollars in rows(measured(), invoices):
        sums = name in ("the invoices", "besides mail", "everything")
        if sums:
            totals[name] = dollars
        table.add_row(name, *(f"{d:,.2f}" for d in dollars), style="bold" if sums else "", end_section=sums)
    console().print(table)
    for n, each, all_but_mail in zip(invoices, totals["the invoices"], totals["besides mail"], strict=True):
        report("cost", f"{n} invoices, $", all_but_mail, PROMISED.get(n))
        report("cost", f"{n} invoices, $, without what stands anyway", each)


if __name__ == "__main__":
    main()
