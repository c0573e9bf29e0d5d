"""The console script `paidup`: reads the command line and calls one command. API.md "Command line"."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata

from infra.cli import cron, demo, export_rows, import_rows, rehearse, seed_settings, serve
from infra.cli.outcome import FAILED, OK, WRONG_USAGE, Misused, Refused

COMMANDS = (demo, serve, rehearse, import_rows, export_rows, cron, seed_settings)
EPILOG = "Exit code: 0 success, 1 refused or failed, 2 wrong usage."


def parser() -> argparse.ArgumentParser:
    """Every command and option; `paidup COMMAND --help` shows a command's own."""
    top = argparse.ArgumentParser(
        prog="paidup",
        description="Billing automation that runs itself: bills, posts, mails, collects and chases.",
        epilog=EPILOG,
    )
    top.add_argument("--version", action="version", version=f"paidup {_version()}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. argparse itself ends wrong usage with 2."""
    arguments = parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except Refused as refused:
        print(f"paidup: {refused}", file=sys.stderr)
        return WRONG_USAGE if isinstance(refused, Misused) else FAILED
    except BrokenPipeError:  # `paidup … | head` has read enough
        sys.stderr.close()
        return OK
    except KeyboardInterrupt:
        print("paidup: interrupted", file=sys.stderr)
        return FAILED
    return OK


def _version() -> str:
    try:
        return metadata.version("paidup")
    except metadata.PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
