"""Secrets Manager as the gateway uses it: read late, kept for a while, and never shown."""

from __future__ import annotations

import json

import boto3
import pytest
from moto import mock_aws

from shared.gateways.clients import ATTEMPTS_MAX, Clients
from shared.gateways.secrets import KEPT_SECONDS, Secrets, SecretUnusable
from shared.ports import Unavailable
from tests.contract import network
from tests.contract.tables import REGION

pytestmark = pytest.mark.moto
FIELDS = {"api_key": "sk_test_canary", "webhook_secret": "whsec_canary"}


class Watch:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def manager():
    with mock_aws():
        yield boto3.client("secretsmanager", region_name=REGION)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def secrets(manager, watch) -> Secrets:
    return Secrets(Clients(REGION), monotonic=watch)


def stored(manager, text: str) -> str:
    return manager.create_secret(Name="gateway", SecretString=text)["ARN"]


def test_a_secret_is_read_once_and_again_when_it_may_have_been_replaced(manager, secrets, watch, monkeypatch):
    arn = stored(manager, json.dumps(FIELDS))
    wire = network.install(monkeypatch)
    assert secrets.read(arn) == secrets.read(arn) == FIELDS
    assert wire.names() == ["GetSecretValue"]
    manager.put_secret_value(SecretId=arn, SecretString=json.dumps(FIELDS | {"api_key": "sk_test_new"}))
    assert secrets.read(arn) == FIELDS
    watch.seconds = KEPT_SECONDS
    assert secrets.read(arn)["api_key"] == "sk_test_new"


def test_a_secret_that_was_refused_is_read_anew(manager, secrets):
    arn = stored(manager, json.dumps(FIELDS))
    secrets.read(arn)
    manager.put_secret_value(SecretId=arn, SecretString='{"api_key": "sk_test_new"}')
    secrets.forget(arn)
    assert secrets.read(arn) == {"api_key": "sk_test_new"}
    secrets.forget("arn:nothing")


@pytest.mark.parametrize("text", ["sk_test_canary", '["sk_test_canary"]', '{"api_key": {"v": "sk_test_canary"}}'])
def test_a_secret_that_is_not_what_it_should_be_is_not_shown(manager, secrets, text):
    with pytest.raises(SecretUnusable) as trouble:
        secrets.read(stored(manager, text))
    assert "canary" not in str(trouble.value)
    assert trouble.value.__cause__ is None


def test_a_secret_that_is_not_there_is_a_mistake_and_a_service_that_is_away_is_not(manager, secrets, monkeypatch):
    with pytest.raises(SecretUnusable, match="ResourceNotFound"):
        secrets.read("gateway")
    arn = stored(manager, json.dumps(FIELDS))
    wire = network.install(monkeypatch)
    wire.refuse("GetSecretValue", 500, {"__type": "InternalServiceError", "message": "?"}, ATTEMPTS_MAX)
    with pytest.raises(Unavailable):
        secrets.read(arn)
    assert secrets.read(arn) == FIELDS
