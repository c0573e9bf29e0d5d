"""The cost model: every price is used, what is measured is what is paid for."""

from dataclasses import replace

import pytest

from benchmarks import cost
from benchmarks.stages import Measured, Stage, measured
from infra.wiring import load_wiring

WIRING = load_wiring()
PRICES = cost.prices()


def measured_as(**stage):
    """One function does it all."""
    return Measured(1, {"BillRunGenerateFunction": Stage(**stage)}, {}, {}, {}, 0, 0)


def dollars(found, line):
    return cost.per_invoice(found, WIRING, PRICES)[line] * 1_000_000


def test_a_million_times_twenty_units_written_and_four_read_cost_thirteen_dollars():
    found = measured_as(write={"InvoicesTable": 12.0, "InvoicesTable/invoices": 8.0}, read={"InvoicesTable": 4.0})
    assert dollars(found, "DynamoDB, writing") == pytest.approx(12.50)  # 20 × $0.625
    assert dollars(found, "DynamoDB, reading") == pytest.approx(0.50)  # 4 × $0.125


def test_a_function_of_one_gigabyte_runs_for_its_processor_time_and_its_waiting():
    found = measured_as(cpu_ms=10, calls={"GetItem": 2})
    share = 1_024 / cost.VCPU_MB
    waiting = 2 * cost.MILLISECONDS["GetItem"]
    assert cost.seconds("BillRunGenerateFunction", found.stages["BillRunGenerateFunction"], 1_024) == pytest.approx(
        (10 / share + waiting) / 1_000
    )
    assert dollars(found, "Lambda, running") == pytest.approx(
        (10 / share + waiting) / 1_000 * 1_000_000 * PRICES["lambda: GB-second on arm64"]
    )


def test_charging_waits_for_the_gateway_as_well():
    assert cost.seconds(cost.CHARGE, Stage(), 1_024) == cost.GATEWAY_MS / 1_000


def test_messages_are_sent_in_batches_received_and_deleted():
    assert dollars(measured_as(calls={"SendMessageBatch": 1}, invocations=0.5), "SQS") == pytest.approx(2 * 0.40)


def test_every_price_makes_a_difference():
    found = measured()

    def total(prices):
        made = (cost.per_invoice(found, WIRING, prices), cost.mail(found, prices), cost.standing(found, WIRING, prices))
        return sum(sum(part.values()) for part in made)

    for name, price in PRICES.items():
        assert total({**PRICES, name: price * 2}) > total(PRICES), name


def test_what_stands_anyway_does_not_depend_on_the_invoices():
    found = measured()
    twice = replace(found, stages={name: replace(s, cpu_ms=s.cpu_ms * 2) for name, s in found.stages.items()})
    assert cost.standing(found, WIRING, PRICES) == cost.standing(twice, WIRING, PRICES)
    assert dollars(twice, "Lambda, running") > dollars(found, "Lambda, running")


def test_every_call_that_was_measured_has_a_time_that_it_takes():
    calls = {operation for stage in measured().stages.values() for operation in stage.calls}
    assert calls <= cost.MILLISECONDS.keys()


def test_ten_times_the_invoices_cost_ten_times_as_much_but_for_what_stands():
    rows = dict(cost.rows(measured(), (1_000, 10_000)))
    few, many = rows["the invoices"]
    assert many == pytest.approx(10 * few)
    standing = sum(cost.standing(measured(), WIRING, PRICES).values())
    assert rows["besides mail"] == pytest.approx((few + standing, many + standing))
