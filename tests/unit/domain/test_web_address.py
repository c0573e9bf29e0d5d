"""Which addresses a webhook may be sent to: every way to write one inside our own network is caught."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.web_address import is_address, is_loopback, is_public

INSIDE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.170.2", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1",
    "2002:7f00:1::", "2002:a9fe:a9fe::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_of_a_network_of_ones_own_is_public(address):
    assert not is_public(address)
    assert is_address(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_as_public_as_by_itself(inner: IPv4Address):
    plain = is_public(str(inner))
    number = f"{int(inner) >> 16:x}:{int(inner) & 0xFFFF:x}"
    assert is_public(f"::ffff:{inner}") == plain
    assert is_public(f"64:ff9b::{number}") == plain
    assert not is_public(f"2002:{number}::1") or plain


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False),
     ("0.0.0.0", False), ("1.1.1.1", False), ("localhost", False), ("", False)],
)  # fmt: skip
def test_loopback_is_this_machine_only(address, expected):
    assert is_loopback(address) == expected


@pytest.mark.parametrize("host", ["example.com", "", "1.2.3", "0x7f000001", "2130706433", "127.1", "[::1]"])
def test_a_name_is_no_address_and_neither_public_nor_loopback(host):
    assert {is_address(host), is_public(host), is_loopback(host)} == {False}
