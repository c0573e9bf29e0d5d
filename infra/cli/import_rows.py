"""`paidup import`: rows of a CSV file into a running Paidup."""

from __future__ import annotations

import argparse

from infra.cli.outcome import Refused, Subparsers


def add_to(commands: Subparsers) -> None:
    load = commands.add_parser("import", help="load customers, contracts, usage, invoices or payments from CSV")
    load.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    raise Refused("not there yet")
