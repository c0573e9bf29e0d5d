"""A reviewed sample of a run's drafts, and what it proves of those that nobody looks at. PRODUCT 4.

What the spot check flags is looked at anyway. Of the rest, totals far from what their customers are usually invoiced
are reviewed one by one, and of each stratum that remains a sample, in an order that nobody chooses. The bound is exact,
for a finite number of drafts and whatever is wrong with them: it assumes nothing but that order. Integers and
fractions only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from math import comb
from typing import Final, Literal

from shared.domain.ids import derive_id
from shared.domain.money import round_half_up
from shared.domain.values import dataclass

Word = Literal["right", "wrong"]
Stratum = Literal["outlier", "large", "small"]
SAMPLED: Final[tuple[Stratum, ...]] = ("large", "small")
CONFIDENCE: Final = Fraction(95, 100)
HISTORY_LEAST: Final = 3  # fewer say nothing of what is usual
FAR: Final = Fraction(7, 2)  # deviations from which a total is an outlier
MAD_TO_DEVIATION: Final = Fraction(14826, 10000)  # the median absolute deviation as a standard one, of normal errors
LEAST_SPREAD: Final = Fraction(1, 100)  # of the median: who always pays the same is no outlier for a cent
OUTLIERS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person found of one invoice of a run."""

    run_id: str
    invoice_id: str
    word: Word
    note: str | None = None
    by: str | None = None
    at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An invoice of a run that the spot check did not flag. `earlier` are totals of its contracts' invoices before."""

    id: str
    customer_id: str
    currency: str
    total_minor: int
    earlier: tuple[int, ...] = ()

    @property
    def variance(self) -> Variance | None:
        """Beside the customer's own history; None where that is too short."""
        return variance(self.total_minor, self.earlier)


@dataclass(frozen=True, slots=True)
class Variance:
    """How far a total is from what is usual, in deviations that single strange invoices do not change."""

    median_minor: int
    deviations: Fraction
    invoices: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What is to be reviewed, per stratum in the order to go by, and how many invoices each stratum has."""

    chosen: Mapping[Stratum, tuple[Candidate, ...]]
    sizes: Mapping[Stratum, int]


@dataclass(frozen=True, slots=True)
class Proven:
    """Of the unreviewed invoices at most so many are wrong, with CONFIDENCE."""

    population: int
    reviewed: int
    wrong: int
    unreviewed: int
    wrong_at_most: int


@dataclass(frozen=True, slots=True)
class Usual:
    """The middle of some totals, and one deviation from it."""

    median: Fraction
    deviation: Fraction
    invoices: int


def usual_of(totals: Sequence[int]) -> Usual | None:
    """What is usual among these totals; None if they are too few to say it."""
    if len(totals) < HISTORY_LEAST:
        return None
    middle = median(totals)
    spread = MAD_TO_DEVIATION * median([abs(total - middle) for total in totals])
    return Usual(middle, max(spread, LEAST_SPREAD * abs(middle), Fraction(1)), len(totals))


def variance(total_minor: int, earlier: Sequence[int]) -> Variance | None:
    """A total beside the totals before it; None if these are too few to say what is usual."""
    return _apart(total_minor, usual_of(earlier))


def _apart(total_minor: int, usual: Usual | None) -> Variance | None:
    if usual is None:
        return None
    apart = Fraction(abs(total_minor - usual.median), usual.deviation)
    return Variance(round_half_up(usual.median), apart, usual.invoices)


def median(values: Iterable[int | Fraction]) -> Fraction:
    """Exactly; the mean of the middle two of an even number. Raises IndexError for none."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return Fraction(ordered[half]) if len(ordered) % 2 else Fraction(ordered[half - 1] + ordered[half], 2)


def sample_of(run_id: str, population: Sequence[Candidate], size: int) -> Sample:
    """About `size` invoices besides the outliers, half from each stratum, the same ones whenever it is asked."""
    outliers = _outliers(population)
    taken = {c.id for c in outliers}
    strata: dict[Stratum, list[Candidate]] = {"outlier": outliers, "large": [], "small": []}
    middles = {currency: median(totals) for currency, totals in _totals(population).items()}
    for each in sorted(population, key=lambda c: derive_id("", "review", run_id, c.id)):
        if each.id not in taken:
            strata["large" if each.total_minor > middles[each.currency] else "small"].append(each)
    large = min(len(strata["large"]), max(size // 2, size - len(strata["small"])))
    share: dict[Stratum, int] = {"outlier": len(outliers), "large": large, "small": size - large}
    chosen = {name: tuple(those[: share[name]]) for name, those in strata.items()}
    return Sample(chosen, {name: len(those) for name, those in strata.items()})


def _outliers(population: Sequence[Candidate]) -> list[Candidate]:
    """The totals that are farthest from what is usual for their customers.

    One with too short a history is compared with the others of the run in its currency.
    """
    others = {currency: usual_of(totals) for currency, totals in _totals(population).items()}
    found = [(c, c.variance or _apart(c.total_minor, others[c.currency])) for c in population]
    far = [(v.deviations, c.id, c) for c, v in found if v is not None and v.deviations >= FAR]
    return [c for _, _, c in sorted(far, key=lambda f: (-f[0], f[1]))[:OUTLIERS_MAX]]


def _totals(population: Iterable[Candidate]) -> dict[str, list[int]]:
    totals: dict[str, list[int]] = {}
    for each in population:
        totals.setdefault(each.currency, []).append(each.total_minor)
    return totals


def proven(sample: Sample, verdicts: Mapping[str, Word]) -> Proven:
    """What the verdicts prove. In a stratum those count that were reviewed in order, up to the first that was not.

    An outlier that nobody has reviewed counts as wrong. The risk of being mistaken is shared out between the strata.
    """
    listed = [c.id for those in sample.chosen.values() for c in those]
    reviewed = [verdicts[id] for id in listed if id in verdicts]
    strata = [name for name in SAMPLED if sample.sizes[name]]
    at_most = sum(c.id not in verdicts for c in sample.chosen["outlier"])
    for name in strata:
        words = _in_order(sample.chosen[name], verdicts)
        wrong, size = words.count("wrong"), sample.sizes[name]
        most = most_wrong(size, len(words), wrong, Fraction(1 - CONFIDENCE, len(strata))) - wrong
        at_most += min(most, size - sum(c.id in verdicts for c in sample.chosen[name]))
    population = sum(sample.sizes.values())
    return Proven(population, len(reviewed), reviewed.count("wrong"), population - len(reviewed), at_most)


def _in_order(chosen: Sequence[Candidate], verdicts: Mapping[str, Word]) -> list[Word]:
    words: list[Word] = []
    for each in chosen:
        if each.id not in verdicts:
            break
        words.append(verdicts[each.id])
    return words


def most_wrong(population: int, sampled: int, wrong: int, risk: Fraction) -> int:
    """The largest number of wrong ones in a population of which a random sample shows so few with more than that risk.

    Exact (hypergeometric), found by bisection: the more are wrong, the less likely so few of them are in the sample.
    """
    least, most = wrong, population - (sampled - wrong)
    while least < most:
        middle = (least + most + 1) // 2
        if _at_most(wrong, population, middle, sampled) > risk:
            least = middle
        else:
            most = middle - 1
    return least


def _at_most(seen: int, population: int, wrong: int, sampled: int) -> Fraction:
    """How likely a sample holds at most so many of the wrong ones."""
    ways = sum(comb(wrong, n) * comb(population - wrong, sampled - n) for n in range(seen + 1))
    return Fraction(ways, comb(population, sampled))
