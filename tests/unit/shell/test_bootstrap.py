"""Which adapters stand behind the ports, and when they are made."""

from __future__ import annotations

import pytest

from shared import bootstrap
from shared.config import Config, Misconfigured
from shared.domain.customer import Customer
from shared.domain.payment import Payment
from shared.gateways.ses import SesMailer
from shared.storage.dynamo import DynamoStore
from tests.contract.samples import AT

PAYMENT = Payment("pay_1", "cus_1", "USD", 100, "card", "pending", AT, token="tok_1")


@pytest.fixture(autouse=True)
def nothing_installed():
    bootstrap.uninstall()
    yield
    bootstrap.uninstall()


def test_what_is_installed_is_used_until_it_is_removed(monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    mine = bootstrap.ports_from(Config({"AWS_REGION": "eu-central-1"}))
    bootstrap.install(mine)
    assert bootstrap.ports() is mine
    bootstrap.uninstall()
    with pytest.raises(Misconfigured, match="AWS_DEFAULT_REGION"):
        bootstrap.ports()


def test_the_ports_of_a_process_are_made_once():
    assert bootstrap.ports() is bootstrap.ports()
    assert isinstance(bootstrap.ports().store, DynamoStore)
    assert isinstance(bootstrap.ports().mailer, SesMailer)


def test_a_function_needs_only_the_variables_of_what_it_calls():
    ports = bootstrap.ports_from(Config({"AWS_REGION": "eu-central-1", "GATEWAY": "simulated"}))
    assert ports.gateway.charge(PAYMENT).status == "succeeded"
    assert ports.gateway.look_up(PAYMENT).status == "succeeded"
    assert ports.gateway.refund(PAYMENT, 100, "ref_1").status == "succeeded"
    with pytest.raises(Misconfigured, match="FILES_BUCKET"):
        ports.files.read("a")
    with pytest.raises(Misconfigured, match="POST_QUEUE_URL"):
        ports.queue.send("post", ["{}"])
    with pytest.raises(Misconfigured, match="EVENT_BUS"):
        ports.bus.publish("a", {})
    with pytest.raises(Misconfigured, match="ACCOUNTS_TABLE"):
        ports.store.get(Customer, "cus_1")


def test_a_gateway_that_is_not_built_says_so():
    ports = bootstrap.ports_from(Config({"AWS_REGION": "eu-central-1", "GATEWAY": "stripe"}))
    with pytest.raises(NotImplementedError, match="stripe"):
        ports.gateway.charge(PAYMENT)
