"""One thing of an imported file: created, brought up to date, or left alone, by the rules of its own routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

from functions.admin_api.calls import Call
from functions.admin_api.invoice_actions import patch_draft, post_new_invoice
from functions.admin_api.invoices import shown as invoices_shown
from functions.admin_api.once import ChosenIds
from functions.admin_api.payments import post_payment
from shared.contracts.api_contracts import (
    ContractBody,
    ContractChangeBody,
    OnBody,
    RenameBody,
    planned_json,
    read_contract,
)
from shared.contracts.api_customers import CustomerBody, customer_tree, read_customer
from shared.contracts.api_fields import Body, FieldError, InvalidBody, decimal, minor, read_body, refuse
from shared.contracts.api_invoices import DraftBody, InvoiceBody
from shared.contracts.api_json import merge_patch
from shared.contracts.api_payments import PaymentBody, payment_json
from shared.contracts.api_usage import UsageRecordBody, read_record
from shared.contracts.import_csv import Item, Kind, RowError, imported_id
from shared.domain.amend import charge_changed
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import DomainError, Invalid, NotFound, Refused
from shared.domain.invoice import Invoice
from shared.domain.payment import Payment
from shared.domain.records import Owner
from shared.ports import INVOICES_BY_CUSTOMER, Conflict, Ports
from shared.use_cases.contracts import contract_of, create_contract, rename_contract
from shared.use_cases.customers import change_customer, create_customer, named_by
from shared.use_cases.lookups import customer_of, entries, settings_of, today
from shared.use_cases.post_invoices import post_invoice, posted_lately
from shared.use_cases.record_usage import ACCEPTED, DUPLICATE, record_each

Done = Literal["loaded", "updated", "unchanged"]
UNCHANGEABLE: Final = "differs from what is there, which an import does not change"
INVOICES_MAX: Final = 10_000  # of one customer, looked through for a number
COMING: Final = ("starts_on", "changes")  # of a charge: what its creation by a request cannot say
DRAFT_FIELDS: Final = frozenset({"lines", "invoice_date", "due_on"})
NUMBERS: Final = frozenset({"amount", "unit_amount", "quantity", "included_quantity", "up_to"})  # equal by value
_FIELD_OF_CODE: Final = {"external_id_taken": "external_id", "number_taken": "number", "id_taken": "id"}


def errors_of(error: Exception, item: Item) -> list[RowError]:
    """What a refusal says of the row. Raises what is no fault of the row."""
    if isinstance(error, InvalidBody):
        return [item.error(e.field, e.message) for e in error.errors]
    if isinstance(error, Invalid):
        return [item.error(error.field, error.message)]
    if isinstance(error, NotFound):
        return [item.error(f"{error.what.removeprefix('customer ')}_id", f"there is no {error.what} {error.id!r}")]
    if isinstance(error, Refused):
        return [item.error(_FIELD_OF_CODE.get(error.code, ""), str(error))]
    if isinstance(error, Conflict):
        return [item.error("", "was changed by somebody else meanwhile: import it again")]
    if isinstance(error, DomainError):
        return [item.error("", str(error))]
    raise error


# ---- customers ------------------------------------------------------------------------------------------------


def load_customer(item: Item, call: Call[Any]) -> Done:
    """Found by its id or its external id; what the row does not say stays as it is."""
    ports, fields = call.ports, {k: v for k, v in item.body.items() if k != "id"}
    known = ports.store.get(Customer, _customer_id(item, ports))
    if known is None:
        body = read_body(CustomerBody, item.body)
        currency = body.currency or settings_of(ports).business.currency
        made = create_customer(read_customer(body, Customer(item.id, body.name, currency=currency)), ports)
        return "loaded" if made.fresh else "unchanged"
    changed = False

    def edit(before: Customer) -> Customer:
        nonlocal changed
        after = read_customer(read_body(CustomerBody, merge_patch(customer_tree(before), fields)), before)
        if after.email != before.email:
            after = replace(after, email_problem=None)  # whoever gives the address vouches for it
        changed = after != before
        return after

    change_customer(known.id, edit, ports)
    return "updated" if changed else "unchanged"


def _customer_id(item: Item, ports: Ports) -> str:
    """An external id leads to whoever has it, also to a customer that was not imported."""
    external = item.body.get("external_id")
    if external is None or item.id != imported_id("customers", external):
        return item.id
    return named_by(external, ports) or item.id


def _owned(item: Item, ports: Ports) -> dict[str, Any]:
    """The body, with the customer that the file names by its external id."""
    if item.customer_external_id is None:
        return dict(item.body)
    return {**item.body, "customer_id": named_by(item.customer_external_id, ports) or item.body["customer_id"]}


# ---- contracts ------------------------------------------------------------------------------------------------


def load_contract(item: Item, call: Call[Any]) -> Done:
    """Created with its charges; of one that is there, only the name changes: the rest has dates, and is no import's."""
    ports, body = call.ports, _owned(item, call.ports)
    owner = ports.store.get(Owner, item.id)
    if owner is not None:
        return _change_contract(item, body, contract_of(item.id, ports), ports)
    if "customer_id" not in body:
        refuse("customer_id", "is required, or customer_external_id")
    if item.status == "suspended":
        refuse("status", "cannot be brought over: import the contract without a status, then suspend it")
    customer = customer_of(ports, str(body.pop("customer_id")))
    charges = [dict(charge) for charge in body.get("charges", ())]
    coming = [{name: charge.pop(name) for name in COMING if name in charge} for charge in charges]
    read = read_body(ContractBody, {**body, "charges": charges})
    made = read_contract(read, item.id, customer.id, customer.currency)
    for n, words in enumerate(coming):
        made = _with_coming(made, n, words)
    return "loaded" if create_contract(made, ports).fresh else "unchanged"


