"""A browser for the console: signed in, without script, and with a look at what htmx would ask for."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from html.parser import HTMLParser
from urllib.parse import urlencode

from infra.local.app import LocalClient
from infra.local.cloud import LocalCloud
from shared.domain.rehearsal import Rehearsal
from shared.ports import Save
from tests.integration.browser import Shown, path_of
from tests.integration.world import World

HOST = "127.0.0.1:8642"


class Console:
    """One person's browser. `role` signs in as that role's local token."""

    def __init__(self, world, role="admin"):
        self.client = LocalClient(world.cloud, token=None)
        self.cookie = ""
        if role:
            shown = self.send("/console/sign-in", [("token", f"local-{role}")], follow=False)
            assert shown.status == 303, shown.text
            self.cookie = shown.headers["Set-Cookie"].split(";")[0]

    def get(self, path, **headers) -> Shown:
        return self._shown("GET", path, b"", headers)

    def part(self, path) -> Shown:
        """As htmx asks for a part of a page."""
        return self.get(path, **{"hx-request": "true"})

    def send(self, path, fields=(), follow=True, **headers) -> Shown:
        """Submit a form, and go where that leads."""
        body = urlencode(list(fields.items() if isinstance(fields, dict) else fields)).encode()
        shown = self._shown("POST", path, body, {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"} | headers)
        return self.get(shown.headers["Location"].partition("#")[0]) if follow and shown.status == 303 else shown

    def press(self, page, ending, fields=None, button=None, **options) -> Shown:
        """Submit the form of a page whose address ends so, with these fields in place of what stands there."""
        form = page.form(ending)
        given = dict(fields or {})
        kept = [(n, v) for n, v in form.fields if n not in given]
        return self.send(form.action, [*kept, *given.items(), *([button] if button else [])], **options)

    def _shown(self, method, path, body, headers):
        sent = {"content-type": "application/x-www-form-urlencoded", "host": HOST, "cookie": self.cookie, **headers}
        status, given, content = self.client.request(method, path_of(path), body, headers=sent)
        return Shown(status, dict(given), content if isinstance(content, bytes) else b"")


class Outline(HTMLParser):
    """What a page is made of, for questions about its shape."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.labels, self.fields, self.open = [], [], set(), [], []
        self.wrong = []
        self.feed(html)

    VOID = frozenset({"meta", "link", "input", "br", "rect", "img"})

    def handle_starttag(self, tag, attrs):
        got = dict(attrs)
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "label":
            self.labels.add(got.get("for"))
        if tag in ("input", "select", "textarea") and got.get("type") != "hidden":
            self.fields.append(got)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.wrong.append((tag, self.open[-3:]))
        else:
            self.open.pop()


@contextmanager
def busy_world(wiring):
    """On 20 February, with a bit of everything: a run to review, a customer past due, rules, a card."""
    with LocalCloud("memory", datetime(2026, 2, 19, tzinfo=UTC), wiring=wiring) as cloud:
        world = World(cloud)
        world.automate()
        world.settings(bill_run={"auto_post": False, "auto_email": False})
        acme = world.customer(id="cus_acme", name="Acme <b>& Söhne</b>", email="ap@acme.example")
        world.contract(acme, "100.00", start="2026-02-01")
        late = world.customer(id="cus_late", name="Late Ltd", email="ap@late.example")
        world.invoice(late, "40.00", on="2026-01-01", due_on="2026-01-31", id="inv_late")
        rule = {"id": "apr_big", "payment_method_id": world.card(acme),
                "criteria": [{"type": "amount", "operator": "gte", "values": ["200.00"]}]}  # fmt: skip
        world.put("/v1/customers/cus_acme/autopay", {"enabled": True, "rules": [rule]})
        hook = {"id": "whk_erp", "url": "http://127.0.0.1:9/erp", "events": ["customer.suspended"]}
        world.post("/v1/webhook-endpoints", hook)
        world.to("2026-02-20")
        cloud.ports.store.commit(Save(Rehearsal("reh_1", 7, "failed", reason="too long", created_at=cloud.clock.now())))
        yield world


def run_of(world):
    return world.all("/v1/bill-runs")[0]["id"]


def draft_of(world):
    return next(i["id"] for i in world.invoices(status="draft"))
