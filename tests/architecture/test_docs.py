"""What the documents name exists: the proofs of docs/GUARANTEES.md, and the files a newcomer is sent to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [row for row in (ROOT / "docs/GUARANTEES.md").read_text().splitlines() if row.startswith("| ")][1:]


def proofs():
    """(file, test or None) for each proof; `…` repeats the file before it."""
    for row in ROWS:
        file = ""
        for named in re.findall(r"`([^`]+)`", row.rsplit("|", 2)[1]):
            path, _, test = named.partition("::")
            file = file if path == "…" else path
            yield file, test or None


@pytest.mark.parametrize(("file", "test"), sorted(set(proofs()), key=str))
def test_every_proof_that_is_named_exists(file, test):
    found = [p for p in (ROOT / "tests" / file, ROOT / "tests/integration" / file, ROOT / file) if p.is_file()]
    assert found, f"there is no {file}"
    assert test is None or f"def {test}(" in found[0].read_text()


@pytest.mark.parametrize("document", ["README.md", "docs/ARCHITECTURE.md"])
def test_every_file_that_a_newcomer_is_sent_to_exists(document):
    text = (ROOT / document).read_text()
    ours = "functions|shared|infra|events|tests|benchmarks|docs"
    named = set(re.findall(rf"`((?:{ours})/[\w./-]+)`", text)) | set(re.findall(rf"\]\(((?:{ours})/[\w./-]+)\)", text))
    assert len(named) > 5
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
