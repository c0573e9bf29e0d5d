"""Loads a sheet's items through the admin API, one by one: creates, updates, or leaves what is there already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal
from urllib.parse import quote

from infra.cli.client import Answer, Api
from infra.cli.outcome import Refused
from shared.contracts.import_csv import Item, Kind, RowError, Sheet, imported_id

USAGE_BATCH: Final = 500  # records per request, the API's limit
PAGES_MAX: Final = 100  # of one customer's invoices, looked through for a number
CHANGEABLE: Final = ("customers", "contracts")
Done = Literal["loaded", "updated", "unchanged"]


class Rejected(Exception):
    """The API refused an item; `errors` are (field, message)."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(message for _, message in errors))
        self.errors = tuple(errors)


@dataclass(slots=True)
class Loaded:
    """The report of an import. The API's answer has the same shape."""

    loaded: int = 0
    updated: int = 0
    unchanged: int = 0
    errors: list[RowError] = field(default_factory=list)

    def count(self, done: Done, times: int = 1) -> None:
        setattr(self, done, getattr(self, done) + times)

    def as_json(self) -> dict[str, Any]:
        errors = [error.as_json() for error in self.errors]
        return {"loaded": self.loaded, "updated": self.updated, "unchanged": self.unchanged, "errors": errors}


def load(sheet: Sheet, api: Api, progress: Callable[[int], None] = lambda _: None) -> Loaded:
    """Load what can be loaded and report the rest by row. Loaded again, the same sheet changes nothing.

    `progress` is told how many items are done. Raises Refused when the server is away or refuses us.
    """
    report = Loaded(errors=list(sheet.errors))
    if sheet.kind == "usage":
        _load_usage(sheet.items, api, report, progress)
    else:
        loader = _Loader(sheet.kind, api)
        for item in sheet.items:
            try:
                report.count(loader.load(item))
            except Rejected as rejected:
                report.errors += _once(item.error(name, message) for name, message in rejected.errors)
            progress(1)
    report.errors.sort(key=lambda error: error.row)
    return report


def _once(errors: Iterable[RowError]) -> list[RowError]:
    """One cell may stand in two places of a body, such as a payment's amount in its allocation."""
    first: dict[tuple[int, str], RowError] = {}
    for error in errors:
        first.setdefault((error.row, error.message), error)
    return list(first.values())


