"""A month of a small company on a deployed stack, looked at from outside: through the API, mail, files and queues."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.deployed import company
from infra.deployed.stack import Answer, Caller, Deployed, until
from infra.deployed.table import Checks

EVENTS: Final = Path(__file__).resolve().parents[2] / "events"
# In the order of a night: what plans, then what waits for it.
TICKS: Final = {
    "BillRunPlanFunction": "bill_run/plan",
    "AutoPostSweepFunction": "auto_post/sweep",
    "PaymentRunPlanFunction": "payment_run/plan",
    "AutopayReconcileFunction": "autopay/reconcile",
    "PastDueSweepFunction": "past_due/sweep",
    "AccountSummarySweepFunction": "account_summary/sweep",
    "SendEmailSweepFunction": "send_email/sweep",
    "WebhooksSweepFunction": "webhooks/sweep",
}
QUEUES: Final = ("BillRun", "Post", "Notice", "Document", "Charge", "Assess", "Summary", "Webhook", "Feedback")
POISON_VISIBILITY_SECONDS: Final = 3  # six minutes as in the template, five times over, would be half an hour


@dataclass
class Smoke:
    stack: Deployed
    checks: Checks
    today: date
    admin: Caller

    # ---- who may do what ----------------------------------------------------------------------

    def doors(self, viewer: Caller, access_token: str) -> None:
        base = self.admin.base
        token = self.admin.token or ""
        that = self.checks.that
        that("health is open", Caller(base)("GET", "/v1/health").status, 200)
        that("no token is refused", Caller(base)("GET", "/v1/settings").status, 401)
        that("the local server's token is refused", Caller(base, "local-admin")("GET", "/v1/settings").status, 401)
        that("a forged token is refused", Caller(base, token[:-8] + "AAAAAAAA")("GET", "/v1/settings").status, 401)
        that("an access token is refused", Caller(base, access_token)("GET", "/v1/settings").status, 401)
        that("a viewer reads", viewer("GET", "/v1/settings").status, 200)
        that("a viewer changes nothing", viewer("PATCH", "/v1/settings", {}).status, 403)
        that("an unsigned webhook is refused", Caller(base)("POST", "/webhooks/gateway", {"id": "evt_1"}).status, 400)

    def roles(self) -> None:
        """With the very rights of a function, what its work does not need is refused."""
        read = self._as_role("BillRunPlanRole", "dynamodb")
        self.checks.that("the planner's role reads runs", _refused(lambda: _read(read, self.stack, "RunsTable")), "")
        for table in ("AccountsTable", "PaymentsTable", "AuditTable"):
            seen = _refused(lambda table=table: _read(read, self.stack, table))  # type: ignore[misc]
            self.checks.that(f"but not {table}", seen, "AccessDeniedException")
        files = self._as_role("SendEmailSendRole", "s3")
        bucket = self.stack.resources["FilesBucket"]
        seen = _refused(lambda: files.put_object(Bucket=bucket, Key="invoices/x.pdf", Body=b""))
        self.checks.that("the mailer's role writes no file", seen, "AccessDenied")

    def _as_role(self, role: str, service: str) -> Any:
        arn = self.stack.client("iam").get_role(RoleName=self.stack.resources[role])["Role"]["Arn"]
        given = self.stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="smoke")["Credentials"]
        session = self.stack.session(
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )
        return session.client(service, endpoint_url=self.stack.url)

    # ---- the company --------------------------------------------------------------------------

    def seed(self) -> None:
        self._do("PATCH", "/v1/settings", company.SETTINGS)
        self.tick("every rule's first tick")  # switched on now: what was due before is not made up for
        for class_ in company.CLASSES:
            self._do("POST", "/v1/customer-classes", class_)
        for id_ in (*company.CARD, *company.TRANSFER, company.LATE):
            self.sign_up(id_)
        self._do("POST", "/v1/invoices", company.old_invoice(self.today))

    def sign_up(self, id_: str) -> None:
        self._do("POST", "/v1/customers", company.customer(id_))
        if id_ in company.CARD:
            self._do("POST", f"/v1/customers/{id_}/payment-methods", company.card(id_))
        if id_ != company.LATE:
            self._do("POST", f"/v1/customers/{id_}/contracts", company.contract(id_, self.today))

    def tick(self, title: str, functions: tuple[str, ...] = tuple(TICKS)) -> None:
        """Invoke scheduled functions with the payload that their rule sends."""
        errors = {}
        for function in functions:
            payload = json.loads((EVENTS / TICKS[function] / "tick.json").read_text(encoding="utf-8"))
            error, told = self.stack.invoke(function, payload)
            if error:
                errors[function] = told
        if title or errors:
            self.checks.that(title or "a tick", errors, {})

    # ---- the cycle ----------------------------------------------------------------------------

    def bill(self) -> None:
        self.billed(self.start_bill_run())

    def start_bill_run(self) -> dict[str, Any]:
        body = {"as_of": str(self.today), "auto_post": True, "auto_email": True}
        run: dict[str, Any] = self._do("POST", "/v1/bill-runs", body)
        return run

    def billed(self, run: dict[str, Any]) -> None:
        """A run of all who have contracts comes to its end, and so do its documents and mails."""
        billed = len(company.CARD) + len(company.TRANSFER)
        path = f"/v1/bill-runs/{run['id']}"
        done = until(lambda: self._do("GET", path), lambda r: r["status"] in ("posted", "failed"))
        self.checks.that("the ad hoc bill run posts", (done["status"], done["counts"]["posted"]), ("posted", billed))
        invoices = self._do("GET", f"/v1/invoices?bill_run_id={run['id']}")["items"]
        self.checks.that("each invoice says what is due", {i["total"] for i in invoices}, {company.MONTHLY})
        if done["status"] != "posted":
            raise LookupError(f"the bill run is still {done['status']}")
        numbers = sorted(int(i["number"].rpartition("-")[2]) for i in invoices)
        self.checks.that("numbers have no gap", numbers, list(range(numbers[0], numbers[0] + billed)))
        self._documents(invoices)
        for id_ in (*company.CARD, *company.TRANSFER):
            self._mailed(id_, "invoice")

    def _documents(self, invoices: list[dict[str, Any]]) -> None:
        wanted = {f"invoices/{i['id']}" for i in invoices}

        def stored() -> set[str]:
            return {key.rpartition(".")[0] for key in self.stack.keys("invoices/")} & wanted

        self.checks.that("each invoice has its PDF", len(until(stored, lambda seen: seen == wanted)), len(wanted))
        document = self.admin("GET", f"/v1/invoices/{invoices[0]['id']}/pdf")
        self.checks.that("the API serves it", (document.status, _starts_as_pdf(document)), (200, True))

    def _mailed(self, id_: str, kind: str) -> None:
        path = f"/v1/notices?customer_id={id_}&kind={kind}"

        def sent() -> list[str]:
            return [notice["status"] for notice in self._do("GET", path)["items"]]

        self.checks.that(f"{kind} to {id_} is sent", until(sent, lambda s: "sent" in s), ["sent"])
        mails = [mail for mail in self.stack.mails() if company.mail_of(id_) in json.dumps(mail)]
        self.checks.that("and SES has it", bool(mails))

    def collect(self) -> None:
        run = self._do("POST", "/v1/payment-runs", {"as_of": str(self.today)})
        path = f"/v1/payment-runs/{run['id']}"
        done = until(lambda: self._do("GET", path), lambda r: r["status"] in ("completed", "failed"))
        charged = len(company.CARD)
        self.checks.that(
            "the ad hoc payment run charges", (done["status"], done["counts"]["succeeded"]), ("completed", charged)
        )
        for id_ in company.CARD:
            (invoice,) = self._do("GET", f"/v1/invoices?customer_id={id_}")["items"]
            self.checks.that(f"{id_} has paid", (invoice["payment_status"], invoice["residual"]), ("paid", "0.00"))
            self._mailed(id_, "payment_received")
        self.checks.that("no customer paid twice", len(self._do("GET", "/v1/payments")["items"]), charged)

    def night(self) -> None:
        """What rules do by themselves: a customer that is new is billed, and one that is late is reminded."""
        self.sign_up(company.LATER)

        def after_a_tick(path: str) -> Callable[[], list[dict[str, Any]]]:
            def look() -> list[dict[str, Any]]:
                self.tick("", ("BillRunPlanFunction", "PaymentRunPlanFunction", "PastDueSweepFunction"))
                found: list[dict[str, Any]] = self._do("GET", path)["items"]
                return found

            return look

        invoices = until(after_a_tick(f"/v1/invoices?customer_id={company.LATER}&status=posted"), bool)
        self.checks.that("a scheduled bill run posts", [i["total"] for i in invoices], [company.MONTHLY])
        reminded = until(after_a_tick(f"/v1/notices?customer_id={company.LATE}&kind=past_due_2"), bool)
        self.checks.that("the late customer is in its tier", [n["tier"] for n in reminded], [2])
        self._mailed(company.LATE, "past_due_2")
        self.tick("every rule's last tick")

    # ---- what the customer does ---------------------------------------------------------------

    def customer(self) -> None:
        link = self._do("POST", f"/v1/customers/{company.TRANSFER[0]}/pay-link")
        path = "/pay/" + link["url"].rpartition("/pay/")[2]
        page = Caller(self.admin.base)("GET", path)
        self.checks.that(
            "the pay page opens without a token", (page.status, company.MONTHLY in str(page.body)), (200, True)
        )
        self.checks.that("a made-up link opens nothing", Caller(self.admin.base)("GET", path[:-4] + "AAAA").status, 404)

    def bounce(self) -> None:
        """What SES says of a mail comes through topic, queue and function back to the notice."""
        (notice, *_) = self._do("GET", f"/v1/notices?customer_id={company.TRANSFER[1]}&kind=invoice")["items"]
        told = {
            "eventType": "Bounce",
            "bounce": {"bounceType": "Permanent"},
            "mail": {"tags": {"notice_id": [notice["id"]]}},
        }
        self.stack.client("sns").publish(TopicArn=self.stack.resources["FeedbackTopic"], Message=json.dumps(told))
        path = f"/v1/notices/{notice['id']}"
        seen = until(lambda: self._do("GET", path)["status"], lambda status: status == "bounced")
        self.checks.that("a bounce reaches its notice", seen, "bounced")

    # ---- what goes wrong ----------------------------------------------------------------------

    def poison(self) -> None:
        """A message whose worker may not do its work is put aside with the reason, and is done once it may."""
        sqs, queue = self.stack.client("sqs"), self.stack.resources["DocumentQueue"]
        asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": str(POISON_VISIBILITY_SECONDS)})
        restore = self._take_away("RenderPdfRole", "s3:PutObject")
        invoice = self._do(
            "POST", "/v1/invoices", company.old_invoice(self.today) | {"id": "inv_new", "number": "OLD-2"}
        )
        aside = until(lambda: self._do("GET", "/v1/dead-letters")["items"], bool)
        restore()
        self.checks.that("it is put aside", [letter["queue"] for letter in aside], ["document"])
        reason = aside[0]["reason"] if aside else None
        self.checks.that("with the reason", "AccessDenied" in str(reason) or "ClientError" in str(reason))
        for letter in aside:
            self._do("POST", f"/v1/dead-letters/{letter['id']}/redrive")
        key = f"invoices/{invoice['id']}"
        stored = until(lambda: any(k.startswith(key) for k in self.stack.keys("invoices/")), bool)
        self.checks.that("and done when it is put back", stored)
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=asked)

    def _take_away(self, role: str, action: str) -> Callable[[], None]:
        """Take one right from a role; the answer gives it back."""
        iam, name = self.stack.client("iam"), self.stack.resources[role]
        policy = iam.get_role_policy(RoleName=name, PolicyName="work")["PolicyDocument"]
        document = json.loads(policy) if isinstance(policy, str) else policy
        left = [
            s
            for s in document["Statement"]
            if action not in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])
        ]
        if len(left) == len(document["Statement"]):
            raise LookupError(f"{role} has no right to {action}")

        def put(statements: list[Any]) -> None:
            changed = json.dumps(document | {"Statement": statements})
            iam.put_role_policy(RoleName=name, PolicyName="work", PolicyDocument=changed)

        put(left)
        return lambda: put(document["Statement"])

    def quiet(self) -> None:
        """At the end nothing is left over anywhere."""

        def left() -> dict[str, int]:
            names = [f"{name}{kind}" for name in QUEUES for kind in ("Queue", "Dlq")]
            return {name: depth for name in [*names, "TicksDlq"] if (depth := self.stack.depth(name))}

        self.checks.that("queues and dead letters are empty", until(left, lambda seen: not seen), {})
        pending = self._do("GET", "/v1/notices?status=pending")["items"]
        self.checks.that("no mail waits", pending, [])
        self.checks.that("the audit log is whole", self._do("GET", "/v1/audit/verify")["valid"])

    def _do(self, method: str, path: str, body: Any = None) -> Any:
        """A request that must succeed: if it does not, nothing after it makes sense."""
        answer = self.admin(method, path, body)
        if not 200 <= answer.status < 300:
            raise LookupError(f"{method} {path} was answered with {answer.status}: {answer.body}")
        return answer.body


def smoke(stack: Deployed, checks: Checks) -> None:
    """Everything, in order, each part timed."""
    base = stack.api
    with checks.step("signing in"):
        admin, viewer = (
            stack.sign_in(f"{who}@example.com", stack.add_user(f"{who}@example.com", who))
            for who in ("admin", "viewer")
        )
    month = Smoke(stack, checks, datetime.now(UTC).date(), Caller(base, admin["IdToken"]))
    with checks.step("who may do what"):
        month.doors(Caller(base, viewer["IdToken"]), admin["AccessToken"])
        month.roles()
    for title, part in (
        ("a small company", month.seed),
        ("a bill run", month.bill),
        ("a payment run", month.collect),
        ("rules", month.night),
        ("the customer's page", month.customer),
        ("a bounce", month.bounce),
        ("a poison message", month.poison),
        ("what is left over", month.quiet),
    ):
        with checks.step(title):
            part()


def _read(client: Any, stack: Deployed, table: str) -> None:
    client.get_item(TableName=stack.resources[table], Key={"pk": {"S": "x"}, "sk": {"S": "x"}})


def _refused(call: Callable[[], object]) -> str:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def _starts_as_pdf(answer: Answer) -> bool:
    return isinstance(answer.body, bytes) and answer.body.startswith(b"%PDF-")
