"""Time and ids of the local cloud: both come from the world itself, so the same world twice is the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.domain.ids import derive_id


class VirtualClock:
    """A clock that stands still until it is moved. It never goes back."""

    def __init__(self, start: datetime) -> None:
        self._now = _utc(start)

    def now(self) -> datetime:
        return self._now

    def move_to(self, instant: datetime) -> None:
        instant = _utc(instant)
        if instant < self._now:
            raise ValueError(f"the clock is at {self._now.isoformat()} and cannot go back to {instant.isoformat()}")
        self._now = instant

    def sleep(self, seconds: float) -> None:
        """What a function that waits does to the time of a world that runs one function at a time."""
        self.move_to(self._now + timedelta(seconds=seconds))


class CountingIds:
    """Ids that look random and are not: the n-th id of a prefix is the same in every run."""

    def __init__(self, world: str = "local") -> None:
        self._world = world
        self._made: dict[str, int] = {}

    def new(self, prefix: str) -> str:
        self._made[prefix] = self._made.get(prefix, 0) + 1
        return derive_id(prefix, self._world, prefix, self._made[prefix])


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone")
    return instant.astimezone(UTC)
