"""What the heaviest pieces of work need: peak memory and CPU, beside what template.yaml gives to their functions.

    python -m benchmarks.sizes [--long]

Each piece runs in a process of its own, whose start is included. Lambda gives a function a share of a processor by its
memory, so seconds are those that the CPU takes at that share. What ordinary work needs is told at the end of
`make deploy-local`, of the very processes that did it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from infra.template import read_template
from shared.domain.values import dataclass

ROOT: Final = Path(__file__).resolve().parents[1]
KILOBYTES_PER_MEGABYTE: Final = 1024
WHOLE_PROCESSOR_MEGABYTES: Final = 1769  # AWS Lambda: CPU is given in proportion to memory
REHEARSED: Final = (2_000, 90)  # customers and days: as much as a worker takes on


@dataclass(frozen=True, slots=True)
class Piece:
    """The most that one invocation of a function may have to do."""

    function: str
    what: str
    work: Callable[[], object]
    long: bool = False


def _pdf(lines: int) -> None:
    from benchmarks.documents import pdf  # a piece's process loads what that piece needs and nothing else

    pdf(lines)


def _rehearsal() -> None:
    from benchmarks.rehearsal import rehearse

    rehearse("paying", *REHEARSED)


PIECES: Final = {
    "page": Piece("RenderPdfFunction", "a PDF of one page", lambda: _pdf(2)),
    "longest": Piece("RenderPdfFunction", "a PDF of 10,000 lines", lambda: _pdf(10_000)),
    "rehearsal": Piece("RehearsalRunFunction", "2,000 customers, 90 days", _rehearsal, long=True),
}


def measured(name: str) -> tuple[float, float]:
    """Peak megabytes and seconds of CPU of a piece."""
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.sizes", "--piece", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return float(said[-2]), float(said[-1])


def given(function: str) -> tuple[int, int]:
    """Megabytes and seconds that the template gives to a function."""
    (found,) = (f for f in read_template(ROOT / "template.yaml").of("AWS::Lambda::Function") if f.id == function)
    return int(found.properties["MemorySize"]), int(found.properties["Timeout"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizes", description=__doc__)
    parser.add_argument("--long", action="store_true", help="also what takes minutes")
    parser.add_argument("--piece", choices=sorted(PIECES), help="do one, and tell what this process took")
    asked = parser.parse_args()
    if asked.piece:
        PIECES[asked.piece].work()
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(used.ru_maxrss / KILOBYTES_PER_MEGABYTE, used.ru_utime + used.ru_stime)
        return
    print(f"{'function':<22}{'work':<28}{'MB peak':>9}{'of':>6}{'s CPU':>8}{'seconds':>9}{'of':>6}")
    for name, piece in PIECES.items():
        if piece.long and not asked.long:
            continue
        megabytes, cpu = measured(name)
        memory, timeout = given(piece.function)
        seconds = cpu * WHOLE_PROCESSOR_MEGABYTES / min(memory, WHOLE_PROCESSOR_MEGABYTES)
        row = f"{piece.function:<22}{piece.what:<28}{megabytes:>9.0f}{memory:>6}{cpu:>8.1f}{seconds:>9.1f}{timeout:>6}"
        print(row, flush=True)


if __name__ == "__main__":
    main()
