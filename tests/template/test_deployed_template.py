"""The copy of the template that the stand-in for AWS takes, and what it leaves to be held here in the original."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.deployed.template import NothingToRewrite, Rewrite, rewrites, rewritten
from infra.template import Template, read_template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"


@pytest.fixture(scope="module")
def copy() -> str:
    return rewritten(TEMPLATE.read_text(encoding="utf-8"), rewrites(Path("/somewhere"), "x86_64"))


def statements(template: Template):
    for role in template.of("AWS::IAM::Role"):
        for policy in role.properties["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                actions, resources = statement["Action"], statement["Resource"]
                yield (
                    role.id,
                    [actions] if isinstance(actions, str) else actions,
                    [resources] if isinstance(resources, str) else resources,
                )


def test_the_copy_differs_in_the_rewritten_words_and_in_nothing_else(copy: str):
    original = TEMPLATE.read_text(encoding="utf-8").splitlines()
    left = set(original) - set(copy.splitlines())
    told = re.compile(
        r"dist/arm64|\[arm64\]|sqs:SendMessage|sqs:ChangeMessageVisibility|VisibilityTimeout|arn:.*:ses:|Resource:$"
    )
    assert left
    assert [line for line in left if not told.search(line)] == []


def test_the_copy_is_still_a_template(copy: str, tmp_path: Path):
    written = tmp_path / "template.yaml"
    written.write_text(copy, encoding="utf-8")
    names, originals = (
        {r.id for r in read_template(at).resources.values() if "Layer" not in r.type} for at in (written, TEMPLATE)
    )
    assert names == originals
    assert "AdminApiFunction" in names


def test_a_rewrite_without_a_use_is_told():
    with pytest.raises(NothingToRewrite, match="no longer there"):
        rewritten("Resources: {}", (Rewrite("why", "no longer there", ""),))


def test_in_the_original_mail_is_sent_as_our_identity_only():
    found = [
        r
        for _, actions, resources in statements(read_template(TEMPLATE))
        if "ses:SendEmail" in actions
        for r in resources
    ]
    assert found
    assert all(re.search(r":(identity|configuration-set)/[^*]+$", resource) for resource in found)


def test_in_the_original_no_right_is_named_that_iam_does_not_have():
    named = {action for _, actions, _ in statements(read_template(TEMPLATE)) for action in actions}
    assert "sqs:SendMessage" in named
    assert not {action for action in named if action.startswith("sqs:") and action.endswith("Batch")}
