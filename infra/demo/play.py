"""Plays a sample company's quarter on a local cloud, day by day: Paidup does its part by itself, and this does what
people do: they report usage, review what was held, dispute, and pay by transfer, early, late or not at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from infra.cli.client import Api, ask, every
from infra.demo.company import END_ON, START_ON, Body, Client, Company, usage_days
from infra.demo.figures import World
from infra.demo.report import Material, Runs
from shared.ports import BILL_RUNS, Store

PEOPLE_WORK_AT: Final = time(10)  # local: after the bill run, before the payment run
USAGE_BATCH: Final = 500
PARTS_APART_DAYS: Final = 12
DISPUTE_DAYS: Final = 24  # until a dispute is settled
DISPUTE_CREDIT_PERCENT: Final = 20
PDFS_MAX: Final = 60

Progress = Callable[[str, int], None]  # (what is done now, how much more of the whole is done)


@dataclass(slots=True)
class Diary:
    """What people will do on a day to come."""

    by_day: dict[date, list[Callable[[], None]]] = field(default_factory=lambda: defaultdict(list))

    def on(self, day: date, deed: Callable[[], None]) -> None:
        self.by_day[day].append(deed)

    def do(self, day: date) -> None:
        for deed in self.by_day.pop(day, ()):
            deed()


class Player:
    """One play of a company. `store` is looked at only to learn which bill run was the last."""

    def __init__(self, company: Company, api: Api, store: Store, progress: Progress = lambda what, done: None) -> None:
        self._company = company
        self._api = api
        self._store = store
        self._progress = progress
        self._clients = {client.id: client for client in company.clients}
        self._zone = ZoneInfo(company.settings["business"]["timezone"])
        self._diary = Diary()
        self._billed: Counter[str] = Counter()  # invoices per customer so far
        self._last_run = ""
        self._reviewed = 0

    # ---- the play ---------------------------------------------------------------------------------------------

    def steps(self) -> int:
        """How much progress there is to report in all."""
        return len(self._company.clients) + (END_ON - START_ON).days

    def play(self) -> None:
        ask(self._api, "PATCH", "/v1/settings", self._company.settings)
        for policy in self._company.classes:
            ask(self._api, "PUT", f"/v1/customer-classes/{policy['id']}", policy)
        for client in self._company.clients:
            self._sign_up(client)
            self._progress("Customers sign up", 1)
        day = START_ON
        while day < END_ON:
            self._move(datetime.combine(day, PEOPLE_WORK_AT, self._zone))
            self._review_bill_run()
            self._diary.do(day)
            self._progress(f"{day:%A} {day.day} {day:%B %Y}", 1)
            day += timedelta(days=1)
        self._move(datetime.combine(END_ON, time(0, 30), self._zone))

    def _move(self, to: datetime) -> None:
        at = to.astimezone(UTC).isoformat().replace("+00:00", "Z")
        ask(self._api, "POST", "/_local/clock", {"advance_to": at})

    # ---- before the first day ---------------------------------------------------------------------------------

    def _sign_up(self, client: Client) -> None:
        ask(self._api, "POST", "/v1/customers", client.customer)
        ask(self._api, "POST", f"/v1/customers/{client.id}/contracts", client.contract)
        if client.method:
            ask(self._api, "POST", f"/v1/customers/{client.id}/payment-methods", client.method)
            token = quote(client.method["token"], safe="")
            ask(self._api, "PUT", f"/_local/gateway/methods/{token}", {"outcomes": list(client.outcomes)})
        if client.opening:
            opening = client.opening
            invoice = {
                "id": f"inv_open_{client.id.removeprefix('cus_')}", "customer_id": client.id, "type": "regular",
                "number": opening.number, "invoice_date": opening.invoice_on.isoformat(),
                "due_on": opening.due_on.isoformat(), "post": True,
                "lines": [{"name": "Balance of the previous system", "amount": opening.amount}],
            }  # fmt: skip
            self._expect_payment(client, ask(self._api, "POST", "/v1/invoices", invoice), START_ON)
        for day in usage_days(client):
            self._diary.on(day, lambda client=client, day=day: self._report_usage(client, day))  # type: ignore[misc]

    def _report_usage(self, client: Client, day: date) -> None:
        record = {
            "id": f"use_{client.id}_{day.isoformat()}", "contract_id": client.contract["id"], "metric": "gb",
            "quantity": str(client.usage_per_week), "occurred_at": f"{day.isoformat()}T12:00:00Z",
        }  # fmt: skip
        ask(self._api, "POST", "/v1/usage", {"records": [record]})

    # ---- every morning ----------------------------------------------------------------------------------------

    def _review_bill_run(self) -> None:
        """Post what the spot check held, and learn what was billed."""
        newest = self._store.find(BILL_RUNS, "all", reverse=True, limit=1).items
        if not newest or newest[0].partition == self._last_run:
            return
        self._last_run = newest[0].partition
        run = ask(self._api, "GET", f"/v1/bill-runs/{self._last_run}")
        if run["status"] == "completed" and run["counts"]["drafts"]:  # those that the gate held
            self._reviewed += run["counts"]["drafts"]
            ask(self._api, "POST", f"/v1/bill-runs/{self._last_run}/post", {})
            ask(self._api, "POST", "/_local/clock", {"advance": {"minutes": 0}})
        for invoice in every(self._api, f"/v1/invoices?bill_run_id={self._last_run}&status=posted"):
            self._invoiced(invoice)

    def _invoiced(self, invoice: Body) -> None:
        client = self._clients[invoice["customer_id"]]
        on = date.fromisoformat(invoice["posted_on"])
        self._billed[client.id] += 1
        if client.disputes is not None and self._billed[client.id] == client.disputes + 1:
            self._diary.on(on + timedelta(days=3), lambda: self._dispute(client, invoice))
        else:
            self._expect_payment(client, invoice, on)

    def _expect_payment(self, client: Client, invoice: Body, on: date) -> None:
        """A transfer as the customer's ways are; also from one whose card turned out to be no good."""
        if client.habit == "never" or (client.habit == "card" and not client.pays_after_days):
            return
        due_on = date.fromisoformat(invoice["due_on"])
        day = max(due_on + timedelta(days=client.pays_after_days), on + timedelta(days=1))
        if client.pays_in_parts:
            self._diary.on(day, lambda: self._transfer(invoice, parts=2))
            day += timedelta(days=PARTS_APART_DAYS)
        self._diary.on(day, lambda: self._transfer(invoice))

    def _transfer(self, invoice: Body, parts: int = 1) -> None:
        """All that is left of the invoice, or a part of it."""
        now = ask(self._api, "GET", f"/v1/invoices/{invoice['id']}")
        left = Decimal(now["residual"])
        if not left:
            return
        amount = str(left) if parts == 1 else str((left / parts).quantize(left))
        payment = {
            "customer_id": now["customer_id"], "amount": amount, "currency": now["currency"], "method": "transfer",
            "reference": now["number"], "allocations": [{"invoice_id": now["id"], "amount": amount}],
        }  # fmt: skip
        ask(self._api, "POST", "/v1/payments", payment)

    def _dispute(self, client: Client, invoice: Body) -> None:
        ask(self._api, "PUT", f"/v1/invoices/{invoice['id']}/hold", {"reason": "dispute"})
        settled_on = date.fromisoformat(invoice["posted_on"]) + timedelta(days=DISPUTE_DAYS)
        self._diary.on(settled_on, lambda: self._settle(client, invoice, settled_on))

    def _settle(self, client: Client, invoice: Body, on: date) -> None:
        """Part of it is credited, and the rest is paid a few days later."""
        total = Decimal(invoice["total"])
        credit = (total * DISPUTE_CREDIT_PERCENT / 100).quantize(total)
        memo = {"kind": "credit", "amount": str(credit), "reason": "Settled with the customer: service was interrupted"}
        ask(self._api, "POST", f"/v1/invoices/{invoice['id']}/adjustments", memo)
        ask(self._api, "DELETE", f"/v1/invoices/{invoice['id']}/hold")
        self._diary.on(on + timedelta(days=4), lambda: self._transfer(invoice))

    # ---- at the end -------------------------------------------------------------------------------------------

    def material(self) -> Material:
        """Everything the report is made from, as the API lists it."""
        world = World(
            since=START_ON, until=END_ON, timezone=str(self._zone),
            customers=list(every(self._api, "/v1/customers")), invoices=list(every(self._api, "/v1/invoices")),
            payments=list(every(self._api, "/v1/payments")), notices=list(every(self._api, "/v1/notices")),
        )  # fmt: skip
        mails = ask(self._api, "GET", "/_local/emails")["items"]
        bill_runs, payment_runs = list(every(self._api, "/v1/bill-runs")), list(every(self._api, "/v1/payment-runs"))
        runs = Runs(
            bill=len(bill_runs), with_drafts=sum(bool(r["totals"]) for r in bill_runs), payment=len(payment_runs),
            reviewed=self._reviewed, held=sum(bool(i["hold"]) for i in world.invoices),
        )  # fmt: skip
        return Material(
            self._company.settings["business"]["name"], self._company.seed, world, runs, mails, self._pdfs(world)
        )

    def _pdfs(self, world: World) -> dict[str, bytes]:
        """Of the open invoices first, then of the latest."""
        posted = [i for i in world.invoices if i["status"] == "posted"]
        chosen = sorted(posted, key=lambda i: (i["payment_status"] != "overdue", i["invoice_date"]))
        chosen = chosen[: PDFS_MAX // 2] + chosen[-PDFS_MAX // 2 :]
        documents = {}
        for invoice in chosen:
            answer = self._api.call("GET", f"/v1/invoices/{invoice['id']}/pdf")
            if answer.status == 200 and isinstance(answer.body, bytes):
                documents[invoice["id"]] = answer.body
        return documents
