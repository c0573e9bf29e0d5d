"""What the house forbids, as functions from a file's path and text to the breaches found in it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

FUNCTION_LINES_MAX = 50
FILE_LINES_MAX = 600

OURS = frozenset({"functions", "shared", "infra"})
AWS_CLIENTS = frozenset({"boto3", "botocore", "pynamodb", "s3transfer", "aioboto3"})

# room -> the rooms it may import from; a room may always import from itself, infra from everywhere.
INWARDS: dict[str, frozenset[str]] = {
    "shared.domain": frozenset(),
    "shared.ports": frozenset({"shared.domain"}),
    # Use cases name the work they enqueue and what documents say: contracts and rendering are plain data in, bytes out.
    "shared.use_cases": frozenset({"shared.domain", "shared.ports", "shared.contracts", "shared.rendering"}),
    "shared.storage": frozenset({"shared.domain", "shared.ports"}),
    "shared.gateways": frozenset({"shared.domain", "shared.ports"}),
    "shared.contracts": frozenset({"shared.domain"}),
    "shared.rendering": frozenset(),
    "shared.config": frozenset({"shared.domain"}),
    "shared.observability": frozenset({"shared.config", "shared.domain", "shared.ports"}),
    "shared.queue_batches": frozenset({"shared.observability", "shared.domain", "shared.ports"}),
    "shared.bootstrap": frozenset(
        {
            "shared.config",
            "shared.contracts",
            "shared.domain",
            "shared.gateways",
            "shared.observability",
            "shared.ports",
            "shared.rendering",
            "shared.storage",
            "shared.use_cases",
        }
    ),
    # A handler reaches the adapters through bootstrap only; the words of the domain it may use directly.
    "functions": frozenset(
        {
            "shared.bootstrap",
            "shared.contracts",
            "shared.domain",
            "shared.observability",
            "shared.ports",
            "shared.queue_batches",
            "shared.rendering",
            "shared.use_cases",
        }
    ),
}
STDLIB_ONLY = frozenset({"shared.domain", "shared.ports", "shared.use_cases"})
THIRD_PARTY_FOR = {"shared/domain/calendar.py": frozenset({"croniter"})}

ENVIRONMENT = ("os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv", "os.unsetenv")
CLOCKS_AND_DICE = (
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
    "uuid.uuid1",
    "uuid.uuid4",
    "os.urandom",
    "random",
    "secrets",
)


@dataclass(frozen=True, slots=True)
class Breach:
    path: str
    line: int
    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.what}"


@dataclass(frozen=True, slots=True)
class Source:
    path: str  # from the root of the repository, with "/"
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, path: str, text: str) -> Source:
        return cls(path, text, ast.parse(text, path))

    @property
    def room(self) -> str:
        """functions, infra, or the part of shared that the file belongs to."""
        return room_of(self.path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))

    def within(self, *folders: str) -> bool:
        return self.path.startswith(folders)

    def breach(self, node: ast.AST | int, rule: str, what: str) -> Breach:
        return Breach(self.path, node if isinstance(node, int) else getattr(node, "lineno", 0), rule, what)


def room_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "shared" else parts[0]


def imports_of(source: Source) -> Iterator[tuple[ast.stmt, str]]:
    """Each imported module by its full name, those under TYPE_CHECKING too.

    `from shared import ports` names the room only with what it imports, so that is put behind it.
    """
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # ruff refuses these too; here they must not slip past the direction rule
                yield node, "." * node.level + base
            elif base in OURS:
                yield from ((node, f"{base}.{alias.name}") for alias in node.names)
            else:
                yield node, base


def names_used(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Each use of an imported thing by its full dotted name, whatever it was renamed to."""
    known: dict[str, str] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield node, f"{node.module}.{alias.name}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute | ast.Name) and (dotted := _dotted(node)):
            head, _, rest = dotted.partition(".")
            if head in known:
                yield node, f"{known[head]}.{rest}".rstrip(".")


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (inner := _dotted(node.value)):
        return f"{inner}.{node.attr}"
    return None


def _uses(source: Source, banned: tuple[str, ...]) -> Iterator[tuple[ast.AST, str]]:
    seen: set[tuple[int, str]] = set()
    for node, name in names_used(source):
        for ban in banned:
            at = (getattr(node, "lineno", 0), ban)
            if (name == ban or name.startswith(f"{ban}.")) and at not in seen:
                seen.add(at)
                yield node, ban


# ---- the rules ----------------------------------------------------------------------------------