def _with_coming(contract: Contract, n: int, words: Mapping[str, Any]) -> Contract:
    """The contract with the first day of its n-th charge, and with the changes of it that are to come."""
    charges = list(contract.charges)
    if "starts_on" in words:
        with _named(f"charges[{n}].starts_on"):
            charges[n] = replace(charges[n], starts_on=read_body(OnBody, {"on": words["starts_on"]}).on)
        contract = replace(contract, charges=tuple(charges))
    for change in words.get("changes", ()):
        with _named(f"charges[{n}].changes"):
            body = read_body(ContractChangeBody, change)
            amount = None if body.amount is None else minor(body.amount, contract.currency)
            contract = charge_changed(contract, charges[n].id, body.effective_on, amount, body.quantity)
    return contract


@contextmanager
def _named(name: str) -> Iterator[None]:
    """What is wrong inside is wrong with this field."""
    try:
        yield
    except InvalidBody as wrong:
        refuse(name, wrong.errors[0].message)
    except (DomainError, ValueError) as wrong:
        refuse(name, wrong.message if isinstance(wrong, Invalid) else str(wrong))


def _change_contract(item: Item, body: Mapping[str, Any], known: Contract, ports: Ports) -> Done:
    on = today(ports, customer_of(ports, known.customer_id), settings_of(ports))
    shown = planned_json(known, on)
    usual = {"taxable": True, "timing": "arrears"}  # not shown where it is so
    shown["charges"] = [{**usual, **charge} for charge in shown["charges"]]
    differing = _differing(body, shown)
    _refuse_all(differing - {"name"})
    if not differing:
        return "unchanged"
    name = read_body(RenameBody, {"name": body["name"]}).name
    rename_contract(item.id, lambda before: replace(before, name=name), ports)
    return "updated"


# ---- usage ----------------------------------------------------------------------------------------------------


def load_usage(items: Sequence[Item], call: Call[Any]) -> list[Done | list[RowError]]:
    """What became of each record."""
    results: list[Done | list[RowError]] = []
    read: list[tuple[int, Any]] = []
    for n, item in enumerate(items):
        results.append([])
        try:
            read.append((n, read_record(read_body(UsageRecordBody, item.body))))
        except InvalidBody as wrong:
            results[n] = errors_of(wrong, item)
    for (n, _), word in zip(read, record_each([record for _, record in read], call.ports), strict=True):
        results[n] = _USAGE_DONE[word] if word in _USAGE_DONE else [items[n].error("", word)]
    return results


_USAGE_DONE: Final[Mapping[str, Done]] = {ACCEPTED: "loaded", DUPLICATE: "unchanged"}


# ---- invoices -------------------------------------------------------------------------------------------------


