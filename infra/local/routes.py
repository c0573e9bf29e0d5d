"""Which route of the template a request takes, the way API Gateway chooses it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from infra.wiring import Route

ANY = "ANY"  # the method of a route that takes all


@dataclass(frozen=True, slots=True)
class Match:
    route: Route
    parameters: dict[str, str]


class Routes:
    """A path's routes: literal segments win over {name}, and that over {name+}."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            self._by_path.setdefault(route.path, {})[route.method.upper()] = route
        self._paths = [(path.strip("/").split("/"), path) for path in sorted(self._by_path, key=_specificity)]

    def find(self, method: str, path: str) -> Match | tuple[str, ...] | None:
        """The match; or the methods the path does have; or None if there is no such path."""
        segments = path.strip("/").split("/")
        for parts, template in self._paths:
            if (parameters := _match(parts, segments)) is None:
                continue
            methods = self._by_path[template]
            route = methods.get(method) or methods.get(ANY)
            return Match(route, parameters) if route else tuple(sorted(methods))
        return None


def _specificity(template: str) -> list[int]:
    return [2 if s.endswith("+}") else 1 if s.startswith("{") else 0 for s in template.strip("/").split("/")]


def _match(template: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(segments) != len(template) and (len(segments) < len(template) or not template[-1].endswith("+}")):
        return None
    parameters: dict[str, str] = {}
    for position, part in enumerate(template):
        if part.endswith("+}"):
            parameters[part[1:-2]] = unquote("/".join(segments[position:]))
        elif part.startswith("{"):
            if not segments[position]:
                return None
            parameters[part[1:-1]] = unquote(segments[position])
        elif part != segments[position]:
            return None
    return parameters
