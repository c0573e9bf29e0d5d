"""A person has done what a task asked for. PRODUCT 12."""

from __future__ import annotations

from shared.domain.copies import replace
from shared.domain.errors import NotFound
from shared.domain.task import Task
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.lookups import CONFLICT_RETRIES


def finish_task(task_id: str, ports: Ports) -> Task:
    """The task, done; one that was done before stays as it was."""
    for _ in range(CONFLICT_RETRIES):
        task = ports.store.get(Task, task_id)
        if task is None:
            raise NotFound("task", task_id)
        if task.status == "done":
            return task
        done = replace(task, status="done", done_at=ports.clock.now())
        try:
            ports.store.commit(Save(done))
        except Conflict:
            continue
        return replace(done, version=task.version + 1)
    raise Unavailable(f"task {task_id} kept changing")
