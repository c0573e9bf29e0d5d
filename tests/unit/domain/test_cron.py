"""Cron fires as the standard says, once, in any time zone. PRODUCT 1.

The oracle walks over the instants minute by minute and reads the wall clock. It shares no code with the
module and no idea of gaps and folds: it remembers which wall-clock times it has seen, and which were jumped
over.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from time import process_time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.calendar import (
    MAX_OCCURRENCES,
    Cron,
    InvalidCron,
    NeverAgain,
    UnknownTimezone,
    parse_cron,
)
from shared.domain.cron_fields import MAX_EXPRESSION_CHARS

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(expression, after, until, timezone, limit=10_000):
    return parse_cron(expression).between(at(after), at(until), timezone, limit)


def written(instants):
    return [instant.strftime("%Y-%m-%dT%H:%M") for instant in instants]


# ---- the oracle ---------------------------------------------------------------------------------


@lru_cache
def wall_clock(timezone, first, days):
    """For each instant, minute by minute, the wall-clock times that count as occurring then: the one that the
    clock shows if it has not shown it before, and those it has just jumped over."""
    tz, begin = ZoneInfo(timezone), at(first)
    before = (begin - MINUTE).astimezone(tz).replace(tzinfo=None)
    # A day of history, so that a repeated time at the very beginning is known to be one.
    seen = {(begin - n * MINUTE).astimezone(tz).replace(tzinfo=None) for n in range(1, 1441)}
    occurring = []
    for n in range(days * 1440):
        now = (begin + n * MINUTE).astimezone(tz).replace(tzinfo=None)
        times = []
        skipped = before + MINUTE
        while skipped < now:
            times.append(skipped)
            skipped += MINUTE
        if now not in seen:
            times.append(now)
        seen.add(now)
        before = now
        occurring.append((begin + n * MINUTE, tuple(times)))
    return tuple(occurring)


def scan(fields, timezone, first, days):
    """Every instant at which a time matches. `fields` are five sets of numbers, None for `*`; Sunday is 0."""
    return tuple(
        instant
        for instant, times in wall_clock(timezone, first, days)
        if any(matches(fields, local) for local in times)
    )


def matches(fields, local):
    minutes, hours, days, months, weekdays = fields
    if minutes is not None and local.minute not in minutes:
        return False
    if hours is not None and local.hour not in hours:
        return False
    if months is not None and local.month not in months:
        return False
    on_day = days is not None and local.day in days
    on_weekday = weekdays is not None and (local.weekday() + 1) % 7 in weekdays
    if days is None:
        return weekdays is None or on_weekday
    return on_day or on_weekday


WINDOWS = [
    ("Europe/Berlin", "2026-03-28T00:00", 3),  # 02:00 → 03:00 on the 29th
    ("Europe/Berlin", "2026-10-24T00:00", 3),  # 03:00 → 02:00 on the 25th
    ("America/New_York", "2026-03-07T00:00", 3),
    ("America/New_York", "2026-10-31T00:00", 3),
    ("Australia/Lord_Howe", "2026-04-03T00:00", 4),  # by half an hour
    ("Australia/Lord_Howe", "2026-10-02T00:00", 4),
    ("Africa/Casablanca", "2026-02-14T00:00", 3),  # back for Ramadan
    ("Africa/Casablanca", "2026-03-21T00:00", 3),
    ("America/Sao_Paulo", "2018-11-03T00:00", 3),  # 00:00 → 01:00 on the 4th
    ("America/Sao_Paulo", "2018-02-17T00:00", 3),  # 00:00 of the 18th → 23:00 of the 17th
    ("America/St_Johns", "2006-10-28T00:00", 3),  # 00:01 of the 29th → 23:01 of the 28th
    ("America/St_Johns", "2006-04-01T00:00", 3),  # 00:01 → 01:01
    ("Pacific/Apia", "2011-12-29T00:00", 4),  # 30 December never was
    ("Africa/Cairo", "2024-04-25T00:00", 3),
    ("America/Scoresbysund", "2024-03-30T00:00", 3),  # offset and summer time changed on one day
    ("Asia/Pyongyang", "2018-05-03T12:00", 3),  # forward by half an hour at 23:30
    ("UTC", "2024-02-28T00:00", 3),
]


@st.composite
def a_field(draw, lowest, highest, often_any=False):
    """One field as text, and what it means as a set (None for a bare `*`)."""
    if often_any and draw(st.booleans()):
        return "*", None
    kind = draw(st.sampled_from(["any", "step", "list"]))
    if kind == "any":
        return "*", None
    if kind == "step":
        step = draw(st.integers(2, highest - lowest))
        return f"*/{step}", set(range(lowest, highest + 1, step))
    texts, values = [], set()
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(lowest, highest))
        last = draw(st.integers(first, highest))
        step = draw(st.integers(1, highest - lowest))
        text, meant = draw(
            st.sampled_from(
                [
                    (f"{first}", {first}),
                    (f"{first}-{last}", set(range(first, last + 1))),
                    (f"{first}-{last}/{step}", set(range(first, last + 1, step))),
                ]
            )
        )
        texts.append(text)
        values |= meant
    return ",".join(texts), values


expressions = st.tuples(
    a_field(0, 59),
    a_field(0, 23),
    a_field(1, 28, often_any=True).map(lambda f: f if "*/" not in f[0] else ("*", None)),
    st.just(("*", None)),
    a_field(0, 6, often_any=True),
)


@settings(max_examples=150)
@given(expressions, st.sampled_from(WINDOWS))
def test_every_occurrence_is_the_one_that_a_minute_by_minute_scan_finds(drawn, window):
    expression = " ".join(text for text, _ in drawn)
    timezone, first, days = window
    expected = scan([values for _, values in drawn], timezone, first, days)
    begin = at(first) - MINUTE  # exclusive
    found = parse_cron(expression).between(begin, begin + days * DAY, timezone, MAX_OCCURRENCES)
    assert found == expected, expression


FIXED = [
    ("* * * * *", (None, None, None, None, None)),
    ("*/15 * * * *", ({0, 15, 30, 45}, None, None, None, None)),
    ("30 * * * *", ({30}, None, None, None, None)),
    ("0 0 * * *", ({0}, {0}, None, None, None)),
    ("30 2 * * *", ({30}, {2}, None, None, None)),
    ("0,10,50 0-3,23 * * *", ({0, 10, 50}, {0, 1, 2, 3, 23}, None, None, None)),
    ("1 0,1,2,23 29 * SUN", ({1}, {0, 1, 2, 23}, {29}, None, {0})),
]


@pytest.mark.parametrize(("timezone", "first", "days"), WINDOWS)
@pytest.mark.parametrize(("expression", "fields"), FIXED)
def test_around_a_clock_change_nothing_is_lost_or_doubled(timezone, first, days, expression, fields):
    expected = scan(fields, timezone, first, days)
    cron, begin = parse_cron(expression), at(first) - MINUTE
    end = begin + days * DAY
    assert cron.between(begin, end, timezone, MAX_OCCURRENCES) == expected

    one_by_one, instant = [], begin
    while (instant := cron.next_after(instant, timezone)) <= end and len(one_by_one) < 200:
        one_by_one.append(instant)
    assert tuple(one_by_one) == expected[:200]


@pytest.mark.parametrize(("timezone", "first", "days"), WINDOWS)
def test_ticks_of_fifteen_minutes_see_every_occurrence_exactly_once(timezone, first, days):
    cron, begin = parse_cron("0,7,30 * * * *"), at(first) - MINUTE
    ticks = [begin + n * timedelta(minutes=15) for n in range(days * 96 + 1)]
    seen = [t for after, until in pairwise(ticks) for t in cron.between(after, until, timezone, 100)]
    assert tuple(seen) == cron.between(ticks[0], ticks[-1], timezone, MAX_OCCURRENCES)


# ---- the rule, by example -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "timezone", "after", "until", "expected"),
    [
        # 02:30 is skipped on 29 March: the first instant after the gap is 03:00 summer time, 01:00 UTC
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-30T12:00",
         ["2026-03-29T01:00", "2026-03-30T00:30"]),
        # skipped times and 03:00 itself are one instant, which fires once
        ("*/20 2,3 29 3 *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-30T12:00",
         ["2026-03-29T01:00", "2026-03-29T01:20", "2026-03-29T01:40"]),
        # 02:30 comes twice on 25 October: the first, in summer time
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-26T12:00",
         ["2026-10-25T00:30", "2026-10-26T01:30"]),
        # every quarter of an hour pauses while the hour repeats
        ("*/30 1-3 25 10 *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-26T12:00",
         ["2026-10-24T23:00", "2026-10-24T23:30", "2026-10-25T00:00", "2026-10-25T00:30",
          "2026-10-25T02:00", "2026-10-25T02:30"]),
        # half an hour on Lord Howe: 02:00 → 02:30
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00", "2026-10-04T00:00", ["2026-10-03T15:30"]),
        # midnight skipped: the day begins at 01:00
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", "2018-11-05T12:00",
         ["2018-11-04T03:00", "2018-11-05T02:00"]),
        # midnight of the 29th, before the clock was put back from 00:01 to 23:01 of the 28th
        ("0 0 * * *", "America/St_Johns", "2006-10-29T02:00", "2006-10-29T02:45", ["2006-10-29T02:30"]),
        ("0 0 * * *", "America/St_Johns", "2006-10-29T02:45", "2006-10-29T04:00", []),
        # a day that never was: everything due on it fires as the next begins
        ("0 8 30 12 *", "Pacific/Apia", "2011-12-29T00:00", "2012-01-02T00:00", ["2011-12-30T10:00"]),
        ("0 0,8 * * *", "Pacific/Apia", "2011-12-29T11:00", "2011-12-31T00:00",
         ["2011-12-29T18:00", "2011-12-30T10:00", "2011-12-30T18:00"]),
    ],
)  # fmt: skip
def test_skipped_times_fire_after_the_gap_and_repeated_ones_the_first_time(
    expression, timezone, after, until, expected
):
    assert written(fires(expression, after, until, timezone)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # 2026-06-01 is a Monday
        ("0 8 1 * *", [1]),
        ("0 8 * * MON", [1, 8, 15, 22, 29]),
        ("0 8 1,10 * MON", [1, 8, 10, 15, 22, 29]),  # either day field
        ("0 8 13 * FRI", [5, 12, 13, 19, 26]),
        ("0 8 * 6 SUN", [7, 14, 21, 28]),
        ("0 8 * 6 0", [7, 14, 21, 28]),
        ("0 8 * 6 7", [7, 14, 21, 28]),
        ("0 8 * jun sat-sun", [6, 7, 13, 14, 20, 21, 27, 28]),
        ("0 8 * * 6-7", [6, 7, 13, 14, 20, 21, 27, 28]),
        ("0 8 5-5 * *", [5]),
        ("0 8 */10 * *", [1, 11, 21]),
        ("0 8 10-20/4 * *", [10, 14, 18]),
        ("0 8 1-31 * MON", list(range(1, 31))),  # both restricted, as written
        ("0 8 */1 * MON", [1, 8, 15, 22, 29]),
        ("0 8 31 * *", []),
        ("0 8 1 JAN-MAY,JUL-DEC *", []),
    ],
)
def test_fields_mean_what_the_standard_says(expression, expected):
    june = fires(expression, "2026-06-01T00:00", "2026-06-30T23:59", "UTC")
    assert [instant.day for instant in june] == expected
    assert {instant.hour for instant in june} <= {8}


@pytest.mark.parametrize("last", range(1, 8))
@pytest.mark.parametrize("first", range(7))
def test_ranges_of_weekdays_and_their_steps_are_read_as_written(first, last):
    if first > last:
        return
    for step in range(1, 8):
        meant = {value % 7 for value in range(first, last + 1, step)}
        week = fires(f"0 0 * * {first}-{last}/{step}", "2026-06-06T12:00", "2026-06-13T12:00", "UTC")
        assert {instant.isoweekday() % 7 for instant in week} == meant


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-01-01T07:59", "2026-01-01T08:00"),
        ("2026-01-01T08:00", "2026-02-01T08:00"),  # exclusive
        ("2026-01-01T08:01", "2026-02-01T08:00"),
    ],
)
def test_the_next_occurrence_is_strictly_after(after, expected):
    assert parse_cron("0 8 1 * *").next_after(at(after), "UTC") == at(expected)


@pytest.mark.parametrize(
    ("after", "until", "expected"),
    [
        ("2026-01-01T07:59", "2026-01-01T08:00", 1),
        ("2026-01-01T08:00", "2026-01-01T08:15", 0),
        ("2026-01-01T07:45", "2026-01-01T07:59", 0),
        ("2026-01-01T08:00", "2026-01-01T08:00", 0),
        ("2026-01-02T00:00", "2026-01-01T00:00", 0),
    ],
)
def test_between_is_open_below_and_closed_above(after, until, expected):
    assert len(fires("0 8 1 * *", after, until, "UTC")) == expected


def test_seconds_within_a_minute_are_kept_apart():
    cron = parse_cron("0 8 * * *")
    eight = at("2026-01-01T08:00")
    assert cron.next_after(eight - timedelta(microseconds=1), "UTC") == eight
    assert cron.next_after(eight + timedelta(microseconds=1), "UTC") == eight + DAY


@pytest.mark.parametrize(("limit", "found"), [(1, 1), (2, 2), (3, 3), (4, 3)])
def test_at_most_the_limit_is_returned_and_the_earliest_first(limit, found):
    result = fires("0 8 * * *", "2026-01-01T00:00", "2026-01-03T23:00", "UTC", limit)
    assert [instant.day for instant in result] == [1, 2, 3][:found]


@pytest.mark.parametrize(
    ("limit", "possible"), [(0, False), (1, True), (MAX_OCCURRENCES, True), (MAX_OCCURRENCES + 1, False)]
)
def test_the_limit_has_limits(limit, possible):
    if possible:
        fires("0 8 * * *", "2026-01-01T00:00", "2026-01-02T00:00", "UTC", limit)
    else:
        with pytest.raises(ValueError, match="the limit must be 1 to"):
            fires("0 8 * * *", "2026-01-01T00:00", "2026-01-02T00:00", "UTC", limit)


def test_29_february_is_found_across_the_century_that_has_none():
    cron = parse_cron("0 0 29 2 *")
    assert cron.next_after(at("2026-01-01T00:00"), "UTC") == at("2028-02-29T00:00")
    assert cron.next_after(at("2096-02-29T00:00"), "Europe/Berlin") == at("2104-02-28T23:00")


def test_a_schedule_can_outlive_the_calendar():
    with pytest.raises(NeverAgain):
        parse_cron("0 0 29 2 *").next_after(at("9997-01-01T00:00"), "UTC")


def test_an_instant_without_a_time_zone_and_an_unknown_zone_are_refused():
    cron = parse_cron("0 8 * * *")
    with pytest.raises(ValueError, match="give an aware one"):
        cron.next_after(datetime(2026, 1, 1), "UTC")  # noqa: DTZ001
    with pytest.raises(UnknownTimezone):
        cron.next_after(at("2026-01-01T00:00"), "Mars/Olympus")
    with pytest.raises(UnknownTimezone):
        cron.between(at("2026-01-01T00:00"), at("2026-01-02T00:00"), "Mars/Olympus", 1)


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("", "has 0 fields instead of five"),
        ("* * * *", "has 4 fields instead of five"),
        ("0 * * * * *", "has 6 fields instead of five"),
        ("0 8 1 * * 2026", "has 6 fields instead of five"),
        ("0 0 8 1 * * 2026", "has 7 fields instead of five"),
        ("0 8 ? * MON", "'\\?' is not standard cron; write '\\*'"),
        ("0 8 1 * ?", "'\\?' is not standard cron"),
        ("@daily", "is an alias; write its five fields"),
        ("@reboot", "is an alias"),
        ("0 8 L * *", "extension"),
        ("0 8 l * *", "extension"),
        ("0 8 15W * *", "extension"),
        ("0 8 * * 5#2", "extension"),
        ("0 8 * * FRI#2", "extension"),
        ("0 8 * * L5", "extension"),
        ("H 8 * * *", "extension"),
        ("H(0-29)/10 * * * *", "extension"),
        ("R 8 * * *", "extension"),
        ("60 * * * *", "minute: '60' is not one of 0-59"),
        ("* 24 * * *", "hour: '24' is not one of 0-23"),
        ("* * 0 * *", "day of month: '0' is not one of 1-31"),
        ("* * 32 * *", "day of month: '32' is not one of 1-31"),
        ("* * * 0 *", "month: '0' is not one of 1-12 or JAN-DEC"),
        ("* * * 13 *", "month: '13'"),
        ("* * * * 8", "day of week: '8' is not one of 0-7 or SUN-SAT"),
        ("* * * MON *", "month: 'MON'"),
        ("* * * * JAN", "day of week: 'JAN'"),
        ("MON * * * *", "minute: 'MON' is not one of 0-59"),
        ("* * * * MONDAY", "day of week: 'MONDAY'"),
        ("-1 * * * *", "minute: '-1' is not"),
        ("1.5 * * * *", "minute: '1.5' is not"),
        ("1, * * * *", "minute: '' is not"),
        (",1 * * * *", "minute: '' is not"),
        ("*,5 * * * *", "'\\*' already means every value"),
        ("*/0 * * * *", "a step of 0"),
        ("*/61 * * * *", "a step of 61 never comes round within the field; use 1 to 60"),
        ("* * * * */8", "a step of 8"),
        ("5/15 * * * *", "a step needs a range; write '5-59/15'"),
        ("*/ * * * *", "minute: '\\*/' is not"),
        ("** * * * *", "minute: '\\*\\*' is not"),
        ("1-2-3 * * * *", "minute: '1-2-3' is not"),
        ("50-10 * * * *", "runs backwards; write two, '50-59,0-10'"),
        ("* * * * FRI-MON", "runs backwards"),
        ("* * * NOV-FEB *", "runs backwards; write two, '11-12,1-2'"),
        ("0 8 31 2 *", "never fires: no month it names has a day 31; use a day from 1 to 29"),
        ("0 8 30 FEB *", "never fires"),
        ("0 8 31 4,6,9,11 *", "never fires"),
        ("0 8 31 */11,2-4/2 *", None),  # January is one of them
        ("0 8 31 2-6/2 *", "never fires"),  # February, April, June
        ("0 8 30-31 2 *", "never fires"),
        ("0 8 30,31 2 *", "never fires"),
        ("0 8 29-31 2 *", None),
        ("0 8 29 2 *", None),
        ("0 8 31 2 MON", None),  # on Mondays
        ("0 8 31 2 */1", "never fires"),
        ("0 8 1 * *\n", "a character that cron does not know"),
        ("0 8 1 * *\x00", "a character that cron does not know"),
        ("0 8\N{NO-BREAK SPACE}1 * *", "a character that cron does not know"),
        ("٠ 8 1 * *", "a character that cron does not know"),
        ("0 8 1 * MON–FRI", "a character that cron does not know"),
        ("cron(0 8 1 * ? *)", "has 6 fields"),
        ("rate(5 minutes)", "has 2 fields"),
        ("0" * 10_000, "longer than"),
        (None, "must be a text"),
        (5, "must be a text"),
        (["*"] * 5, "must be a text"),
    ],
)  # fmt: skip
def test_what_is_not_standard_or_never_fires_is_refused_with_the_problem_and_the_way_out(expression, what):
    if what is None:
        assert parse_cron(expression).next_after(at("2026-01-01T00:00"), "UTC")
    else:
        with pytest.raises(InvalidCron, match=what) as refused:
            parse_cron(expression)
        message = str(refused.value)
        assert any(f" {word} " in f" {message.replace(',', '')} " for word in ("write", "use", "list")), message
        assert len(message) < 250
        assert message.isprintable()


@pytest.mark.parametrize("length", [MAX_EXPRESSION_CHARS - 1, MAX_EXPRESSION_CHARS, MAX_EXPRESSION_CHARS + 1])
def test_the_length_of_an_expression_has_an_inclusive_limit(length):
    expression = "0 8 1 * *".ljust(length)
    if length <= MAX_EXPRESSION_CHARS:
        assert parse_cron(expression).expression == "0 8 1 * *"
    else:
        with pytest.raises(InvalidCron, match="longer than 500"):
            parse_cron(expression)


def test_spacing_does_not_matter_and_the_text_is_kept_as_the_admin_wrote_it():
    cron = parse_cron("  0\t8  1-5 jan MON-FRI ")
    assert cron == Cron("0 8 1-5 jan MON-FRI")
    assert cron.expression == "0 8 1-5 jan MON-FRI"


def test_a_cron_that_exists_is_valid():
    with pytest.raises(InvalidCron):
        Cron("@daily")


@given(st.text(alphabet="0123456789*/-,?#@LWHRSUNMOJA ", max_size=30) | st.text(max_size=20))
def test_any_text_is_refused_or_fires_within_the_longest_gap_there_is(expression):
    try:
        cron = parse_cron(expression)
    except InvalidCron:
        return
    begin = at("2026-01-01T00:00")
    assert begin < cron.next_after(begin, "Europe/Berlin") <= begin + 8 * 366 * DAY


def test_a_day_in_a_month_never_fires_exactly_when_the_calendar_has_no_such_day():
    for month in range(1, 13):
        for day in range(1, 32):
            try:
                date(2028, month, day)
            except ValueError:
                with pytest.raises(InvalidCron, match="never fires"):
                    parse_cron(f"0 8 {day} {month} *")
            else:
                parse_cron(f"0 8 {day} {month} *")


# ---- cost ---------------------------------------------------------------------------------------

MAX_TICK_SECONDS = 50e-6


@pytest.mark.parametrize("expression", ["0 8 1 * *", "7 * * * *", "0 0 29 2 *"])
def test_a_tick_with_nothing_due_costs_next_to_nothing(expression):
    cron = parse_cron(expression)
    after, until = at("2026-01-10T03:15"), at("2026-01-10T03:30")

    def seconds_each(times=200):
        begin = process_time()
        for _ in range(times):
            assert cron.between(after, until, "Europe/Berlin", 100) == ()
        return (process_time() - begin) / times

    assert min(seconds_each() for _ in range(5)) < MAX_TICK_SECONDS
