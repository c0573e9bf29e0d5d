"""What the functions do, held against what their roles allow: nothing is missing, and nothing is there for nothing."""

from __future__ import annotations

import pytest

from infra.local.cloud import LocalCloud
from infra.rights import AccessDenied, Rights, Use, guarded
from infra.wiring import load_wiring
from shared.domain.customer import Customer
from shared.ports import Save
from tests.integration.aws_calls import recorded
from tests.integration.sample_world import NOW, make_sample_world
from tests.integration.test_events import API, CALLS, DIRECT, FUNCTIONS, PAYLOADS, invoke, request_of

WIRING = load_wiring()

# Asked for by AWS beside the call itself, or for a gateway that the simulated one stands in for.
BESIDE_THE_CALL = {"s3:ListBucket", "ses:SendRawEmail", "secretsmanager:GetSecretValue"}


def world_of(cloud):
    make_sample_world(cloud.ports)
    rights = Rights(WIRING)
    cloud.use_ports(guarded(cloud.ports, rights))
    cloud.engine.invoker.before = [rights.begin]
    return rights


def test_a_call_that_the_role_does_not_allow_is_refused_before_it_is_made():
    with LocalCloud("memory", NOW, wiring=WIRING) as cloud:
        rights = Rights(WIRING)
        ports = guarded(cloud.ports, rights)
        rights.begin("RenderPdfFunction")
        with pytest.raises(AccessDenied, match=r"RenderPdfFunction dynamodb:PutItem on .*AccountsTable"):
            ports.store.commit(Save(Customer("cus_1", "One")))
        assert {use.action for use in rights.denied} == {"dynamodb:PutItem"}
        rights.end()
        ports.store.commit(Save(Customer("cus_1", "One")))  # a test's own writes are its own business


@pytest.mark.moto
def test_the_rights_asked_for_at_the_ports_are_those_that_the_sdk_s_calls_need():
    running = FUNCTIONS[API]
    with LocalCloud("moto", NOW, wiring=WIRING) as cloud:
        rights = world_of(cloud)
        with recorded(WIRING, lambda: running.id) as called:
            for name in DIRECT:
                running = FUNCTIONS[name.rpartition("/")[0]]
                invoke(cloud, running, PAYLOADS[name])
            running = FUNCTIONS[API]
            for call in CALLS:
                invoke(cloud, running, request_of(call))
    asked = {use for use in rights.used if use.action not in BESIDE_THE_CALL}
    assert {Use(*call) for call in called} == asked
    assert rights.denied == set()
