"""`paidup demo`: three months of a sample company, played in under half a minute."""

from __future__ import annotations

import argparse

from infra.cli.outcome import Refused, Subparsers


def add_to(commands: Subparsers) -> None:
    demo = commands.add_parser("demo", help="play three months of a sample company and write a report")
    demo.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    raise Refused("not there yet")
