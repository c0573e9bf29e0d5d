"""Customers, contracts, usage and invoices as CSV, in the form that an import takes. PRODUCT 12, API.md "Shapes".

An answer holds as much as a function may answer. Where there is more, its header Next-Cursor goes into `?cursor=` of
the next request. The order is that of the customers by shard and name and of ids below them: not of time, so that what
is loaded into an empty system comes out of it in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from functions.admin_api.calls import CSV_TYPE, Answer, Call, Filters, one_of
from functions.admin_api.customers import matches, search
from functions.admin_api.invoices import shown as invoices_shown
from functions.admin_api.listing import Source, indexed, nested, page_of, stored
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_contracts import planned_json
from shared.contracts.api_customers import customer_json
from shared.contracts.api_fields import id_of
from shared.contracts.api_usage import usage_json
from shared.contracts.export_csv import header_of, rows_of
from shared.contracts.import_csv import Kind
from shared.domain.calendar import local_date
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.usage import UsageRecord
from shared.ports import CUSTOMERS, INVOICES_BY_CUSTOMER, PAGE_LIMIT, Entry, Page, Ports
from shared.use_cases.contracts import contract_of
from shared.use_cases.lookups import customer_of, entries, settings_of, shards

router = new_router()

THINGS_MAX: Final = 5_000  # of one answer
INVOICES_MAX: Final = 100_000  # of one customer
BYTES_PER_WEIGHT: Final = 350  # a page ends at WEIGHT_MAX of these, four megabytes


def things(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 5 or not 1 <= int(value) <= THINGS_MAX:
        raise ValueError(f"must be a whole number from 1 to {THINGS_MAX}")
    return int(value)


PAGING: Final[Filters] = {"limit": things, "cursor": str}
OF_CUSTOMER: Final[Filters] = {**PAGING, "customer_id": id_of("cus_")}


@endpoint(router, "GET", "/v1/export/customers", filters={**PAGING, "query": search}, gives=CSV_TYPE)
def export_customers(call: Call[Any]) -> Answer:
    """Customers as CSV, or those whose name, e-mail or id contains the query."""
    wanted: str = call.query.get("query", "")

    def keep(found: Sequence[Entry]) -> list[tuple[Entry, str]]:
        there = stored(call.ports, Customer, found)
        return [(e, rows_of("customers", customer_json(c))) for e, c in there if matches(c, wanted)]

    return _csv("customers", call, _page(call, indexed(call.ports, CUSTOMERS, *shards()), keep))


@endpoint(router, "GET", "/v1/export/contracts", filters=OF_CUSTOMER, gives=CSV_TYPE)
def export_contracts(call: Call[Any]) -> Answer:
    """Contracts as CSV, a row per charge, at the prices in force today and with the changes to come."""
    settings, now = settings_of(call.ports), call.ports.clock.now()

    def keep(found: Sequence[tuple[str, Contract]]) -> list[tuple[tuple[str, Contract], str]]:
        owners = call.ports.store.get_many(Customer, [(i, "") for i in dict.fromkeys(c for c, _ in found)])
        local = {c.id: local_date(now, c.zone(settings)) for c in owners}
        return [((i, c), rows_of("contracts", planned_json(c, local.get(i, now.date())))) for i, c in found]

    sources = [nested(owner, lambda i: _contracts(call.ports, i)) for owner in _owners(call)]
    return _csv("contracts", call, _page(call, sources, keep))


@endpoint(
    router, "GET", "/v1/export/usage", filters={**OF_CUSTOMER, "contract_id": id_of("con_")}, gives=CSV_TYPE
)  # fmt: skip
def export_usage(call: Call[Any]) -> Answer:
    """Usage records as CSV."""
    ports = call.ports
    if "contract_id" in call.query:
        contract = contract_of(call.query["contract_id"], ports)
        return _csv(
            "usage", call, _page(call, [_usage(ports, contract.id)], lambda found: [(u, _row(u)) for u in found])
        )
    contracts = [nested(owner, lambda i: _contracts(ports, i)) for owner in _owners(call)]
    sources = [nested(source, lambda pair: _usage(ports, pair[1].id)) for source in contracts]
    return _csv("usage", call, _page(call, sources, lambda found: [(pair, _row(pair[1])) for pair in found]))


@endpoint(
    router, "GET", "/v1/export/invoices", gives=CSV_TYPE,
    filters={**OF_CUSTOMER, "status": one_of("draft", "posted", "void")},
)  # fmt: skip
def export_invoices(call: Call[Any]) -> Answer:
    """Invoices as CSV, a row per line."""
    status = call.query.get("status")

    def keep(found: Sequence[tuple[str, str]]) -> list[tuple[tuple[str, str], str]]:
        there = call.ports.store.get_many(Invoice, [(i, "") for _, i in found])
        wanted = [i for i in there if status in (None, i.status)]
        rows = {
            i.id: rows_of("invoices", shown)
            for i, shown in zip(wanted, invoices_shown(call.ports, wanted), strict=True)
        }
        return [(pair, rows[pair[1]]) for pair in found if pair[1] in rows]

    sources = [nested(owner, lambda i: _invoices(call.ports, i)) for owner in _owners(call)]
    return _csv("invoices", call, _page(call, sources, keep))


# ---- where they are found -------------------------------------------------------------------------------------


def _owners(call: Call[Any]) -> list[Source[str]]:
    """The ids of the customers: the one asked for, or all of them."""
    if "customer_id" in call.query:
        only = customer_of(call.ports, call.query["customer_id"]).id
        return [Source(lambda after, most: Page((only,)), lambda id: id)]
    return [_ids(source) for source in indexed(call.ports, CUSTOMERS, *shards())]


def _ids(source: Source[Entry]) -> Source[str]:
    """By id alone: the place of an entry is told by the index, and is kept beside it."""
    places: dict[str, str] = {}

    def fetch(after: str | None, most: int) -> Page[str]:
        page = source.fetch(after, most)
        places.update((entry.partition, source.place(entry)) for entry in page.items)
        return Page(tuple(entry.partition for entry in page.items), page.cursor)

    return Source(fetch, lambda id: places[id])


def _contracts(ports: Ports, customer_id: str) -> Source[Contract]:
    return Source(
        lambda after, most: ports.store.list(Contract, customer_id, after=after, limit=most),
        lambda contract: contract.id,
    )


def _usage(ports: Ports, contract_id: str) -> Source[UsageRecord]:
    return Source(
        lambda after, most: ports.store.list(UsageRecord, contract_id, after=after, limit=most),
        lambda record: record.id,
    )


def _invoices(ports: Ports, customer_id: str) -> Source[str]:
    """Ids, in their order: the index has them by the time of their making."""

    def fetch(after: str | None, most: int) -> Page[str]:
        found = entries(ports, INVOICES_BY_CUSTOMER, customer_id, most=INVOICES_MAX)
        rest = sorted(e.partition for e in found if after is None or e.partition > after)
        return Page(tuple(rest[:most]), rest[most - 1] if len(rest) > most else None)

    return Source(fetch, lambda id: id)


# ---- the answer -----------------------------------------------------------------------------------------------


def _row(record: UsageRecord) -> str:
    return rows_of("usage", usage_json(record))


def _page(call: Call[Any], sources: Any, keep: Any) -> Answer:
    asked = replace(call, query={"limit": THINGS_MAX, **call.query})
    return page_of(asked, sources, keep, list, ahead=PAGE_LIMIT, weigh=_weight)


def _weight(rows: str) -> int:
    return len(rows.encode()) // BYTES_PER_WEIGHT


def _csv(kind: Kind, call: Call[Any], page: Answer) -> Answer:
    cursor = page.body["next_cursor"]
    headers = {"Content-Disposition": f'attachment; filename="{kind}.csv"'}
    if cursor is not None:
        given = {name: str(value) for name, value in call.query.items() if name != "cursor"}
        query = urlencode({**given, "cursor": cursor}, quote_via=quote)
        headers |= {"Next-Cursor": cursor, "Link": f'</v1/export/{kind}?{query}>; rel="next"'}
    text = header_of(kind) + "".join(page.body["items"])
    return Answer(200, text, f"{CSV_TYPE}; charset=utf-8", headers)
