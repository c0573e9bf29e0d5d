"""`paidup export`: everything of one kind from a running Paidup as CSV that `paidup import` takes. PRODUCT 12."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

from infra.cli.client import Api, add_server_options, server
from infra.cli.outcome import Misused, Refused, Subparsers
from shared.contracts.export_csv import COLUMNS

PAGES_MAX: Final = 100_000
NEXT_CURSOR: Final = "next-cursor"  # header of a page that is not the last


def add_to(commands: Subparsers) -> None:
    export = commands.add_parser(
        "export",
        help="write customers, contracts, usage or invoices as CSV",
        description="Write everything of one kind as CSV, page by page, in the form that `paidup import` takes.",
    )
    kinds = tuple(COLUMNS)
    export.add_argument("kind", choices=kinds, metavar="{" + ",".join(kinds) + "}", help="what to write")
    export.add_argument("--output", type=Path, metavar="FILE", help="where to (default: standard output)")
    export.add_argument("--customer", metavar="ID", help="only of this customer; not for customers themselves")
    add_server_options(export)
    export.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    if arguments.customer and arguments.kind == "customers":
        raise Misused("--customer is for contracts, usage and invoices")
    with server(arguments) as api:
        if arguments.output is None:
            export(arguments.kind, api, sys.stdout.buffer, arguments.customer)
            return
        try:
            with arguments.output.open("wb") as out:
                export(arguments.kind, api, out, arguments.customer)
        except OSError as wrong:
            raise Refused(f"{arguments.output} cannot be written: {wrong.strerror}") from None


def export(kind: str, api: Api, out: BinaryIO, customer_id: str | None = None) -> None:
    """Write one file with one header. Raises Refused."""
    for number, page in enumerate(_pages(kind, api, customer_id)):
        out.write(page if number == 0 else page[page.index(b"\n") + 1 :])


def _pages(kind: str, api: Api, customer_id: str | None) -> Iterator[bytes]:
    wanted = f"customer_id={quote(customer_id, safe='')}" if customer_id else ""
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        after = f"cursor={quote(cursor, safe='')}" if cursor else ""
        answer = api.call("GET", f"/v1/export/{kind}?" + "&".join(filter(None, (wanted, after))))
        if not answer.ok:
            raise Refused(f"the server answered {answer.status}: {answer.words()}")
        yield answer.body
        cursor = answer.headers.get(NEXT_CURSOR)
        if cursor is None:
            return
    raise Refused(f"there are more than {PAGES_MAX} pages of {kind}")
