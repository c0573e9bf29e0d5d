"""The template as the stand-in takes it: a copy with few words changed, each for a reason that is told.

What a rewrite takes away from the deployed check is held in the original by a test of the template instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from infra.deployed.stack import host_arch

VISIBILITY_SECONDS = 40  # longer than any piece of work of the small company


class NothingToRewrite(Exception):
    """The template no longer has what a rewrite was made for: take the rewrite out, or mend it."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Replaces every match of `pattern`."""

    why: str
    pattern: str
    replacement: str


def rewrites(root: Path, arch: str) -> tuple[Rewrite, ...]:
    """`root` holds `dist`; `arch` is arm64 or x86_64, whichever this machine is."""
    return (
        Rewrite("the copy lies elsewhere, and functions run on this machine", "dist/arm64/", f"{root}/dist/{arch}/"),
        Rewrite("functions run on this machine", r"\[arm64\]", f"[{arch}]"),
        Rewrite(
            "ministack asks for a right that IAM does not have; on AWS sqs:SendMessage allows batches",
            r"Action: sqs:SendMessage(?=[,\n])",
            "Action: [sqs:SendMessage, sqs:SendMessageBatch]",
        ),
        Rewrite(
            "the same of sqs:ChangeMessageVisibility",
            r"(?<=[\[ ])sqs:ChangeMessageVisibility(?=[\],])",
            "sqs:ChangeMessageVisibility, sqs:ChangeMessageVisibilityBatch",
        ),
        Rewrite(
            "a message that is tried again is waited for, and six times a worker's patience is too long for that",
            r"VisibilityTimeout: \d+",
            f"VisibilityTimeout: {VISIBILITY_SECONDS}",
        ),
        Rewrite(
            "ministack asks for the right to mail on `*`, not on the identity",
            r"(Action: \[ses:SendEmail[^\]]*\]\n +)Resource:\n( +- !Sub 'arn:.*:ses:.*'\n)+",
            r"\1Resource: '*'" + "\n",
        ),
    )


def rewritten(text: str, changes: tuple[Rewrite, ...]) -> str:
    """Raises NothingToRewrite."""
    for change in changes:
        text, times = re.subn(change.pattern, change.replacement, text)
        if not times:
            raise NothingToRewrite(f"{change.pattern!r} ({change.why})")
    return text


def write_template(root: Path, at: Path) -> None:
    """The template of the tree at `root`, whose bundles are there too, as the stand-in takes it. Tells why."""
    changes = rewrites(root, host_arch())
    for change in changes:
        print(f"  rewritten for the stand-in: {change.why}")
    at.write_text(rewritten((root / "template.yaml").read_text(encoding="utf-8"), changes), encoding="utf-8")
