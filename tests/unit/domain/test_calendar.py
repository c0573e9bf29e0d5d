"""Local dates and billing periods. PRODUCT 1 and 3."""

from calendar import monthrange
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.calendar import (
    FIRST_DATE,
    LAST_DATE,
    MAX_COUNT,
    BeforeBilling,
    Cycle,
    InvalidCycle,
    Period,
    UnknownTimezone,
    local_date,
    start_of_day,
    zone,
)

ONE_DAY = timedelta(days=1)


def d(text):
    return date.fromisoformat(text)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cycle(interval="month", count=1, day=1, starts_on="2026-01-01", billing_starts_on=None, anchor_month=None):
    starts = d(starts_on)
    billing = d(billing_starts_on) if billing_starts_on else starts
    return Cycle(interval, count, day, starts, billing, anchor_month)


def starts(of, until):
    return [str(period.start) for period in of.periods(d(until))]


# ---- local dates --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instant", "timezone", "on"),
    [
        ("2026-01-01T04:59:59", "America/New_York", "2025-12-31"),
        ("2026-01-01T05:00:00", "America/New_York", "2026-01-01"),
        ("2026-01-01T05:00:01", "America/New_York", "2026-01-01"),
        ("2025-12-31T09:59:59", "Pacific/Kiritimati", "2025-12-31"),
        ("2025-12-31T10:00:00", "Pacific/Kiritimati", "2026-01-01"),
        ("2026-01-01T00:00:00", "UTC", "2026-01-01"),
    ],
)
def test_the_local_date_turns_at_local_midnight(instant, timezone, on):
    assert local_date(at(instant), timezone) == d(on)


def test_an_instant_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="give an aware one"):
        local_date(datetime(2026, 1, 1), "UTC")  # noqa: DTZ001


@pytest.mark.parametrize(
    ("on", "timezone", "instant"),
    [
        ("2026-07-01", "Europe/Berlin", "2026-06-30T22:00:00"),
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00"),  # 00:00 skipped: the day begins at 01:00
        ("2018-02-18", "America/Sao_Paulo", "2018-02-18T03:00:00"),  # 23:00 of the 17th came twice
        ("2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00"),
        (
            "2011-12-30",
            "Pacific/Apia",
            "2011-12-30T10:00:00",
        ),  # a day that never was
        ("2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00"),
        ("2006-10-29", "America/St_Johns", "2006-10-29T02:30:00"),  # midnight came twice
    ],
)
def test_a_day_starts_at_its_first_instant(on, timezone, instant):
    assert start_of_day(d(on), timezone) == at(instant)
    assert start_of_day(d(on), timezone).utcoffset() == timedelta(0)


ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "America/Havana",
    "Africa/Cairo",
    "Pacific/Chatham",
]


@given(st.dates(date(1971, 1, 1), date(2037, 12, 31)), st.sampled_from(ZONES))
def test_the_start_of_a_day_is_on_that_day_and_the_second_before_it_is_not(on, timezone):
    start = start_of_day(on, timezone)
    assert local_date(start, timezone) == on
    assert local_date(start - timedelta(seconds=1), timezone) == on - ONE_DAY


@pytest.mark.parametrize(
    "name",
    ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT", "Asia/Ho_Chi_Minh"],
)
def test_names_of_the_zone_database_are_known(name):
    assert zone(name).key == name


@pytest.mark.parametrize(
    "name",
    [
        "", "Mars/Olympus", "europe", "America", "../etc/passwd", "/etc/localtime", "Europe/Berlin\n",
        "Europe//Berlin", "posix/Europe/Berlin", "right/Europe/Berlin", "localtime", "posixrules", "Factory",
        "Europe/Bérlin", "UTC\x00", "+02:00", "a" * 10_000, None, 1, ["UTC"],
    ],
)  # fmt: skip
def test_anything_else_is_an_unknown_time_zone_and_the_message_says_what_to_give(name):
    with pytest.raises(UnknownTimezone, match="give a name such as 'Europe/Berlin'") as refused:
        zone(name)
    assert len(str(refused.value)) < 200
    assert str(refused.value).isprintable()


# ---- periods ------------------------------------------------------------------------------------


def test_a_period_holds_its_start_and_not_its_end():
    february = Period(d("2026-02-01"), d("2026-03-01"))
    assert february.days == 28
    assert [february.contains(d(on)) for on in ("2026-01-31", "2026-02-01", "2026-02-28", "2026-03-01")] == [
        False,
        True,
        True,
        False,
    ]


