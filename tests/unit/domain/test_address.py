"""Addresses as they are printed."""

from __future__ import annotations

import pytest

from shared.domain.address import Address


@pytest.mark.parametrize(
    ("address", "printed"),
    [
        (Address("1 Main St", "", "Springfield", "IL", "62701", "US"), ["1 Main St", "Springfield, IL 62701", "US"]),
        (Address("12 Quay", "", "London", "", "EC1A 1BB", "GB"), ["12 Quay", "London EC1A 1BB", "GB"]),
        (Address("Am Markt 3", "Hof", "Berlin", "", "10115", "DE"), ["Am Markt 3", "Hof", "10115 Berlin", "DE"]),
        (Address("Via 1", "", "Roma", "RM", "00100"), ["Via 1", "00100 Roma", "RM"]),
        (Address(city="Oslo"), ["Oslo"]),
        (Address(), []),
    ],
)
def test_the_postal_code_stands_where_the_country_has_it(address, printed):
    assert address.lines() == printed


def test_the_country_may_be_named_or_left_out():
    berlin = Address(city="Berlin", country="DE")
    assert berlin.lines("Germany") == ["Berlin", "Germany"]
    assert berlin.lines("") == ["Berlin"]
