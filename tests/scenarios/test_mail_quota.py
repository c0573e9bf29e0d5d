"""Diaries of what the mail service allows: so many mails a second and a day, some senders and recipients. PRODUCT 6."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest

from shared.gateways.mail_pace import AccountPace, MailAccount
from shared.ports import Unpaced

RATE = 14


def limit(world, **account):
    return world.put("/_local/mail-account", account)


def many(world, count):
    """So many posted invoices of as many customers, and their mails under way."""
    world.settings(automations={"send_new_invoices": {"enabled": True}})
    for n in range(count):
        customer = world.customer(id=f"cus_m{n}", email=f"m{n}@example.com")
        world.invoice(customer, id=f"inv_m{n}")


def sent_at(world):
    return sorted(datetime.fromisoformat(m["sent_at"]) for m in world.emails())


def without_documents(world):
    """In place of the typesetter, which costs most of such a test's time and is not what it is about."""
    from shared.use_cases.render_document import document_key

    write = world.cloud.ports.files.write_once
    return lambda count: [write(document_key(f"inv_m{n}"), b"%PDF-", "application/pdf") for n in range(count)]


@pytest.mark.slow
def test_a_thousand_notices_against_fourteen_a_second_all_go_once_and_none_is_turned_away(world):
    without_documents(world)(1_000)
    limit(world, max_send_rate=RATE)
    begun = world.now
    many(world, 1_000)
    world.settle()
    mailed = Counter(m["to"] for m in world.emails())
    assert len(mailed) == 1_000
    assert set(mailed.values()) == {1}
    assert world.cloud.mail.turned_away == 0
    assert world.now - begun >= timedelta(seconds=1_000 // RATE - 1)
    assert_paced(sent_at(world))
    assert world.all("/v1/tasks") == []


def assert_paced(instants):
    for n, first in enumerate(instants[: -RATE - 1]):
        assert instants[n + RATE + 1] - first >= timedelta(milliseconds=999)  # no second holds more than 15


def test_without_a_pace_the_mail_service_turns_mails_away_and_still_none_is_lost(world):
    without_documents(world)(100)
    limit(world, max_send_rate=RATE)
    world.cloud.ports.pace.wait = Unpaced().wait
    many(world, 100)
    world.settle()
    assert world.cloud.mail.turned_away > 50  # the simulated service does hold senders to its rate
    world.rest()
    assert sorted(Counter(m["to"] for m in world.emails()).values()) == [1] * 100


def test_what_is_beyond_the_quota_of_a_day_waits_until_the_window_opens_and_a_person_is_told(world):
    without_documents(world)(25)
    limit(world, max_24_hour_send=10)
    many(world, 25)
    world.rest()
    assert len(world.emails()) == 10
    assert len(world.all("/v1/notices?status=pending")) == 15
    (task,) = world.all("/v1/tasks")
    assert task["kind"] == "mail_quota_used"
    assert task["reason"].startswith("the 10 mails that the mail service allows in 24 hours are used up")
    world.post("/_local/clock", {"advance": {"hours": 22}})
    assert len(world.emails()) == 10
    world.post("/_local/clock", {"advance": {"hours": 3}})
    assert len(world.emails()) == 20
    world.post("/_local/clock", {"advance": {"hours": 26}})
    assert sorted(Counter(m["to"] for m in world.emails()).values()) == [1] * 25
    assert world.cloud.mail.turned_away == 0
    assert {n["status"] for n in world.all("/v1/notices")} == {"sent"}


def test_in_the_sandbox_a_recipient_who_is_not_verified_is_refused_with_the_way_out_and_can_be_mailed_later(world):
    limit(world, sandbox=True, verified=["m0@example.com"])
    many(world, 2)
    world.rest()
    assert [m["to"] for m in world.emails()] == ["m0@example.com"]
    (failed,) = world.all("/v1/notices?status=failed")
    (task,) = world.all("/v1/tasks")
    assert (task["kind"], task["link"]) == ("notice_failed", f"/v1/notices/{failed['id']}")
    assert "in the SES sandbox, which mails verified addresses only; ask AWS for production access" in task["reason"]
    limit(world)
    world.post(f"/v1/notices/{failed['id']}/resend")
    world.rest()
    assert [m["to"] for m in world.emails()] == ["m0@example.com", "m1@example.com"]


@pytest.mark.parametrize("refusal", [{"sender_verified": False}, {"sending_enabled": False}])
def test_while_the_sender_is_refused_everything_waits_with_one_task_a_day_and_goes_once_it_is_seen_to(world, refusal):
    limit(world, **refusal)
    many(world, 5)
    world.rest()
    world.days(6)  # longer than a throttled mail is tried
    assert world.emails() == []
    assert {n["status"] for n in world.all("/v1/notices")} == {"pending"}
    refused = [t for t in world.all("/v1/tasks") if t["kind"] == "mail_sender_refused"]
    days = [t["created_at"][:10] for t in refused]
    assert days == sorted(set(days))
    assert "verify the sender with SES, or correct business.email_from" in refused[0]["reason"]
    limit(world)
    world.post("/_local/clock", {"advance": {"hours": 2}})
    assert sorted(Counter(m["to"] for m in world.emails()).values()) == [1] * 5


# ---- several senders at once ------------------------------------------------------------------------------------


class Sender:
    """One of several Lambdas, with a time of its own: what it waits for passes for nobody else."""

    def __init__(self, senders, account, start):
        self.time = start
        self.pace = AccountPace(lambda: account, lambda: senders, self, sleep=self.sleep)

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += timedelta(seconds=seconds)


def mailed_by(count, senders, mails):
    """When each mail goes if `count` senders each say that they are `senders`; the one that is behind goes first."""
    start = datetime.fromisoformat("2026-01-01T00:00:00Z")
    workers = [Sender(senders, MailAccount(rate=RATE), start + timedelta(milliseconds=7 * n)) for n in range(count)]
    instants = []
    for _ in range(mails):
        worker = min(workers, key=lambda w: w.time)
        worker.pace.wait()
        instants.append(worker.time)
        worker.sleep(0.005)  # the mail itself
    return sorted(instants)


@pytest.mark.parametrize("senders", [1, 2, 3, 10])
def test_senders_at_once_share_the_rate_and_use_all_of_it(senders):
    instants = mailed_by(senders, senders, 1_000)
    took = (instants[-1] - instants[0]).total_seconds()
    assert 0.98 * 1_000 / RATE <= took <= 1.05 * 1_000 / RATE
    for n in range(1_000 - RATE - senders - 1):  # each may have one mail ahead of a second's worth
        assert instants[n + RATE + senders] - instants[n] >= timedelta(seconds=1)


def test_senders_that_knew_of_no_other_would_pass_the_rate():
    instants = mailed_by(2, 1, 1_000)
    assert (instants[-1] - instants[0]).total_seconds() < 0.6 * 1_000 / RATE
