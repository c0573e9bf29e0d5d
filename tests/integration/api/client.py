"""The admin API in one process: HTTP requests as API Gateway hands them to the function, on a store in memory."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qsl

from functions.admin_api.app import lambda_handler
from shared.domain.payment import ChargeOutcome
from shared.gateways.memory import MemoryWebhookSender
from shared.ports import Ports
from shared.storage.memory import MemoryStore

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
CHARGED = ChargeOutcome("succeeded", "ch_1")
CONTEXT = SimpleNamespace(aws_request_id="request-1", function_name="admin_api")


@dataclass
class Clock:
    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def advance(self, **by) -> None:
        self.at += timedelta(**by)


@dataclass
class Ids:
    made: int = 0

    def new(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}new{self.made:04d}"


@dataclass
class Queue:
    sent: list = field(default_factory=list)

    def send(self, queue, bodies, delay_seconds=0) -> None:
        self.sent += [(queue, json.loads(body)) for body in bodies]


class NoDeadLetters:
    def waiting(self, queue, most) -> list:
        return []

    def redrive(self, queue, id) -> bool:
        return False


@dataclass
class Gateway:
    outcome: ChargeOutcome = CHARGED
    asked: list = field(default_factory=list)

    def charge(self, payment) -> ChargeOutcome:
        self.asked.append(payment)
        return self.outcome

    look_up = charge

    def refund(self, payment, amount_minor, key) -> ChargeOutcome:
        self.asked.append((payment, amount_minor, key))
        return self.outcome

    def token_problem(self, token):
        return None


@dataclass
class Files:
    kept: dict = field(default_factory=dict)

    def read(self, key):
        return self.kept.get(key)

    def write_once(self, key, content, media_type) -> bool:
        return self.kept.setdefault(key, content) is content


class Unused:
    def __getattr__(self, name):
        raise AssertionError(f"the admin API does not call {name}")


@dataclass
class Reply:
    status: int
    headers: dict
    text: str
    content: bytes

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def fields(self) -> list[str]:
        """The fields that a 422 names."""
        assert self.status == 422, (self.status, self.text)
        return [e["field"] for e in self.json["errors"]]


@dataclass
class Client:
    ports: Ports
    role: str | None = "admin"
    user: str = "ada"
    asked: int = 0

    def __call__(
        self, method, path, body=None, *, raw=None, headers=None, role=..., claims=..., encoded=False
    ) -> Reply:
        self.asked += 1
        path, _, query = path.partition("?")
        role = self.role if role is ... else role
        if claims is ...:
            claims = {"sub": self.user, "cognito:groups": role} if role else None
        event = {
            "path": path,
            "httpMethod": method,
            "headers": headers or {},
            "multiValueHeaders": {k: [v] for k, v in (headers or {}).items()},
            "queryStringParameters": dict(parse_qsl(query, keep_blank_values=True)) or None,
            "requestContext": {
                "path": path,
                "httpMethod": method,
                "requestId": f"request-{self.asked}",
                **({"authorizer": {"claims": claims}} if claims else {}),
            },
            "body": raw if raw is not None else json.dumps(body) if body is not None else None,
            "isBase64Encoded": encoded,
        }
        answer = lambda_handler(event, CONTEXT)
        content = answer.get("body") or ""
        data = base64.b64decode(content) if answer.get("isBase64Encoded") else content.encode()
        found = {k.lower(): v[0] for k, v in (answer.get("multiValueHeaders") or {}).items()}
        return Reply(answer["statusCode"], found, content, data)

    def get(self, path, **more) -> Reply:
        return self("GET", path, **more)

    def post(self, path, body=None, **more) -> Reply:
        return self("POST", path, body, **more)

    def put(self, path, body=None, **more) -> Reply:
        return self("PUT", path, body, **more)

    def patch(self, path, body=None, **more) -> Reply:
        return self("PATCH", path, body, **more)

    def delete(self, path, **more) -> Reply:
        return self("DELETE", path, **more)

    def items(self, path, **more) -> list:
        """Every item of a list, page by page."""
        found, cursor = [], None
        while True:
            step = f"{'&' if '?' in path else '?'}cursor={cursor}" if cursor else ""
            page = self.get(path + step, **more).json
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def customer(self, id="cus_acme", **more) -> dict:
        return self.made("/v1/customers", {"id": id, "name": "Acme Ltd", "email": "ap@acme.example", **more})

    def contract(self, customer_id="cus_acme", id="con_1", **more) -> dict:
        body = {"id": id, "name": "Managed IT", "start_date": "2026-01-01", "bill_cycle_day": 1, **more}
        body.setdefault("charges", [{"id": "chg_1", "name": "Support", "type": "recurring", "amount": "249.95"}])
        return self.made(f"/v1/customers/{customer_id}/contracts", body)

    def made(self, path, body) -> dict:
        reply = self.post(path, body)
        assert reply.status == 201, (reply.status, reply.text)
        return reply.json


def new_ports() -> Ports:
    return Ports(
        store=MemoryStore(), clock=Clock(), ids=Ids(), queue=Queue(),
        dead_letters=NoDeadLetters(), gateway=Gateway(), mailer=Unused(), files=Files(),
        bus=Unused(), webhooks=MemoryWebhookSender(),
    )  # fmt: skip
