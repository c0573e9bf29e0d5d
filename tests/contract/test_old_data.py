"""What an earlier version stored and sent is read by this one, and still says the same.

A field that was added since has its default; one that went, or changed its meaning or default, is a migration.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.contracts.messages import Message
from shared.storage.codec import decode
from shared.storage.schema import KINDS
from tests.old_data.record import place

OLD = Path(__file__).resolve().parents[1] / "old_data"
VERSIONS = sorted(path.name for path in OLD.iterdir() if (path / "records.jsonl").exists())
MESSAGES = {kind.__struct_config__.tag: kind for kind in Message.__subclasses__()}
ENTITIES = {kind.entity.__name__: kind for kind in KINDS}


def lines(version: str, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (OLD / version / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def lost(was: Any, now: Any, at: str = "") -> list[str]:
    """What was said and is not said any more; what is said in addition is no loss."""
    if isinstance(was, dict) and isinstance(now, dict):
        return [told for key, value in was.items() for told in lost(value, now.get(key, "nothing"), f"{at}.{key}")]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [
            told for n, (one, other) in enumerate(zip(was, now, strict=True)) for told in lost(one, other, f"{at}[{n}]")
        ]
    return [] if was == now else [f"{at}: {was!r} became {now!r}"]


def plainly(value: Any) -> Any:
    return json.loads(json.dumps(msgspec.to_builtins(value), default=str))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ENTITIES)
def test_records_of_an_earlier_version_still_say_what_they_said(version: str, kind: str):
    old = [record for record in lines(version, "records") if record["kind"] == kind]
    for record in old:
        entity = decode(ENTITIES[kind].entity, json.dumps(record["body"]).encode())
        assert lost(record["says"], plainly(entity)) == []
        assert place(ENTITIES[kind], entity) == record["place"], "it would be looked for elsewhere"


@pytest.mark.parametrize("version", VERSIONS)
def test_no_kind_of_record_was_dropped(version: str):
    kinds = {record["kind"] for record in lines(version, "records")}
    assert kinds
    assert kinds <= ENTITIES.keys()


@pytest.mark.parametrize("version", VERSIONS)
def test_messages_of_an_earlier_version_are_still_understood(version: str):
    old = lines(version, "messages")
    assert len({message["kind"] for message in old}) > 10
    for message in old:
        read = msgspec.json.decode(json.dumps(message["body"]), type=MESSAGES[message["kind"]])
        assert lost(message["says"], plainly(read)) == []


def test_a_changed_default_would_be_told():
    assert lost({"gate": "clean_only", "lines": [1]}, {"gate": "all", "lines": [1], "new": 1}) == [
        ".gate: 'clean_only' became 'all'"
    ]
    assert lost({"gone": 1}, {}) == [".gone: 1 became 'nothing'"]
