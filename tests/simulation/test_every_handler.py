"""Every handler with every sample payload: crash before and after each call, lose its answer, throttle it. QUALITY.

Then the payload comes again, as its queue, rule, browser or admin would send it, and what is left is what is left
without a fault. Calls that can only end like others are left out, unless the environment says EVERY=1.
How many cases there were is printed: `make test-slow EVERY=1 ARGS="-rP -k every_handler"`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from infra.local.cloud import LocalCloud
from infra.local.faults import FAULTS, Calls, NoFaults
from shared.domain.invoice import Invoice
from shared.domain.pay_link import once_of
from shared.domain.runs import Watermark
from shared.ports import Save
from shared.use_cases.pay_page import mark_of_invoice
from tests.integration.sample_world import NOW, PAY_TOKEN, make_sample_world
from tests.integration.test_events import (
    API,
    CALLS,
    DIRECT,
    FUNCTIONS,
    PAYLOADS,
    WIRING,
    folder_of,
    invoke,
    request_of,
)
from tests.simulation.handler_sweep import OTHERS_FAILURES, Sweep, delivered, is_read
from tests.simulation.kept_world import bring_to_rest

EVERY = os.environ.get("EVERY", "") not in ("", "0")
API_PARTS = 6
TOKEN = "local-operator"
JOBS = ("bill_run", "payment_run", "past_due", "account_summary")

# What a tick is about: which occurrences are due, and what is under way.
DUE = {
    "bill_run/plan": "bill_run",
    "payment_run/plan": "payment_run",
    "past_due/sweep": "past_due",
    "account_summary/sweep": "account_summary",
}
UNDER_WAY = {
    "auto_post/sweep": "brn_planning brn_posting",
    "bill_run/plan": "brn_selecting brn_generating",
    "payment_run/plan": "prn_selecting prn_charging",
    "autopay/reconcile": "pay_unknown",
    "past_due/sweep": "evt_limited",
    "send_email/sweep": "ntc_pending",
    "webhooks/sweep": "whd_sample evt_limited",
    API: "whd_sample",
}

# The effect is there already when the form is sent again, and the page says so: the list is not the one it showed.
REFUSED_AS_DONE = {"pay_page/app/rule.json"}


def opened(folder, said=""):
    """The sample world with nothing due and nothing under way but what the event is about."""
    cloud = LocalCloud("memory", NOW, wiring=WIRING, log_level="CRITICAL")
    make_sample_world(cloud.ports)
    store = cloud.ports.store
    for job in JOBS:
        if DUE.get(folder) != job:
            store.commit(Save(replace(store.get(Watermark, "watermarks", job), through=NOW)))
    bring_to_rest(cloud, but_for=f"{said} {UNDER_WAY.get(folder, '')}")
    return cloud


# ---- what rules, queues, pages and the gateway send ----------------------------------------------------------


def pays_on_a_new_page(invoice_id):
    """Who was told that his payment was not processed presses again."""

    def event(cloud):
        invoice = cloud.ports.store.get(Invoice, invoice_id)
        nonce = cloud.clock.now().strftime("%H%M")
        once = once_of(PAY_TOKEN, "account", nonce, cloud.clock.now(), [mark_of_invoice(invoice)])
        form = {"once": once, "invoice_id": invoice_id, "payment_method_id": "pm_acme"}
        return PAYLOADS["pay_page/app/pay.json"] | {"body": urlencode(form)}

    return event


PRESSES_AGAIN = {
    "pay_page/app/pay.json": pays_on_a_new_page("inv_posted"),
    "pay_page/app/go_on.json": pays_on_a_new_page("inv_due"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DIRECT)
def test_a_payload_recovers_from_every_fault_at_every_call(name):
    folder = name.rpartition("/")[0]
    with opened(folder, json.dumps(PAYLOADS[name])) as cloud:
        sweep = Sweep(cloud, FUNCTIONS[folder], PAYLOADS[name], PRESSES_AGAIN.get(name))
        outcomes = list(sweep.outcomes(every=EVERY))
    print(f"{name}: {len(outcomes)} cases")
    assert unwell(outcomes, sweep.answer, ("409",) if name in REFUSED_AS_DONE else ()) == []


@pytest.mark.slow
def test_signing_in_recovers_from_every_fault_at_every_call():
    """Not among the samples, which change nothing if they come twice: whoever signs in twice has two sessions."""
    form = PAYLOADS["console/app/hold.json"]
    headers = {name: value for name, value in form["headers"].items() if name != "Cookie"}
    event = form | {"path": "/console/sign-in", "headers": headers, "multiValueHeaders": None, "body": f"token={TOKEN}"}
    with opened("console/app") as cloud:
        sweep = Sweep(cloud, FUNCTIONS["console/app"], event)
        outcomes = list(sweep.outcomes(every=True))
    assert (sweep.answer, unwell(outcomes, sweep.answer, ())) == ("303", [])
    assert {o.kind for o in outcomes if o.call.name == "sign_in.claims"} == set(FAULTS)


def test_asking_the_mail_service_for_its_quota_is_a_call_that_is_swept():
    with opened("send_email/send", "ntc_pending") as cloud:
        calls = Calls(NoFaults(), frozenset({FUNCTIONS["send_email/send"].id}))
        cloud.inject(calls)
        delivered(cloud, FUNCTIONS["send_email/send"], PAYLOADS["send_email/send/send_notice.json"], calls)
    assert "mailer.account" in {call.name for call in calls.seen}


# ---- what admins ask for -------------------------------------------------------------------------------------


def ways(position, call):
    """How the request may be made so that it can be made again: creates with an id of their own, or under a key."""
    event = request_of(call)
    if not call["route"].startswith("POST"):
        return [event]
    keyed = {**event, "headers": {**(event.get("headers") or {}), "Idempotency-Key": f"sweep-{position}"}}
    if "id" not in call.get("body", {}):
        return [keyed]
    nameless = {name: value for name, value in call["body"].items() if name != "id"}
    both = [event, {**keyed, "body": json.dumps(nameless)}]
    return both if EVERY else both[position % 2 :][:1]


def may_answer(call):
    """What a request that is made again may be answered, beside what it is answered without a fault."""
    if call["status"] == 201:
        return ("200",)
    return ("404",) if call["route"].startswith("DELETE") else ()


def charged_again(event):
    """An admin who is told that the attempt was not processed charges again, under another key."""

    def again(cloud):
        return {**event, "headers": {**event["headers"], "Idempotency-Key": f"again at {cloud.clock.now()}"}}

    return again


@pytest.mark.slow
@pytest.mark.parametrize("part", range(API_PARTS))
def test_a_request_that_is_made_again_recovers_from_every_fault_at_every_call(part):
    """One after the other, each in the world that those before it have left."""
    wrong, cases = [], 0
    with opened(API) as cloud:
        for position, call in enumerate(CALLS):
            for event in ways(position, call) if position % API_PARTS == part else ():
                again = charged_again(event) if call["route"].endswith("/charge") else None
                sweep = Sweep(cloud, FUNCTIONS[API], event, again)
                outcomes = list(sweep.outcomes(every=EVERY))
                cases += len(outcomes)
                wrong += [f"{call['route']}: {w}" for w in unwell(outcomes, sweep.answer, may_answer(call))]
            invoke(cloud, FUNCTIONS[API], request_of(call))
            cloud.engine.drain()
    print(f"requests, part {part}: {cases} cases")
    assert wrong == []


def unwell(outcomes, answer, others):
    """What did not recover, what was told wrongly, and faults that nothing met."""
    wrong = [str(o) for o in outcomes if o.calm is None or o.came[-1] not in (answer, *others)]
    if answer != "done":
        wrong += [f"told wrongly: {o}" for o in outcomes if not set(o.came[:-1]) <= OTHERS_FAILURES]
    made = {is_read(o.call) for o in outcomes}
    expected = set(FAULTS) if False in made else {"throttle"} if made else set()
    return wrong + [f"never happened: {kind}" for kind in expected - {o.kind for o in outcomes}]


# ---- nothing is left out -------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", WIRING.functions.values(), ids=folder_of)
def test_every_function_has_a_payload_that_each_kind_of_fault_can_meet(function):
    folder, done = folder_of(function), Counter()
    with opened(folder, json.dumps(PAYLOADS)) as cloud:
        events = [PAYLOADS[n] for n in DIRECT if n.rpartition("/")[0] == folder] or [request_of(c) for c in CALLS]
        for event in events:
            calls = Calls(NoFaults(), frozenset({function.id}))
            cloud.inject(calls)
            delivered(cloud, function, deepcopy(event), calls)
            done.update(is_read(call) for call in calls.seen)
    assert done[False], f"no payload of {folder} changes anything: no answer of it can be lost"
