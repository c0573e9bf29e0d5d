"""Rehearsals that were asked for: how large one may be, its record, and its result. PRODUCT 12."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from shared import ports as p
from shared.contracts.messages import RunRehearsal
from shared.domain.copies import replace
from shared.domain.errors import DomainError, NotFound, Refused
from shared.domain.rehearsal import Rehearsal
from shared.ports import Conflict, Page, Ports, Save, Unavailable
from shared.use_cases.copy_records import count_customers

AT_ONCE_MAX: Final = 6_000  # customers × days that one request carries out itself: 66 customers for 90 days
WORKER_MAX: Final = 180_000  # that the worker does within its time: 2,000 customers for 90 days
ASKED: Final = ("days", "settings", "classes", "seed", "since")
MEDIA_TYPES: Final = {"json": "application/json", "csv": "text/csv"}
CarryOut = Callable[[Rehearsal], dict[str, bytes]]  # the files that are kept, by the ends of their names
Said = Literal["done", "failed", "skipped"]


def ask_for_rehearsal(asked: Rehearsal, carry_out: CarryOut, ports: Ports) -> Rehearsal:
    """Carry out a small one at once, and leave a larger one to the worker. Refused for what is too large for that.

    The same under the same id again is the same rehearsal.
    """
    known = ports.store.get(Rehearsal, asked.id)
    if known is not None:
        return _again(asked, known, ports)
    most = WORKER_MAX // asked.days
    customers = count_customers(ports, most)
    if customers > most:
        raise Refused(
            "too_large",
            f"a rehearsal of {asked.days} days takes at most {most} customers here: rehearse fewer days, or run "
            "`paidup rehearse` on a machine of your own",
        )
    asked = replace(asked, created_at=ports.clock.now())
    if customers * asked.days <= AT_ONCE_MAX:
        done = _carried_out(asked, carry_out, ports)
        ports.store.commit(Save(done))
        return replace(done, version=1)
    ports.store.commit(Save(asked))
    return _left_to_the_worker(replace(asked, version=1), ports)


def _again(asked: Rehearsal, known: Rehearsal, ports: Ports) -> Rehearsal:
    if any(getattr(known, name) != getattr(asked, name) for name in ASKED):
        raise Refused("id_taken", f"the id {asked.id} is taken: choose another")
    return _left_to_the_worker(known, ports) if known.status == "pending" else known


def _left_to_the_worker(asked: Rehearsal, ports: Ports) -> Rehearsal:
    ports.queue.send("rehearsal", [RunRehearsal(rehearsal_id=asked.id).body()])
    return asked


def run_rehearsal(id: str, carry_out: CarryOut, ports: Ports) -> Said:
    """Carry out one that waits; once it is done or failed, a repeated message changes nothing."""
    asked = rehearsal_of(id, ports)
    if asked.status != "pending":
        return "skipped"
    done = _carried_out(asked, carry_out, ports)
    try:
        ports.store.commit(Save(done))
    except Conflict:
        return "skipped"  # another worker was faster, with the same result
    return "failed" if done.status == "failed" else "done"


def customers_max(asked: Rehearsal) -> int:
    """How many customers it may have grown to since it was asked for."""
    return WORKER_MAX // asked.days


def rehearsal_of(id: str, ports: Ports) -> Rehearsal:
    found = ports.store.get(Rehearsal, id)
    if found is None:
        raise NotFound("rehearsal", id)
    return found


def earlier_rehearsals(ports: Ports, most: int, after: str | None = None) -> Page[Rehearsal]:
    """Those that were asked for, newest first; raises Invalid for an `after` that is no page's cursor."""
    found = ports.store.find(p.REHEARSALS, "all", after=after, limit=most, reverse=True)
    return Page(tuple(ports.store.get_many(Rehearsal, [e.key for e in found.items])), found.cursor)


def _carried_out(asked: Rehearsal, carry_out: CarryOut, ports: Ports) -> Rehearsal:
    """With its result kept. What will pass is raised, to be tried again; anything else is its end."""
    try:
        for end, content in reversed(carry_out(asked).items()):  # what names the others comes last
            ports.files.write_once(asked.file_key(end), content, MEDIA_TYPES[end.rpartition(".")[2]])
    except Unavailable:
        raise
    except DomainError as wrong:
        return replace(asked, status="failed", reason=str(wrong), finished_at=ports.clock.now())
    return replace(asked, status="done", finished_at=ports.clock.now())
