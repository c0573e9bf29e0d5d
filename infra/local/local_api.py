"""The endpoints under /_local: the test clock, and windows on what left the system. API.md "Local server"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qs, unquote

from pydantic import Field

from functions.admin_api.problems import NoSuchPath, NotAllowedHere
from infra.local.cloud import LocalCloud
from infra.local.events import Request
from infra.local.faults import Rates
from infra.local.outside import MailLimits, Sent
from infra.local.webhooks import post
from shared.contracts.api_fields import Amount, Body, CustomerId, Instant, Name, minor, read_body, refuse, rfc3339
from shared.contracts.api_json import loads
from shared.domain.errors import NotFound, Refused
from shared.domain.money import format_minor
from shared.gateways.memory import MailOutcome
from shared.gateways.simulated import GatewayCharge

ADVANCE_MAX: Final = timedelta(days=3660)
OUTCOMES_MAX: Final = 1_000
CUSTOMERS_MAX: Final = 10_000
MAILS_MAX: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    body: Any
    status: int = 200
    content_type: str = "application/json"


class Step(Body):
    days: Annotated[int, Field(ge=0, le=ADVANCE_MAX.days)] = 0
    hours: Annotated[int, Field(ge=0, le=ADVANCE_MAX.days * 24)] = 0
    minutes: Annotated[int, Field(ge=0, le=ADVANCE_MAX.days * 24 * 60)] = 0


class MoveClock(Body):
    advance_to: Instant | None = None
    advance: Step | None = None


class Reset(Body):
    now: Instant | None = None


class MailBehaviour(Body):
    outcome: MailOutcome


class MailAccountBehaviour(Body):
    """None: no limit."""

    max_send_rate: Annotated[int, Field(ge=1, le=MAILS_MAX)] | None = None
    max_24_hour_send: Annotated[int, Field(ge=0, le=MAILS_MAX)] | None = None
    sandbox: bool = False
    verified: Annotated[list[Name], Field(max_length=CUSTOMERS_MAX)] = Field(default_factory=list)
    sender_verified: bool = True
    sending_enabled: bool = True


class MethodBehaviour(Body):
    outcomes: Annotated[list[str], Field(min_length=1, max_length=OUTCOMES_MAX)]


class RefundElsewhere(Body):
    amount: Amount | None = None


class Dispute(Body):
    status: Literal["open", "won", "lost"] = "open"


Rate = Annotated[float, Field(ge=0, le=1)]


class SetFaults(Body):
    fail_customers: Annotated[list[CustomerId], Field(max_length=CUSTOMERS_MAX)] | None = None
    seed: int | None = None
    duplicate: Rate = 0.0
    delay: Rate = 0.0
    crash: Rate = 0.0
    throttle: Rate = 0.0


@dataclass(frozen=True, slots=True)
class _Asked:
    cloud: LocalCloud
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    raw: Any


def answer(cloud: LocalCloud, method: str, request: Request) -> Answer:
    """Raises the errors that the admin API turns into problems."""
    allowed: list[str] = []
    for offered, pattern, handler in _ENDPOINTS:
        if match := pattern.fullmatch(request.path):
            if offered == method:
                query = {name: values[-1] for name, values in parse_qs(request.query).items()}
                parameters = {name: unquote(value) for name, value in match.groupdict().items()}
                raw = loads(request.body) if request.body.strip() else {}
                return handler(_Asked(cloud, parameters, query, raw))
            allowed.append(offered)
    if allowed:
        raise NotAllowedHere(tuple(allowed))
    raise NoSuchPath


# ---- the clock ----------------------------------------------------------------------------------


def _clock(asked: _Asked) -> Answer:
    return Answer({"now": rfc3339(asked.cloud.clock.now())})


def _move(asked: _Asked) -> Answer:
    body = read_body(MoveClock, asked.raw)
    now = asked.cloud.clock.now()
    if (body.advance_to is None) == (body.advance is None):
        refuse("advance_to", "give either advance_to or advance")
    if asked.cloud.live:
        raise Refused("live", "the clock follows wall time: it cannot be moved")
    if body.advance is not None:
        step = timedelta(days=body.advance.days, hours=body.advance.hours, minutes=body.advance.minutes)
        name, instant = "advance", now + step
    else:
        name, instant = "advance_to", body.advance_to or now
    if instant < now:
        refuse(name, f"the clock is at {rfc3339(now)} and cannot go back")
    if instant - now > ADVANCE_MAX:
        refuse(name, f"at most {ADVANCE_MAX.days} days at a time")
    moved = asked.cloud.advance_to(instant)
    counts = {"invocations": moved.invocations, "records": moved.records, "outcomes": moved.outcomes}
    return Answer({"now": rfc3339(moved.now), **counts})


def _reset(asked: _Asked) -> Answer:
    body = read_body(Reset, asked.raw)
    if asked.cloud.live:
        raise Refused("live", "the clock follows wall time: start the server again")
    asked.cloud.reset(body.now)
    return _clock(asked)


# ---- windows ------------------------------------------------------------------------------------


def _emails(asked: _Asked) -> Answer:
    to = asked.query.get("to", "").lower()
    sent = (s for s in asked.cloud.mail.sent if not to or s.mail.to.lower() == to)
    return Answer({"items": [_email(asked.cloud, s) for s in sent]})


def _email(cloud: LocalCloud, sent: Sent) -> dict[str, Any]:
    mail = cloud.mail_as_sent(sent)
    return {
        "n": sent.number,
        "to": mail.to,
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
        "attachments": [{"name": a.name, "size": len(a.content)} for a in mail.attachments],
        "sent_at": rfc3339(sent.at),
    }


def _eml(asked: _Asked) -> Answer:
    number = int(asked.parameters["n"])
    sent = asked.cloud.mail.sent
    if not 1 <= number <= len(sent):
        raise NotFound("email", asked.parameters["n"])
    return Answer(asked.cloud.eml(sent[number - 1]), content_type="message/rfc822")


def _charges(asked: _Asked) -> Answer:
    return Answer(
        {
            "items": [
                {
                    "id": charge.id,
                    "token": charge.token,
                    "amount": format_minor(charge.amount_minor, charge.currency),
                    "currency": charge.currency,
                    "status": charge.status,
                    "idempotency_key": charge.idempotency_key,
                    "invoice_id": charge.invoice_id,
                    "at": rfc3339(charge.at),
                }
                for charge in asked.cloud.gateway.charges
            ]
        }
    )


def _events(asked: _Asked) -> Answer:
    return Answer(
        {
            "items": [
                {"source": e.source, "detail_type": e.detail_type, "detail": e.detail, "at": rfc3339(e.at)}
                for e in asked.cloud.bus.published
            ]
        }
    )


def _queues(asked: _Asked) -> Answer:
    cloud = asked.cloud
    depths = cloud.engine.broker.depths()
    return Answer(
        {"items": [{"name": queue.label, "depth": depths[queue.name]} for queue in cloud.wiring.queues.values()]}
    )


# ---- how the world behaves ----------------------------------------------------------------------


def _behave_mail(asked: _Asked) -> Answer:
    body = read_body(MailBehaviour, asked.raw)
    asked.cloud.mail.behave(asked.parameters["address"], body.outcome)
    return Answer({"address": asked.parameters["address"], "outcome": body.outcome})


def _behave_mail_account(asked: _Asked) -> Answer:
    """What the mail service allows the account, and turns away beyond it."""
    body = read_body(MailAccountBehaviour, asked.raw)
    asked.cloud.limit_mail(MailLimits(**{**body.model_dump(), "verified": tuple(body.verified)}))
    return Answer(body.model_dump())


def _behave_method(asked: _Asked) -> Answer:
    body = read_body(MethodBehaviour, asked.raw)
    try:
        asked.cloud.gateway.behave(asked.parameters["token"], body.outcomes)
    except ValueError as wrong:
        refuse("outcomes", str(wrong))
    return Answer({"token": asked.parameters["token"], "outcomes": body.outcomes})


def _refund_elsewhere(asked: _Asked) -> Answer:
    """As if a person gave money back at the gateway's own dashboard; its webhook follows at once."""
    cloud, body = asked.cloud, read_body(RefundElsewhere, asked.raw)
    charge = _charge(asked)
    amount = minor(body.amount, charge.currency) if body.amount is not None else None
    try:
        refund_id = cloud.gateway.refund_elsewhere(charge.id, amount)
    except ValueError as wrong:
        refuse("amount", str(wrong))
    heard = post(cloud.engine, *cloud.gateway.reversal_webhook(charge.id, "charge.refunded", refund_id))
    return Answer({"id": refund_id, "heard": heard})


