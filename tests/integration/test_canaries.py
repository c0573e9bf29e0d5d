"""Personal data and secrets as canaries: after a life in which all goes wrong, none is in a log, a queue or a metric.

QUALITY "Security". Messages carry ids and dates; logs say what happened to which id; metrics count.
"""

from __future__ import annotations

import io
import json
import logging

import pytest

from infra.local.cloud import LocalCloud
from shared import observability
from tests.integration.browser import Browser
from tests.integration.world import World

NAME, ADDRESS, STREET, TOKEN = "Canaria Serinus", "canary@birds.example", "7 Canary Wharf", "tok_canary7"
REFERENCE = "cheque of Canaria"
CANARIES = ("canary", "canaria", "serinus")
WENT_WRONG = {"seed": 7, "crash": 0.03, "throttle": 0.05, "duplicate": 0.2, "delay": 0.2}


@pytest.fixture
def overheard(monkeypatch, capsys):
    """Everything that was logged, printed as metrics, or sent to a queue."""
    said, stream = [], io.StringIO()
    for handler in observability.logger.handlers:
        monkeypatch.setattr(handler, "stream", stream)
    root = logging.StreamHandler(stream)
    logging.getLogger().addHandler(root)
    yield said, lambda: "\n".join([*said, stream.getvalue(), "".join(capsys.readouterr())])
    logging.getLogger().removeHandler(root)


def live(world, browser):
    world.automate()
    world.settings(bill_run={"schedule": "0 4 * * *"}, payment_run={"schedule": "0 6 * * *"})
    acme = world.customer(
        terms_days=0, name=NAME, email=ADDRESS, address={"line1": STREET, "city": "Canary Islands"}
    )  # fmt: skip
    world.put(f"/_local/gateway/methods/{TOKEN}", {"outcomes": ["declined:insufficient_funds", "succeeded"]})
    card = {"token": TOKEN, "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2035}
    world.post(f"/v1/customers/{acme}/payment-methods", card)
    world.contract(acme)
    world.invoice(acme, "60.00", on="2025-12-01", due_on="2025-12-05")
    world.pays(acme, "10.00", reference=REFERENCE)
    link = world.post(f"/v1/customers/{acme}/pay-link")["url"]
    browser.post(f"{link}/promise", {"date": NAME})
    world.call("POST", "/v1/customers", {"name": NAME, "email": f"{NAME} <{ADDRESS}>"}, status=422)
    world.call("POST", "/v1/customers", {"name": NAME, "canary": ADDRESS}, status=422)
    world.post("/_local/faults", WENT_WRONG)
    world.to("2026-01-05")
    return link


@pytest.mark.slow
def test_no_log_queue_or_metric_holds_personal_data_or_a_secret(wiring, overheard, monkeypatch):
    said, all_of = overheard
    with LocalCloud("memory", wiring=wiring, log_level="DEBUG") as cloud:
        put = type(cloud.engine.broker).put
        feedback = set(wiring.subscriptions.values())  # the mail service's own reports, which name the address

        def heard(broker, queue, bodies, delay_seconds=0):
            bodies = list(bodies)
            said.extend([] if queue in feedback else bodies)
            return put(broker, queue, bodies, delay_seconds)

        monkeypatch.setattr(type(cloud.engine.broker), "put", heard)
        observability.loud("DEBUG")
        world = World(cloud)
        world.failures_expected = True
        link = live(world, Browser(cloud))
        assert cloud.engine.invoker.failures, "nothing went wrong"
        assert [m for m in cloud.mail.sent if m.mail.to == ADDRESS], "nothing was mailed"
    text = all_of()
    assert "_aws" in text, "no metric was published"
    assert "notice_id" in text, "no message was sent"
    lower = text.lower()
    assert [canary for canary in (*CANARIES, link.rpartition("/")[2].lower()) if canary in lower] == []


def test_a_canary_would_be_heard(overheard):
    said, all_of = overheard
    observability.logger.info("mail sent", extra={"to": ADDRESS})
    said.append(json.dumps({"name": NAME}))
    assert "canary" in all_of()
    assert "Serinus" in all_of()