def load_invoice(item: Item, call: Call[Any]) -> Done:
    """Created, and posted unless it is a draft. A draft that is there changes; what is posted does not."""
    ports, body = call.ports, _owned(item, call.ports)
    known = ports.store.get(Invoice, item.id)
    if known is not None:
        return _change_invoice(body, known, call)
    if item.status == "void":
        refuse("status", "a void invoice is not brought over: nothing is owed on it")
    post_new_invoice(_as_posted(call, "inv_", item.id, InvoiceBody, body))
    return "loaded"


def _change_invoice(body: Mapping[str, Any], known: Invoice, call: Call[Any]) -> Done:
    (shown,) = invoices_shown(call.ports, [known])
    post = bool(body["post"])
    differing = _differing({k: v for k, v in body.items() if k != "post"}, shown)
    _refuse_all(differing - (DRAFT_FIELDS if known.status == "draft" else frozenset()))
    if differing:
        patch = {name: body[name] for name in differing}
        patch_draft(replace(call, body=read_body(DraftBody, patch), raw=patch, if_match=None), known.id)
    if post and (known.status == "draft" or posted_lately(known, call.ports)):
        post_invoice(known.id, call.ports)
    return "updated" if differing or (post and known.status == "draft") else "unchanged"


# ---- payments -------------------------------------------------------------------------------------------------


def load_payment(item: Item, call: Call[Any]) -> Done:
    """Recorded by hand, once. What it pays may be named by the invoice's number."""
    ports, body = call.ports, _owned(item, call.ports)
    if "allocations" in body:
        customer = str(body.get("customer_id", ""))
        body["allocations"] = [_numbered(a, customer, ports) for a in body["allocations"]]
    known = ports.store.get(Payment, item.id)
    if known is not None:
        _refuse_all(_differing(body, payment_json(known)))
        return "unchanged"
    post_payment(_as_posted(call, "pay_", item.id, PaymentBody, body))
    return "loaded"


def _numbered(allocation: Mapping[str, Any], customer_id: str, ports: Ports) -> dict[str, Any]:
    if "invoice_number" not in allocation:
        return dict(allocation)
    id = _invoice_numbered(str(allocation["invoice_number"]), customer_id, ports)
    if id is None:
        refuse("invoice_number", "the customer has no invoice of this number")
    return {"invoice_id": id, "amount": allocation["amount"]}


def _invoice_numbered(number: str, customer_id: str, ports: Ports) -> str | None:
    imported = ports.store.get(Invoice, imported_id("invoices", number))
    if imported is not None and imported.customer_id == customer_id:
        return imported.id
    found = [e.key for e in entries(ports, INVOICES_BY_CUSTOMER, customer_id, most=INVOICES_MAX)]
    return next((i.id for i in ports.store.get_many(Invoice, found) if i.number == number), None)


# ---- what they share ------------------------------------------------------------------------------------------

LOAD: Final[Mapping[Kind, Callable[[Item, Call[Any]], Done]]] = {
    "customers": load_customer,
    "contracts": load_contract,
    "invoices": load_invoice,
    "payments": load_payment,
}


def _as_posted(call: Call[Any], prefix: str, id: str, model: type[Body], body: Mapping[str, Any]) -> Call[Any]:
    """The call as if the row had been sent by itself."""
    ids = ChosenIds(prefix, id, call.ports.ids)
    return replace(call, body=read_body(model, dict(body)), raw=dict(body), ports=replace(call.ports, ids=ids))


def _differing(body: Mapping[str, Any], shown: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for name, value in body.items() if not _same(name, value, shown.get(name)))


def _refuse_all(names: frozenset[str]) -> None:
    if names:
        raise InvalidBody([FieldError(name, UNCHANGEABLE) for name in sorted(names)])


def _same(name: str, given: Any, current: Any) -> bool:
    """Whether what a file says is already so: amounts by value, objects by the keys the file has."""
    if isinstance(given, dict):
        return isinstance(current, dict) and all(_same(key, value, current.get(key)) for key, value in given.items())
    if isinstance(given, list):
        if not isinstance(current, list) or len(given) != len(current):
            return False
        return all(_same(name, one, other) for one, other in zip(given, current, strict=True))
    if name in NUMBERS and isinstance(given, str) and isinstance(current, str):
        try:
            return decimal(given) == decimal(current)
        except ValueError:
            return False
    return bool(given == current)
