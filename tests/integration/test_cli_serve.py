"""`paidup serve` as a process of its own: options, environment, signals. API.md "Local server"."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from urllib.request import urlopen

import pytest

from infra.cli.main import main, parser

SECONDS_MAX = 60


@contextmanager
def served(*options, **environ):
    """The server's process and its address, once it says that it is there."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PORT", "BACKEND", "START", "LIVE")}
    command = [sys.executable, "-m", "infra.cli.main", "serve", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean | environ)
    try:
        greeting = process.stdout.readline()
        yield process, greeting.split()[2]
    finally:
        process.kill()
        process.wait(timeout=SECONDS_MAX)
        process.stdout.close()


def answer(url):
    with urlopen(url, timeout=SECONDS_MAX) as response:
        return json.loads(response.read())


def test_it_serves_until_it_is_told_to_end():
    with served("--port", "0", "--start", "2026-05-01T12:00:00Z") as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert answer(f"{url}/v1/health")["status"] == "ok"
        assert answer(f"{url}/_local/clock") == {"now": "2026-05-01T12:00:00Z"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=SECONDS_MAX) == 0


def test_the_environment_says_the_same_and_an_option_wins_over_it():
    with served("--start", "2026-06-01T00:00:00Z", PORT="0", START="2026-05-01T00:00:00Z") as (_, url):
        assert answer(f"{url}/_local/clock") == {"now": "2026-06-01T00:00:00Z"}


def test_live_follows_wall_time():
    with served(PORT="0", LIVE="1") as (_, url):
        assert answer(f"{url}/_local/clock")["now"] > "2026-01-02"


@pytest.mark.parametrize(("name", "value"), [("PORT", "x"), ("BACKEND", "oracle"), ("START", "yesterday")])
def test_an_environment_that_means_nothing_is_wrong_usage(monkeypatch, capsys, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main(["serve"])
    assert ended.value.code == 2
    assert f"--{name.lower()}" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "live"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_live_is_switched_by_its_variable(monkeypatch, value, live):
    monkeypatch.setenv("LIVE", value)
    assert parser().parse_args(["serve"]).live is live


def test_a_port_that_is_taken_is_refused(capsys):
    with served("--port", "0") as (_, url):
        assert main(["serve", "--port", url.rpartition(":")[2]]) == 1
    assert "cannot be used" in capsys.readouterr().err
