"""Where mail templates run: over plain data only, with every value, every loop and the output bounded.

QUALITY, security. What a template may say at all is admission's to decide; behind both stands Jinja's own
immutable sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jinja2 import StrictUndefined, Template, Undefined
from jinja2.exceptions import TemplateRuntimeError
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as JINJA_TESTS
from jinja2.utils import pass_context

from shared.rendering.admission import Admission, no_controls
from shared.rendering.plain import MAX_INTEGER, one_line

MAX_SOURCE_CHARS: Final = 100_000
MAX_OUTPUT_CHARS: Final = 2_000_000
MAX_VALUE_CHARS: Final = 4_000  # of any string a template sees or makes
MAX_DATA_DEPTH: Final = 6
MAX_RANGE: Final = 1_000
MAX_LOOP_WORK: Final = 1_000_000  # tree nodes run inside loops: 10,000 invoices in a table of eight columns pass
MAX_COMPILED: Final = 256  # parts of templates kept compiled

WORK: Final = "|work"  # where the context keeps the budget; no template can spell a name with a bar in it

FILTERS_AS_JINJA_HAS_THEM = (
    "abs", "capitalize", "count", "d", "default", "e", "escape", "first", "int", "last", "length",
    "lower", "string", "title", "trim", "truncate", "upper",
)  # fmt: skip
TESTS = (
    "!=", "<", "<=", "==", ">", ">=", "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false",
    "ge", "greaterthan", "gt", "in", "integer", "le", "lessthan", "lt", "mapping", "ne", "none", "number",
    "odd", "sequence", "string", "true", "undefined",
)  # fmt: skip
LOOP_FACTS = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth"})


class Refused(TemplateRuntimeError):
    """A template asked for more than the sandbox grants."""


class Budget:
    """How much work loops may still do in one rendering."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_LOOP_WORK

    def spend(self, work: int) -> None:
        self.left -= work
        if self.left < 0:
            raise Refused("the loops of this template run too long")


# ---- data


def plain(value: object, path: str = "data", depth: int = 0) -> Any:
    """The value as exact str, int, bool, None, list and dict; strings lose control characters.

    Amounts and dates arrive as text. TypeError names the path of anything else, ValueError what is too large.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        if len(value) > MAX_VALUE_CHARS:
            raise ValueError(f"{path} is longer than {MAX_VALUE_CHARS} characters")
        return one_line(value)
    if type(value) is int:
        return _bounded_int(value, path)
    if depth >= MAX_DATA_DEPTH:
        raise ValueError(f"{path} is nested deeper than {MAX_DATA_DEPTH}")
    if isinstance(value, Mapping):
        return {_key(key, path): plain(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    raise TypeError(f"{path}: {type(value).__name__} is not plain data")


def _key(key: object, path: str) -> str:
    if not isinstance(key, str) or not key.isidentifier() or key.startswith("_"):
        raise TypeError(f"{path}: {key!r} cannot be a name in a template")
    return str.__str__(key)


def _bounded_int(value: int, what: str) -> int:
    if abs(value) > MAX_INTEGER:
        raise ValueError(f"{what} is beyond {MAX_INTEGER}")
    return value


# ---- filters and the one function


@pass_context
def _counted(context: Context, items: Iterable[Any], work: int) -> Iterator[Any]:
    """What every loop runs over: each turn is paid for before it runs."""
    budget: Budget = context.parent[WORK]
    if isinstance(items, Undefined | str | int) or items is None:
        raise Refused(f"a loop needs a list, not {_said(items)}")
    for item in items:
        budget.spend(work)
        yield item


def _join(items: Any, between: str = ", ", attribute: str | None = None) -> str:
    """Jinja's join over plain values, no longer than a value may be."""
    if not isinstance(items, list):
        raise Refused(f"join needs a list, not {_said(items)}")
    parts, chars = [], 0
    for item in items:
        part = printable(_lookup(item, attribute) if attribute is not None else item)
        chars += len(part) + len(between)
        if chars > MAX_VALUE_CHARS + len(between):
            raise Refused(f"join makes more than {MAX_VALUE_CHARS} characters")
        parts.append(str(part))
    return str(between).join(parts)


def _replace(value: Any, old: str, new: str) -> str:
    text = str(value)
    if not old:
        raise Refused("replace needs something to look for")
    if len(text) + text.count(old) * (len(new) - len(old)) > MAX_VALUE_CHARS:
        raise Refused(f"replace makes more than {MAX_VALUE_CHARS} characters")
    return text.replace(old, new)


