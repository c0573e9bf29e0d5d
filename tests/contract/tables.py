"""The tables of the schema in moto, and all that is in them. Nothing here knows the template."""

from __future__ import annotations

from typing import Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from shared.storage.codec import decode
from shared.storage.models import table_model
from shared.storage.records import with_version
from shared.storage.schema import KINDS, TABLES

REGION = "eu-central-1"


def table_name(table: str) -> str:
    return f"test-{table}"


def create_tables() -> None:
    """Create all tables in the account that answers: call it under moto's mock_aws."""
    for table in TABLES:
        table_model(table, table_name(table), REGION).create_table()


def clear_tables() -> None:
    """Empty them, as no API does at once: creating them again for every test would take most of its time."""
    for table in dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables.values():
        table.items.clear()


def items_of(table: str) -> list[dict[str, Any]]:
    """Every item, read with a scan, which the store itself never does."""
    client = boto3.client("dynamodb", region_name=REGION)
    pages = client.get_paginator("scan").paginate(TableName=table_name(table), ConsistentRead=True)
    return [item for page in pages for item in page["Items"]]


def dump() -> dict[str, dict[tuple[str, str], Any]]:
    """What MemoryStore.dump gives, of the tables in moto."""
    items = {table: items_of(table) for table in TABLES}
    world = {}
    for kind in KINDS:
        found = {}
        for item in items[kind.table]:
            sort = item["sk"]["S"]
            if sort == kind.prefix or (kind.prefix.endswith("#") and sort.startswith(kind.prefix)):
                entity = with_version(decode(kind.entity, item["body"]["B"]), 0)
                found[item["pk"]["S"], sort.removeprefix(kind.prefix)] = entity
        if found:
            world[kind.entity.__name__] = dict(sorted(found.items()))
    return world
