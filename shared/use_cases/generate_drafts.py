"""Making the drafts of a bill run, a chunk of customers at a time. PRODUCT 4."""

from __future__ import annotations

from typing import Final

from shared.domain.copies import replace
from shared.domain.errors import DomainError, Refused
from shared.domain.runs import BillRun, Chunk, Failure
from shared.domain.values import dataclass
from shared.ports import Conflict, Ports, Remove, Save, Unavailable
from shared.use_cases.bill_customer import RunOf, bill_customer
from shared.use_cases.bill_runs import OPEN, bill_run_of, complete_bill_run
from shared.use_cases.cancel_bill_run import remove_drafts
from shared.use_cases.look_ahead import ahead_of_billing
from shared.use_cases.lookups import settings_of

MESSAGE_CHARS_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Generated:
    """What one chunk came to."""

    drafts: int
    failures: tuple[Failure, ...]


def generate_drafts(run_id: str, number: int, ports: Ports) -> Generated | None:
    """Bill the customers of one chunk; None if that was done before, or the run is cancelled.

    What goes wrong with one customer is recorded and stops nobody else. Raises Unavailable to have all tried again.
    """
    run = bill_run_of(run_id, ports)
    chunk = ports.store.get(Chunk, run_id, f"{OPEN}{number:06d}")
    if run.status == "cancelled" or chunk is None:
        _nothing_to_do(run, ports)
        return None
    what = RunOf(run.id, run.as_of, settings_of(ports))
    ahead_of_billing(chunk.subjects, ports)
    results = ports.abreast.each(lambda customer_id, own: _isolated(customer_id, what, own), chunk.subjects, ports)
    failures = tuple(r for r in results if isinstance(r, Failure))
    generated = Generated(sum(r for r in results if isinstance(r, int)), failures)
    done = replace(chunk, done=True, version=0, failures=failures, drafts=generated.drafts)
    try:
        ports.store.commit(Remove(chunk), Save(done))
    except Conflict:
        _nothing_to_do(bill_run_of(run_id, ports), ports)
        return None
    complete_bill_run(run_id, ports)
    return generated


def _nothing_to_do(run: BillRun, ports: Ports) -> None:
    """Another delivery was faster; or the run was cancelled, and what this one has made since has to go too."""
    if run.status == "cancelled":
        remove_drafts(run, ports)
    else:
        complete_bill_run(run.id, ports)


def _isolated(customer_id: str, run: RunOf, ports: Ports) -> int | Failure:
    try:
        return bill_customer(customer_id, run, ports)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - one bad customer never stops the run
        return failure_of(customer_id, error)


def failure_of(customer_id: str, error: Exception) -> Failure:
    """Why a customer was not billed, in words for the people who look at the run."""
    code = error.code if isinstance(error, Refused) else "failed"
    words = str(error) if isinstance(error, DomainError) else f"{type(error).__name__}: {error}"
    return Failure(customer_id, code, words[:MESSAGE_CHARS_MAX])
