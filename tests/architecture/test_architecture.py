"""The house keeps its rules, and each rule is shown to bite on a planted breach."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture import rules
from tests.architecture.rules import FILE_LINES_MAX, FUNCTION_LINES_MAX, RULES, Rule, Source, breaches

ROOT = Path(__file__).resolve().parents[2]
CODE = [p for room in ("functions", "shared", "infra") for p in sorted((ROOT / room).rglob("*.py"))]


def read(path: Path) -> Source:
    return Source.of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))


def test_there_is_code_to_check():
    rooms = {p.relative_to(ROOT).parts[0] for p in CODE}
    assert rooms == {"functions", "shared", "infra"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_the_rule(rule: Rule):
    found = [str(breach) for path in CODE for breach in breaches(read(path), [rule])]
    assert not found, "\n" + "\n".join(found)


def test_tests_are_short_files_too():
    found = [b for path in sorted((ROOT / "tests").rglob("*.py")) for b in rules.files_are_short(read(path))]
    assert not found, "\n" + "\n".join(map(str, found))


# Each line: the rule, where the snippet is planted, the snippet, how many breaches it holds.
PLANTED = [
    ("imports_point_inwards", "shared/domain/money.py", "from shared.ports import Clock", 1),
    ("imports_point_inwards", "shared/domain/money.py", "from shared import use_cases", 1),
    ("imports_point_inwards", "shared/ports.py", "import shared.storage.memory", 1),
    ("imports_point_inwards", "shared/use_cases/post_invoice.py", "from shared.storage.memory import S", 1),
    ("imports_point_inwards", "shared/use_cases/post_invoice.py", "import shared.gateways.sqs as q", 1),
    ("imports_point_inwards", "shared/use_cases/post_invoice.py", "from shared.bootstrap import services", 1),
    ("imports_point_inwards", "shared/storage/memory.py", "from shared.gateways.ses import Ses", 1),
    ("imports_point_inwards", "shared/storage/memory.py", "from shared.config import settings", 1),
    ("imports_point_inwards", "shared/gateways/ses.py", "def f():\n    from shared.storage import memory", 1),
    ("imports_point_inwards", "shared/bootstrap.py", "from functions.bill_run import plan", 1),
    ("imports_point_inwards", "shared/config.py", "from infra.local import world", 1),
    (
        "imports_point_inwards",
        "functions/bill_run/plan.py",
        "from shared.storage.memory import MemoryStore",
        1,
    ),
    ("imports_point_inwards", "functions/bill_run/plan.py", "from infra.local import world", 1),
    ("imports_point_inwards", "functions/bill_run/plan.py", "from . import generate", 1),
    (
        "imports_point_inwards",
        "functions/bill_run/plan.py",
        "if T:\n    import shared.gateways.ses, infra",
        2,
    ),
    ("imports_point_inwards", "shared/helpers.py", "", 1),
    ("the_core_is_stdlib_only", "shared/domain/money.py", "import msgspec", 1),
    ("the_core_is_stdlib_only", "shared/domain/billing.py", "from croniter import croniter", 2),
    ("the_core_is_stdlib_only", "shared/use_cases/post_invoice.py", "from pydantic import BaseModel", 1),
    ("the_core_is_stdlib_only", "functions/bill_run/plan.py", "import croniter", 1),
    ("aws_stays_in_adapters", "functions/bill_run/plan.py", "import boto3", 1),
    ("aws_stays_in_adapters", "shared/bootstrap.py", "from botocore.config import Config", 1),
    ("aws_stays_in_adapters", "shared/contracts/queue.py", "import pynamodb.models as m", 1),
    ("environment_is_read_in_config", "functions/a/b.py", "import os\nx = os.environ['A']", 1),
    ("environment_is_read_in_config", "shared/bootstrap.py", "import os as o\nx = o.getenv('A')", 1),
    (
        "environment_is_read_in_config",
        "shared/storage/dynamo.py",
        "from os import environ as e\nx = e['A']",
        2,
    ),
    (
        "time_and_chance_are_injected",
        "shared/use_cases/a.py",
        "import datetime as d\nd.datetime.now(d.UTC)",
        1,
    ),
    ("time_and_chance_are_injected", "shared/domain/a.py", "from datetime import date\ndate.today()", 1),
    (
        "time_and_chance_are_injected",
        "shared/domain/a.py",
        "from datetime import datetime\nf(datetime.now)",
        1,
    ),
    (
        "time_and_chance_are_injected",
        "shared/domain/a.py",
        "from datetime import datetime\ndatetime.utcnow()",
        1,
    ),
    ("time_and_chance_are_injected", "shared/storage/a.py", "import time\nx = time.time()", 1),
    ("time_and_chance_are_injected", "shared/storage/a.py", "import uuid\nx = uuid.uuid4()", 1),
    ("time_and_chance_are_injected", "functions/a/b.py", "from uuid import uuid4", 1),
    ("time_and_chance_are_injected", "functions/a/b.py", "import random\nx = random.random()", 1),
    ("time_and_chance_are_injected", "functions/a/b.py", "from secrets import token_urlsafe", 1),
    ("money_is_integer", "shared/domain/money.py", "x = float('1')", 1),
    ("money_is_integer", "shared/domain/money.py", "x = a / b", 1),
    ("money_is_integer", "shared/domain/money.py", "x /= 2", 1),
    ("money_is_integer", "shared/use_cases/a.py", "x: float = 0.5", 2),
    (
        "values_are_made_cheaply",
        "shared/use_cases/a.py",
        "from dataclasses import dataclass, replace\n@dataclass(frozen=True, slots=True)\nclass A: ...",
        1,
    ),
    ("nothing_swallows_a_crash", "infra/local/world.py", "try:\n    f()\nexcept:\n    pass", 1),
    ("nothing_swallows_a_crash", "infra/a.py", "try:\n    f()\nexcept BaseException:\n    raise", 1),
    (
        "nothing_swallows_a_crash",
        "shared/a.py",
        "try:\n    f()\nexcept (ValueError, BaseException):\n    f()",
        1,
    ),
    ("nothing_swallows_a_crash", "shared/a.py", "with contextlib.suppress(BaseException):\n    f()", 1),
    ("functions_are_short", "infra/a.py", "def f():\n" + "    x()\n" * FUNCTION_LINES_MAX, 1),
    (
        "functions_are_short",
        "infra/a.py",
        "class A:\n  async def f(self):\n" + "    x()\n" * FUNCTION_LINES_MAX,
        1,
    ),
    ("files_are_short", "infra/a.py", "x()\n" * (FILE_LINES_MAX + 1), 1),
    ("modules_say_what_they_are_for", "infra/a.py", "x = 1", 1),
]


@pytest.mark.parametrize(("rule", "path", "snippet", "count"), PLANTED)
def test_a_planted_breach_is_found(rule: str, path: str, snippet: str, count: int):
    found = breaches(Source.of(path, snippet), [getattr(rules, rule)])
    assert len(found) == count, found
    assert all(b.path == path and b.line >= 1 for b in found)


def test_every_rule_has_a_planted_breach():
    assert {rule for rule, *_ in PLANTED} == {rule.__name__ for rule in RULES}


ALLOWED = [
    ("shared/domain/calendar.py", "from croniter import croniter\nfrom zoneinfo import ZoneInfo"),
    ("shared/domain/invoice.py", "from shared.domain.money import Money\nx = 7 // 2\ny = 'a/b'"),
    ("shared/domain/money.py", "def f(x):\n    return isinstance(x, int | float)"),
    (
        "shared/use_cases/post.py",
        "from shared.ports import Clock\ndef f(c: Clock):\n    return c.now(), c.today()",
    ),
    (
        "shared/storage/dynamo.py",
        "import boto3\nfrom pynamodb.models import Model\nfrom shared.ports import Store",
    ),
    ("shared/gateways/clock.py", "from datetime import UTC, datetime\nx = datetime.now(UTC)"),
    ("shared/config.py", "import os\nx = os.environ.get('TABLE')"),
    ("shared/bootstrap.py", "from shared.storage.memory import S\nfrom shared.gateways.ses import Ses"),
    ("shared/observability.py", "from aws_lambda_powertools import Logger"),
    (
        "functions/bill_run/plan.py",
        "from functions.bill_run.common import x\nfrom shared.use_cases.plan import y",
    ),
    (
        "infra/local/world.py",
        "import os, time, random, boto3, functions.bill_run.plan\nx = os.environ, time.time()",
    ),
    ("infra/a.py", "def f():\n" + "    x()\n" * (FUNCTION_LINES_MAX - 1)),
    ("infra/b.py", "try:\n    f()\nexcept Exception:\n    raise"),
    ("shared/domain/__init__.py", ""),
]


@pytest.mark.parametrize(("path", "snippet"), ALLOWED)
def test_what_is_allowed_is_left_alone(path: str, snippet: str):
    text = f'"""What it is for."""\n{snippet}' if snippet else ""
    assert breaches(Source.of(path, text)) == []
