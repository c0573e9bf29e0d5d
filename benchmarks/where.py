"""Where the CPU of a lifecycle goes, layer by layer: `python -m benchmarks.where [--customers N] [--rounds N]`.

The tape of benchmarks/lifecycle is played back while a timer that runs on CPU time looks, a thousand times a second,
at what is being executed. A sample counts for the innermost layer on the stack, so what a layer calls in the standard
library or in C is its own. Only what queues feed is looked at: a rule's tick costs the same for any number of invoices,
and the typesetter's CPU is benchmarks/documents' matter.
"""

from __future__ import annotations

import argparse
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.figures import report
from benchmarks.lifecycle import PDF, Spent, run
from benchmarks.tape import Tape
from infra.wiring import Function, load_wiring

SAMPLE_SECONDS: Final = 0.001
LAYERS: Final = {  # by what a file's path contains; the first that fits counts
    "signing requests": ("/botocore/auth.py", "/botocore/signers.py", "/botocore/credentials.py"),
    "composing requests": (
        "/botocore/serialize.py", "/botocore/awsrequest.py", "/botocore/endpoint_provider.py",
        "/botocore/regions.py", "/botocore/validate.py", "/botocore/useragent.py",
    ),
    "reading answers": ("/botocore/parsers.py", "/botocore/response.py", "/botocore/eventstream.py"),
    "botocore's hooks, retries, the rest": ("/botocore/",),
    "pynamodb": ("/pynamodb/",),
    "stand-in for the network": ("/moto/", "/responses/", "/urllib3/", "/benchmarks/tape.py", "/werkzeug/"),
    "storage: records to items and back": ("/shared/storage/",),
    "business: use cases and domain": ("/shared/use_cases/", "/shared/domain/"),
    "rendering mails": ("/shared/rendering/", "/jinja2/", "/babel/", "/markupsafe/", "/premailer/", "/css_inline/"),
    "gateways: MIME, queues, files": ("/shared/gateways/", "/email/"),
    "handlers, logs, batches": ("/functions/", "/shared/", "/aws_lambda_powertools/", "/logging/"),
}  # fmt: skip
ELSE: Final = "anything else"


class Sampler:
    """Counts where the process is while a function runs."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self._layers: dict[str, str | None] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        before = signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def _look(self, _: int, frame: FrameType | None) -> None:
        layer = ELSE
        inner = True
        while frame is not None:
            path, name = frame.f_code.co_filename, frame.f_code.co_name
            if path.endswith("/infra/local/invoker.py") and name == "invoke":
                function: Function = frame.f_locals["function"]
                self.seen[layer] += counts(function)
                return
            if inner and (found := self._layer(path)):
                layer, inner = found, False
            frame = frame.f_back

    def _layer(self, path: str) -> str | None:
        if path not in self._layers:
            fits = (name for name, parts in LAYERS.items() if any(part in path for part in parts))
            self._layers[path] = next(fits, None)
        return self._layers[path]


def counts(function: Function) -> bool:
    return bool(function.mappings) and function.id != PDF


def measure(customers: int, rounds: int) -> tuple[dict[str, float], float]:
    """Milliseconds of CPU per lifecycle by layer, and in all, of what queues feed."""
    tape = Tape()
    run(customers, tape, lambda cloud: tape.recording(cloud.wiring, cloud.clock.now))
    sampler, spent = Sampler(), Spent()
    for _ in range(rounds):
        spent = run(customers, tape, lambda cloud: tape.playing(cloud.clock.now), sampler.running)
    fed = {id for id, function in load_wiring().functions.items() if counts(function)}
    total = sum(cost.cpu for name, cost in spent.busy.costs.items() if name in fed) * 1000 / customers
    samples = sum(sampler.seen.values())
    return {name: total * n / samples for name, n in sampler.seen.most_common()}, total


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.where", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--customers", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    layers, total = measure(asked.customers, asked.rounds)
    table = Table("layer", "CPU, ms", "share", title=f"One lifecycle: {total:.1f} ms")
    for name, cpu in layers.items():
        table.add_row(name, f"{cpu:.2f}", f"{cpu / total:.0%}")
    Console().print(table)
    for name, cpu in layers.items():
        report("where", name, cpu)


if __name__ == "__main__":
    main()
