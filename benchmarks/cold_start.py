"""What a cold start costs: CPU from the start of the process until the handler is there, through the runtime client.

    make build ARCH=x86_64
    python3.13 -m venv .local/cold && .local/cold/bin/python -m pip install awslambdaric
    python -m benchmarks.cold_start .local/cold/bin/python

The modules are the precompiled ones of the build, read with -B as Lambda reads them. Everything is repeated in turns
and the least counts, since others may use the machine; boto3's part is measured beside, to compare machines by.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "dist" / "x86_64"
REPEAT = 9
BARS = {"functions.auto_post.post.lambda_handler": 250, "functions.admin_api.app.lambda_handler": 400}
BOTO = "boto3's part"

HANDLER = """
import os, sys, awslambdaric.bootstrap as runtime
runtime._get_handler(sys.argv[1])
"""
ONLY_BOTO = "import os, pynamodb.connection, botocore.session, botocore.client"
CPU = "\nused = os.times(); print(round((used.user + used.system) * 1000))"


def measured(python: str, name: str) -> int:
    """CPU milliseconds of one start in a fresh process."""
    path = f"{BUILD / 'app'}:{BUILD / 'layers' / 'core' / 'python'}"
    code = (ONLY_BOTO if name == BOTO else HANDLER) + CPU
    done = subprocess.run(
        [python, "-B", "-c", code, name], env={"PYTHONPATH": path}, cwd=BUILD / "app", check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    return int(done.stdout)


def main() -> None:
    if len(sys.argv) != 2 or not (BUILD / "app").is_dir():
        sys.exit(__doc__)
    least = dict.fromkeys([BOTO, *BARS], 1_000_000)
    for _ in range(REPEAT):
        for name in least:
            least[name] = min(least[name], measured(sys.argv[1], name))
    for name, milliseconds in least.items():
        print(json.dumps({"figure": "init_cpu_ms", "of": name, "value": milliseconds, "bar": BARS.get(name)}))


if __name__ == "__main__":
    main()
