"""Rehearsals: what the next days would bring, on a copy that touches nothing."""

from __future__ import annotations

from typing import Any, Final

from functions.admin_api.calls import CSV_TYPE, Answer, Call, prefers
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_json import dumps, loads
from shared.contracts.api_rehearsals import CSV_HEADER, RehearsalBody, csv_rows, rehearsal_json
from shared.contracts.export_csv import text_of, written
from shared.domain.errors import Refused, TooMuch
from shared.domain.rehearsal import Rehearsal
from shared.ports import Ports
from shared.use_cases.rehearsals import ask_for_rehearsal, rehearsal_of

router = new_router()

ANSWER_BYTES_MAX: Final = 5 * 1024 * 1024  # Lambda answers with six at most


@endpoint(router, "POST", "/v1/rehearsals", body=RehearsalBody, creates="reh_")
def post_rehearsal(call: Call[RehearsalBody]) -> Answer:
    """Rehearse the next days as things are set and, if changes are given, with those; a small world is done at once."""
    from functions.rehearsal.rehearse import check_changes  # with every handler there is: few requests need them
    from functions.rehearsal.run import carry_out

    body = call.body
    asked = Rehearsal(
        call.ports.ids.new("reh_"), body.days, settings=_text(body.settings), classes=_text(body.classes),
        created_by=call.caller.id,
    )  # fmt: skip
    check_changes(asked, call.ports)
    return Answer(201, _shown(ask_for_rehearsal(asked, carry_out, call.ports), call.ports))


@endpoint(router, "GET", "/v1/rehearsals/<rehearsal_id>", csv=True)
def get_rehearsal(call: Call[Any], rehearsal_id: str) -> Answer:
    """A rehearsal; once it is done, everything that would happen, or all of it as rows of CSV."""
    asked = rehearsal_of(rehearsal_id, call.ports)
    shown, vary = _shown(asked, call.ports), {"Vary": "Accept"}
    if not prefers(CSV_TYPE, call.accept):
        return Answer(200, shown, headers=vary)
    if asked.status != "done":
        raise Refused("not_done", f"rehearsal {asked.id} is {asked.status}; there is nothing to list yet")
    content = written([CSV_HEADER, *([text_of(cell) for cell in row] for row in csv_rows(shown))]).encode()
    name = f'attachment; filename="rehearsal-{asked.id}.csv"'
    return Answer(200, content, f"{CSV_TYPE}; charset=utf-8", {"Content-Disposition": name, **vary})


def _text(patch: dict[str, Any] | None) -> str | None:
    return None if patch is None else dumps(patch)


def _shown(asked: Rehearsal, ports: Ports) -> dict[str, Any]:
    content = ports.files.read(asked.result_key) if asked.status == "done" else None
    if content is not None and len(content) > ANSWER_BYTES_MAX:
        raise TooMuch("the result is too large for one answer: rehearse fewer days")
    return rehearsal_json(asked, loads(content) if content is not None else None)
