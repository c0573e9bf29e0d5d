"""New cards, which a customer gives to the gateway's own fields: Paidup is told the token only. PRODUCT 7, 11."""

from __future__ import annotations

from shared.domain.errors import Refused
from shared.domain.ids import derive_id
from shared.domain.payment import PaymentMethod
from shared.domain.records import Owner
from shared.ports import CardSetup, Ports
from shared.use_cases.lookups import customer_of
from shared.use_cases.payment_methods import add_method, check_room, methods_of


def prepare_card(customer_id: str, ports: Ports) -> CardSetup:
    """What a page needs to ask for a card. Nothing is stored here; the gateway keeps what it prepares.

    Raises NotFound, Refused when the customer has as many methods as can be, and Unavailable.
    """
    customer_of(ports, customer_id)
    methods = methods_of(customer_id, ports)
    check_room(methods)
    return ports.gateway.start_card(customer_id, ports.ids.new("card_"), [m.token for m in methods])


def add_card(customer_id: str, setup_reference: str, ports: Ports) -> PaymentMethod:
    """The payment method for the card that was given under this reference; the same one when asked again.

    Brand, last four and expiry are what the gateway says. Raises NotFound, Refused when there is no such card of this
    customer (yet), or when the method was removed since, and Unavailable.
    """
    customer_of(ports, customer_id)
    method_id = derive_id("pm_", customer_id, setup_reference)
    known = ports.store.get(PaymentMethod, customer_id, method_id)
    if known is not None:
        return known
    if ports.store.get(Owner, method_id) is not None:
        raise Refused("card_removed", "this card was removed; enter it anew to use it again")
    card = ports.gateway.finish_card(setup_reference, customer_id)
    if card is None:
        raise Refused("no_card", "the payment gateway has no new card of this customer here; enter it anew")
    method = PaymentMethod(method_id, customer_id, card.token, card.brand, card.last4, card.exp_month, card.exp_year)
    return add_method(method, ports).entity
