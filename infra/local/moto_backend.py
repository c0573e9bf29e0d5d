"""The moto backend: pynamodb and boto3 as in AWS, with moto in AWS's place, on the virtual clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import boto3
from moto.ses.models import ses_backends

from infra.aws_resources import create_resources
from infra.local.backend import Backend
from infra.local.clock import CountingIds, VirtualClock
from infra.local.mime import mail_of
from infra.local.moto_queues import MotoQueues, moto_aws
from infra.local.outside import Sent
from infra.template import ACCOUNT, REGION
from infra.wiring import Wiring
from shared.bootstrap import ports_from
from shared.config import Config
from shared.gateways.clients import Clients
from shared.gateways.dead_letters import SqsDeadLetters
from shared.gateways.simulated import SimulatedGateway
from shared.ports import Mail, Mailer


class VerifyingMailer:
    """SES sends only from verified addresses. Locally every sender is one, as on the memory backend."""

    def __init__(self, inner: Mailer, region: str) -> None:
        self._inner = inner
        self._ses: Any = boto3.client("sesv2", region_name=region)
        self._verified: set[str] = set()

    def send(self, mail: Mail) -> str:
        if mail.sender not in self._verified:
            known = self._ses.list_email_identities().get("EmailIdentities", [])
            if mail.sender not in {identity["IdentityName"] for identity in known}:
                self._ses.create_email_identity(EmailIdentity=mail.sender)
            self._verified.add(mail.sender)
        return self._inner.send(mail)


@contextmanager
def open_world(wiring: Wiring, clock: VirtualClock, ids: CountingIds) -> Iterator[Backend]:
    with moto_aws(clock.now):
        create_resources(wiring)
        gateway = SimulatedGateway(clock)
        real = ports_from(Config())
        mailer = VerifyingMailer(real.mailer, wiring.region)
        config = Config()
        dead = SqsDeadLetters(config.dlq_url, config.queue_url, Clients(wiring.region), wait_seconds=0)  # time stands
        ports = replace(real, dead_letters=dead, clock=clock, ids=ids, gateway=gateway, mailer=mailer)
        yield Backend(ports, MotoQueues(wiring.queues), gateway, eml=_eml, mail=lambda sent: mail_of(_eml(sent)))


def _eml(sent: Sent) -> bytes:
    """The mail as moto's SES keeps it."""
    accepted = ses_backends[ACCOUNT][REGION].sent_messages
    raw: str = next(m.raw_data for m in accepted if m.id == sent.message_id)
    return raw.encode()
