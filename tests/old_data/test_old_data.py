"""Records and messages as each released version wrote them are still read, found and meant as they were."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from shared.contracts.messages import Message
from shared.ports import Save
from shared.storage.codec import decode, encode, text_of
from shared.storage.records import keys_of, places_of
from shared.storage.schema import KINDS
from tests.old_data.write import messages

VERSIONS = sorted(p for p in Path(__file__).parent.iterdir() if p.name.startswith("v"))
KIND = {kind.entity.__name__: kind for kind in KINDS}
MESSAGES = {msgspec.inspect.type_info(kind).tag: kind for kind in Message.__subclasses__()}


def lines(version, name):
    return [json.loads(line) for line in (version / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_every_record_is_read_found_and_written_as_it_was(version):
    for row in lines(version, "records"):
        kind = KIND[row["kind"]]
        entity = decode(kind.entity, row["body"].encode())
        before, after = json.loads(row["body"]), json.loads(text_of(encode(entity)))
        assert {name: after.get(name) for name in before} == before, row
        ((_, partition, sort),) = keys_of([Save(entity)])
        assert [partition, sort] == row["key"], row
        places = list(places_of(kind, entity))
        assert [list(p) if p else None for p in places][: len(row["places"])] == row["places"], row


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_every_message_is_read_as_it_was(version):
    for row in lines(version, "messages"):
        read = msgspec.json.decode(json.dumps(row["body"]).encode(), type=MESSAGES[row["body"]["kind"]])
        said = json.loads(read.body())
        assert {name: said.get(name) for name in row["body"]} == row["body"], row


def test_the_newest_version_has_a_sample_of_every_kind():
    newest = VERSIONS[-1]
    missing = set(KIND) - {row["kind"] for row in lines(newest, "records")}
    assert missing == set(), "give a sample to SELDOM in write.py, and run python -m tests.old_data.write"
    assert {row["body"]["kind"] for row in lines(newest, "messages")} == set(MESSAGES)
    assert {row["body"]["kind"] for row in messages()} == set(MESSAGES)
