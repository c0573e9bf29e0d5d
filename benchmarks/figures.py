"""What a benchmark found, as one JSON line per figure."""

from __future__ import annotations

import json
from typing import Final

from rich.console import Console

WIDTH: Final = 120  # of tables, wherever they are printed


def report(benchmark: str, figure: str, value: float, bar: float | None = None) -> None:
    """`bar` is what was promised: the most it may be, or for a rate the least."""
    print(json.dumps({"benchmark": benchmark, "figure": figure, "value": round(value, 4), "bar": bar}), flush=True)


def console() -> Console:
    """Where tables go."""
    return Console(width=WIDTH)
