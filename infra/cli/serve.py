"""`paidup serve`: the whole product on a laptop, over HTTP. API.md "Local server"."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from typing import Final

from infra.cli.outcome import Refused, Subparsers, instant, whole

PORT_DEFAULT: Final = "8642"
START_DEFAULT: Final = "2026-01-01T00:00:00Z"
BACKENDS: Final = ("memory", "moto")
_NO: Final = frozenset({"", "0", "no", "false", "off"})


def add_to(commands: Subparsers) -> None:
    serve = commands.add_parser(
        "serve",
        help="run the product on loopback, with a clock that you move",
        description="Serve the API on 127.0.0.1 until interrupted. Nothing happens until the clock is moved.",
        epilog="The environment variables PORT, BACKEND, START and LIVE=1 say the same; an option wins over them.",
    )
    variable = os.environ.get  # argparse reads a default that is a text with the option's type, so a bad one is refused
    serve.add_argument(
        "--port", type=whole(0, 65_535), default=variable("PORT") or PORT_DEFAULT, metavar="N",
        help=f"0 takes any that is free (default: {PORT_DEFAULT})",
    )  # fmt: skip
    serve.add_argument(
        "--backend", type=backend, default=variable("BACKEND") or BACKENDS[0], metavar="{memory,moto}",
        help="plain objects, or pynamodb and boto3 on moto (default: memory)",
    )  # fmt: skip
    serve.add_argument(
        "--start", type=instant, default=variable("START") or START_DEFAULT, metavar="INSTANT",
        help=f"where the clock starts (default: {START_DEFAULT})",
    )  # fmt: skip
    serve.add_argument(
        "--live", action="store_true", default=variable("LIVE", "").lower() not in _NO,
        help="follow wall time instead of a clock that you move",
    )  # fmt: skip
    serve.set_defaults(run=run)


def backend(text: str) -> str:
    """The type of --backend: `choices` would not be asked about a default from the environment."""
    if text not in BACKENDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no backend; choose from {', '.join(BACKENDS)}")
    return text


def run(arguments: argparse.Namespace) -> None:
    from infra.local import server  # here, so that the other commands start without the local cloud
    from infra.local.cloud import LocalCloud

    start = datetime.now(UTC) if arguments.live else arguments.start
    with LocalCloud(arguments.backend, start, live=arguments.live) as cloud:
        try:
            server.run(cloud, arguments.port, lambda line: print(line, flush=True))
        except OSError as taken:
            raise Refused(f"port {arguments.port} cannot be used: {taken.strerror}") from None
