"""Derived ids are stored for ever: however they are worked out, they stay what they were."""

from __future__ import annotations

import base64
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import derive_id


@given(st.lists(st.one_of(st.text(st.characters(codec="utf-8")), st.integers(), st.dates())))
def test_an_id_is_96_bits_of_its_parts_digest_in_base_32(parts):
    digest = hashlib.sha256("\x1f".join(str(p) for p in parts).encode()).digest()
    assert derive_id("inv_", *parts) == "inv_" + base64.b32encode(digest[:12]).decode().rstrip("=").lower()


def test_an_id_once_given_is_given_again():
    assert derive_id("ntc_", "cus_1", "invoice", 3) == "ntc_oddapreyan33lvrqjcaq"