def test_the_31st_is_the_last_day_of_shorter_months_and_comes_back():
    assert starts(cycle(day=31, starts_on="2026-01-31"), "2026-07-01") == [
        "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (28, ["2028-01-28", "2028-02-28", "2028-03-28"]),
        (29, ["2028-01-29", "2028-02-29", "2028-03-29"]),
        (30, ["2028-01-30", "2028-02-29", "2028-03-30"]),
        (31, ["2028-01-31", "2028-02-29", "2028-03-31"]),
    ],
)
def test_february_of_a_leap_year_has_a_29th(day, expected):
    assert starts(cycle(day=day, starts_on=expected[0]), "2028-04-01") == expected


def test_a_year_from_29_february_is_billed_on_the_28th_between_leap_years():
    assert starts(cycle("year", day=29, starts_on="2024-02-29"), "2029-01-01") == [
        "2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("starts_on", "first"),
    [
        ("2026-01-14", "2026-01-15"),
        ("2026-01-15", "2026-01-15"),
        ("2026-01-16", "2026-02-15"),
    ],
)
@pytest.mark.parametrize("interval", ["month", "quarter", "year"])
def test_the_first_regular_period_starts_on_the_first_bill_cycle_day_on_or_after_the_start(interval, starts_on, first):
    of = cycle(interval, day=15, starts_on=starts_on)
    assert of.first_regular_start() == d(first)
    leading, *_ = of.periods(d("2026-12-31"))
    assert leading.start == d(starts_on)
    assert (leading.end == d(first)) is (starts_on != first)


def test_a_short_month_has_its_bill_cycle_day_on_its_last():
    assert cycle(day=31, starts_on="2026-02-28").first_regular_start() == d("2026-02-28")
    assert cycle(day=30, starts_on="2026-02-27").first_regular_start() == d("2026-02-28")
    assert cycle(day=31, starts_on="2026-03-01").first_regular_start() == d("2026-03-31")


def test_a_leading_partial_is_prorated_over_the_whole_period_around_it():
    quarterly = cycle("quarter", day=1, starts_on="2026-01-20")
    assert list(quarterly.periods(d("2026-05-01"))) == [
        Period(d("2026-01-20"), d("2026-02-01")),
        Period(d("2026-02-01"), d("2026-05-01")),
    ]
    assert quarterly.whole_period(d("2026-01-20")) == Period(d("2025-11-01"), d("2026-02-01"))  # 92 days
    assert quarterly.period_at(d("2026-01-20")) == Period(d("2026-01-20"), d("2026-02-01"))
    assert quarterly.whole_period(d("2026-02-01")) == Period(d("2026-02-01"), d("2026-05-01"))


@pytest.mark.parametrize(
    ("anchor_month", "first"),
    [(1, "2026-04-01"), (2, "2026-02-01"), (3, "2026-03-01"), (4, "2026-04-01"), (12, "2026-03-01")],
)
def test_an_anchor_month_aligns_quarters_to_the_calendar(anchor_month, first):
    of = cycle("quarter", starts_on="2026-01-20", anchor_month=anchor_month)
    assert of.first_regular_start() == d(first)
    assert any(period.start.month == anchor_month for period in of.periods(d("2027-06-01")))


@pytest.mark.parametrize(
    ("starts_on", "first"),
    [("2026-03-31", "2026-04-01"), ("2026-04-01", "2026-04-01"), ("2026-04-02", "2027-04-01")],
)
def test_an_anchor_month_aligns_years(starts_on, first):
    of = cycle("year", starts_on=starts_on, anchor_month=4)
    assert of.first_regular_start() == d(first)
    assert of.whole_period(d("2026-05-01")) == Period(d("2026-04-01"), d("2027-04-01"))


def test_a_month_needs_no_alignment_and_two_years_are_aligned_to_the_next():
    assert cycle(starts_on="2026-01-20", anchor_month=7).first_regular_start() == d("2026-02-01")
    assert starts(cycle("year", 2, starts_on="2026-01-20", anchor_month=7), "2031-01-01") == [
        "2026-01-20", "2026-07-01", "2028-07-01", "2030-07-01",
    ]  # fmt: skip


def test_weeks_are_counted_from_the_contracts_start_also_when_billing_starts_later():
    of = cycle("week", 2, starts_on="2026-01-05", billing_starts_on="2026-01-27")
    # fortnights from Monday 5 January: 5th, 19th, 2 February, 16 February
    assert of.first_regular_start() == d("2026-02-02")
    assert list(of.periods(d("2026-02-03"))) == [
        Period(d("2026-01-27"), d("2026-02-02")),
        Period(d("2026-02-02"), d("2026-02-16")),
    ]
    assert of.whole_period(d("2026-01-27")) == Period(d("2026-01-19"), d("2026-02-02"))


