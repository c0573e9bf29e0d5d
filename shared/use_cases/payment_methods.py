"""The payment methods of a customer. No card number ever reaches Paidup. PRODUCT 7."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.copies import replace
from shared.domain.errors import NotFound, Refused
from shared.domain.payment import PaymentMethod
from shared.domain.records import Owner
from shared.ports import Conflict, Ports, Remove, Unavailable
from shared.use_cases.card_tries import attempts_kept_off, begin_tries
from shared.use_cases.creating import Created, create
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of

METHODS_MAX = 50  # of one customer


def add_method(method: PaymentMethod, ports: Ports) -> Created[PaymentMethod]:
    """Keep a gateway token for a customer; its id is unique among all customers'."""
    customer_of(ports, method.customer_id)
    check_room(methods_of(method.customer_id, ports))
    begin_tries(method.customer_id, ports)
    dated = replace(method, created_at=ports.clock.now())
    owner = Owner(method.id, method.customer_id)
    return create(dated, ports, owner, partition=method.customer_id, sort=method.id)


def check_room(methods: Sequence[PaymentMethod]) -> None:
    if len(methods) >= METHODS_MAX:
        raise Refused("too_many", f"a customer has at most {METHODS_MAX} payment methods; remove one first")


def remove_method(method_id: str, ports: Ports) -> PaymentMethod:
    """Forget the token. The id stays taken, so that old payments never seem made with another card."""
    for _ in range(CONFLICT_RETRIES):
        method = method_of(method_id, ports)
        try:
            ports.store.commit(Remove(method), *attempts_kept_off(method.customer_id, ports))
        except Conflict:
            continue
        return method
    raise Unavailable(f"payment method {method_id} kept changing")


def method_of(method_id: str, ports: Ports) -> PaymentMethod:
    owner = ports.store.get(Owner, method_id)
    method = ports.store.get(PaymentMethod, owner.customer_id, method_id) if owner else None
    if method is None:
        raise NotFound("payment method", method_id)
    return method


def methods_of(customer_id: str, ports: Ports) -> tuple[PaymentMethod, ...]:
    """At most METHODS_MAX, oldest first: the order in which they are used."""
    found = ports.store.list(PaymentMethod, customer_id, limit=METHODS_MAX).items
    if len(found) < 2:
        return found
    return tuple(sorted(found, key=lambda m: (str(m.created_at), m.id)))
