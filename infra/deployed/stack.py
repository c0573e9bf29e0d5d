"""A deployed stack, as its operator sees it: outputs, functions, queues, users and the API."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import boto3

from infra.deployed.ministack import NotStarted, environment
from infra.deployed.table import Checks

STACK: Final = "paidup-local"
STAGE: Final = "live"
WAIT_SECONDS_MAX: Final = 240  # for anything that follows through the queues, on a machine that is busy
POLL_SECONDS: Final = 0.5
REQUEST_SECONDS_MAX: Final = 60
DEPLOY_SECONDS_MAX: Final = 600

T = TypeVar("T")


class DeployFailed(Exception):
    """`sam deploy` ended with an error; the message holds the end of what it said."""


def deploy(root: Path, port: int) -> None:
    """Create or update the stack from the rewritten template. Raises DeployFailed."""
    command = [str(root / ".local/sam/bin/sam"), "deploy", "--config-env", "local", "--no-progressbar"]
    ended = subprocess.run(
        command,
        cwd=root,
        env=environment(port),
        capture_output=True,
        text=True,
        timeout=DEPLOY_SECONDS_MAX,
        check=False,
    )
    (root / ".local/cloud/deploy.log").write_text(ended.stdout + ended.stderr, encoding="utf-8")
    if ended.returncode:
        raise DeployFailed((ended.stdout + ended.stderr)[-3000:])


def until(look: Callable[[], T], good: Callable[[T], bool], seconds: float = WAIT_SECONDS_MAX) -> T:
    """What `look` sees once it is good, or what it saw last when time is up."""
    end = time.monotonic() + seconds
    while not good(seen := look()) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return seen


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any


@dataclass
class Deployed:
    """The stack behind one ministack. Clients are opened when first used; they speak to loopback only."""

    port: int
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.session().client(service, endpoint_url=self.url)
        return self._clients[service]

    def session(self, **credentials: str) -> Any:
        known = environment(self.port)
        given = credentials or {
            "aws_access_key_id": known["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": known["AWS_SECRET_ACCESS_KEY"],
        }
        return boto3.Session(region_name=known["AWS_REGION"], **given)

    @cached_property
    def resources(self) -> dict[str, str]:
        """Physical ids by logical ones."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
        return {
            r["LogicalResourceId"]: r["PhysicalResourceId"] for page in pages for r in page["StackResourceSummaries"]
        }

    @property
    def api(self) -> str:
        """Read anew each time: an update that changes routes may change the API's id."""
        (stack,) = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
        return f"{self.url}/restapis/{outputs['ApiId']}/{STAGE}/_user_request_"

    def add_user(self, email: str, group: str) -> str:
        """Returns the password."""
        password = f"Aa1-{secrets.token_urlsafe(12)}"
        who = {"UserPoolId": self.resources["Users"], "Username": email}
        idp = self.client("cognito-idp")
        idp.admin_create_user(**who, MessageAction="SUPPRESS", UserAttributes=[{"Name": "email", "Value": email}])
        idp.admin_set_user_password(**who, Password=password, Permanent=True)
        idp.admin_add_user_to_group(**who, GroupName=group)
        return password

    def sign_in(self, email: str, password: str) -> dict[str, str]:
        """The tokens. Raises the SDK's error if the password is wrong."""
        answer = self.client("cognito-idp").admin_initiate_auth(
            UserPoolId=self.resources["Users"],
            ClientId=self.resources["UsersClient"],
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )
        tokens: dict[str, str] = answer["AuthenticationResult"]
        return tokens

    def invoke(self, function: str, payload: Any) -> tuple[str | None, Any]:
        """The error of an invocation, if any, and what it returned."""
        answer = self.client("lambda").invoke(
            FunctionName=self.resources[function], Payload=json.dumps(payload).encode()
        )
        return answer.get("FunctionError"), json.loads(answer["Payload"].read() or b"null")

    def depth(self, queue: str) -> int:
        """Messages that wait or are being worked on."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        asked = self.client("sqs").get_queue_attributes(QueueUrl=self.resources[queue], AttributeNames=names)
        return sum(int(value) for value in asked["Attributes"].values())

    def keys(self, prefix: str) -> Iterator[str]:
        pages = self.client("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.resources["FilesBucket"], Prefix=prefix):
            yield from (found["Key"] for found in page.get("Contents", []))

    def mails(self) -> list[dict[str, Any]]:
        """What SES took, oldest first."""
        with urllib.request.urlopen(f"{self.url}/_ministack/ses/messages", timeout=REQUEST_SECONDS_MAX) as answer:
            by_region = json.load(answer)["messages"]
        return [mail for mails in by_region.values() for mail in mails]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls the deployed API, with a token or without."""

    base: str
    token: str | None = None

    def __call__(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"Content-Type": "application/json", "Accept": "*/*"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        payload = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, payload, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_SECONDS_MAX) as answer:
                return Answer(answer.status, _value(answer.read()))
        except urllib.error.HTTPError as refused:
            return Answer(refused.code, _value(refused.read()))


def _value(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload


def host_arch() -> str:
    return "arm64" if os.uname().machine in ("arm64", "aarch64") else "x86_64"


def exit_code_of(act: Callable[[Checks], None]) -> int:
    """Do it, and show what was checked on the way, however far it came."""
    checks = Checks()
    try:
        act(checks)
    except (NotStarted, DeployFailed, LookupError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    finally:
        print(f"\n{checks.table()}", flush=True)
    return 1 if checks.failed else 0
