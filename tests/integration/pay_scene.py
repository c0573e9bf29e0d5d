"""A customer with invoices, a card and a link to his page, and what a person does there."""

from __future__ import annotations

import re

LINK = re.compile(r"http://127\.0\.0\.1:8642/pay/\w+")


def link_of(world, customer):
    return world.post(f"/v1/customers/{customer}/pay-link")["url"]


def scene(world, invoices=2, cards=1):
    """A customer with invoices and a card, and a link to his page."""
    acme = world.customer(id="cus_acme", name="Acme Ltd", email="ap@acme.example")
    made = [world.invoice(acme, f"10{n}.00") for n in range(invoices)]
    for _ in range(cards):
        world.card(acme)
    world.settle()
    return acme, made, link_of(world, acme)


def choose(page, invoices=None, method=None):
    """What a person sends: the page's value, the boxes, and how to pay."""
    form = page.forms[0]
    chosen = form.offers("invoice_id") if invoices is None else invoices
    method = form.offers("payment_method_id")[0] if method is None else method
    return [("once", form.value("once")), *[("invoice_id", i) for i in chosen], ("payment_method_id", method)]


def dump(world):
    return world.cloud.ports.store.dump(), world.charges(), len(world.emails())


def token_of(link):
    return link.rpartition("/")[2]
