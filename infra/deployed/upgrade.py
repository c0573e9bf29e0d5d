"""`make upgrade-local`: update a stack in place while a run is under way, and show that nothing of it is lost.

An older version is deployed to ministack on loopback and given a small company. Its bill run makes drafts; the
messages that are to post them wait in their queue, since its worker is held. Then this version is deployed over it, the
worker is let go, and all that the older version had begun has to come to its end: posted, typeset, mailed, charged.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from infra.deployed import ministack
from infra.deployed.smoke import Smoke
from infra.deployed.stack import Caller, Deployed, deploy, exit_code_of, until
from infra.deployed.table import Checks
from infra.deployed.template import write_template

ROOT: Final = Path(__file__).resolve().parents[2]
CLOUD: Final = ROOT / ".local" / "cloud"
HELD: Final = "AutoPostPostFunction"
WAITING_IN: Final = "PostQueue"
ADMIN: Final = "admin@example.com"


def upgrade(port: int, before: Path, checks: Checks) -> None:
    with checks.step("the version before"):
        write_template(before, CLOUD / "template.yaml")
        deploy(ROOT, port)
    stack = Deployed(port)
    password = stack.add_user(ADMIN, "admin")
    month = _month(stack, password, checks)
    with checks.step("a small company"):
        month.seed()
    with checks.step("a bill run, and the update while it is under way"):
        code = _code(stack)
        with _held(stack):
            run = month.start_bill_run()
            checks.that("messages of the run wait", bool(until(lambda: stack.depth(WAITING_IN), bool)))
            write_template(ROOT, CLOUD / "template.yaml")
            deploy(ROOT, port)
            checks.that("and still do after the update", bool(stack.depth(WAITING_IN)))
        checks.that(
            "every function is of this version", [name for name in code if _code(stack)[name] == code[name]], []
        )
    month = _month(Deployed(port), password, checks)
    with checks.step("what was begun"):
        month.billed(run)
    for title, part in (
        ("a payment run", month.collect),
        ("rules", month.night),
        ("what is left over", month.quiet),
    ):
        with checks.step(title):
            part()


def _month(stack: Deployed, password: str, checks: Checks) -> Smoke:
    token = stack.sign_in(ADMIN, password)["IdToken"]
    return Smoke(stack, checks, datetime.now(UTC).date(), Caller(stack.api, token))


def _code(stack: Deployed) -> dict[str, str]:
    """What each function of the stack runs, by a digest."""
    pages = stack.client("lambda").get_paginator("list_functions").paginate()
    return {f["FunctionName"]: f["CodeSha256"] for page in pages for f in page["Functions"]}


@contextmanager
def _held(stack: Deployed) -> Iterator[None]:
    """A worker takes nothing from its queue until the block ends."""
    functions, name = stack.client("lambda"), stack.resources[HELD]
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    yield
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.deployed.upgrade", description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="an older version: its template.yaml and dist")
    parser.add_argument("--port", type=int, default=4566, help="loopback port of ministack (default: 4566)")
    given = parser.parse_args()
    return exit_code_of(lambda checks: _run(given.port, given.before.resolve(), checks))


def _run(port: int, before: Path, checks: Checks) -> None:
    CLOUD.mkdir(parents=True, exist_ok=True)
    with ministack.running(ROOT / ".local" / "ministack", CLOUD / "ministack.log", port):
        upgrade(port, before, checks)


if __name__ == "__main__":
    sys.exit(main())
