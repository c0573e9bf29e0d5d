"""What two runs differ in, by customer. PRODUCT 12."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rehearsal import RESULT_KEPT, Happening, Rehearsal, difference, net_changes

AT = datetime(2026, 1, 1, tzinfo=UTC)


def mail(day, kind="invoice", customer="cus_1"):
    return Happening("emails", customer, date(2026, 1, day), AT, kind, ())


@pytest.mark.parametrize(("moment", "kept"), [(-1, True), (0, False), (1, False)])
def test_a_result_is_there_until_its_time_is_up(moment, kept):
    asked = Rehearsal("reh_1", 90, "done", finished_at=AT)
    assert asked.kept(AT + RESULT_KEPT + timedelta(microseconds=moment)) is kept
    assert Rehearsal("reh_2", 90).kept(AT + 2 * RESULT_KEPT)  # not even begun


def test_a_mail_on_another_day_is_different_and_nobody_gets_more_of_them():
    base, changed = [mail(1), mail(5)], [mail(1), mail(6)]
    assert [(change, h.on.day) for change, h in difference(base, changed)] == [("added", 6), ("removed", 5)]
    assert net_changes(base, changed) == []


def test_of_more_mails_the_first_that_was_not_there_before_is_named():
    (net,) = net_changes([mail(1), mail(5)], [mail(1), mail(4), mail(5), mail(9)])
    assert (net.change, net.times, net.on.day) == ("added", 2, 4)
    (net,) = net_changes([mail(1), mail(4)], [mail(4)])
    assert (net.change, net.times, net.on.day) == ("removed", 1, 1)


HAPPENINGS = st.lists(
    st.builds(mail, st.integers(1, 9), st.sampled_from(["invoice", "past_due_1"]), st.sampled_from("ab"))
)


@given(HAPPENINGS, HAPPENINGS)
def test_the_net_changes_are_what_the_runs_differ_by_in_number(base, changed):
    found = net_changes(base, changed)
    sums = {"added": 1, "removed": -1}
    assert sum(sums[net.change] * net.times for net in found) == len(changed) - len(base)
    assert net_changes(changed, base) == [
        type(net)("removed" if net.change == "added" else "added", *(getattr(net, f) for f in REST)) for net in found
    ]


REST = ("category", "customer_id", "word", "times", "on")
