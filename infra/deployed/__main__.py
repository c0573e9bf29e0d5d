"""`make deploy-local`: deploy the stack to ministack on loopback, run a month of a small company through it, tell."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infra.deployed import ministack, sizes
from infra.deployed.smoke import smoke
from infra.deployed.stack import Deployed, deploy, exit_code_of
from infra.deployed.table import Checks
from infra.deployed.template import write_template

ROOT = Path(__file__).resolve().parents[2]
CLOUD = ROOT / ".local" / "cloud"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.deployed", description=__doc__)
    parser.add_argument("--port", type=int, default=4566, help="loopback port of ministack (default: 4566)")
    port = parser.parse_args().port
    return exit_code_of(lambda checks: _run(port, checks))


def _run(port: int, checks: Checks) -> None:
    CLOUD.mkdir(parents=True, exist_ok=True)
    with ministack.running(ROOT / ".local" / "ministack", CLOUD / "ministack.log", port):
        print(f"ministack answers on port {port}; its log is .local/cloud/ministack.log")
        with checks.step("sam deploy"):
            write_template(ROOT, CLOUD / "template.yaml")
            deploy(ROOT, port)
        smoke(Deployed(port), checks)
        print(f"\n{sizes.table()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
