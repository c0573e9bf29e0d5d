"""The same POST twice has one effect: by Idempotency-Key for 24 hours, by the id that a create brings for ever.

A key is claimed before the request is carried out, so that two at the same time cannot both be. Under a key every
new id is derived from it: a request that is carried out again because its first answer was lost finds what it made.

What is refused because it is done already is, in a request that was tried before, answered as done: see `tried_since`.

An answer that is a secret is kept sealed under the key itself, of which only a digest is stored; and since keys may be
guessed, nothing secret is derived from one.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from functions.admin_api.calls import Answer, Call
from shared.contracts.api_fields import refuse
from shared.contracts.api_json import dumps, fingerprint, loads
from shared.domain.copies import replace
from shared.domain.errors import Refused
from shared.domain.ids import derive_id
from shared.domain.records import Answered
from shared.ports import Conflict, Ids, Ports, Remove, Save, Unavailable

KEPT: Final = timedelta(hours=24)
CLAIMED: Final = timedelta(seconds=60)  # longer than a request can take
FOR_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
KEY_CHARS_MAX: Final = 255
PLAIN_CHARS_MAX: Final = 10_000  # longer answers are kept compressed
STORED_CHARS_MAX: Final = 300_000  # a record of DynamoDB has 400 KB at most
UNDER_WAY: Final = 0  # the status of a claim


@dataclass(slots=True)
class KeyedIds:
    """New ids as a function of the key: the same request makes the same ids."""

    seed: str
    made: int = 0

    def new(self, prefix: str) -> str:
        self.made += 1
        return derive_id(prefix, self.seed, self.made)


@dataclass(slots=True)
class ChosenIds:
    """The first new id of a kind is the one that the caller chose."""

    prefix: str
    chosen: str | None
    others: Ids

    def new(self, prefix: str) -> str:
        if prefix != self.prefix or self.chosen is None:
            return self.others.new(prefix)
        chosen, self.chosen = self.chosen, None
        return chosen


def answered_once(call: Call[Any], key: str, carry_out: Callable[[Call[Any]], Answer], secret: bool = False) -> Answer:
    """Same key and body: the first answer again. Another body, or the first still under way: Refused."""
    if not 1 <= len(key) <= KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
        refuse("Idempotency-Key", f"must have 1 to {KEY_CHARS_MAX} printable characters")
    scope = derive_id("key_", call.scope, call.caller.id, key)
    body, now, store = fingerprint(call.raw), call.ports.clock.now(), call.ports.store
    seen = store.get(Answered, scope)
    if seen is not None and seen.expires_at > now:
        return _again(seen, body, key if secret else "")
    uses = 0 if seen is None else seen.uses + (seen.status != UNDER_WAY)
    since = _tried_since(seen, body, now)
    claim = Answered(scope, body, UNDER_WAY, "", now + CLAIMED, uses, since or now, seen.version if seen else 0)
    try:
        store.commit(Save(claim))
    except Conflict:
        raise Refused("under_way", "a request with this Idempotency-Key is being carried out") from None
    held = replace(claim, version=claim.version + 1)
    try:
        ids = call.ports.ids if secret else KeyedIds(f"{scope}{body}{uses or ''}")
        answer = carry_out(replace(call, ports=replace(call.ports, ids=ids), tried_since=since))
    except Exception as error:
        _forget(held, call.ports, unsure=isinstance(error, Unavailable))
        raise
    done = replace(held, status=answer.status, expires_at=now + KEPT, began_at=None)
    _keep(done, answer, call.ports, key if secret else "")
    return answer


def created_once(call: Call[Any], prefix: str, carry_out: Callable[[Call[Any]], Answer]) -> Answer:
    """A create that brings its id: the same body at the same path again is 200 with the first result, else Refused."""
    id: str = call.raw["id"]
    body, key = fingerprint([call.scope, call.raw]), f"created#{id}"  # the path says whose it is
    seen = call.ports.store.get(Answered, key)
    if seen is not None:
        if seen.fingerprint != body:
            raise Refused("id_taken", f"{id} was created with another body, or elsewhere: choose another id")
        return replace(_again(seen, body), status=200)
    ids = ChosenIds(prefix, id, call.ports.ids)
    answer = carry_out(replace(call, ports=replace(call.ports, ids=ids)))
    _keep(Answered(key, body, answer.status, "", FOR_EVER), answer, call.ports)
    return answer


def _again(seen: Answered, body: str, sealed_by: str = "") -> Answer:
    if seen.fingerprint != body:
        raise Refused("key_used", "this Idempotency-Key was used with another body: choose another key")
    if seen.status == UNDER_WAY:
        raise Refused("under_way", "a request with this Idempotency-Key is being carried out")
    kept = _unsealed(seen.body, sealed_by) if sealed_by else seen.body
    return Answer(seen.status, loads(_unpacked(kept)) if kept else None)


def _keep(record: Answered, answer: Answer, ports: Ports, seal_by: str = "") -> None:
    """An answer too long to keep is not kept: the ids derived from the key still make a repetition harmless."""
    packed = _packed(dumps(answer.body)) if answer.body is not None else ""
    if seal_by:
        packed = _sealed(packed, seal_by, ports.ids.new(""))
    if len(packed) > STORED_CHARS_MAX:
        return
    try:
        ports.store.commit(Save(replace(record, body=packed)))
    except Conflict:
        pass  # the same request was carried out twice, with the same result


def _tried_since(seen: Answered | None, body: str, now: datetime) -> datetime | None:
    """When the same request was first tried whose worker died, or heard nothing: it may have had its effect."""
    if seen is None or seen.status != UNDER_WAY or seen.fingerprint != body or seen.began_at is None:
        return None
    return seen.began_at if now - seen.began_at < KEPT else None


def _forget(claim: Answered, ports: Ports, unsure: bool) -> None:
    """The key is free again, for now; if even that fails, the claim soon runs out.

    The claim stays, run out, if it is `unsure` whether something was done, and under a key that was used before: it
    knows which use is tried again.
    """
    freed = Save(replace(claim, expires_at=ports.clock.now())) if unsure or claim.uses else Remove(claim)
    try:
        ports.store.commit(freed)
    except (Conflict, Unavailable):
        pass


def _packed(text: str) -> str:
    if len(text) <= PLAIN_CHARS_MAX:
        return text
    return "z" + base64.b85encode(zlib.compress(text.encode())).decode()


def _unpacked(stored: str) -> str:
    return zlib.decompress(base64.b85decode(stored[1:])).decode() if stored.startswith("z") else stored


def _sealed(text: str, key: str, salt: str) -> str:
    """The text under a stream that the key and a salt of its own make: without the key it is noise."""
    return f"{salt}.{base64.b64encode(_streamed(text.encode(), key, salt)).decode()}"


def _unsealed(stored: str, key: str) -> str:
    salt, _, sealed = stored.partition(".")
    return _streamed(base64.b64decode(sealed), key, salt).decode()


def _streamed(content: bytes, key: str, salt: str) -> bytes:
    stream = hashlib.shake_256(f"{len(key)}:{key}{salt}".encode()).digest(len(content))
    return bytes(byte ^ mask for byte, mask in zip(content, stream, strict=True))


def forget_creation(id: str, ports: Ports) -> None:
    """What was created under this id is gone: creating it again must not be answered with it."""
    seen = ports.store.get(Answered, f"created#{id}")
    if seen is not None:
        ports.store.commit(Remove(seen))
