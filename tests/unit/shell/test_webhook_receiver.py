"""What docs/WEBHOOKS.md tells receivers to do refuses every delivery that is forged, altered, old or replayed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.gateways.webhooks import sign

PAGE = (Path(__file__).resolve().parents[3] / "docs/WEBHOOKS.md").read_text(encoding="utf-8")
(CODE,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
RECEIVER: dict = {}
exec(compile(CODE, "docs/WEBHOOKS.md", "exec"), RECEIVER)
is_genuine, is_new = RECEIVER["is_genuine"], RECEIVER["is_new"]

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = AT.timestamp()
BODY = '{"id":"evt_1","type":"customer.suspended","data":{"name":"Müller"}}'.encode()
SIGNED = sign(BODY, "whsec_1", AT)


def test_what_was_signed_is_believed():
    assert is_genuine(BODY, SIGNED, "whsec_1", NOW)


def test_during_a_rotation_it_is_believed_under_either_secret():
    both = sign(BODY, ("whsec_new", "whsec_1"), AT)
    assert is_genuine(BODY, both, "whsec_1", NOW)
    assert is_genuine(BODY, both, "whsec_new", NOW)
    assert not is_genuine(BODY, both, "whsec_older", NOW)


@pytest.mark.parametrize(("seconds", "genuine"), [(-301, False), (-300, True), (299, True), (300, True), (301, False)])
def test_it_is_believed_for_five_minutes(seconds, genuine):
    assert is_genuine(BODY, SIGNED, "whsec_1", NOW + seconds) == genuine


@pytest.mark.parametrize(
    "signature",
    ["", "t=,v1=", "t=1", "v1=" + "0" * 64, SIGNED.replace("v1", "v0"), SIGNED.replace("t=", "t=1"), f"t=0,{SIGNED}",
     "t=٣,v1=é", "t=-5,v1=a", f"{SIGNED[:-1]}0", SIGNED.partition(",")[0]],
)  # fmt: skip
def test_a_signature_that_is_not_ours_is_refused(signature):
    assert signature != SIGNED
    assert not is_genuine(BODY, signature, "whsec_1", NOW)


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_body_with_any_byte_changed_is_refused(place, by):
    changed = BODY[:place] + bytes([(BODY[place] + by) % 256]) + BODY[place + 1 :]
    assert not is_genuine(changed, SIGNED, "whsec_1", NOW)


@given(st.text(max_size=80))
def test_no_text_is_taken_for_a_signature_and_none_breaks_the_receiver(signature):
    assert not is_genuine(BODY, signature, "whsec_1", NOW)


def test_the_time_cannot_be_moved_without_the_secret():
    later = int(NOW) + 3_600
    moved = SIGNED.replace(f"t={int(NOW)}", f"t={later}")
    assert not is_genuine(BODY, moved, "whsec_1", later)


def test_an_event_that_was_acted_on_is_not_acted_on_again():
    remembered: set[str] = set()
    assert [is_new(id, remembered) for id in ("evt_1", "evt_2", "evt_1", "evt_2", "evt_3")] == [
        True, True, False, False, True,
    ]  # fmt: skip
