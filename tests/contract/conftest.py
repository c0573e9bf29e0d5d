"""Both stores, each empty for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from shared.ports import Store
from shared.storage.dynamo import DynamoStore
from shared.storage.memory import MemoryStore
from tests.contract import network
from tests.contract.network import Network
from tests.contract.tables import REGION, clear_tables, create_tables, table_name


@pytest.fixture(scope="module")
def tables() -> Iterator[None]:
    with mock_aws():
        create_tables()
        yield


@pytest.fixture(scope="module")
def dynamo_of_module(tables) -> DynamoStore:
    return DynamoStore(table_name, REGION, writer="test", sleep=lambda seconds: None)


@pytest.fixture
def dynamo(dynamo_of_module) -> DynamoStore:
    clear_tables()
    return dynamo_of_module


@pytest.fixture(params=["memory", pytest.param("moto", marks=pytest.mark.moto)])
def store(request) -> Store:
    return MemoryStore() if request.param == "memory" else request.getfixturevalue("dynamo")


@pytest.fixture
def wire(dynamo, monkeypatch) -> Network:
    return network.install(monkeypatch)
