"""The review of a bill run: which of its unflagged invoices to look at, what people found, what that proves. PRODUCT 4.

The sample follows from what the run has made, so it is the same whenever it is asked for; only verdicts are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from shared.domain.copies import replace
from shared.domain.errors import NotFound
from shared.domain.invoice import Invoice
from shared.domain.review import (
    Candidate,
    Proven,
    Sample,
    Verdict,
    Word,
    proven,
    sample_of,
)
from shared.domain.values import dataclass
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.bill_runs import bill_run_of, invoices_in
from shared.use_cases.lookups import CONFLICT_RETRIES

READ_TOGETHER = 1_000  # of a run's invoices, each with what its customer was invoiced before
PAGES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Review:
    """A run's sample, what people found of it, and what that proves."""

    sample: Sample
    verdicts: Mapping[str, Verdict]
    proven: Proven


def review_of(run_id: str, size: int, ports: Ports) -> Review:
    """What to look at, what was found, and what it proves. Raises NotFound."""
    sample, verdicts = _sample(run_id, size, ports), _verdicts(run_id, ports)
    words: dict[str, Word] = {id: v.word for id, v in verdicts.items()}
    return Review(sample, verdicts, proven(sample, words))


def give_verdict(run_id: str, invoice_id: str, word: Word, note: str | None, by: str, ports: Ports) -> Verdict:
    """Keep what a person found; the last word counts. Raises NotFound for what is no invoice of the run."""
    bill_run_of(run_id, ports)
    invoice = ports.store.get(Invoice, invoice_id)
    if invoice is None or invoice.bill_run_id != run_id:
        raise NotFound("invoice of this run", invoice_id)
    for _ in range(CONFLICT_RETRIES):
        before = ports.store.get(Verdict, run_id, invoice_id) or Verdict(run_id, invoice_id, word)
        after = replace(before, word=word, note=note, by=by, at=ports.clock.now())
        try:
            ports.store.commit(Save(after))
        except Conflict:
            continue
        return after
    raise Unavailable(f"the verdict on {invoice_id} kept changing")


def _sample(run_id: str, size: int, ports: Ports) -> Sample:
    bill_run_of(run_id, ports)
    return sample_of(run_id, list(_candidates(run_id, ports)), size)


def _candidates(run_id: str, ports: Ports) -> Iterator[Candidate]:
    """What the spot check did not flag, each with what its customer was invoiced before."""
    keys = iter([(i.id, "") for i in invoices_in(run_id, ports) if i.status != "void" and not i.flags])
    while together := list(islice(keys, READ_TOGETHER)):
        for i in ports.store.get_many(Invoice, together):
            yield Candidate(i.id, i.customer_id, i.currency, i.total_minor, i.earlier_minor)


def _verdicts(run_id: str, ports: Ports) -> dict[str, Verdict]:
    found: dict[str, Verdict] = {}
    after: str | None = None
    for _ in range(PAGES_MAX):
        page = ports.store.list(Verdict, run_id, after=after)
        found |= {v.invoice_id: v for v in page.items}
        after = page.cursor
        if after is None:
            break
    return found
