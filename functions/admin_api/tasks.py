"""Tasks: what needs a person."""

from __future__ import annotations

from typing import Any

from functions.admin_api.calls import Answer, Call, one_of
from functions.admin_api.listing import PAGING, indexed, page_of, stored
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_notices import task_json
from shared.domain.task import Task
from shared.ports import TASKS
from shared.use_cases.finish_task import finish_task

router = new_router()


@endpoint(router, "GET", "/v1/tasks", filters={**PAGING, "status": one_of("open", "done")})
def list_tasks(call: Call[Any]) -> Answer:
    """What needs a person, the open ones first, oldest first."""
    statuses = [call.query["status"]] if "status" in call.query else ["open", "done"]
    return page_of(
        call,
        indexed(call.ports, TASKS, *statuses),
        lambda found: stored(call.ports, Task, found),
        lambda found: [task_json(t) for t in found],
    )


@endpoint(router, "POST", "/v1/tasks/<task_id>/done")
def task_done(call: Call[Any], task_id: str) -> Answer:
    """Say that a task is done."""
    return Answer(200, task_json(finish_task(task_id, call.ports)))
