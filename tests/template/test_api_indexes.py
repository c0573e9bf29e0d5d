"""The API may ask every index that its modules name, whatever filter it takes to come there."""

from __future__ import annotations

import importlib
import pkgutil

from functions import admin_api
from shared.ports import Index
from shared.storage.schema import KINDS

TABLE_OF = {rule.index.name: kind.table for kind in KINDS for rule in kind.indexes}


def named() -> set[str]:
    modules = (
        importlib.import_module(f"functions.admin_api.{m.name}") for m in pkgutil.iter_modules(admin_api.__path__)
    )
    return {value.name for module in modules for value in vars(module).values() if isinstance(value, Index)}


def test_the_api_may_query_each_index_that_it_names(wiring):
    tables = {table.id: table.arn for table in wiring.tables.values()}
    arns = {name: f"{tables[f'{TABLE_OF[name].capitalize()}Table']}/index/{name}" for name in named()}
    role = wiring.functions["AdminApiFunction"]
    assert "notices_pending" in arns
    assert [name for name, arn in arns.items() if not role.may("dynamodb:Query", arn)] == []