def imports_point_inwards(source: Source) -> Iterator[Breach]:
    if source.room == "infra" or source.path == "shared/__init__.py":
        return
    if source.room not in INWARDS:
        yield source.breach(1, "imports", f"{source.room} is no room of the house: see docs/ARCHITECTURE.md")
        return
    for node, module in imports_of(source):
        if module.startswith("."):
            yield source.breach(node, "imports", f"relative import {module}")
        elif module.split(".")[0] in OURS:
            room = room_of(module)
            if room != source.room and room not in INWARDS[source.room]:
                yield source.breach(node, "imports", f"{source.room} may not import {room}")


def the_core_is_stdlib_only(source: Source) -> Iterator[Breach]:
    allowed = OURS | sys.stdlib_module_names | THIRD_PARTY_FOR.get(source.path, frozenset())
    for node, module in imports_of(source):
        package = module.split(".")[0]
        if source.room in STDLIB_ONLY and package and package not in allowed:
            yield source.breach(node, "stdlib only", f"{source.room} may not import {package}")
        if package == "croniter" and source.path not in THIRD_PARTY_FOR and source.room != "infra":
            yield source.breach(node, "stdlib only", "croniter is read through shared.domain.calendar")


def aws_stays_in_adapters(source: Source) -> Iterator[Breach]:
    if source.within("shared/storage/", "shared/gateways/", "infra/"):
        return
    for node, module in imports_of(source):
        if module.split(".")[0] in AWS_CLIENTS:
            yield source.breach(node, "aws", f"{module} outside storage and gateways")


def environment_is_read_in_config(source: Source) -> Iterator[Breach]:
    if source.path == "shared/config.py" or source.within("infra/"):
        return
    for node, name in _uses(source, ENVIRONMENT):
        yield source.breach(node, "environment", f"{name} outside shared/config.py")


def time_and_chance_are_injected(source: Source) -> Iterator[Breach]:
    if source.within("shared/gateways/", "infra/"):
        return
    for node, name in _uses(source, CLOCKS_AND_DICE):
        yield source.breach(node, "clock and dice", f"{name} outside gateways")


def money_is_integer(source: Source) -> Iterator[Breach]:
    if not source.within("shared/domain/", "shared/use_cases/"):
        return
    refusals = {id(name) for name in _names_in_isinstance(source)}  # to refuse a float one must name it
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id == "float" and id(node) not in refusals:
            yield source.breach(node, "money", "float")
        elif isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield source.breach(node, "money", f"{node.value!r} is a float")
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield source.breach(node, "money", "true division")


def _names_in_isinstance(source: Source) -> Iterator[ast.AST]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _dotted(node.func) == "isinstance":
            yield from (inner for kind in node.args[1:] for inner in ast.walk(kind))


def nothing_swallows_a_crash(source: Source) -> Iterator[Breach]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
            if any(c is None or _dotted(c) in {"BaseException", "builtins.BaseException"} for c in caught):
                yield source.breach(node, "except", "catches BaseException")
        elif isinstance(node, ast.Call) and (_dotted(node.func) or "").endswith("suppress"):
            yield from (
                source.breach(node, "except", "suppresses BaseException")
                for caught_type in node.args
                if _dotted(caught_type) == "BaseException"
            )


def functions_are_short(source: Source) -> Iterator[Breach]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield source.breach(node, "length", f"{node.name} has {lines} lines")


def files_are_short(source: Source) -> Iterator[Breach]:
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield source.breach(1, "length", f"{lines} lines")


def modules_say_what_they_are_for(source: Source) -> Iterator[Breach]:
    if source.tree.body and not ast.get_docstring(source.tree):
        yield source.breach(1, "docstring", "the module does not say what it is for")


def values_are_made_cheaply(source: Source) -> Iterator[Breach]:
    """A cold start makes hundreds of frozen dataclasses; rendering may not import the domain, and has few."""
    if source.path == "shared/domain/values.py" or source.within("shared/rendering/", "infra/", "benchmarks/"):
        return
    for node in ast.walk(source.tree):
        standard = isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
        if standard and "frozen=True" in source.text and any(name.name == "dataclass" for name in node.names):
            yield source.breach(node, "values", "frozen dataclasses come from shared.domain.values")


Rule = Callable[[Source], Iterable[Breach]]

RULES: tuple[Rule, ...] = (
    imports_point_inwards,
    the_core_is_stdlib_only,
    aws_stays_in_adapters,
    environment_is_read_in_config,
    time_and_chance_are_injected,
    money_is_integer,
    nothing_swallows_a_crash,
    functions_are_short,
    files_are_short,
    modules_say_what_they_are_for,
    values_are_made_cheaply,
)


def breaches(source: Source, rules: Iterable[Rule] = RULES) -> list[Breach]:
    return [breach for rule in rules for breach in rule(source)]
