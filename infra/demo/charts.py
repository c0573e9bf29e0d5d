"""Charts as inline SVG: bars side by side, an area, and bars that lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 540
HEIGHT: Final = 230
LEFT: Final = 52  # for the amounts on the axis
BOTTOM: Final = 30
TOP: Final = 12
RIGHT: Final = 8
FACTORS: Final = (1, 2, 5, 10)
GRID_LINES_MAX: Final = 5
LABELS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Point:
    """One place on the axis. `values` are one per series, `words` what a reader is told of each."""

    label: str
    values: tuple[int, ...]
    words: tuple[str, ...]


def bars(points: Sequence[Point], title: str, axis: Sequence[tuple[int, str]]) -> str:
    """Groups of bars, one per series, in the classes s0, s1, …"""
    scale = _Scale(points, axis)
    group = scale.step * 0.72
    drawn = []
    for n, point in enumerate(points):
        width = group / len(point.values)
        for series, (value, words) in enumerate(zip(point.values, point.words, strict=True)):
            x, y = scale.x(n) - group / 2 + series * width, scale.y(value)
            drawn.append(
                f'<rect class="s{series}" x="{x:.1f}" y="{y:.1f}" width="{max(width - 2, 1):.1f}" '
                f'height="{max(scale.floor - y, 0):.1f}" rx="2"><title>{escape(words)}</title></rect>'
            )
    return _svg(title, scale.grid() + drawn + scale.labels())


def area(points: Sequence[Point], title: str, axis: Sequence[tuple[int, str]]) -> str:
    """The first series as a filled line."""
    scale = _Scale(points, axis)
    line = " ".join(f"{scale.x(n):.1f},{scale.y(p.values[0]):.1f}" for n, p in enumerate(points))
    first, last = scale.x(0), scale.x(len(points) - 1)
    drawn = [
        f'<polygon class="area" points="{first:.1f},{scale.floor} {line} {last:.1f},{scale.floor}"/>',
        f'<polyline class="line" points="{line}"/>',
    ]
    for n, point in enumerate(points):
        dot = f'<circle class="dot" cx="{scale.x(n):.1f}" cy="{scale.y(point.values[0]):.1f}" r="3.5">'
        drawn.append(f"{dot}<title>{escape(point.words[0])}</title></circle>")
    return _svg(title, scale.grid() + drawn + scale.labels())


def lying(share: float, css: str) -> str:
    """One bar of a list: `share` of the width, 0 to 1."""
    return (
        f'<svg class="lying" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="10"/>'
        f'<rect class="{css}" width="{100 * share:.2f}" height="10"/></svg>'
    )


def round_steps(largest: int) -> list[int]:
    """0 and the round values above it, up to the first that is no less than `largest`."""
    rough = max(-(-largest // (GRID_LINES_MAX - 1)), 1)
    power = 10 ** (len(str(rough)) - 1)
    step = next(power * factor for factor in FACTORS if power * factor >= rough)
    return list(range(0, max(largest, 1) + step, step))


class _Scale:
    """From values to places."""

    def __init__(self, points: Sequence[Point], axis: Sequence[tuple[int, str]]) -> None:
        self._points, self._axis = points, axis
        self.floor = HEIGHT - BOTTOM
        self.step = (WIDTH - LEFT - RIGHT) / max(len(points), 1)
        self._top = max((value for value, _ in axis), default=1) or 1

    def x(self, n: int) -> float:
        return LEFT + self.step * (n + 0.5)

    def y(self, value: int) -> float:
        return self.floor - (self.floor - TOP) * max(value, 0) / self._top

    def grid(self) -> list[str]:
        lines = []
        for value, words in self._axis:
            y = self.y(value)
            lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            lines.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(words)}</text>')
        return lines

    def labels(self) -> list[str]:
        every = -(-len(self._points) // LABELS_MAX)
        return [
            f'<text class="tick" x="{self.x(n):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(p.label)}</text>'
            for n, p in enumerate(self._points)
            if n % every == 0
        ]


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