def _truncate(value: Any, length: int = 80, end: str = "…") -> str:
    text = str(value)
    return text if len(text) <= length else text[: max(length - len(end), 0)].rstrip() + end


def _range(*bounds: int) -> range:
    asked = range(*bounds)
    if len(asked) > MAX_RANGE:
        raise Refused(f"range has more than {MAX_RANGE} numbers")
    return asked


def _lookup(owner: Any, key: Any) -> Any:
    """A dict's key, a list's index, a fact of the loop; nothing else has anything to look up."""
    if type(owner) is dict and isinstance(key, str):
        return owner[key] if key in owner else StrictUndefined(f"there is no {key!r} here", owner, key)
    if type(owner) is list and type(key) is int:
        found = -len(owner) <= key < len(owner)
        return owner[key] if found else StrictUndefined("the list is shorter", owner)
    if isinstance(owner, LoopContext) and key in LOOP_FACTS:
        return getattr(owner, key)
    if isinstance(owner, Undefined):
        owner._fail_with_undefined_error()
    raise Refused(f"{key!r} cannot be looked up in {_said(owner)}")


def printable(value: Any) -> str:
    """What `{{ … }}` may print: text, whole numbers, nothing for None."""
    if isinstance(value, str):
        if len(value) > MAX_VALUE_CHARS:
            raise Refused(f"a value has more than {MAX_VALUE_CHARS} characters")
        return value
    if value is None:
        return ""
    if type(value) is int:
        return str(_bounded_int(value, "a number"))
    if isinstance(value, Undefined):
        return str(value)  # raises, naming what is missing
    raise Refused(f"{_said(value)} cannot be printed")


def _said(value: object) -> str:
    known = {dict: "a group of values", list: "a list", str: "text", int: "a number", bool: "yes or no"}
    if isinstance(value, Undefined):
        return "something missing"
    return known.get(type(value), "nothing" if value is None else "this")


# ---- the environment


class MailSandbox(ImmutableSandboxedEnvironment):
    """Jinja2 with nothing in it but what is bounded above."""

    intercepted_binops = frozenset({"+", "-"})
    intercepted_unops = frozenset({"+", "-"})

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(
            autoescape=autoescape, undefined=StrictUndefined, finalize=printable, trim_blocks=True,
            lstrip_blocks=True, keep_trailing_newline=True, cache_size=0,
        )  # fmt: skip
        self.globals = {"range": _range}
        self.filters = {
            **{name: JINJA_FILTERS[name] for name in FILTERS_AS_JINJA_HAS_THEM},
            "join": _join, "replace": _replace, "truncate": _truncate, "counted": _counted,
        }  # fmt: skip
        self.tests = {name: JINJA_TESTS[name] for name in TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        return _lookup(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return _lookup(obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> int:
        if type(left) is not int or type(right) is not int:
            raise Refused(f"{operator} works on whole numbers only")
        return _bounded_int(left + right if operator == "+" else left - right, operator)

    def call_unop(self, context: Context, operator: str, arg: Any) -> int:
        if type(arg) is not int:
            raise Refused(f"{operator} works on whole numbers only")
        return -arg if operator == "-" else arg

    def is_safe_callable(self, obj: Any) -> bool:
        return obj is _range


TEXT: Final = MailSandbox(autoescape=False)
HTML: Final = MailSandbox(autoescape=True)


@lru_cache(maxsize=MAX_COMPILED)
def compiled(source: str, *, html: bool) -> Template:
    """The source as a template. Raises jinja2's TemplateSyntaxError, or ValueError if it is too long."""
    if len(source) > MAX_SOURCE_CHARS:
        raise ValueError(f"the template is longer than {MAX_SOURCE_CHARS} characters")
    no_controls(source, 1)
    environment = HTML if html else TEXT
    tree = Admission().visit(environment.parse(source))
    return environment.from_string(tree)


def run(template: Template, data: dict[str, Any]) -> str:
    """The rendered text; stops as soon as it is longer than MAX_OUTPUT_CHARS."""
    pieces, chars = [], 0
    for piece in template.generate({**data, WORK: Budget()}):
        chars += len(piece)
        if chars > MAX_OUTPUT_CHARS:
            raise Refused(f"the template writes more than {MAX_OUTPUT_CHARS} characters")
        pieces.append(piece)
    return "".join(pieces)