def _dispute(asked: _Asked) -> Answer:
    """As if the payer objected at his bank, or the bank decided; its webhook follows at once."""
    cloud, body = asked.cloud, read_body(Dispute, asked.raw)
    try:
        dispute = cloud.gateway.dispute(_charge(asked).id, body.status)
    except ValueError as wrong:
        refuse("charge", str(wrong))
    kind = "charge.dispute.created" if body.status == "open" else "charge.dispute.closed"
    heard = post(cloud.engine, *cloud.gateway.reversal_webhook(asked.parameters["id"], kind, dispute.id))
    return Answer({"id": dispute.id, "status": dispute.status, "heard": heard})


def _charge(asked: _Asked) -> GatewayCharge:
    found = next((c for c in asked.cloud.gateway.charges if c.id == asked.parameters["id"]), None)
    if found is None:
        raise NotFound("charge", asked.parameters["id"])
    return found


def _faults(asked: _Asked) -> Answer:
    raw = {k: float(v) if k in Rates.__slots__ and _is_number(v) else v for k, v in _object(asked.raw).items()}
    body = read_body(SetFaults, raw)
    rates = Rates(duplicate=body.duplicate, delay=body.delay, crash=body.crash, throttle=body.throttle)
    asked.cloud.set_faults(frozenset(body.fail_customers or ()), body.seed or 0, rates)
    return Answer(body.model_dump(exclude_unset=True))


