"""The simulated night: limits that bind, limits that do not, and growth as AWS lets it grow."""

from dataclasses import replace

import pytest

from benchmarks import night
from benchmarks.night import NIGHT, Limits, Night, simulate, wiring_of_size
from benchmarks.stages import Measured, Stage, measured

FREE = Limits(mails=None)  # only what AWS itself limits
LIGHT = Stage(invocations=1, cpu_ms=1)


def course(limits=FREE, invoices=100_000, **stages):
    """Of a night in which every stage is light, but for these."""
    named = {work.function: replace(stages.get(work.name.split()[0], LIGHT)) for work in NIGHT}
    return Night(invoices, Measured(1, named, {}, {}, {}, 0, 0), wiring_of_size("huge"), limits).pass_by()


def seconds_of(course):
    return course.ended - course.began


def test_mail_goes_as_fast_as_ses_lets_it_and_not_faster():
    mail = course(replace(FREE, mails=14), invoices=14_000)["mail"]
    assert seconds_of(mail) == pytest.approx(1_000, abs=2 * night.STEP_SECONDS)
    assert mail.held.most_common(1)[0][0] == "SES: mails a second"


def test_a_key_takes_a_thousand_units_a_second_however_many_workers_there_are():
    drafts = course(drafts=replace(LIGHT, hot_write={"RunsTable of the run": 4.0}))["drafts"]
    assert seconds_of(drafts) == pytest.approx(400, abs=30)  # 100,000 × 4 ÷ 1,000
    assert drafts.held.most_common(1)[0][0] == "a key of RunsTable of the run: units to write"


def test_a_new_table_takes_four_thousand_units_a_second_and_after_half_an_hour_twice_its_peak():
    drafts = course(invoices=1_200_000, drafts=replace(LIGHT, write={"InvoicesTable": 10.0}))["drafts"]
    # 400 a second for 1,800 s make 720,000; the other 480,000 at 800 a second take 600 s
    assert seconds_of(drafts) == pytest.approx(2_400, abs=30)


def test_pollers_start_with_five_and_grow_by_three_hundred_a_minute():
    slow = replace(LIGHT, cpu_ms=0, calls={"PUT s3": 25})  # a second each
    drafts = course(invoices=500, drafts=slow)["drafts"]
    # 5 in the air for the first ten seconds, then 55: 50 invoices, and the other 450
    assert seconds_of(drafts) == 2 * night.STEP_SECONDS
    assert drafts.held["SQS: pollers, which are growing"] == night.STEP_SECONDS


def test_no_stage_gets_more_workers_than_the_template_lets_it_have():
    slow = replace(LIGHT, cpu_ms=0, calls={"PUT s3": 25})
    drafts = course(invoices=60_000, drafts=slow)["drafts"]
    assert drafts.held.most_common(1)[0][0] == "MaximumConcurrency 60 of BillRunGenerateFunction"
    assert seconds_of(drafts) == pytest.approx(1_000, abs=60)


def test_charges_wait_for_the_last_posting_and_documents_follow_each():
    courses = course(posting=replace(LIGHT, hot_write={"RunsTable: series": 5.0}))
    assert courses["charges"].began >= courses["posting"].ended
    assert courses["documents"].began < courses["posting"].ended
    assert courses["documents"].ended >= courses["posting"].ended


@pytest.mark.parametrize("limit", ["executions", "table_writes", "key_writes", "pollers_per_minute", "mails"])
def test_raising_a_limit_never_makes_the_night_longer(limit):
    scarce = Limits(executions=120, mails=20, charges=50)
    once = simulate(50_000, measured(), "large", scarce)
    twice = simulate(50_000, measured(), "large", replace(scarce, **{limit: getattr(scarce, limit) * 2}))
    assert max(c.ended for c in twice.values()) <= max(c.ended for c in once.values())


def test_everything_is_done_once():
    for name, its in simulate(10_000, measured(), "small", Limits()).items():
        assert its.done == pytest.approx(10_000, abs=1), name
        assert sum(its.held.values()) <= its.ended - its.began


def test_a_million_mails_take_twenty_hours_at_the_default_rate_and_everything_else_does_not_wait_for_them():
    courses = simulate(1_000_000, measured(), "huge", Limits())
    assert courses["mail"].minutes / 60 == pytest.approx(1_000_000 / 14 / 3_600, rel=0.02)
    assert night.besides_mail(courses) * 60 < courses["mail"].ended / 2
