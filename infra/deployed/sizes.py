"""What the functions of a stack on ministack took: peak memory and CPU of each one's workers, as Linux counts them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROCESSES: Final = Path("/proc")
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
KILOBYTES_PER_MEGABYTE: Final = 1024
_NAME: Final = re.compile(rb"(?:\A|\0)AWS_LAMBDA_FUNCTION_NAME=[^\0]*?(\w+Function)-[^\0-]*\0")
_PEAK: Final = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Took:
    """The most that one worker of a function held, and the CPU of the one that had most of it, its start included."""

    function: str
    peak_megabytes: float
    cpu_seconds: float


def took() -> list[Took]:
    """By function, of the workers that are there now."""
    found: dict[str, Took] = {}
    for function, megabytes, seconds in _workers():
        so_far = found.get(function, Took(function, 0, 0))
        most = max(so_far.peak_megabytes, megabytes), max(so_far.cpu_seconds, seconds)
        found[function] = Took(function, *most)
    return sorted(found.values(), key=lambda each: each.function)


def _workers() -> Iterator[tuple[str, float, float]]:
    for process in PROCESSES.iterdir():
        if not process.name.isdecimal():
            continue
        try:
            name = _NAME.search((process / "environ").read_bytes())
            peak = _PEAK.search((process / "status").read_text(encoding="utf-8"))
            fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (OSError, ProcessLookupError):
            continue  # it has just ended, or is somebody else's
        if name is not None and peak is not None:
            seconds = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
            yield name[1].decode(), int(peak[1]) / KILOBYTES_PER_MEGABYTE, seconds


def table() -> str:
    rows = [f"{each.function:<30}{each.peak_megabytes:>8.0f}{each.cpu_seconds:>8.2f}" for each in took()]
    return "\n".join([f"{'function':<30}{'MB peak':>8}{'s CPU':>8}", *rows])


if __name__ == "__main__":
    print(table())