@pytest.mark.parametrize(
    ("billing_starts_on", "expected"),
    [
        ("2026-01-18", ["2026-01-18", "2026-01-19", "2026-01-29"]),
        ("2026-01-19", ["2026-01-19", "2026-01-29"]),
        ("2026-01-20", ["2026-01-20", "2026-01-29"]),
    ],
)
def test_days_are_counted_from_the_contracts_start(billing_starts_on, expected):
    of = cycle("day", 10, starts_on="2026-01-09", billing_starts_on=billing_starts_on)
    assert starts(of, "2026-02-01") == expected


def test_a_contract_moved_from_elsewhere_keeps_its_anchor_and_its_past_is_not_billed():
    of = cycle(day=31, starts_on="2020-05-31", billing_starts_on="2026-02-15")
    assert starts(of, "2026-04-01") == ["2026-02-15", "2026-02-28", "2026-03-31"]


def test_nothing_is_billed_before_the_contract_starts():
    of = cycle(starts_on="2026-03-10", billing_starts_on="2026-01-01")
    assert starts(of, "2026-05-01") == ["2026-03-10", "2026-04-01"]
    with pytest.raises(BeforeBilling, match="billing starts on 2026-03-10"):
        of.period_at(d("2026-03-09"))
    assert of.period_at(d("2026-03-10")).start == d("2026-03-10")


@pytest.mark.parametrize(
    ("until", "count"), [("2026-02-28", 1), ("2026-03-01", 1), ("2026-03-02", 2), ("2026-02-01", 0)]
)
def test_periods_are_those_that_start_before_the_date_given(until, count):
    assert len(list(cycle(starts_on="2026-02-01").periods(d(until)))) == count


@pytest.mark.parametrize(
    ("since", "first"),
    [
        ("2025-01-01", "2026-01-20"),
        ("2026-01-31", "2026-01-20"),
        ("2026-02-01", "2026-02-01"),
        ("2026-02-28", "2026-02-01"),
        ("2026-03-01", "2026-03-01"),
    ],
)
def test_periods_since_a_date_leave_out_those_that_end_on_or_before_it(since, first):
    of = cycle(starts_on="2026-01-20")
    assert str(next(of.periods(d("2026-12-31"), since=d(since))).start) == first


def test_the_cost_of_periods_does_not_grow_with_what_is_left_out():
    daily = cycle("day", starts_on=str(FIRST_DATE))
    assert list(daily.periods(d("2999-01-02"), since=d("2999-01-01"))) == [Period(d("2999-01-01"), d("2999-01-02"))]


@pytest.mark.parametrize(
    ("change", "possible"),
    [
        ({"count": 0}, False),
        ({"count": 1}, True),
        ({"count": MAX_COUNT}, True),
        ({"count": MAX_COUNT + 1}, False),
        ({"bill_cycle_day": 0}, False),
        ({"bill_cycle_day": 1}, True),
        ({"bill_cycle_day": 31}, True),
        ({"bill_cycle_day": 32}, False),
        ({"anchor_month": 0}, False),
        ({"anchor_month": 1}, True),
        ({"anchor_month": 12}, True),
        ({"anchor_month": 13}, False),
        ({"interval": "decade"}, False),
        ({"starts_on": FIRST_DATE - ONE_DAY}, False),
        ({"starts_on": FIRST_DATE}, True),
        ({"billing_starts_on": LAST_DATE}, True),
        ({"billing_starts_on": LAST_DATE + ONE_DAY}, False),
    ],
)
def test_an_impossible_cycle_is_refused(change, possible):
    if possible:
        replace(cycle(), **change).first_regular_start()
    else:
        with pytest.raises(InvalidCycle):
            replace(cycle(), **change)


def test_the_longest_periods_at_either_end_of_the_calendar_can_be_computed():
    for on in (FIRST_DATE, LAST_DATE):
        of = Cycle("year", MAX_COUNT, 31, on, on, 12)
        assert of.whole_period(on).contains(on)
        assert next(of.periods(on + ONE_DAY)).start == on


# ---- periods: what always holds -----------------------------------------------------------------

dates = st.dates(date(1990, 1, 1), date(2090, 12, 31))


@st.composite
def cycles(draw, *intervals):
    starts_on = draw(dates)
    return Cycle(
        interval=draw(st.sampled_from(intervals or ("day", "week", "month", "quarter", "year"))),
        count=draw(st.integers(1, 7)),
        bill_cycle_day=draw(st.integers(1, 31)),
        starts_on=starts_on,
        billing_starts_on=starts_on + timedelta(days=draw(st.integers(0, 1_500))),
        anchor_month=draw(st.none() | st.integers(1, 12)),
    )


