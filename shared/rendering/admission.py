"""What a mail template may say: a small part of Jinja2, admitted by its syntax tree. QUALITY, security.

What is not named here is refused, with the line: no macros, no imports or includes, no attributes of Python
objects, no operators that make something large out of something small.
"""

from __future__ import annotations

from typing import Any, Final

from jinja2 import TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer

from shared.rendering.plain import MAX_INTEGER, one_line

ALLOWED_NODES: Final[frozenset[type[nodes.Node]]] = frozenset((
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem,
    nodes.Slice, nodes.If, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand,
    nodes.For, nodes.Assign, nodes.Filter, nodes.Test, nodes.Call, nodes.Keyword, nodes.List, nodes.Tuple,
    nodes.Add, nodes.Sub, nodes.Neg, nodes.Pos,
))  # fmt: skip
SAID_AS: Final[dict[type[nodes.Node], str]] = {
    nodes.Concat: "~ (print the parts beside each other)", nodes.Mul: "*", nodes.Div: "/",
    nodes.FloorDiv: "//", nodes.Mod: "% (ask `is odd` or `is divisibleby`)", nodes.Pow: "**",
    nodes.Dict: "a dict", nodes.NSRef: "namespace",
    nodes.CallBlock: "call", nodes.AssignBlock: "set with a body", nodes.FilterBlock: "filter with a body",
    nodes.Scope: "autoescape", nodes.ScopedEvalContextModifier: "autoescape",
}  # fmt: skip


class Admission(NodeTransformer):
    """Walks a template's tree: refuses what is not allowed, and puts every loop on the budget."""

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        if type(node) not in ALLOWED_NODES:
            said = SAID_AS.get(type(node), type(node).__name__.lower())
            refuse(node, f"{said} is not available in mail templates")
        return super().visit(node, *args, **kwargs)

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802  jinja names it
        if node.name.startswith("_") or node.name in ("self", "super", "caller", "varargs", "kwargs"):
            refuse(node, f"the name {node.name} is not available in mail templates")
        if node.ctx != "load" and node.name in ("loop", "range"):
            refuse(node, f"{node.name} cannot be set")
        return node

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        if node.attr.startswith("_"):
            refuse(node, f"the name {node.attr} is not available in mail templates")
        return self.generic_visit(node)

    def visit_Const(self, node: nodes.Const) -> nodes.Node:  # noqa: N802
        if isinstance(node.value, str):
            no_controls(node.value, node.lineno)
        elif not isinstance(node.value, bool | int | None) or abs(node.value or 0) > MAX_INTEGER:
            refuse(node, "a number here is whole and not huge")
        return node

    def visit_List(self, node: nodes.List | nodes.Tuple) -> nodes.Node:  # noqa: N802
        if any(not isinstance(item, nodes.Const) for item in node.items):
            refuse(node, "a list in a template holds text and numbers only")
        return self.generic_visit(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        return self.generic_visit(node) if node.ctx == "store" else self.visit_List(node)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        if node.node is None or node.name == "counted" or node.dyn_args or node.dyn_kwargs:
            refuse(node, f"the filter {node.name} is not available here")
        return self.generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        if node.dyn_args or node.dyn_kwargs:
            refuse(node, f"the test {node.name} cannot be used like this")
        return self.generic_visit(node)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        called = node.node
        if not isinstance(called, nodes.Name) or called.name != "range":
            refuse(node, "nothing but range(…) can be called in mail templates")
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            refuse(node, "range takes up to three numbers")
        return self.generic_visit(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        if node.recursive:
            refuse(node, "recursive loops are not available in mail templates")
        work = 1 + sum(1 for _ in node.find_all(nodes.Node))
        visited = self.generic_visit(node)
        charge = nodes.Const(work, lineno=node.lineno)
        node.iter = nodes.Filter(node.iter, "counted", [charge], [], None, None, lineno=node.lineno)
        return visited


def refuse(node: nodes.Node, message: str) -> None:
    """Some nodes carry no line; then the first below them that does stands in."""
    lines = (inner.lineno for inner in (node, *node.find_all(nodes.Node)) if inner.lineno)
    raise TemplateSyntaxError(message, next(lines, 1))


def no_controls(text: str, line: int) -> None:
    """Control characters would spoil the mail; tabs and line breaks are layout."""
    for number, content in enumerate(text.replace("\r\n", "\n").replace("\t", " ").split("\n"), line):
        if one_line(content) != content:
            raise TemplateSyntaxError("there is a control character here", number)
