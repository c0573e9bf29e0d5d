"""Making, opening and revoking pay links. PRODUCT 11.

A link is made wherever one is handed out: its token goes into the URL and is forgotten, its digest is stored with the
claim of the mail that carries it. Opening one writes nothing.
"""

from __future__ import annotations

from datetime import timedelta

from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import Refused
from shared.domain.notice import Notice, notice_id
from shared.domain.pay_link import NoEntry, PayLink, digest_of
from shared.domain.settings import Settings
from shared.ports import Check, Conflict, Ports, Save, Unavailable
from shared.use_cases.customers import change_customer
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, settings_of
from shared.use_cases.notices import hint

KIND = "pay_link"  # of the mail that brings a fresh one
FRESH_EVERY = "%Y-%m-%dT%H"  # one fresh link an hour, whoever asks


def new_link(customer: Customer, settings: Settings, ports: Ports) -> tuple[str, PayLink]:
    """A token, and the link to be stored in the transaction that hands it out."""
    token = ports.ids.new("") + ports.ids.new("")  # 256 bits: a link is on paper and in mailboxes for long
    expires_at = ports.clock.now() + timedelta(days=settings.pay_link.expires_days)
    return token, PayLink(digest_of(token), customer.id, customer.pay_epoch, expires_at)


def create_link(customer_id: str, ports: Ports) -> tuple[str, PayLink]:
    """A link for an admin to hand out: its URL, which nobody can ask for again, and what is stored of it.

    Raises NotFound, and Refused for a customer who was erased.
    """
    for _ in range(CONFLICT_RETRIES):
        customer = customer_of(ports, customer_id)
        if customer.erased_at is not None:
            raise Refused("erased", f"customer {customer_id} was erased and has no page any more")
        token, link = new_link(customer, settings_of(ports), ports)
        try:
            ports.store.commit(Save(link), Check(customer))
        except Conflict:
            continue
        return ports.pay_url(token), link
    raise Unavailable(f"customer {customer_id} kept changing")


def revoke_links(customer_id: str, ports: Ports) -> Customer:
    """Every link made so far stops working at once, in whatever mail or document it is."""
    return change_customer(customer_id, lambda c: replace(c, pay_epoch=c.pay_epoch + 1), ports)


def open_link(token: str, ports: Ports) -> Customer:
    """The customer whose page it opens. Raises NoEntry."""
    link = ports.store.get(PayLink, digest_of(token))
    customer = ports.store.get(Customer, link.customer_id) if link is not None else None
    if link is None or customer is None:
        raise NoEntry("unknown")
    if link.epoch != customer.pay_epoch or customer.erased_at is not None:
        raise NoEntry("revoked", customer.id)
    if ports.clock.now() >= link.expires_at:
        raise NoEntry("expired", customer.id)
    return customer


def send_fresh_link(token: str, ports: Ports) -> bool:
    """Mail a fresh link to the address on file, at most one an hour; whether one is on its way now.

    Only an expired link asks for it: what was revoked stays so. Raises NoEntry for any other that does not open.
    """
    try:
        open_link(token, ports)
        return False
    except NoEntry as closed:
        if closed.reason != "expired":
            raise
        customer = customer_of(ports, closed.customer_id)
    now = ports.clock.now()
    episode = now.strftime(FRESH_EVERY)
    notice = Notice(
        id=notice_id(customer.id, KIND, customer.id, episode), customer_id=customer.id, kind=KIND,
        subject_id=customer.id, episode=episode, created_at=now, by_hand=True,
    )  # fmt: skip
    if not customer.mailable():
        return False
    try:
        ports.store.commit(Save(notice), Check(customer))
    except Conflict:
        return False  # asked for within the hour
    hint(ports, notice.id)
    return True
