"""A million invoices in one night, simulated against the limits of a new AWS account: `python -m benchmarks.night`.

In steps of some seconds, from the figures of benchmarks/measured.json: how long each function works on an invoice,
which units it takes from which table, index and busiest key, and how many workers template.yaml lets it have. Nothing
of the code is simulated, only the limits around it. Told are when each stage begins and ends, what held it up and for
how long, and so what would have to be raised. `--invoices`, `--mails-a-second`, `--charges-a-second`,
`--size small|large|huge`.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from rich.table import Table

from benchmarks.cost import MILLISECONDS, seconds
from benchmarks.figures import console, report
from benchmarks.stages import Measured, Stage, measured
from infra.wiring import LOCAL_PARAMETERS, Function, Wiring, load_wiring
from shared.use_cases.post_invoices import CHUNK_DRAFTS

INVOICES_DEFAULT: Final = 1_000_000
SIZES: Final = ("small", "large", "huge")
MINUTES_PROMISED: Final = 60.0
SECONDS_MAX: Final = 40 * 24 * 3600  # then it will not end
STEP_SECONDS: Final = 10
ROUNDING: Final = 0.5  # of an invoice
LAMBDA: Final = "AWS::Lambda::Function"
CAUGHT_UP: Final = "nothing: it keeps up with the stage before"


@dataclass(frozen=True, slots=True)
class Limits:
    """What AWS allows an account that has asked for nothing. Sources: the quota pages of each service."""

    executions: int = 1_000  # of all functions at once
    ramp_per_10_seconds: int = 1_000  # more executions of one function
    pollers_first: int = 5  # of a queue, each with one batch in the air
    pollers_per_minute: int = 300
    pollers_max: int = 1_250
    table_writes: int = 4_000  # units a second of a new on-demand table, and of each index
    table_reads: int = 12_000
    doubling_seconds: int = 1_800  # after which twice the highest use so far is allowed
    key_writes: int = 1_000  # units a second of one partition
    key_reads: int = 3_000
    mails: float | None = 14  # a second
    charges: float | None = None  # a second, that the gateway takes


@dataclass(frozen=True, slots=True)
class Work:
    """A stage: its function, what must have ended before, and what it waits for invoice by invoice."""

    name: str
    function: str
    after: str | None = None  # begins when that stage has ended
    behind: str | None = None  # an invoice comes here when that stage is done with it


NIGHT: Final = (
    Work("drafts", "BillRunGenerateFunction"),
    Work("posting", "AutoPostPostFunction", after="drafts"),
    Work("charges", "AutopayChargeFunction", after="posting"),
    Work("documents", "RenderPdfFunction", behind="posting"),
    Work("mail", "SendEmailSendFunction", behind="documents"),
    Work("mail's events", "SendEmailFeedbackFunction", behind="mail"),
)
MAIL: Final = ("mail", "mail's events")


@dataclass(slots=True)
class Course:
    """How a stage went. `held` counts the seconds by what was the narrowest."""

    began: int | None = None
    ended: int | None = None
    done: float = 0
    held: Counter[str] = field(default_factory=Counter)

    @property
    def minutes(self) -> float:
        return ((self.ended or 0) - (self.began or 0)) / 60


class Throughput:
    """What is left of each table, index and key in the step at hand; on-demand capacity grows behind its use."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._allowed: dict[str, float] = {}
        self._used: dict[str, float] = defaultdict(float)
        self._peak: dict[str, float] = defaultdict(float)

    def next_step(self, second: int) -> None:
        for place, used in self._used.items():
            self._peak[place] = max(self._peak[place], used)
        self._used.clear()
        if second and not second % self._limits.doubling_seconds:
            for place in self._allowed:
                self._allowed[place] = max(self._allowed[place], 2 * self._peak[place])

    def narrowest(self, needs: Sequence[Need]) -> tuple[float, str]:
        """How many invoices a second there is still room for, and where that is narrowest."""
        return min(((self._left(need) / need.units, need.place) for need in needs), default=(float("inf"), ""))

    def take(self, needs: Sequence[Need], rate: float) -> None:
        for need in needs:
            self._used[need.place] += need.units * rate

    def _left(self, need: Need) -> float:
        allowed = need.most if need.fixed else self._allowed.setdefault(need.place, need.most)
        return allowed - self._used[need.place]


@dataclass(frozen=True, slots=True)
class Need:
    """Units per invoice of a table, an index, or a key of one, and how many a second it has at first, or ever."""

    place: str
    units: float
    most: float
    fixed: bool  # of a key: it does not grow


def needs_of(stage: Stage, limits: Limits) -> tuple[Need, ...]:
    return (
        *(Need(f"{space}: units to write", n, limits.table_writes, False) for space, n in stage.write.items()),
        *(Need(f"{space}: units to read", n, limits.table_reads, False) for space, n in stage.read.items()),
        *(Need(f"a key of {key}: units to write", n, limits.key_writes, True) for key, n in stage.hot_write.items()),
        *(Need(f"a key of {key}: units to read", n, limits.key_reads, True) for key, n in stage.hot_read.items()),
    )


