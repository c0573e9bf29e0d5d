"""Which adapters stand behind the ports, and when they are made."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from shared import bootstrap
from shared.config import Config, Misconfigured
from shared.domain.customer import Customer
from shared.domain.payment import ChargeOutcome, Payment
from shared.gateways.ses import SesMailer
from shared.gateways.system import SystemClock
from shared.gateways.webhooks import sign
from shared.ports import Forged
from shared.storage.dynamo import DynamoStore
from tests.contract.samples import AT

ROOT = Path(__file__).resolve().parents[3]
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


@pytest.mark.moto
def test_stripe_is_the_gateway_where_the_configuration_says_so_and_its_keys_are_read_late():
    config = Config({"AWS_REGION": "eu-central-1", "GATEWAY": "stripe", "GATEWAY_SECRET": "gateway"})
    with mock_aws():
        ports = bootstrap.ports_from(config)
        payment = replace(PAYMENT, token="pm_card_visa", at=SystemClock().now())
        assert ports.gateway.charge(payment) == ChargeOutcome("failed", code="gateway_keys_missing")
        secret = json.dumps({"api_key": "", "webhook_secret": "whsec_1"})
        boto3.client("secretsmanager", "eu-central-1").create_secret(Name="gateway", SecretString=secret)
        body = b'{"id": "evt_1"}'
        assert ports.gateway.hear(body, sign(body, "whsec_1", SystemClock().now())).id == "evt_1"
        with pytest.raises(Forged):
            ports.gateway.hear(body, "")


def test_only_a_charge_brings_in_the_sdk_of_stripe():
    script = (
        "import sys, importlib, infra.wiring as wiring\n"
        "for f in wiring.load_wiring().functions.values():\n"
        "    importlib.import_module(f.handler.rpartition('.')[0])\n"
        "assert not {'stripe', 'requests'} & set(sys.modules), 'imported for nothing'\n"
        "import shared.gateways.stripe\n"
        "assert 'stripe' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
