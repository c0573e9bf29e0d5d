"""New cards are added once, with what the gateway says of them, and only by the customer they were prepared for."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from shared.domain.errors import NotFound, Refused
from shared.domain.payment import PaymentMethod
from shared.ports import Unavailable
from shared.use_cases.charge_invoice import charge_by_hand
from shared.use_cases.new_cards import add_card, prepare_card
from shared.use_cases.payment_methods import METHODS_MAX, methods_of, remove_method
from tests.contract.stripe.world import MovedClock, gateway_at
from tests.integration.stage import Stage
from tests.stripe_server import Account, StripeServer


@pytest.fixture
def stage():
    stage = Stage()
    stage.settings()
    stage.klass()
    stage.customer("cus_a")
    stage.customer("cus_b")
    return stage


def test_a_card_that_the_customer_chose_becomes_a_method(stage):
    setup = prepare_card("cus_a", stage.ports)
    method = add_card("cus_a", setup.choices[0].reference, stage.ports)
    assert (method.brand, method.last4, method.exp_month, method.exp_year) == ("visa", "4242", 12, 2035)
    assert methods_of("cus_a", stage.ports) == (method,)


def test_preparing_a_card_stores_nothing(stage):
    before = stage.store.dump()
    prepare_card("cus_a", stage.ports)
    assert stage.store.dump() == before


def test_the_same_card_is_added_once_however_often_the_form_is_sent(stage):
    reference = prepare_card("cus_a", stage.ports).choices[0].reference
    first = add_card("cus_a", reference, stage.ports)
    assert add_card("cus_a", reference, stage.ports) == first
    other = add_card("cus_a", prepare_card("cus_a", stage.ports).choices[0].reference, stage.ports)
    assert other.id != first.id


def test_a_card_that_was_removed_does_not_come_back_by_sending_the_form_again(stage):
    reference = prepare_card("cus_a", stage.ports).choices[0].reference
    remove_method(add_card("cus_a", reference, stage.ports).id, stage.ports)
    with pytest.raises(Refused, match="removed"):
        add_card("cus_a", reference, stage.ports)
    assert methods_of("cus_a", stage.ports) == ()


def test_nobody_adds_the_card_of_somebody_else(stage):
    reference = prepare_card("cus_a", stage.ports).choices[0].reference
    before = stage.store.dump()
    for customer_id, given in (("cus_b", reference), ("cus_a", "seti_x"), ("cus_a", "")):
        with pytest.raises(Refused, match="no new card"):
            add_card(customer_id, given, stage.ports)
    with pytest.raises(NotFound):
        add_card("cus_c", reference, stage.ports)
    assert stage.store.dump() == before


@pytest.mark.parametrize(("had", "refused"), [(METHODS_MAX - 1, False), (METHODS_MAX, True)])
def test_a_customer_has_room_for_so_many_cards(stage, had, refused):
    for _ in range(had):
        stage.card("cus_a")
    if refused:
        with pytest.raises(Refused, match="remove one first"):
            prepare_card("cus_a", stage.ports)
    else:
        add_card("cus_a", prepare_card("cus_a", stage.ports).choices[0].reference, stage.ports)
        assert len(methods_of("cus_a", stage.ports)) == METHODS_MAX


def test_a_card_that_was_given_to_stripes_fields_pays_an_invoice(stage):
    clock = MovedClock()
    clock.at = stage.clock.now()
    account = Account(clock.seconds)
    with StripeServer(account) as server:
        gateway = gateway_at(server.url, clock)
        ports = replace(stage.ports, gateway=gateway)
        setup = prepare_card("cus_a", ports)
        with pytest.raises(Refused, match="no new card"):
            add_card("cus_a", setup.reference, ports)
        gateway.client().v1.setup_intents.confirm(setup.reference, {"payment_method": "pm_card_visa"})
        method = add_card("cus_a", setup.reference, ports)
        assert (method.brand, method.last4) == ("visa", "4242")
        paid = charge_by_hand(stage.posted("cus_a"), ports, method.id)
        assert paid.status == "succeeded"
        assert [i["payment_method"] for i in account.charged(paid.id)] == [method.token.partition("/")[2]]


@pytest.mark.usefixtures("no_names")
def test_while_the_gateway_is_away_no_card_is_added(stage):
    ports = replace(stage.ports, gateway=gateway_at("http://gateway.invalid", stage.clock))
    with pytest.raises(Unavailable):
        prepare_card("cus_a", ports)
    with pytest.raises(Unavailable):
        add_card("cus_a", "seti_1", ports)
    assert stage.every(PaymentMethod) == []


@pytest.fixture
def no_names(monkeypatch):
    """No name is found; and none is looked for outside this machine."""

    def not_found(*args, **more):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
