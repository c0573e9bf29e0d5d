"""Deliveries: how long they wait, when they are given up; endpoints: what they hear, which secrets hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.webhook import (
    ATTEMPTS_MAX,
    BACKOFF_MAX,
    SECRETS_MAX,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSecret,
    delivery_id,
    wait_after,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def delivery(**fields):
    return WebhookDelivery("whd_1", "whk_1", "evt_1", "customer.limited", "{}", NOW, NOW, **fields)


def endpoint(*secrets, **fields):
    return WebhookEndpoint("whk_1", "https://example.com", ("*",), secrets, **fields)


@pytest.mark.parametrize(
    ("tried", "wait"),
    [(1, MINUTE), (2, 2 * MINUTE), (5, 16 * MINUTE), (11, 1024 * MINUTE), (12, BACKOFF_MAX), (14, BACKOFF_MAX)],
)
def test_the_wait_is_a_minute_doubled_each_time_and_a_day_at_most(tried, wait):
    assert wait_after(tried) == wait


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(199, "pending"), (200, "delivered"), (204, "delivered"), (299, "delivered"), (300, "pending"), (302, "pending"),
     (404, "pending"), (409, "pending"), (410, "failed"), (411, "pending"), (500, "pending"), (None, "pending")],
)  # fmt: skip
def test_only_a_2xx_settles_it_and_only_gone_ends_it_at_once(status, outcome):
    after = delivery().attempted(NOW, status, None)
    assert after.outcome == outcome
    assert (after.next_at == NOW + MINUTE) == (outcome == "pending")
    assert (after.settled_at == NOW) == (outcome != "pending")


@pytest.mark.parametrize(
    ("tried", "outcome"), [(ATTEMPTS_MAX - 2, "pending"), (ATTEMPTS_MAX - 1, "failed"), (ATTEMPTS_MAX, "failed")]
)
def test_it_is_given_up_with_its_last_attempt(tried, outcome):
    assert delivery(tried=tried, attempts=tried).attempted(NOW, 500, None).outcome == outcome


def test_all_attempts_lie_within_four_days():
    now, one = NOW, delivery()
    while one.outcome == "pending":
        one = one.attempted(now, 500, None)
        now = one.next_at or now
    assert one.attempts == ATTEMPTS_MAX
    assert timedelta(days=3) < now - NOW < timedelta(days=4)


def test_asking_again_starts_the_patience_anew_and_keeps_the_count():
    given_up = delivery(tried=ATTEMPTS_MAX - 1, attempts=ATTEMPTS_MAX - 1).attempted(NOW, 500, None)
    again = given_up.asked_again(NOW + HOUR)
    assert (again.outcome, again.next_at, again.settled_at) == ("pending", NOW + HOUR, None)
    after = again.attempted(NOW + HOUR, 500, None)
    assert (after.outcome, after.attempts, after.next_at) == ("pending", ATTEMPTS_MAX + 1, NOW + HOUR + MINUTE)


def test_there_is_one_delivery_per_event_and_endpoint():
    ids = {delivery_id(event, to) for event in ("evt_1", "evt_2") for to in ("whk_1", "whk_2")}
    assert len(ids) == 4
    assert delivery_id("evt_1", "whk_1") == delivery_id("evt_1", "whk_1")


def test_an_endpoint_hears_what_it_named_or_everything_unless_it_is_disabled():
    some = WebhookEndpoint("whk_1", "https://example.com", ("customer.limited",))
    assert some.hears("customer.limited")
    assert not some.hears("customer.suspended")
    assert endpoint().hears("anything")
    assert not endpoint().disabled(NOW, "gone").hears("anything")
    assert endpoint(given_up=2).disabled(NOW, "gone").enabled() == endpoint()


def test_during_a_rotation_both_secrets_sign_and_afterwards_only_the_new_one():
    before = endpoint(WebhookSecret("old", NOW - HOUR))
    after = before.rotated("new", NOW, grace=HOUR)
    assert after.signing(NOW) == ("new", "old")
    assert after.signing(NOW + HOUR - MINUTE) == ("new", "old")
    assert after.signing(NOW + HOUR) == ("new",)
    assert before.rotated("new", NOW, grace=timedelta(0)).signing(NOW) == ("new",)


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 600)), min_size=1, max_size=8))
def test_however_often_it_is_rotated_the_newest_secret_signs_and_few_others(rotations):
    one, now = endpoint(WebhookSecret("s0", NOW)), NOW
    for n, (minutes, grace) in enumerate(rotations, start=1):
        now += timedelta(minutes=minutes)
        one = one.rotated(f"s{n}", now, timedelta(minutes=grace))
        assert one.signing(now)[0] == f"s{n}"
        assert len(one.secrets) <= SECRETS_MAX
        assert all(s.expires_at and s.expires_at <= now + timedelta(minutes=grace) for s in one.secrets[1:])


def test_no_secret_is_shown_by_accident():
    assert "hush" not in repr(endpoint(WebhookSecret("hush", NOW)))
    assert "hush" not in repr(WebhookSecret("hush", NOW))
