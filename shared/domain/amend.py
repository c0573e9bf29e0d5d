"""Dated changes to a contract: price and quantity, charges added, suspension, resumption, end. PRODUCT 3.

Each answers the contract with the change in it. What that means for bills follows from the facts, see billing.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from shared.domain.billing import scheduled
from shared.domain.contract import CHANGES_MAX, CHARGES_MAX, PERIODS_KEPT, Change, Charge, Contract, Suspension
from shared.domain.copies import replace
from shared.domain.errors import Invalid, Refused
from shared.domain.money import InvalidAmount, multiply
from shared.domain.pricing import price_at
from shared.domain.progress import forgotten_before, progress_of
from shared.domain.service import timeline

SUSPENSIONS_MAX = 100  # of one contract


def charge_changed(
    contract: Contract, charge_id: str, effective_on: date, amount_minor: int | None = None,
    quantity: Decimal | None = None,
) -> Contract:  # fmt: skip
    """From a day on a recurring charge has another amount or quantity. A second change on one day joins the first."""
    charge = contract.charge(charge_id)
    if charge is None:
        raise Invalid("charge_id", "is not a charge of this contract")
    if charge.type != "recurring":
        raise Invalid("charge_id", f"is a {charge.type} charge; only a recurring one can be changed")
    if amount_minor is None and quantity is None:
        raise Invalid("quantity", "or an amount is needed: nothing would change")
    _within_service("effective_on", effective_on, contract, charge)
    _not_forgotten("effective_on", effective_on, contract, [charge])
    same_day = next((c for c in charge.changes if c.effective_on == effective_on), Change(effective_on))
    change = Change(
        effective_on,
        same_day.amount_minor if amount_minor is None else amount_minor,
        same_day.quantity if quantity is None else quantity,
    )
    changes = sorted((change, *(c for c in charge.changes if c is not same_day)), key=lambda c: c.effective_on)
    if len(changes) > CHANGES_MAX:
        raise Refused("too_many_changes", f"a charge can have {CHANGES_MAX} changes; end it and add a new one")
    changed = replace(charge, changes=tuple(changes))
    _check_prices(changed)
    charges = tuple(changed if c.id == charge_id else c for c in contract.charges)
    return scheduled(replace(contract, charges=charges))


def charge_added(contract: Contract, charge: Charge, effective_on: date) -> Contract:
    """A new charge, in service from a day on; its periods are those of the contract."""
    if contract.charge(charge.id) is not None:
        raise Refused("charge_exists", f"contract {contract.id} has a charge {charge.id} already")
    if len(contract.charges) >= CHARGES_MAX:
        raise Refused("too_many_charges", f"a contract can have {CHARGES_MAX} charges; make another contract")
    if charge.on is not None and charge.on < effective_on:
        raise Invalid("add.on", "must not be before effective_on")
    _within_service("effective_on", effective_on, contract)
    return scheduled(replace(contract, charges=(*contract.charges, replace(charge, starts_on=effective_on))))


def suspended(contract: Contract, on: date, by_collections: bool = False) -> Contract:
    """No service from a day on, until it is resumed."""
    _within_service("on", on, contract)
    _not_forgotten("on", on, contract, contract.charges)
    last = max(contract.suspensions, key=lambda s: s.suspended_on, default=None)
    if last is not None and last.resumed_on is None:
        raise Refused("suspended", f"contract {contract.id} is suspended from {last.suspended_on} on already")
    if last is not None and last.resumed_on is not None and on < last.resumed_on:
        raise Invalid("on", f"must not be before {last.resumed_on}, when the last suspension ended")
    if len(contract.suspensions) >= SUSPENSIONS_MAX:
        raise Refused("too_many_suspensions", f"a contract can be suspended {SUSPENSIONS_MAX} times; make a new one")
    return scheduled(replace(contract, suspensions=(*contract.suspensions, Suspension(on, None, by_collections))))


def resumed(contract: Contract, on: date) -> Contract:
    """Service again from a day on; resumed on the day it was suspended, it never was."""
    last = max(contract.suspensions, key=lambda s: s.suspended_on, default=None)
    if last is None or last.resumed_on is not None:
        raise Refused("not_suspended", f"contract {contract.id} is not suspended")
    if on < last.suspended_on:
        raise Invalid("on", f"must not be before {last.suspended_on}, when the suspension began")
    if contract.end_date is not None and on >= contract.end_date:
        raise Invalid("on", f"must be before {contract.end_date}, when the contract ends")
    _not_forgotten("on", on, contract, contract.charges)
    others = tuple(s for s in contract.suspensions if s is not last)
    over = (replace(last, resumed_on=on),) if on > last.suspended_on else ()
    return scheduled(replace(contract, suspensions=(*others, *over)))


def ended(contract: Contract, on: date) -> Contract:
    """The first day without service, for good."""
    if on < contract.start_date:
        raise Invalid("on", f"must not be before {contract.start_date}, when the contract starts")
    earlier = min(on, contract.end_date or on)
    _not_forgotten("on", earlier, contract, contract.charges)
    return scheduled(replace(contract, end_date=on))


# ---- checks ---------------------------------------------------------------------------------------------------


def _within_service(field: str, on: date, contract: Contract, charge: Charge | None = None) -> None:
    starts_on = max(contract.start_date, contract.billing_starts_on, (charge and charge.starts_on) or date.min)
    if on < starts_on:
        raise Invalid(field, f"must not be before {starts_on}, when billing starts")
    if contract.end_date is not None and on >= contract.end_date:
        raise Invalid(field, f"must be before {contract.end_date}, when the contract ends")


def _not_forgotten(field: str, on: date, contract: Contract, charges: Iterable[Charge]) -> None:
    """Bills can be corrected as far back as is remembered what they said."""
    for charge in charges:
        if charge.type == "one_time":
            continue
        floor = forgotten_before(progress_of(contract, charge.id), timeline(contract, charge))
        if floor is not None and on < floor:
            raise Invalid(
                field,
                f"must not be before {floor}: {charge.name} was billed for {PERIODS_KEPT} periods since, and what is "
                "further back cannot be corrected; issue a credit or debit memo for it",
            )


def _check_prices(charge: Charge) -> None:
    """Any two changes together must still make an amount."""
    for change in charge.changes:
        try:
            multiply(*price_at(charge, change.effective_on))
        except InvalidAmount as wrong:
            raise Invalid("quantity", str(wrong)) from wrong
