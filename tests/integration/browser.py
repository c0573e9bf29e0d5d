"""A browser without script for the customer's page: opens links, reads forms as they stand, and submits them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

from infra.local.app import LocalClient

CHOSEN = ("checkbox", "radio")


@dataclass
class Form:
    action: str
    method: str
    id: str
    fields: list = field(default_factory=list)  # (name, value) as it would be sent untouched
    offered: list = field(default_factory=list)  # (name, value) of every box, button and option, chosen or not

    def value(self, name):
        return next((v for n, v in self.fields if n == name), None)

    def offers(self, name):
        return [v for n, v in self.offered if n == name]


class _Reader(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.forms, self.links, self.words, self._select, self.ids, self._typing = [], [], [], None, [], False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        got = dict(attrs)
        if "id" in got:
            self.ids.append(got["id"])
        if tag == "a":
            self.links.append(got.get("href", ""))
        if tag == "textarea" and self.forms:
            self.forms[-1].fields.append((got.get("name", ""), ""))
            self._typing = True
        if tag == "form":
            self.forms.append(Form(got.get("action", ""), got.get("method", "get"), got.get("id", "")))
        if tag == "select":
            self._select, self._first = got.get("name"), True
        name = got.get("name") if tag in ("input", "button") else self._select if tag == "option" else None
        if name is None or not self.forms:
            return
        form, value = self.forms[-1], got.get("value") or ""
        form.offered.append((name, value))
        if tag == "option":
            if self._first or "selected" in got:
                form.fields = [f for f in form.fields if f[0] != name] + [(name, value)]
            self._first = False
        elif tag == "input" and (got.get("type") not in CHOSEN or "checked" in got):
            form.fields.append((name, value))

    def handle_endtag(self, tag):
        self._typing = self._typing and tag != "textarea"

    def handle_data(self, data):
        if self._typing:
            fields = self.forms[-1].fields
            fields[-1] = (fields[-1][0], fields[-1][1] + data.removeprefix("\n"))
        self.words.append(data.strip())


@dataclass
class Shown:
    status: int
    headers: dict
    body: bytes

    def __post_init__(self):
        self.html = self.body.decode() if "html" in self.headers.get("Content-Type", "") else ""
        read = _Reader(self.html)
        self.forms, self.links, self.ids = read.forms, read.links, read.ids
        self.text = " ".join(w for w in read.words if w).replace("\u00a0", " ")

    def form(self, ending):
        """The form that posts to an address with this ending."""
        (found,) = [f for f in self.forms if f.action.endswith(ending)]
        return found


class Browser:
    def __init__(self, cloud):
        self.client = LocalClient(cloud, token=None)

    def get(self, url, method="GET") -> Shown:
        status, headers, body = self.client.request(method, path_of(url))
        return Shown(status, dict(headers), body if isinstance(body, bytes) else b"")

    def post(self, url, fields=(), follow=True) -> Shown:
        """Submit fields, (name, value) each, and go where that leads."""
        sent = {"content-type": "application/x-www-form-urlencoded"}
        body = urlencode(list(fields.items() if isinstance(fields, dict) else fields)).encode()
        status, headers, body = self.client.request("POST", path_of(url), body, headers=sent)
        shown = Shown(status, dict(headers), body if isinstance(body, bytes) else b"")
        return self.get(headers["Location"].partition("#")[0]) if follow and status == 303 else shown


def path_of(url):
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")
