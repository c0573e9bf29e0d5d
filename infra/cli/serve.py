"""`paidup serve`: the whole product on a laptop, over HTTP. API.md "Local server"."""

from __future__ import annotations

import argparse
from typing import Final

from infra.cli.outcome import Refused, Subparsers, instant, whole

PORT_DEFAULT: Final = 8642
START_DEFAULT: Final = "2026-01-01T00:00:00Z"
BACKENDS: Final = ("memory", "moto")


def add_to(commands: Subparsers) -> None:
    serve = commands.add_parser(
        "serve",
        help="run the API and console on loopback, with a clock that you move",
        description="Serve the API and the console on 127.0.0.1. Nothing happens until the clock is moved.",
        epilog="The environment variables PORT, BACKEND, START and LIVE=1 say the same; an option wins over them.",
    )
    serve.add_argument("--port", type=whole(1, 65_535), metavar="N", help=f"default: {PORT_DEFAULT}")
    serve.add_argument("--backend", choices=BACKENDS, help="default: memory")
    serve.add_argument("--start", type=instant, metavar="INSTANT", help=f"first instant (default: {START_DEFAULT})")
    serve.add_argument("--live", action="store_true", default=None, help="follow wall time instead of a test clock")
    serve.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    raise Refused("not there yet")
