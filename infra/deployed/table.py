"""What was checked, told line by line as it happens and summed up at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Checked:
    what: str
    good: bool
    seen: str


@dataclass(slots=True)
class Checks:
    """Every check is run, good or not, so that one run tells everything."""

    checked: list[Checked] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def that(self, what: str, seen: object, wanted: object = True) -> None:
        good = seen == wanted
        told = str(seen) if good else f"{seen!r}, not {wanted!r}"
        self.checked.append(Checked(what, good, told))
        print(f"  {'ok  ' if good else 'FAIL'} {what}: {told[:300]}", flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        print(f"{title} ...", flush=True)
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[title] = time.monotonic() - began

    @property
    def failed(self) -> list[Checked]:
        return [checked for checked in self.checked if not checked.good]

    def table(self) -> str:
        width = max(map(len, self.seconds), default=0)
        rows = [f"{title:<{width}}  {seconds:7.1f} s" for title, seconds in self.seconds.items()]
        total = f"{'together':<{width}}  {sum(self.seconds.values()):7.1f} s"
        verdict = f"{len(self.checked) - len(self.failed)} of {len(self.checked)} checks hold"
        return "\n".join([*rows, total, verdict, *(f"FAIL {bad.what}: {bad.seen}" for bad in self.failed)])
