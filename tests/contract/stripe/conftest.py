"""A Stripe on loopback for every test."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from shared.gateways.stripe import StripeGateway
from tests.contract.stripe.world import MovedClock, gateway_at
from tests.stripe_server import Account, StripeServer


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def account(clock) -> Account:
    return Account(clock.seconds)


@pytest.fixture
def server(account) -> Iterator[StripeServer]:
    with StripeServer(account) as running:
        yield running


@pytest.fixture
def gateway(server, clock) -> StripeGateway:
    return gateway_at(server.url, clock)


@pytest.fixture
def no_names(monkeypatch) -> None:
    """No name is found; and none is looked for outside this machine."""

    def not_found(*args, **more):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
