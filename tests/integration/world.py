"""A world to write dated diaries in: the local cloud through its API, with every default in the builders.

def test_an_unpaid_invoice_is_chased(world):
    acme = world.customer()
    world.invoice(acme, "100.00", on="2026-01-01")     # due 31 January
    world.to("2026-02-01");  assert world.notices(acme) == ["past_due_1"]
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from infra.local.app import LocalClient
from infra.local.cloud import LocalCloud

END_OF_DAY = "T23:59:00Z"  # all ticks of the day are done
NOON = "T12:00:00Z"  # after the default bill run and payment run of the day, before its past-due job
JOURNEY_PAGES_MAX = 200


class World:
    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.client = LocalClient(cloud)
        self.made = 0
        self.failures_expected = False

    # ---- requests -------------------------------------------------------------------------------

    def call(self, method, path, body=None, *, status=None, token=None, headers=None):
        """The JSON answer. Fails unless the status is `status`, or some success if that is not given."""
        got, _, answer = self.client.request(method, path, body, token=token, headers=headers)
        expected = got == status if status is not None else 200 <= got < 300
        assert expected, f"{method} {path}: {got}, expected {status or 'success'}: {answer}"
        return answer

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.call("POST", path, body, **options)

    def put(self, path, body=None, **options):
        return self.call("PUT", path, body, **options)

    def patch(self, path, body=None, **options):
        return self.call("PATCH", path, body, **options)

    def delete(self, path, **options):
        return self.call("DELETE", path, **options)

    def all(self, path):
        """Every item of a list, through all its pages."""
        items, cursor = [], None
        for _ in range(JOURNEY_PAGES_MAX):
            joint = "&" if "?" in path else "?"
            page = self.get(path + (f"{joint}cursor={cursor}" if cursor else ""))
            items += page["items"]
            if (cursor := page.get("next_cursor")) is None:
                return items
        raise AssertionError(f"{path} has no end")

    # ---- builders -------------------------------------------------------------------------------

    def settings(self, **patch):
        """Merge into the settings."""
        return self.patch("/v1/settings", patch)

    def automate(self):
        """Switch on everything that runs by itself, and post what the spot check flags too."""
        return self.settings(
            bill_run={"enabled": True, "auto_post": True, "auto_email": True, "gate": "all"},
            payment_run={"enabled": True},
            automations={"send_new_invoices": {"enabled": True}, "past_due": {"enabled": True}},
        )

    def klass(self, terms_days=30, **policy):
        """A customer class whose two policies are the same; its id."""
        id = f"cls_{self._number()}"
        policy = {"terms_days": terms_days, **policy}
        self.post("/v1/customer-classes", {"id": id, "name": id, "regular": policy, "out_of_turn": policy})
        return id

    def customer(self, *, terms_days=None, **fields):
        """A customer with its master switch on; its id. `terms_days` makes a class for it."""
        number = self._number()
        if terms_days is not None:
            fields["class_id"] = self.klass(terms_days)
        defaults = {
            "id": f"cus_{number}",
            "name": f"Customer {number}",
            "email": f"ap{number}@example.com",
            "automations": {"enabled": True},
        }
        return self.post("/v1/customers", defaults | fields)["id"]

    def contract(self, customer, amount="100.00", *, start="2026-01-01", day=1, charges=None, **fields):
        """A monthly charge in advance unless `charges` say otherwise; the contract's id."""
        number = self._number()
        charge = {"id": f"chg_{number}", "name": "Support", "type": "recurring", "amount": amount, "interval": "month"}
        body = {
            "id": f"con_{number}",
            "name": "Managed IT",
            "start_date": start,
            "bill_cycle_day": day,
            "charges": charges if charges is not None else [charge],
        }
        return self.post(f"/v1/customers/{customer}/contracts", body | fields)["id"]

    def invoice(self, customer, amount="100.00", *, on=None, **fields):
        """A posted invoice with one line; its id."""
        body = {"customer_id": customer, "type": "regular", "lines": [{"name": "Work", "amount": amount}], "post": True}
        return self.post("/v1/invoices", body | ({"invoice_date": on} if on else {}) | fields)["id"]

    def card(self, customer, *outcomes):
        """A payment method on which charges go as `outcomes` say, the last one for ever; its id."""
        number = self._number()
        if outcomes:
            self.put(f"/_local/gateway/methods/tok_{number}", {"outcomes": list(outcomes)})
        body = {"token": f"tok_{number}", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2035}
        return self.post(f"/v1/customers/{customer}/payment-methods", body)["id"]

    def pays(self, customer, amount, *, on=None, **fields):
        """A cheque, received now or at noon of `on`."""
        if on is not None:
            self.to(on + NOON)
        body = {"customer_id": customer, "amount": amount, "method": "check", "reference": f"cheque {self._number()}"}
        return self.post("/v1/payments", body | fields)

    def _number(self):
        self.made += 1
        return self.made

    # ---- time -----------------------------------------------------------------------------------

    def to(self, when):
        """Let time pass to the end of a day, when all its jobs are done, or to an instant ("…T12:00:00Z")."""
        return self.post("/_local/clock", {"advance_to": when if "T" in when else when + END_OF_DAY})

    def settle(self):
        """Let the queues come to rest without time passing."""
        return self.post("/_local/clock", {"advance": {}})

    def rest(self):
        """Let an hour pass, which every delay, timeout and retry of the queues fits into."""
        return self.post("/_local/clock", {"advance": {"hours": 1}})

    @property
    def now(self):
        return datetime.fromisoformat(self.get("/_local/clock")["now"])

    def days(self, count):
        return self.to((self.now + timedelta(days=count)).astimezone(UTC).date().isoformat())

    # ---- what happened --------------------------------------------------------------------------

    def notices(self, customer, status="sent", reminders=False):
        """The kinds of a customer's notices in the order they arose; only the sent ones, unless another is asked.

        Reminders before due are left out: they are in nearly every story, and the point of few.
        """
        found = sorted(self.all(f"/v1/notices?customer_id={customer}"), key=lambda n: (n["created_at"], n["kind"]))
        wanted = [n for n in found if reminders or n["kind"] != "reminder"]
        return [n["kind"] for n in wanted if status is None or n["status"] == status]

    def invoices(self, customer=None, **filters):
        query = "&".join(f"{k}={v}" for k, v in ({"customer_id": customer} | filters).items() if v is not None)
        return sorted(self.all(f"/v1/invoices?{query}"), key=lambda i: (i["number"] or "~", i["id"]))

    def account(self, customer):
        return self.get(f"/v1/customers/{customer}/account")

    def emails(self, to=None):
        return self.get("/_local/emails" + (f"?to={to}" if to else ""))["items"]

    def charges(self):
        return self.get("/_local/gateway/charges")["items"]

    def events(self):
        return self.get("/_local/events")["items"]

    def queues(self):
        """Depth per queue that is not empty."""
        return {q["name"]: q["depth"] for q in self.get("/_local/queues")["items"] if q["depth"]}

    def assert_well(self):
        """No function raised and nothing was put aside, unless the test says that it expects failures."""
        if not self.failures_expected:
            failures = [f.text for f in self.cloud.engine.invoker.failures]
            assert not failures, "\n".join(failures[:3])
            assert not {q: n for q, n in self.queues().items() if q.endswith("dlq")}
