"""The stand-in for AWS: ministack in an environment of its own, on loopback, with IAM enforced."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"
REGION = "eu-central-1"
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 15
POLL_SECONDS = 0.1
# Each concurrent worker unpacks its own copy of the layers, up to 170 MB, so there have to be limits; but what is over
# the limit is turned away, and its message waits for as long as its queue hides it.
CONCURRENCY = 24
SCRATCH_BYTES = 5_000_000_000  # what all workers of a run unpack together, with room to spare


class NotStarted(Exception):
    """Ministack did not come up; the message says where its log is."""


def environment(port: int) -> dict[str, str]:
    """What the command lines and clients of AWS need to find it. No profile or session of the caller's gets through."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return kept | {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "SAM_CLI_TELEMETRY": "0",
    }


@contextmanager
def running(home: Path, log: Path, port: int) -> Iterator[None]:
    """Ministack, installed in `home`, until the block ends. What it unpacked is removed with it."""
    scratch = Path(tempfile.mkdtemp(prefix="paidup-cloud-", dir=_roomy_memory()))
    with log.open("wb") as out:
        process = subprocess.Popen(
            [home / "bin" / "ministack"], env=_settings(port, scratch), stdout=out, stderr=out, start_new_session=True
        )
    try:
        _await(process, port, log)
        yield
    finally:
        _stop(process)
        shutil.rmtree(scratch, ignore_errors=True)


def _roomy_memory() -> Path | None:
    """Workers unpack some 100,000 small files, which disks take minutes to delete; None for where temporaries go."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > SCRATCH_BYTES
    return memory if roomy else None


def _settings(port: int, scratch: Path) -> dict[str, str]:
    """No Python path of the caller's: it would leak into the functions, which run in ministack's own interpreter."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTHON"))}
    return kept | {
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_ACCOUNT_CONCURRENCY": str(CONCURRENCY),
        "TMPDIR": str(scratch),
    }


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """One that was left behind on the port answers too, so ours must still be there after an answer."""
    end = time.monotonic() + START_SECONDS_MAX
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/_ministack/health", timeout=1):
                time.sleep(3 * POLL_SECONDS)
                if process.poll() is None:
                    return
        except OSError:
            time.sleep(POLL_SECONDS)
    raise NotStarted(f"ministack did not start on port {port}; see {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Its workers are in its process group, which is ours alone."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            continue
    process.wait(STOP_SECONDS_MAX)
