"""The locks pin everything by hash, agree with one another and name no machine and no index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEVELOPERS = ROOT / "requirements" / "dev.txt"
LAYERS = sorted((ROOT / "infra" / "layers").glob("*/requirements.txt"))
APART = [ROOT / "requirements" / f"{name}.txt" for name in ("sam", "ministack", "runtime", "browser", "peers")]
LOCKS = [*LAYERS, DEVELOPERS, *APART]

PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)( ; .+)? \\$")


def pins(lock: Path) -> set[tuple[str, str]]:
    return {m.group(1, 2) for line in lock.read_text().splitlines() if (m := PIN.match(line))}


def test_both_layers_have_a_lock():
    assert [p.parent.name for p in LAYERS] == ["core", "documents"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_requirement_is_pinned_and_hashed(lock: Path):
    lines = lock.read_text().splitlines()
    for at, line in enumerate(lines):
        if not line.startswith((" ", "#")):
            assert PIN.match(line), line
            assert lines[at + 1].startswith("    --hash=sha256:"), line


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_lock_names_an_index_or_a_machine(lock: Path):
    strays = [line for line in lock.read_text().splitlines() if re.search(r"://|index-url|find-links|(^|\s)/", line)]
    assert strays == []


@pytest.mark.parametrize("layer", LAYERS, ids=lambda p: p.parent.name)
def test_developers_run_the_versions_that_the_layers_ship(layer: Path):
    assert pins(layer)
    assert pins(layer) <= pins(DEVELOPERS)


def test_the_lock_covers_each_input():
    for lock in LOCKS:
        named = {name for name, _ in pins(lock)}
        wanted = re.findall(r"^([A-Za-z0-9][\w.-]*)", lock.with_suffix(".in").read_text(), re.MULTILINE)
        assert wanted
        assert {w.lower() for w in wanted} <= named
