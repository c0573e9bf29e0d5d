"""The sender of webhooks over real sockets: what it sends, how long it waits, and where it never goes."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import time
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.gateways.webhook_sender import HttpWebhookSender
from shared.gateways.webhooks import verify
from shared.ports import Forged, WebhookMessage
from tests.integration.receiver import Receiver, dribbles, drips, endless, garbage, hangs_up, never, redirects_to

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BODY = '{"id":"evt_1","data":{"name":"Müller"}}'.encode()
PATIENCE_SECONDS = 0.4


def message(url, secrets=("whsec_1",)):
    return WebhookMessage(url, "evt_1", BODY, secrets, NOW)


def sender(local=True, **more):
    return HttpWebhookSender(lambda: local, total_seconds=PATIENCE_SECONDS, **more)


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


# ---- what is sent ---------------------------------------------------------------------------------------------


def test_the_body_goes_out_as_it_is_signed_for_its_receiver(receiver):
    assert sender().send(message(f"{receiver.url}?tenant=7")).status == 200
    (heard,) = receiver.heard
    assert (heard.path, heard.body) == ("/hooks?tenant=7", BODY)
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert heard.event_id == "evt_1"
    verify(BODY, heard.headers["paidup-signature"], "whsec_1", NOW)
    with pytest.raises(Forged):
        verify(BODY, heard.headers["paidup-signature"], "whsec_2", NOW)


def test_during_a_rotation_either_secret_verifies(receiver):
    sender().send(message(receiver.url, ("whsec_new", "whsec_old")))
    for secret in ("whsec_new", "whsec_old"):
        verify(BODY, receiver.heard[0].headers["paidup-signature"], secret, NOW)


def test_a_url_without_a_path_is_posted_to_the_root(receiver):
    sender().send(message(f"http://127.0.0.1:{receiver.port}"))
    assert receiver.heard[0].path == "/"


def test_secrets_are_long_and_new_each_time():
    made = {sender().new_secret() for _ in range(20)}
    assert len(made) == 20
    assert all(len(secret) >= 40 for secret in made)


# ---- what comes of it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 204, 302, 400, 404, 410, 500, 503])
def test_the_status_is_the_answer(receiver, status):
    receiver.answers = [status]
    answer = sender().send(message(receiver.url))
    assert (answer.status, answer.problem) == (status, None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver, status):
    with Receiver() as elsewhere:
        receiver.answers = [redirects_to(elsewhere.url, status)]
        assert sender().send(message(receiver.url)).status == status
        assert elsewhere.heard == []


@pytest.mark.parametrize("behaviour", [never, drips])
def test_an_answer_that_does_not_come_to_an_end_is_not_waited_for(receiver, behaviour):
    receiver.answers = [behaviour]
    began = time.monotonic()
    answer = sender().send(message(receiver.url))
    assert (answer.status, answer.problem) == (None, "timed out")
    assert time.monotonic() - began < PATIENCE_SECONDS * 10


@pytest.mark.parametrize("behaviour", [endless, dribbles])
def test_of_a_body_without_end_a_little_is_read_and_the_status_counts(receiver, behaviour):
    receiver.answers = [behaviour]
    began = time.monotonic()
    assert sender().send(message(receiver.url)).status == 200
    assert time.monotonic() - began < PATIENCE_SECONDS * 10


def test_a_handshake_that_never_ends_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        answer = sender().send(message(f"https://localhost:{mute.getsockname()[1]}/"))
        assert (answer.status, answer.problem) == (None, "timed out")
        assert time.monotonic() - began < PATIENCE_SECONDS * 10


@pytest.mark.parametrize("behaviour", [hangs_up, garbage])
def test_what_is_no_answer_is_none(receiver, behaviour):
    receiver.answers = [behaviour]
    answer = sender().send(message(receiver.url))
    assert (answer.status, answer.problem) == (None, "the connection broke before an answer came")


def test_nobody_listening_is_no_answer(receiver):
    with Receiver() as gone:
        url = gone.url
    assert sender().send(message(url)).problem == "no connection could be made"


def test_a_name_that_cannot_be_resolved_is_no_answer():
    def unknown(host, port):
        raise socket.gaierror("unknown")

    answer = sender(resolve=unknown).send(message("https://nowhere.localhost/"))
    assert answer.problem == "the host's name could not be resolved"


def test_the_second_address_is_tried_where_the_first_does_not_answer(receiver):
    name = sender(resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"])
    assert name.send(message(f"http://localhost:{receiver.port}/")).status == 200


# ---- where it never goes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["169.254.169.254"], ["127.0.0.1"], ["::1"], ["::ffff:10.0.0.1"], ["93.184.216.34", "10.0.0.1"], []],
)  # fmt: skip
def test_in_a_deployment_a_name_that_leads_inside_is_never_connected_to(addresses, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", None)  # would raise
    answer = sender(local=False, resolve=lambda host, port: addresses).send(message("https://hooks.example/"))
    assert (answer.status, answer.problem) == (None, "the host has an address that is not of the public internet")


@pytest.mark.parametrize("addresses", [["93.184.216.34"], ["10.0.0.1"], ["127.0.0.1", "93.184.216.34"]])
def test_locally_nothing_but_loopback_is_connected_to(addresses, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", None)
    answer = sender(resolve=lambda host, port: addresses).send(message("https://hooks.localhost/"))
    assert answer.problem == "the host has an address that is not of this machine"


@pytest.mark.parametrize("url", ["https://hooks.example/", "https://93.184.216.34/", "https://localhost.example/"])
def test_locally_no_name_but_this_machine_s_is_even_looked_up(url):
    def never_asked(host, port):
        raise AssertionError(host)

    assert sender(resolve=never_asked).send(message(url)).problem == "locally nothing but this machine is called"


def test_a_name_is_looked_up_once_and_the_checked_address_is_used(receiver):
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    hooks = sender(resolve=rebinding)
    assert hooks.send(message(f"http://localhost:{receiver.port}/")).status == 200
    assert asked == ["localhost"]
    assert receiver.heard[0].headers["host"] == f"localhost:{receiver.port}"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example/", "must be an https URL"),
        ("http://127.0.0.1/", "must be an https URL"),
        ("https://127.0.0.1/", "must lead to a host on the public internet"),
        ("https://localhost/", "must lead to a host on the public internet"),
        ("https://app.localhost./", "must lead to a host on the public internet"),
        ("https://169.254.169.254/latest", "must lead to a host on the public internet"),
        ("https://[::1]:8443/", "must lead to a host on the public internet"),
        ("https://[::ffff:10.0.0.1]/", "must lead to a host on the public internet"),
        ("https://10.1.2.3/", "must lead to a host on the public internet"),
        ("https://hooks.example/", None),
        ("https://93.184.216.34:8443/", None),
    ],
)
def test_a_deployment_takes_https_on_the_public_internet_only(url, reason):
    assert sender(local=False).refuses(url) == reason


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:8712/", None),
        ("http://localhost:8712/", None),
        ("http://[::1]:8712/", None),
        ("https://hooks.example/", None),
        ("http://hooks.example/", "must be an https URL"),
        ("http://10.0.0.1/", "must be an https URL"),
    ],
)
def test_locally_plain_http_is_for_loopback_only(url, reason):
    assert sender().refuses(url) == reason


def test_what_is_refused_is_not_sent_either(receiver):
    assert sender(local=False).send(message(receiver.url)).problem == "the URL must be an https URL"
    assert receiver.heard == []


# ---- TLS ------------------------------------------------------------------------------------------------------


def certificate(name, folder):
    """A certificate for a name, signed by itself; (file, context of a server that has it)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return file, context


@pytest.mark.parametrize(
    ("name", "trusted", "expected"),
    [
        ("hooks.localhost", True, (200, None)),
        ("hooks.localhost", False, (None, "the host's certificate is not valid")),
        ("other.localhost", True, (None, "the host's certificate is not valid")),
    ],
)
def test_the_certificate_must_be_the_name_s_though_the_connection_goes_to_an_address(
    name, trusted, expected, tmp_path, monkeypatch
):
    file, tls = certificate(name, tmp_path)
    default = ssl.create_default_context

    def context():
        made = default()
        if trusted:
            made.load_verify_locations(file)
        return made

    monkeypatch.setattr(ssl, "create_default_context", context)
    with Receiver(tls=tls) as receiver:
        hooks = sender(resolve=lambda host, port: ["127.0.0.1"])
        answer = hooks.send(message(f"https://hooks.localhost:{receiver.port}/"))
        assert (answer.status, answer.problem) == expected
        assert len(receiver.heard) == (expected[0] == 200)


def test_plain_http_behind_an_https_url_is_no_answer(receiver):
    url = receiver.url.replace("http:", "https:")
    assert sender().send(message(url)).status is None
    assert receiver.heard == []