monthly_cycles = cycles("month", "quarter", "year")


def some_periods(of, days=2_500):
    return list(of.periods(of.billing_starts_on + timedelta(days=days)))


@given(cycles())
def test_periods_are_contiguous_disjoint_and_begin_where_billing_begins(of):
    periods = some_periods(of)
    assert periods[0].start == of.billing_starts_on
    assert all(one.end == other.start for one, other in pairwise(periods))
    assert all(period.days > 0 for period in periods)


@given(cycles(), st.integers(0, 2_000))
def test_every_day_from_the_start_of_billing_is_in_exactly_one_period_and_that_is_the_period_at_it(of, days):
    on = of.billing_starts_on + timedelta(days=days)
    holding = [period for period in some_periods(of) if period.contains(on)]
    assert holding == [of.period_at(on)]


@given(cycles(), dates)
def test_whole_periods_tile_the_calendar_in_both_directions(of, on):
    whole = of.whole_period(on)
    assert whole.contains(on)
    assert of.whole_period(whole.start) == whole == of.whole_period(whole.end - ONE_DAY)
    assert of.whole_period(whole.start - ONE_DAY).end == whole.start
    assert of.whole_period(whole.end).start == whole.end


@given(cycles())
def test_only_the_leading_period_can_be_partial_and_its_whole_contains_it(of):
    leading, *regular = some_periods(of)
    assert all(of.whole_period(period.start) == period for period in regular)
    whole = of.whole_period(leading.start)
    assert whole.start <= leading.start
    assert whole.end == leading.end
    assert (leading != whole) is (of.first_regular_start() != of.billing_starts_on)


@given(cycles(), st.integers(-100, 2_400))
def test_periods_since_a_date_are_the_tail_of_all_periods(of, days):
    since = of.billing_starts_on + timedelta(days=days)
    until = of.billing_starts_on + timedelta(days=2_500)
    assert list(of.periods(until, since)) == [period for period in of.periods(until) if period.end > since]


@given(monthly_cycles)
def test_every_regular_start_is_the_anchor_of_its_month_and_months_apart_by_the_interval(of):
    begin = [period.start for period in some_periods(of, 9_000)[1:]]
    step = of.count * {"month": 1, "quarter": 3, "year": 12}[of.interval]
    assert all(on.day == min(of.bill_cycle_day, monthrange(on.year, on.month)[1]) for on in begin)
    months = [on.year * 12 + on.month for on in begin]
    assert all(later - earlier == step for earlier, later in pairwise(months))


@given(monthly_cycles)
def test_the_first_regular_start_is_found_by_looking_at_one_day_after_the_other(of):
    step = of.count * {"month": 1, "quarter": 3, "year": 12}[of.interval]
    on = of.billing_starts_on
    while not (
        on.day == min(of.bill_cycle_day, monthrange(on.year, on.month)[1])
        and (of.anchor_month is None or _is_aligned(on.month, of.anchor_month, step))
    ):
        on += ONE_DAY
    assert of.first_regular_start() == on


def _is_aligned(month, anchor_month, step):
    """Whether steps from this month come to the anchor month within twelve rounds."""
    return any((month - anchor_month + n * step) % 12 == 0 for n in range(12))


@given(cycles("day", "week"))
def test_day_and_week_starts_are_whole_intervals_from_the_contracts_start(of):
    length = of.count * {"day": 1, "week": 7}[of.interval]
    regular = some_periods(of, 400)[1:]
    assert all((period.start - of.starts_on).days % length == 0 for period in regular)
    assert all(period.days == length for period in regular)
    assert 0 <= (of.first_regular_start() - of.billing_starts_on).days < length


@given(cycles(), st.integers(1, 2_000))
@settings(max_examples=200)
def test_renewal_dates_do_not_wander_when_billing_starts_later(of, days):
    """Months, and whatever an anchor month or the contract's start holds in place."""
    monthly = of.interval in ("month", "quarter", "year")
    step = of.count * {"month": 1, "quarter": 3, "year": 12}.get(of.interval, 0)
    if monthly and not (step == 1 or (of.anchor_month and 12 % step == 0)):
        return
    later = replace(of, billing_starts_on=of.billing_starts_on + timedelta(days=days))
    until = later.billing_starts_on + timedelta(days=1_000)
    regular = [period for period in of.periods(until) if period.start >= later.first_regular_start()]
    assert [period for period in later.periods(until) if period.start >= later.first_regular_start()] == regular
