"""Which adapters stand behind the ports. The one place that knows concrete classes.

Adapters open nothing until they are used, so a function needs only the variables and rights of what it calls.
"""

from __future__ import annotations

from shared.config import Config
from shared.ports import Gateway, Ports

_installed: Ports | None = None


def ports() -> Ports:
    """The ports of this process: those installed, or the ones its environment names, made on first use."""
    global _installed
    if _installed is None:
        _installed = ports_from(Config())
    return _installed


def install(replacement: Ports) -> None:
    """Use these from now on: tests and the local cloud bring their own."""
    global _installed
    _installed = replacement


def uninstall() -> None:
    """Forget them; the next use reads the environment again."""
    global _installed
    _installed = None


def ports_from(config: Config) -> Ports:
    """The adapters for AWS (or what answers in its place), as configured."""
    from shared.gateways.eventbridge import EventBridgeBus
    from shared.gateways.s3 import S3Files
    from shared.gateways.ses import SesMailer
    from shared.gateways.sqs import SqsQueue
    from shared.gateways.system import RandomIds, SystemClock
    from shared.storage.dynamo import DynamoStore

    ids = RandomIds()
    region = config.region
    return Ports(
        store=DynamoStore(table_name=config.table, region=region, writer=ids.new("")),
        clock=SystemClock(),
        ids=ids,
        queue=SqsQueue(config.queue_url, region),
        gateway=_gateway(config),
        mailer=SesMailer(region, config.mail_configuration_set),
        files=S3Files(lambda: config.files_bucket, region),
        bus=EventBridgeBus(lambda: config.event_bus, region),
    )


def _gateway(config: Config) -> Gateway:
    from shared.gateways.simulated import SimulatedGateway
    from shared.gateways.system import SystemClock

    if config.gateway == "simulated":
        return SimulatedGateway(SystemClock())
    raise NotImplementedError(f"the gateway {config.gateway} is not built yet: set GATEWAY=simulated")