def _object(raw: Any) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else refuse("body", "must be a JSON object")


def _is_number(value: object) -> bool:
    return not isinstance(value, bool | str | list | dict) and value is not None


def _endpoint(method: str, path: str, handler: Callable[[_Asked], Answer]) -> Any:
    return method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), handler


Method = Literal["GET", "POST", "PUT"]
_ENDPOINTS: Final[tuple[tuple[Method, re.Pattern[str], Callable[[_Asked], Answer]], ...]] = (
    _endpoint("GET", "/_local/clock", _clock),
    _endpoint("POST", "/_local/clock", _move),
    _endpoint("GET", "/_local/emails", _emails),
    ("GET", re.compile(r"/_local/emails/(?P<n>[0-9]{1,9})\.eml"), _eml),
    _endpoint("GET", "/_local/gateway/charges", _charges),
    _endpoint("PUT", "/_local/gateway/methods/{token}", _behave_method),
    _endpoint("POST", "/_local/gateway/charges/{id}/refund", _refund_elsewhere),
    _endpoint("POST", "/_local/gateway/charges/{id}/dispute", _dispute),
    _endpoint("PUT", "/_local/mail/{address}", _behave_mail),
    _endpoint("PUT", "/_local/mail-account", _behave_mail_account),
    _endpoint("GET", "/_local/events", _events),
    _endpoint("GET", "/_local/queues", _queues),
    _endpoint("POST", "/_local/faults", _faults),
    _endpoint("POST", "/_local/reset", _reset),
)
