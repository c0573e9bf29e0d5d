"""What `make build` made, looked at: its sizes, what each function imports, and what a cold start of each costs.

Everything runs in the runtime's Python with the artifact and the function's layers on its path and nothing else, and
cold starts through the client that Lambda itself uses. Only bundles of this machine's architecture can be run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from infra.template import read_template

ROOT: Final = Path(__file__).resolve().parents[2]
MEGABYTE: Final = 1_000_000
UNZIPPED_BYTES_MAX: Final = 262_144_000  # of a function and its layers: Lambda's limit
STARTS: Final = 3  # of each function; the best is what it costs when nothing else disturbs
TRIES: Final = 4  # to keep within the budget: a neighbour may disturb some of them
START_SECONDS_MAX: Final = 30
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")

# CPU milliseconds of a cold start, the interpreter's own 20 included.
# The promise is 250 and 400; these are what is reached, so that it is noticed if something is lost.
WORKER_MILLISECONDS_MAX: Final = 200
REQUEST_MILLISECONDS_MAX: Final = 360
ANSWERS_REQUESTS: Final = frozenset({
    "AdminApiFunction", "ConsoleFunction", "PayPageFunction", "AutopayWebhookFunction",
    "RehearsalRunFunction",  # which reads patches of settings as the API does
    "ReportsMakeFunction",  # which says figures as the API does
})  # fmt: skip

# The SDK's part of a start, which no code of ours decides: how fast this machine is just now, and so how much longer
# than on one that is idle a start may take here.
SDK: Final = "import botocore.session, botocore.client, pynamodb.connection"
SDK_MILLISECONDS: Final = 100  # on an idle machine
TOLERANCE: Final = 1.25  # the same start differs so much from hour to hour on a shared machine, whatever it is held to

# What no cold start may pay for, though the layers hold it or hold what would bring it.
NEVER: Final = ("boto3", "typst", "facturx", "stripe", "lxml", "pypdf", "segno")
NOT_IN_WORKERS: Final = (*NEVER, "pydantic", "asyncio")
TEMPLATES: Final = "jinja2"  # only where something is said to people
SAYS: Final = frozenset({"SendEmailSendFunction"})

SEEN = """
import importlib, json, sys
importlib.import_module(sys.argv[1].rpartition('.')[0])
json.dump(sorted({name.partition('.')[0] for name in sys.modules}), sys.stdout)
"""


class Broken(Exception):
    """A function does not start from its bundle alone; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """One function as Lambda unpacks it."""

    function: str
    handler: str
    app: Path
    layers: tuple[Path, ...]
    environment: dict[str, str]

    @property
    def folders(self) -> tuple[Path, ...]:
        return (self.app, *self.layers)

    @property
    def answers_requests(self) -> bool:
        return self.function in ANSWERS_REQUESTS

    @property
    def budget(self) -> int:
        return REQUEST_MILLISECONDS_MAX if self.answers_requests else WORKER_MILLISECONDS_MAX

    @property
    def forbidden(self) -> frozenset[str]:
        """What its cold start must not import."""
        if self.answers_requests:
            return frozenset(NEVER)
        return frozenset((*NOT_IN_WORKERS, *(() if self.function in SAYS else (TEMPLATES,))))

    def modules(self, python: Path) -> set[str]:
        """Top-level modules that its import brings. Raises Broken."""
        path = [self.app, *(layer / "python" for layer in self.layers)]
        start = f"import sys; sys.path[:0] = {[str(p) for p in path]!r}\n{SEEN}"
        ended = subprocess.run(
            [python.absolute(), "-I", "-S", "-c", start, self.handler],
            env=self.environment, capture_output=True, text=True, timeout=START_SECONDS_MAX, check=False,
        )  # fmt: skip
        if ended.returncode:
            raise Broken(f"{self.function}: {ended.stderr[-2000:]}")
        return set(json.loads(ended.stdout))

    def cold_start(self, runtime: Path) -> float:
        """CPU milliseconds from the start of the process until it asks for work. Raises Broken."""
        with _Api() as api:
            path = os.pathsep.join(str(layer / "python") for layer in self.layers)
            environment = self.environment | {
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.port}",
                "LAMBDA_TASK_ROOT": str(self.app),
                "PYTHONPATH": path,
            }
            process = subprocess.Popen(
                [runtime.absolute(), "-m", "awslambdaric", self.handler],
                cwd=self.app,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                if not api.asked.wait(START_SECONDS_MAX) or api.failed:
                    raise Broken(f"{self.function}: {api.failed or 'asks for no work'}")
                return _cpu_milliseconds(process.pid)
            finally:
                process.kill()
                process.wait()


def slowness(python: Path, core: Path) -> float:
    """How many times slower than an idle machine this one is at the moment; 1 if it is none."""
    code = f"import sys; sys.path.insert(0, {str(core / 'python')!r}); {SDK}"
    count = "import os; used = os.times(); print(used.user + used.system)"
    said = (
        subprocess.run(
            [python, "-I", "-S", "-c", f"{code}; {count}"], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(STARTS)
    )
    return max(1.0, min(map(float, said)) * 1000 / SDK_MILLISECONDS)


class _Api:
    """As much of Lambda's runtime API as it takes to see that a function is ready, or what kept it."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.failed = ""
        self._over = threading.Event()
        outer = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.set()
                outer._over.wait(START_SECONDS_MAX)  # no work comes

            def do_POST(self) -> None:
                outer.failed = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.asked.set()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.port = self._server.server_port

    def __enter__(self) -> _Api:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()


def _cpu_milliseconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / TICKS_PER_SECOND


def bundles(arch: str) -> Iterator[Bundle]:
    """Every function of the template."""
    dist = ROOT / "dist" / arch
    layers = {"CoreLayer": dist / "layers" / "core", "DocumentsLayer": dist / "layers" / "documents"}
    for function in read_template(ROOT / "template.yaml").of("AWS::Lambda::Function"):
        properties = function.properties
        named = json.dumps(properties["Layers"])
        carried = tuple(folder for name, folder in layers.items() if name in named)
        environment = {key: str(value) for key, value in properties["Environment"]["Variables"].items()}
        environment |= {"AWS_REGION": "eu-central-1", "AWS_LAMBDA_FUNCTION_NAME": function.id}
        yield Bundle(function.id, properties["Handler"], dist / "app", carried, environment)


def size(folder: Path) -> tuple[int, int, int]:
    """Files, bytes, and bytes deflated one by one as in a zip."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    contents = (path.read_bytes() for path in files)
    each = [(len(content), len(zlib.compress(content))) for content in contents]
    return len(files), sum(size for size, _ in each), sum(zipped for _, zipped in each)


def sizes(arch: str) -> str:
    """A table of what is uploaded, and the most that one function carries."""
    dist = ROOT / "dist" / arch
    rows = [f"{'bundle':<20}{'files':>8}{'MB':>8}{'zipped':>8}"]
    total = 0
    for folder in (dist / "app", dist / "layers" / "core", dist / "layers" / "documents"):
        files, unzipped, zipped = size(folder)
        total += unzipped
        rows.append(f"{folder.name:<20}{files:>8}{unzipped / MEGABYTE:>8.1f}{zipped / MEGABYTE:>8.1f}")
    rows.append(f"a function with all of it: {total / MEGABYTE:.1f} MB of {UNZIPPED_BYTES_MAX / MEGABYTE:.1f}")
    return "\n".join(rows)


def timed(bundle: Bundle, python: Path, runtime: Path) -> tuple[float, float]:
    """CPU milliseconds of a cold start, and how many are allowed on this machine now. Raises Broken."""
    spent, allowed = 0.0, 0.0
    for _ in range(TRIES):
        spent = min(bundle.cold_start(runtime) for _ in range(STARTS))
        allowed = bundle.budget * slowness(python, bundle.layers[0]) * TOLERANCE
        if spent <= allowed:
            break
    return spent, allowed


def problems(bundle: Bundle, python: Path, runtime: Path) -> Iterator[str]:
    """What is wrong with a function's start; prints its figures."""
    try:
        if unwanted := bundle.modules(python) & bundle.forbidden:
            yield f"{bundle.function} imports {', '.join(sorted(unwanted))}"
        spent, allowed = timed(bundle, python, runtime)
    except Broken as error:
        yield str(error)
        return
    print(f"{bundle.function:<30}{spent:>6.0f} of {allowed:.0f} ms CPU", flush=True)
    if spent > allowed:
        yield f"{bundle.function} takes {spent:.0f} ms of CPU to start; {allowed:.0f} are allowed on this machine now"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.deployed.bundles", description=__doc__)
    parser.add_argument("arch", choices=("arm64", "x86_64"))
    parser.add_argument(
        "--python", type=Path, help="the runtime's Python, to start each function with; sizes only without"
    )
    parser.add_argument("--runtime", type=Path, help="the Python of the environment that has Lambda's runtime client")
    given = parser.parse_args()
    print(sizes(given.arch))
    if given.python is None:
        return 0
    found = [p for bundle in bundles(given.arch) for p in problems(bundle, given.python, given.runtime)]
    print("\n".join(found), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