class _Loader:
    def __init__(self, kind: Kind, api: Api) -> None:
        self._kind = kind
        self._api = api
        self._numbers: dict[str, dict[str, str]] = {}  # customer -> invoice number -> invoice id

    def load(self, item: Item) -> Done:
        """Raises Rejected."""
        body = self._resolved(item.body)
        answer = self._call("POST", self._collection(body), _created(self._kind, body))
        if answer.status == 201:
            return "loaded"
        if answer.status == 409 or (answer.ok and self._kind in CHANGEABLE):
            return self._settle(item, body, answer)  # 200 says what was made then, not what is there now
        if answer.ok:
            return "unchanged"
        raise Rejected(answer.errors())

    def _collection(self, body: Mapping[str, Any]) -> str:
        if self._kind != "contracts":
            return f"/v1/{self._kind}"
        if "customer_id" not in body:
            raise Rejected([("customer_id", "is required")])
        return f"/v1/customers/{quote(str(body['customer_id']), safe='')}/contracts"

    def _settle(self, item: Item, body: dict[str, Any], conflict: Answer) -> Done:
        """There is one of this id: the same, one to be brought up to date, or another one that may not change."""
        current = self._call("GET", f"/v1/{self._kind}/{quote(item.id, safe='')}")
        if not current.ok:
            raise Rejected(conflict.errors())
        differing = {key: value for key, value in body.items() if not _same(value, current.body.get(key))}
        differing.pop("post", None)
        if not differing:
            return "unchanged"
        if self._kind == "customers" or (self._kind == "contracts" and differing.keys() <= {"name"}):
            answer = self._call("PATCH", f"/v1/{self._kind}/{quote(item.id, safe='')}", differing)
            if answer.ok:
                return "updated"
            raise Rejected(answer.errors())
        raise Rejected([(name, "differs from what is there, which an import does not change") for name in differing])

    def _resolved(self, body: dict[str, Any]) -> dict[str, Any]:
        """A payment's invoice numbers as ids."""
        if not any("invoice_number" in allocation for allocation in body.get("allocations", ())):
            return body
        customer = str(body.get("customer_id", ""))
        allocations = [
            {"invoice_id": self._invoice(customer, a["invoice_number"]), "amount": a["amount"]}
            if "invoice_number" in a
            else a
            for a in body["allocations"]
        ]
        return {**body, "allocations": allocations}

    def _invoice(self, customer: str, number: str) -> str:
        imported = imported_id("invoices", number)
        if self._call("GET", f"/v1/invoices/{imported}").ok:
            return imported
        if customer not in self._numbers:
            self._numbers[customer] = {i["number"]: i["id"] for i in self._invoices_of(customer) if i.get("number")}
        if number not in self._numbers[customer]:
            raise Rejected([("invoice_number", "the customer has no invoice of this number")])
        return self._numbers[customer][number]

    def _invoices_of(self, customer: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            after = f"&cursor={quote(cursor, safe='')}" if cursor else ""
            page = self._call("GET", f"/v1/invoices?customer_id={quote(customer, safe='')}&limit=200{after}")
            if not page.ok:
                raise Rejected(page.errors())
            found += page.body["items"]
            cursor = page.body.get("next_cursor")
            if not cursor:
                break
        return found

    def _call(self, method: str, path: str, body: Any = None) -> Answer:
        return _checked(self._api.call(method, path, body))


def _load_usage(items: Sequence[Item], api: Api, report: Loaded, progress: Callable[[int], None]) -> None:
    """In batches. A record that makes its whole batch invalid is reported, and the others are sent without it."""
    for start in range(0, len(items), USAGE_BATCH):
        batch = list(items[start : start + USAGE_BATCH])
        progress(len(batch))
        answer = _checked(api.call("POST", "/v1/usage", {"records": [item.body for item in batch]}))
        if answer.status == 422:
            wrong = _by_position(answer.errors())
            report.errors += [
                batch[n].error(name, words) for n, found in wrong.items() if n < len(batch) for name, words in found
            ]
            batch = [item for n, item in enumerate(batch) if n not in wrong]
            if not wrong or not batch:
                report.errors += [] if wrong else [item.error("", answer.words()) for item in batch]
                continue
            answer = _checked(api.call("POST", "/v1/usage", {"records": [item.body for item in batch]}))
        if not answer.ok:
            report.errors += [item.error("", answer.words()) for item in batch]
            continue
        _count_usage(batch, answer.body, report)


def _count_usage(batch: Sequence[Item], counts: Mapping[str, Any], report: Loaded) -> None:
    report.count("loaded", counts.get("accepted", 0))
    report.count("unchanged", counts.get("duplicate", 0))
    by_id = {item.id: item for item in batch}
    for rejected in counts.get("rejected", ()):
        if item := by_id.get(rejected.get("id", "")):
            report.errors.append(item.error("", rejected.get("message", "was rejected")))


def _by_position(errors: Sequence[tuple[str, str]]) -> dict[int, list[tuple[str, str]]]:
    """`records[3].quantity` as {3: [("quantity", …)]}"""
    found: dict[int, list[tuple[str, str]]] = {}
    for name, message in errors:
        head, _, rest = name.removeprefix("records[").partition("]")
        if name.startswith("records[") and head.isdigit():
            found.setdefault(int(head), []).append((rest.lstrip("."), message))
    return found


def _created(kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
    """What a POST takes: a contract's customer is in the path."""
    return {key: value for key, value in body.items() if not (kind == "contracts" and key == "customer_id")}


def _checked(answer: Answer) -> Answer:
    """Raises Refused where every further row would fare the same."""
    if answer.status in (401, 403):
        raise Refused(f"the server refuses us: {answer.words()}; give an operator's or admin's --token")
    return answer


def _same(given: Any, current: Any) -> bool:
    """Whether what a file says is already so: amounts by value, objects by the keys the file has."""
    if isinstance(given, dict):
        return isinstance(current, dict) and all(_same(value, current.get(key)) for key, value in given.items())
    if isinstance(given, list):
        return isinstance(current, list) and len(given) == len(current) and all(map(_same, given, current))
    if isinstance(given, str) and isinstance(current, str) and given != current:
        try:
            return Decimal(given) == Decimal(current)
        except InvalidOperation:
            return False
    return bool(given == current)