class Night:
    """So many invoices that are all due at its beginning."""

    def __init__(self, invoices: int, found: Measured, wiring: Wiring, limits: Limits) -> None:
        self._invoices, self._wiring, self._limits = invoices, wiring, limits
        self.courses = {work.name: Course() for work in NIGHT}
        self._tables = Throughput(limits)
        stages = {work.name: found.stages[work.function] for work in NIGHT}
        self._needs = {name: needs_of(stage, limits) for name, stage in stages.items()}
        self._each = {w.name: seconds(w.function, stages[w.name], self._function(w).memory_mb) for w in NIGHT}
        reserved = (f.properties.get("ReservedConcurrentExecutions") for f in wiring.template.of(LAMBDA))
        self._executions = limits.executions - sum(n or 0 for n in reserved)

    def _function(self, work: Work) -> Function:
        return self._wiring.functions[work.function]

    def pass_by(self) -> dict[str, Course]:
        """Raises RuntimeError if it does not end."""
        for second in range(0, SECONDS_MAX, STEP_SECONDS):
            self._tables.next_step(second)
            left = float(self._executions)
            for work in NIGHT:
                left -= self._step(work, second, left)
            if all(course.ended is not None for course in self.courses.values()):
                return self.courses
        raise RuntimeError(f"{self._invoices} invoices are not done after {SECONDS_MAX} seconds")

    def _step(self, work: Work, second: int, executions: float) -> float:
        """Let a stage work for a step; how many executions it took of those that were left."""
        course, each = self.courses[work.name], self._each[work.name]
        waiting = self._waiting(work, second)
        if course.ended is not None or waiting <= 0:
            return 0
        if course.began is None:
            course.began = second
        needs = self._needs[work.name]
        rate, why = min(
            *self._workers(work, second - course.began, executions),
            *self._outside(work),
            self._tables.narrowest(needs),
            (waiting / STEP_SECONDS, CAUGHT_UP),
        )
        course.done += rate * STEP_SECONDS
        course.held[why] += STEP_SECONDS
        self._tables.take(needs, rate)
        if course.done >= self._invoices - ROUNDING:
            course.ended = second + STEP_SECONDS
        return rate * each

    def _waiting(self, work: Work, second: int) -> float:
        if work.after is not None:
            ended = self.courses[work.after].ended
            if ended is None or ended > second:
                return 0
        there = self.courses[work.behind].done if work.behind is not None else self._invoices
        return there - self.courses[work.name].done

    def _workers(self, work: Work, age: int, executions: float) -> Iterator[tuple[float, str]]:
        limits, each = self._limits, self._each[work.name]
        (mapping,) = self._function(work).mappings
        yield executions / each, "Lambda: executions of the account"
        yield (age // 10 + 1) * limits.ramp_per_10_seconds / each, "Lambda: how fast a function may grow"
        pollers = min(limits.pollers_first + limits.pollers_per_minute * age / 60, limits.pollers_max)
        yield pollers / each, "SQS: pollers, which are growing"
        if mapping.max_concurrency is not None:
            yield mapping.max_concurrency / each, f"MaximumConcurrency {mapping.max_concurrency} of {work.function}"

    def _outside(self, work: Work) -> Iterator[tuple[float, str]]:
        if work.name == "posting":  # one transaction after another takes the next numbers of the series
            yield CHUNK_DRAFTS * 1000 / MILLISECONDS["TransactWriteItems"], "the number series, a chunk at a time"
        if work.name == "mail" and self._limits.mails is not None:
            yield self._limits.mails, "SES: mails a second"
        if work.name == "charges" and self._limits.charges is not None:
            yield self._limits.charges, "the gateway: charges a second"


def simulate(invoices: int, found: Measured, size: str, limits: Limits) -> dict[str, Course]:
    return Night(invoices, found, wiring_of_size(size), limits).pass_by()


@cache
def wiring_of_size(size: str) -> Wiring:
    return load_wiring(parameters={**LOCAL_PARAMETERS, "Size": size})


# ---- telling ----------------------------------------------------------------------------------------------------


def besides_mail(courses: Mapping[str, Course]) -> float:
    """Minutes until everything but the mail is done."""
    return max(course.ended or 0 for name, course in courses.items() if name not in MAIL) / 60


def holders(course: Course, most: int = 3) -> str:
    whole = course.held.total()
    return "; ".join(f"{why} ({n / whole:.0%})" for why, n in course.held.most_common(most))


def show(size: str, courses: Mapping[str, Course]) -> None:
    table = Table("stage", "from, min", "to, min", "a second", "held up by (share of its time)", title=f"Size: {size}")
    for name, course in courses.items():
        rate = course.done / max(course.minutes * 60, 1)
        spans = (f"{(at or 0) / 60:,.0f}" for at in (course.began, course.ended))
        table.add_row(name, *spans, f"{rate:,.0f}", holders(course))
    console().print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.night", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--invoices", type=int, default=INVOICES_DEFAULT)
    parser.add_argument("--mails-a-second", type=float, default=Limits().mails, help="SES's default: 14")
    parser.add_argument("--charges-a-second", type=float, help="that the gateway takes; no limit by default")
    parser.add_argument("--size", choices=SIZES, help="the template's parameter; all by default")
    asked = parser.parse_args(arguments)
    limits = Limits(mails=asked.mails_a_second, charges=asked.charges_a_second)
    found, besides = measured(), float("nan")
    for size in (asked.size,) if asked.size else SIZES:
        courses = simulate(asked.invoices, found, size, limits)
        show(size, courses)
        besides = besides_mail(courses)
        report("night", f"{size}: besides mail, minutes", besides)
        report("night", f"{size}: mail, hours", (courses["mail"].ended or 0) / 3600)
    report("night", "besides mail, minutes", besides, MINUTES_PROMISED)


if __name__ == "__main__":
    main()
