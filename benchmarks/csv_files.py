"""How fast files come in and out: customers and usage through the command and the API, on the memory backend.

    python -m benchmarks.csv_files [ROWS]

Everything runs in this process. Prints one JSON line per figure. `command memory` is what reading and cutting the file
takes by itself, for files of two sizes: it does not grow with the file.
"""

from __future__ import annotations

import argparse
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, BinaryIO, Final, cast

from infra.cli.client import LocalApi
from infra.cli.export_rows import export
from infra.cli.loading import Loaded, load
from infra.cli.parts import Parts
from infra.local.app import LocalClient
from infra.local.cloud import LocalCloud
from shared.contracts.export_csv import written
from shared.contracts.import_csv import ColumnMap, Kind

ROWS_DEFAULT: Final = 100_000
MEMORY_ROWS: Final = (10_000, 40_000)
CUSTOMER_COLUMNS: Final = ("external_id", "name", "email", "address.city", "automations.enabled")
USAGE_COLUMNS: Final = ("id", "contract_id", "metric", "quantity", "occurred_at")


class Sink:
    """Counts what is written to it."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, content: bytes) -> int:
        self.size += len(content)
        return len(content)


def customers(file: Path, rows: int) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        out.write(written([CUSTOMER_COLUMNS]))
        for n in range(rows):
            out.write(written([(f"A-{n}", f"Customer {n}, Ltd", f"ap{n}@customer.example", "Bonn", "true")]))


def usage(file: Path, rows: int) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        out.write(written([USAGE_COLUMNS]))
        for n in range(rows):
            out.write(written([(f"u{n}", "con_1", "gb", "1.5", f"2026-01-{n % 28 + 1:02d}T10:00:00Z")]))


def tell(figure: str, value: float, unit: str) -> None:
    print(json.dumps({"benchmark": "csv_files", "figure": figure, "value": round(value, 1), "unit": unit}))


def rate(figure: str, rows: int, work: Callable[[], Any]) -> Any:
    before = process_time()
    result = work()
    tell(figure, rows / (process_time() - before), "rows per CPU second")
    return result


def loaded(kind: Kind, file: Path, api: LocalApi) -> Loaded:
    with file.open("rb") as stream:
        return load(kind, stream, ColumnMap(), api)


def run(rows: int, folder: Path) -> None:
    file = folder / "rows.csv"
    with LocalCloud("memory", log_level="CRITICAL") as cloud:
        api = LocalApi(LocalClient(cloud))
        customers(file, rows)
        first = rate("customers, new", rows, lambda: loaded("customers", file, api))
        again = rate("customers, again", rows, lambda: loaded("customers", file, api))
        assert (first.loaded, again.unchanged, first.errors, again.errors) == (rows, rows, [], [])
        out = Sink()
        rate("customers, export", rows, lambda: export("customers", api, cast(BinaryIO, out)))
        tell("customers, export", out.size / rows, "bytes per row")
        charge = {"name": "Traffic", "type": "usage", "metric": "gb", "unit_amount": "0.10"}
        contract = {"id": "con_1", "name": "Hosting", "start_date": "2026-01-01", "charges": [charge]}
        owner = api.call("GET", "/v1/customers?external_id=A-0").body["items"][0]["id"]
        api.call("POST", f"/v1/customers/{owner}/contracts", contract)
        usage(file, rows)
        first = rate("usage, new", rows, lambda: loaded("usage", file, api))
        assert (first.loaded, first.errors) == (rows, [])
    for size in MEMORY_ROWS:
        customers(file, size)
        tell(f"command memory, {size} rows", peak_kilobytes(file), "KB")


def peak_kilobytes(file: Path) -> float:
    """Of reading the file and cutting it into parts."""
    tracemalloc.start()
    with file.open("rb") as stream:
        for part in Parts("customers", stream, ColumnMap()):
            assert part.content
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.csv_files", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("rows", nargs="?", type=int, default=ROWS_DEFAULT)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        run(arguments.rows, Path(folder))


if __name__ == "__main__":
    main()
