"""What the gateways promise: the ones in memory and those of AWS under moto, side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from infra.local.clock import VirtualClock
from shared.gateways import clients as clients_module
from shared.gateways import eventbridge, sqs
from shared.gateways.clients import Clients
from shared.gateways.eventbridge import EventBridgeBus
from shared.gateways.mail_pace import AccountPace, MailAccount
from shared.gateways.memory import MemoryBus, MemoryFiles, MemoryMailer
from shared.gateways.mime import compose
from shared.gateways.s3 import S3Files
from shared.gateways.ses import SesMailer, read_account
from shared.gateways.sqs import SqsQueue, batches
from shared.gateways.system import RandomIds, SystemClock
from shared.ports import Attachment, Bus, Files, Mail, Mailer, MailRefused, SenderRefused, Unavailable
from tests.contract import network
from tests.contract.network import Network
from tests.contract.tables import REGION

MEMORY_AND_MOTO = ["memory", pytest.param("moto", marks=pytest.mark.moto)]
MAIL = Mail("ntc_1", "Acme <billing@example.com>", "ap@acme.example", "Invoice 1", "Hello", "<p>Hello</p>")
OUR_TROUBLE = {"__type": "InternalFailure", "message": "?"}


@pytest.fixture
def aws():
    with mock_aws():
        yield Clients(REGION)


@pytest.fixture
def wire(aws, monkeypatch) -> Network:
    return network.install(monkeypatch)


# ---- files ------------------------------------------------------------------------------------------


@pytest.fixture(params=MEMORY_AND_MOTO)
def files(request) -> Files:
    return MemoryFiles() if request.param == "memory" else request.getfixturevalue("s3_files")


@pytest.fixture
def s3_files(aws) -> S3Files:
    where = {"LocationConstraint": REGION}
    boto3.client("s3", region_name=REGION).create_bucket(Bucket="files", CreateBucketConfiguration=where)
    return S3Files(lambda: "files", aws)


def test_a_file_that_is_not_there_is_none(files: Files):
    assert files.read("invoices/inv_1.pdf") is None


def test_a_file_is_read_back_byte_for_byte(files: Files):
    content = bytes(range(256)) * 300
    files.write_once("invoices/inv_1.pdf", content, "application/pdf")
    assert files.read("invoices/inv_1.pdf") == content


def test_what_is_there_stays(files: Files):
    assert files.write_once("invoices/inv_1.pdf", b"first", "application/pdf")
    assert not files.write_once("invoices/inv_1.pdf", b"second", "application/pdf")
    assert files.read("invoices/inv_1.pdf") == b"first"


@pytest.mark.moto
def test_a_file_keeps_its_media_type(s3_files):
    s3_files.write_once("invoices/inv_1.pdf", b"%PDF", "application/pdf")
    head = boto3.client("s3", region_name=REGION).head_object(Bucket="files", Key="invoices/inv_1.pdf")
    assert head["ContentType"] == "application/pdf"


@pytest.mark.moto
def test_a_bucket_that_is_away_is_trouble_and_one_that_does_not_exist_a_mistake(s3_files, wire: Network):
    slow = "<Error><Code>SlowDown</Code><Message>slow</Message></Error>"
    for operation in ("GET", "PUT"):
        wire.refuse_text(operation, 503, slow, clients_module.ATTEMPTS_MAX)
    with pytest.raises(Unavailable, match="SlowDown"):
        s3_files.read("a")
    with pytest.raises(Unavailable, match="SlowDown"):
        s3_files.write_once("a", b"", "text/plain")
    wire.refuse_text("PUT", 409, slow.replace("SlowDown", "ConditionalRequestConflict"))
    with pytest.raises(Unavailable, match="Conflict"):
        s3_files.write_once("a", b"", "text/plain")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        S3Files(lambda: "elsewhere", Clients(REGION)).read("a")


# ---- events -----------------------------------------------------------------------------------------


@dataclass
class Heard:
    """A bus, and what its subscribers were told: (detail type, detail)."""

    bus: Bus
    told: Callable[[], list[tuple[str, Any]]]


@pytest.fixture(params=MEMORY_AND_MOTO)
def heard(request) -> Heard:
    if request.param == "memory":
        bus = MemoryBus()
        return Heard(bus, lambda: [(event.detail_type, event.detail) for event in bus.events])
    return request.getfixturevalue("heard_on_eventbridge")


@pytest.fixture
def heard_on_eventbridge(aws) -> Heard:
    events, queues = boto3.client("events", region_name=REGION), boto3.client("sqs", region_name=REGION)
    events.create_event_bus(Name="bus")
    url = queues.create_queue(QueueName="subscriber")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="all", EventBusName="bus", EventPattern=json.dumps({"source": ["paidup"]}))
    events.put_targets(Rule="all", EventBusName="bus", Targets=[{"Id": "1", "Arn": arn}])

    def told() -> list[tuple[str, Any]]:
        messages = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        bodies = [json.loads(message["Body"]) for message in messages]
        return [(body["detail-type"], body["detail"]) for body in bodies]

    return Heard(EventBridgeBus(lambda: "bus", aws, sleep=lambda seconds: None), told)


def test_an_event_reaches_who_listens(heard: Heard):
    detail = {"customer_id": "cus_1", "days": 14, "name": "Ünited 😀", "none": None, "list": [1, {"a": True}]}
    heard.bus.publish("customer.suspended", detail)
    assert heard.told() == [("customer.suspended", detail)]


def test_an_event_that_is_no_json_is_refused(heard: Heard):
    with pytest.raises(TypeError):
        heard.bus.publish("customer.suspended", {"at": object()})
    assert heard.told() == []


@pytest.mark.moto
def test_an_event_that_is_not_taken_is_sent_again_a_few_times(heard_on_eventbridge: Heard, wire: Network):
    failed = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}
    wire.refuse("PutEvents", 200, failed, eventbridge.ROUNDS_MAX - 1)
    heard_on_eventbridge.bus.publish("a", {})
    assert heard_on_eventbridge.told() == [("a", {})]
    wire.refuse("PutEvents", 200, failed, eventbridge.ROUNDS_MAX)
    with pytest.raises(Unavailable, match="ThrottlingException"):
        heard_on_eventbridge.bus.publish("a", {})


# ---- mail -------------------------------------------------------------------------------------------


@pytest.fixture(params=MEMORY_AND_MOTO)
def mailer(request) -> Mailer:
    return MemoryMailer() if request.param == "memory" else request.getfixturevalue("ses_mailer")


@pytest.fixture
def ses_mailer(aws) -> SesMailer:
    verified("example.com")
    return SesMailer(aws, "events")


def verified(domain):
    boto3.client("sesv2", region_name=REGION).create_email_identity(EmailIdentity=domain)
    ses_backends[DEFAULT_ACCOUNT_ID][REGION].email_identities[domain].verified_for_sending_status = True


def test_each_mail_gets_an_id_of_its_own(mailer: Mailer):
    assert mailer.send(MAIL) != mailer.send(MAIL)


BREAKOUTS = [
    {"subject": "Hi\r\nBcc: everyone@example.com"},
    {"subject": "Hi\nthere"},
    {"subject": "Hi\u2028there"},
    {"subject": "Hi\x00"},
    {"to": "a@b.example\r\nBcc: c@d.example"},
    {"sender": "Acme\r\nX: y <billing@example.com>"},
    {"attachments": (Attachment("a\r\nX: y.pdf", b""),)},
]


@pytest.mark.parametrize("broken", BREAKOUTS)
def test_nobody_breaks_out_of_a_header(mailer: Mailer, broken):
    with pytest.raises(MailRefused, match="control character"):
        mailer.send(replace(MAIL, **broken))


@pytest.mark.parametrize(
    "to", ["", "nobody", "@acme.example", "a@", "ä@acme.example", "a b@acme.example", "a" * 320 + "@b.c"]
)
def test_what_is_no_address_is_refused(mailer: Mailer, to: str):
    with pytest.raises(MailRefused, match="not an address"):
        mailer.send(replace(MAIL, to=to))


def test_mail_in_memory_does_as_its_address_is_told():
    mailer = MemoryMailer()
    mailer.behave("AP@acme.example", "bounce")
    mailer.send(MAIL)
    mailer.behave("ap@acme.example", "throttle")
    with pytest.raises(Unavailable):
        mailer.send(MAIL)
    mailer.behave("ap@acme.example", "delivered")
    mailer.send(replace(MAIL, notice_id="ntc_2"))
    assert [(a.mail.notice_id, a.outcome) for a in mailer.accepted] == [("ntc_1", "bounce"), ("ntc_2", "delivered")]
    with pytest.raises(ValueError, match="explode"):
        mailer.behave("ap@acme.example", "explode")


@pytest.mark.moto
def test_ses_is_given_the_message_its_tag_and_the_configuration_set(ses_mailer, wire: Network):
    message_id = ses_mailer.send(replace(MAIL, to="ap@bücher.example"))
    sent = json.loads(wire.calls[-1][1])
    assert sent["EmailTags"] == [{"Name": "notice_id", "Value": "ntc_1"}]
    assert sent["ConfigurationSetName"] == "events"
    assert sent["Destination"] == {"ToAddresses": ["ap@xn--bcher-kva.example"]}
    (kept,) = ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages
    assert kept.id == message_id
    assert message_from_bytes(kept.raw_data.encode(), policy=policy.default)["subject"] == "Invoice 1"


@pytest.mark.moto
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, "TooManyRequestsException", Unavailable),
        (400, "LimitExceededException", Unavailable),
        (400, "ThrottlingException", Unavailable),
        (400, "SendingPausedException", Unavailable),
        (500, "InternalFailure", Unavailable),
        (400, "MessageRejected", MailRefused),
        (400, "BadRequestException", MailRefused),
        (404, "NotFoundException", SenderRefused),  # the configuration set
        (403, "AccessDeniedException", SenderRefused),  # the sender is not the one that the role may use
        (400, "MailFromDomainNotVerifiedException", SenderRefused),
        (400, "AccountSuspendedException", SenderRefused),
        (413, "PayloadTooLarge", ClientError),
    ],
)
def test_what_ses_says_is_told_apart(ses_mailer, wire: Network, status: int, code: str, expected):
    wire.refuse("POST", status, {"__type": code, "message": "because"})
    with pytest.raises(expected):
        ses_mailer.send(MAIL)
    assert [name for name, _ in wire.calls].count("POST") == 1  # never a second time by the SDK


@pytest.mark.moto
def test_a_refusal_of_an_address_that_may_not_send_is_the_sender_s_and_any_other_the_mail_s(aws, wire: Network):
    """SES says the same of a sender that is not verified and, in its sandbox, of such a recipient."""
    verified("example.com")
    said = {"__type": "MessageRejected", "message": "Email address is not verified."}
    wire.refuse("POST", 400, said, times=3)
    with pytest.raises(SenderRefused, match="billing@elsewhere"):
        SesMailer(aws).send(replace(MAIL, sender="billing@elsewhere.example"))
    with pytest.raises(MailRefused, match=r"not verified\.$"):
        SesMailer(aws).send(MAIL)
    with pytest.raises(MailRefused, match="in the SES sandbox"):
        SesMailer(aws, None, lambda: MailAccount(sandboxed=True)).send(MAIL)


QUOTA = {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 49_999.0}
ACCOUNT = {"SendQuota": QUOTA, "ProductionAccessEnabled": True, "SendingEnabled": True, "EnforcementStatus": "HEALTHY"}


@pytest.mark.moto
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, MailAccount(14.0, 1, 50_000)),
        ({"SendQuota": QUOTA | {"Max24HourSend": -1.0}}, MailAccount(14.0)),  # no limit
        ({"ProductionAccessEnabled": False}, MailAccount(14.0, 1, 50_000, sandboxed=True)),
        ({"SendingEnabled": False}, MailAccount(14.0, 1, 50_000, paused="SES: sending is paused for this account")),
    ],
)
def test_the_quota_is_read_from_ses(aws, wire: Network, said, expected):
    wire.refuse_text("GET", 200, json.dumps(ACCOUNT | said))
    assert read_account(aws) == expected


@pytest.mark.moto
@pytest.mark.parametrize(("status", "code"), [(403, "AccessDeniedException"), (429, "TooManyRequestsException")])
def test_while_the_quota_cannot_be_read_mail_goes_as_slowly_as_in_the_sandbox(aws, wire: Network, status, code):
    wire.refuse("GET", status, {"__type": code}, times=9)
    clock, waits = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC)), []
    pace = AccountPace(lambda: read_account(aws), lambda: 1, clock, sleep=waits.append)
    for _ in range(3):
        pace.wait()
    assert waits == [1.0, 2.0]
    assert len(wire.calls) <= 3  # and is not asked again at each mail


@pytest.mark.moto
def test_a_mail_whose_answer_was_lost_is_not_sent_twice(ses_mailer, wire: Network):
    wire.lose_answers("POST")
    with pytest.raises(Unavailable):
        ses_mailer.send(MAIL)
    assert len(ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages) == 1


NAMES = [
    "Acme",
    "Ünited & Söhne",
    "料金 😀",
    'O"Hara \\ Co, Ltd.',
    "مؤسسة",
    "x" * 120,
    "long words " * 20,
    "=?utf-8?q?no?=",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_message_reads_as_it_was_written(name: str):
    name = name.strip()
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    pdf = bytes(range(256)) * 50
    mail = Mail(
        "ntc_1", f'"{quoted}" <billing@example.com>', "ap@acme.example", f"{name}: invoice", f"Dear {name}\n.\n--\n",
        f"<p>{name}</p>" * 200, (Attachment(f"{name[:40]}.pdf", pdf), Attachment("b.txt", b"", "text/plain")),
    )  # fmt: skip
    raw = compose(mail, {"Message-ID": "<1@example.com>"})
    assert max(map(len, raw.split(b"\r\n"))) < 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    read = message_from_bytes(raw, policy=policy.default)
    assert [defect for part in read.walk() for defect in part.defects] == []
    sender = read["from"].addresses[0]
    assert (sender.display_name, sender.addr_spec) == (name, "billing@example.com")
    assert (read["to"], read["subject"]) == ("ap@acme.example", f"{name}: invoice")
    assert read["message-id"] == "<1@example.com>"
    assert read.get_body(("plain",)).get_content() == mail.text
    assert read.get_body(("html",)).get_content() == mail.html
    first, second = read.iter_attachments()
    assert (first.get_filename(), first.get_content(), first.get_content_type()) == (
        mail.attachments[0].name, pdf, "application/pdf",
    )  # fmt: skip
    assert second.get_filename() == "b.txt"


# ---- queues -----------------------------------------------------------------------------------------


@pytest.fixture
def queue_url(aws) -> str:
    return boto3.client("sqs", region_name=REGION).create_queue(QueueName="post")["QueueUrl"]


@pytest.fixture
def queue(aws, queue_url) -> SqsQueue:
    return SqsQueue({"post": queue_url}.__getitem__, aws, sleep=lambda seconds: None)


def received(url: str) -> list[str]:
    client, bodies = boto3.client("sqs", region_name=REGION), []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in messages]
    return bodies


@pytest.mark.moto
def test_any_number_of_messages_is_enqueued(queue: SqsQueue, queue_url: str):
    queue.send("post", [f'{{"n": {n}}}' for n in range(23)])
    queue.send("post", [])
    assert sorted(received(queue_url)) == sorted(f'{{"n": {n}}}' for n in range(23))


@pytest.mark.moto
def test_what_the_work_began_with_travels_beside_the_body(aws, queue_url: str):
    queue = SqsQueue({"post": queue_url}.__getitem__, aws, correlation=lambda: "tick-1")
    queue.send("post", ["body"])
    asked = {"QueueUrl": queue_url, "MessageAttributeNames": ["All"]}
    (message,) = boto3.client("sqs", region_name=REGION).receive_message(**asked)["Messages"]
    assert message["Body"] == "body"
    assert message["MessageAttributes"]["correlation_id"]["StringValue"] == "tick-1"


@pytest.mark.moto
def test_a_message_is_held_back_for_as_long_as_it_is_told(queue: SqsQueue, queue_url: str, wire: Network):
    queue.send("post", ["later"], delay_seconds=900)
    assert json.loads(wire.calls[-1][1])["Entries"][0]["DelaySeconds"] == 900
    assert received(queue_url) == []
    for delay in (-1, 901):
        with pytest.raises(ValueError, match="delay"):
            queue.send("post", ["later"], delay_seconds=delay)


@pytest.mark.moto
def test_what_a_batch_leaves_is_sent_again(queue: SqsQueue, queue_url: str, wire: Network):
    left = {"Id": "1", "Code": "InternalError", "SenderFault": False}
    wire.refuse("SendMessageBatch", 200, {"Successful": [], "Failed": [left]})
    queue.send("post", ["taken", "left"])
    assert received(queue_url) == ["left"]  # the first answer said that the other was taken
    wire.refuse("SendMessageBatch", 200, {"Failed": [left]}, sqs.ROUNDS_MAX)
    with pytest.raises(Unavailable, match="1 of 2"):
        queue.send("post", ["taken", "left"])


@pytest.mark.moto
def test_a_message_that_sqs_will_never_take_is_a_mistake(queue: SqsQueue, wire: Network):
    wire.refuse(
        "SendMessageBatch", 200, {"Failed": [{"Id": "0", "Code": "InvalidMessageContents", "SenderFault": True}]}
    )
    with pytest.raises(ValueError, match="InvalidMessageContents"):
        queue.send("post", ["\x00"])


@pytest.mark.moto
def test_a_queue_that_is_away_is_left_to_the_caller(queue: SqsQueue, wire: Network):
    wire.refuse("SendMessageBatch", 500, OUR_TROUBLE, clients_module.ATTEMPTS_MAX)
    with pytest.raises(Unavailable, match="sqs"):
        queue.send("post", ["a"])


def test_batches_keep_to_both_limits_of_sqs():
    assert [len(batch) for batch in batches(["x"] * 23)] == [10, 10, 3]
    big = "é" * 50_000  # 100,000 bytes
    assert [len(batch) for batch in batches([big] * 5)] == [2, 2, 1]
    assert list(batches([])) == []


# ---- the machine ------------------------------------------------------------------------------------


def test_the_clock_is_aware_and_in_utc():
    assert SystemClock().now().utcoffset().total_seconds() == 0


def test_ids_are_long_plain_and_never_the_same():
    ids = {RandomIds().new("inv_") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(i) == 4 + 26 and i[4:].isalnum() and i.islower() for i in ids)
