"""Rehearsals: what the next days would bring, on a copy that touches nothing."""

from __future__ import annotations

from typing import Any, Final

from functions.admin_api.calls import CSV_TYPE, Answer, Call, prefers
from functions.admin_api.reports import whole
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_json import dumps, loads
from shared.contracts.api_rehearsals import RehearsalBody, rehearsal_json
from shared.domain.errors import NotFound, Refused, TooMuch
from shared.domain.rehearsal import RESULT_KEPT, Rehearsal
from shared.ports import Ports
from shared.use_cases.rehearsals import ask_for_rehearsal, rehearsal_of

router = new_router()

PARTS_MAX: Final = 1_000  # of a result as CSV
ANSWER_BYTES_MAX: Final = 5 * 1024 * 1024  # Lambda answers with six at most


@endpoint(router, "POST", "/v1/rehearsals", body=RehearsalBody, creates="reh_")
def post_rehearsal(call: Call[RehearsalBody]) -> Answer:
    """Rehearse the next days as things are set and, if changes are given, with those; a small world is done at once."""
    from functions.rehearsal.rehearse import check_changes  # with every handler there is: few requests need them
    from functions.rehearsal.run import carry_out

    body = call.body
    asked = Rehearsal(
        call.ports.ids.new("reh_"), body.days, settings=_text(body.settings), classes=_text(body.classes),
        seed=body.seed, since=body.since, created_by=call.caller.id,
    )  # fmt: skip
    check_changes(asked, call.ports)
    return Answer(201, _shown(ask_for_rehearsal(asked, carry_out, call.ports), call.ports))


@endpoint(router, "GET", "/v1/rehearsals/<rehearsal_id>", filters={"part": whole(1, PARTS_MAX)}, csv=True)
def get_rehearsal(call: Call[Any], rehearsal_id: str) -> Answer:
    """A rehearsal; once it is done, what would happen. As CSV all of it, in as many parts as `csv_parts` says."""
    asked = rehearsal_of(rehearsal_id, call.ports)
    if not asked.kept(call.ports.clock.now()):
        raise Refused("not_kept", f"the result of {asked.id} was kept for {RESULT_KEPT.days} days: rehearse again")
    vary = {"Vary": "Accept"}
    if not prefers(CSV_TYPE, call.accept):
        return Answer(200, _shown(asked, call.ports), headers=vary)
    if asked.status != "done":
        raise Refused("not_done", f"rehearsal {asked.id} is {asked.status}; there is nothing to list yet")
    part = call.query.get("part", 1)
    content = call.ports.files.read(asked.file_key(f"{part}.csv"))
    if content is None:
        raise NotFound("part", str(part))
    name = f'attachment; filename="rehearsal-{asked.id}-{part}.csv"'
    return Answer(200, content, f"{CSV_TYPE}; charset=utf-8", {"Content-Disposition": name, **vary})


def _text(patch: dict[str, Any] | None) -> str | None:
    return None if patch is None else dumps(patch)


def _shown(asked: Rehearsal, ports: Ports) -> dict[str, Any]:
    content = ports.files.read(asked.file_key("json")) if asked.status == "done" else None
    if content is not None and len(content) > ANSWER_BYTES_MAX:
        raise TooMuch("the result is too large for one answer: rehearse fewer days")
    return rehearsal_json(asked, loads(content) if content is not None else None)
