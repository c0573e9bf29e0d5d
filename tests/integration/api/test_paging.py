"""Lists while others write: whatever is there from the first page to the last is shown once. API.md "Conventions"."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.admin_api.routing import ENDPOINTS
from shared import bootstrap
from tests.integration.api.client import Client, new_ports

THERE = 12  # things of each kind before the first page


def customer(api, id):
    api.customer(f"cus_{id}", name=f"Acme {id}")
    return f"cus_{id}"


def klass(api, id):
    return api.made("/v1/customer-classes", {"id": f"cls_{id}", "name": "x"})["id"]


def contract(api, id):
    return api.contract(id=f"con_{id}", charges=[])["id"]


def invoice(api, id):
    line = {"name": "x", "amount": "1.00"}
    return api.made("/v1/invoices", {"id": f"inv_{id}", "customer_id": "cus_acme", "lines": [line]})["id"]


def payment(api, id):
    body = {"id": f"pay_{id}", "customer_id": "cus_acme", "amount": "1.00", "method": "cash"}
    return api.made("/v1/payments", body)["id"]


def bill_run(api, id):
    return api.made("/v1/bill-runs", {"id": f"brn_{id}", "customer_ids": ["cus_acme"]})["id"]


LISTS = {
    "/v1/customers": customer, "/v1/customers?query=acme": customer, "/v1/customer-classes": klass,
    "/v1/customers/cus_acme/contracts": contract, "/v1/invoices": invoice, "/v1/invoices?customer_id=cus_acme": invoice,
    "/v1/invoices?status=draft": invoice, "/v1/payments": payment, "/v1/payments?customer_id=cus_acme": payment,
    "/v1/bill-runs": bill_run,
}  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
@settings(max_examples=15)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    between=st.lists(st.lists(st.text("0aZz_-", min_size=1, max_size=3), max_size=3), max_size=12),
    seconds=st.integers(0, 1),
)
def test_pages_neither_skip_nor_repeat_while_others_write(path, sizes, between, seconds):
    ports, make = new_ports(), LISTS[path]
    bootstrap.install(ports)
    try:
        api = Client(ports)
        api.customer()
        there = set()
        for n in range(THERE):
            api.ports.clock.advance(seconds=seconds)
            there.add(make(api, f"{n * 7 % THERE}m"))
        seen, cursor, page, made = [], "", 0, set(there)
        while cursor is not None:
            step = f"{'&' if '?' in path else '?'}limit={sizes[page % len(sizes)]}"
            answer = api.get(path + step + (f"&cursor={cursor}" if cursor else "")).json
            seen += [item["id"] for item in answer["items"]]
            cursor = answer["next_cursor"]
            for id in between[page] if page < len(between) else ():
                if f"{page}{id}" not in made:
                    made.add(f"{page}{id}")
                    make(api, f"{id}{page}n{len(made)}")
            page += 1
        assert len(seen) == len(set(seen)), "nothing is shown twice"
        assert there <= set(seen), "nothing that was there is left out"
    finally:
        bootstrap.uninstall()


def test_every_list_is_paged():
    lists = {e.shown for e in ENDPOINTS if e.method == "GET" and "limit" in e.filters}
    assert {path.partition("?")[0].replace("cus_acme", "{customer_id}") for path in LISTS} <= lists
    assert all("cursor" in e.filters for e in ENDPOINTS if "limit" in e.filters)
