"""Whoever is woken by an alarm finds out what to do."""

from __future__ import annotations

import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs" / "OPERATIONS.md").read_text()


def sections():
    """The sections about alarms: their titles, the alarms they name first, and what they say."""
    for part in re.split(r"^### ", TEXT, flags=re.M)[1:]:
        title, names, text = re.split(r"\n\n+", part.partition("\n## ")[0].strip(), maxsplit=2)
        yield title, re.findall(r"`(\w+)`", names), text


def test_every_alarm_has_one_section_that_says_what_to_do_and_no_section_is_about_none(template):
    alarms = sorted(a.id for a in template.of("AWS::CloudWatch::Alarm"))
    assert sorted(name for _, names, _ in sections() for name in names) == alarms
    assert all(names and len(text) > 60 for _, names, text in sections())


def test_every_alarm_names_the_runbook(template):
    for alarm in template.of("AWS::CloudWatch::Alarm"):
        assert "docs/OPERATIONS.md" in alarm.properties["AlarmDescription"], alarm.id


def test_the_runbook_names_only_routes_that_there_are(wiring):
    there = {re.sub(r"\{\w+\}", "{}", r.path) for r in wiring.routes}
    named = {path for path in re.findall(r"/v1/[a-z0-9/{}_-]+", TEXT) if not path.endswith("/")}
    assert named
    assert {re.sub(r"\{\w+\}", "{}", path) for path in named} <= there
