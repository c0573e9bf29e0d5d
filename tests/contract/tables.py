"""The tables of the schema in moto, and all that is in them. Nothing here knows the template."""

from __future__ import annotations

from typing import Any

import boto3

from shared.storage.codec import decode
from shared.storage.models import table_model
from shared.storage.records import with_version
from shared.storage.schema import KINDS, TABLES

REGION = "eu-central-1"


def table_name(table: str) -> str:
    return f"test-{table}"


def create_tables(only: tuple[str, ...] = TABLES) -> None:
    """Create them in the account that answers: call it under moto's mock_aws."""
    for table in only:
        table_model(table, table_name(table), REGION).create_table(ignore_update_ttl_errors=True)


def items_of(table: str) -> list[dict[str, Any]]:
    """Every item, read with a scan, which the store itself never does."""
    client = boto3.client("dynamodb", region_name=REGION)
    pages = client.get_paginator("scan").paginate(TableName=table_name(table), ConsistentRead=True)
    return [item for page in pages for item in page["Items"]]


def dump() -> dict[str, dict[tuple[str, str], Any]]:
    """What MemoryStore.dump gives, of the tables in moto."""
    world: dict[str, dict[tuple[str, str], Any]] = {}
    items = {table: items_of(table) for table in TABLES}
    for kind in KINDS:
        of_kind = {}
        for item in items[kind.table]:
            key = item["sk"]["S"]
            if key == kind.prefix or (kind.prefix.endswith("#") and key.startswith(kind.prefix)):
                entity = with_version(decode(kind.entity, item["body"]["B"]), 0)
                of_kind[item["pk"]["S"], key[len(kind.prefix) :]] = entity
        if of_kind:
            world[kind.entity.__name__] = dict(sorted(of_kind.items()))
    return world
