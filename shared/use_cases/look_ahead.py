"""What a batch of work will read, read together: a few calls instead of several for each piece of work.

Each of these may be left out, and nothing but the number of calls changes. Gates are read before the settings they
guard, as everywhere: a claim checks the gate, so a change in between is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from shared.domain.autopay import AutopayList
from shared.domain.card import CardTries, CardUse
from shared.domain.collection import CollectionState
from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.ids import shard_of
from shared.domain.invoice import Invoice, InvoiceLines, part_keys
from shared.domain.notice import Notice, notice_id
from shared.domain.payment import Payment, PaymentMethod, attempt_id
from shared.domain.policy import CustomerClass
from shared.domain.settings import Settings, SettingsGate
from shared.domain.template import PARTITION as TEMPLATES
from shared.domain.template import StoredTemplate
from shared.ports import Key, LooksAhead, Ports
from shared.use_cases.lookups import settings_of
from shared.use_cases.notices import template_name

E = TypeVar("E")

SETTINGS: Key = (Settings, "settings", "")


def ahead_of_billing(customer_ids: Sequence[str], ports: Ports) -> None:
    """For billing these customers. Their contracts are listed one customer at a time: so one cannot hinder another."""
    if isinstance(ports.store, LooksAhead):
        ports.store.ahead(_each(Customer, customer_ids))


def ahead_of_assessments(customer_ids: Sequence[str], ports: Ports) -> None:
    """For following up these customers. What they owe is found for each by itself, as it is at that moment."""
    store = ports.store
    if not isinstance(store, LooksAhead):
        return
    store.ahead([SETTINGS, *_each(Customer, customer_ids), *_each(CollectionState, customer_ids)])
    store.ahead(_each_in("classes", CustomerClass, (c.class_id for c in _those(Customer, customer_ids, ports))))


def ahead_of_notices(ids: Sequence[str], ports: Ports) -> None:
    """For sending these notices."""
    store = ports.store
    if not isinstance(store, LooksAhead):
        return
    store.ahead([*_gates(ids, ports), *((Notice, id, "") for id in ids)])
    notices = store.get_many(Notice, [(id, "") for id in ids])
    store.ahead([SETTINGS, *_each(Customer, (n.customer_id for n in notices)), *map(_subject, notices)])
    settings = settings_of(ports)
    names = {template_name(notice, settings) for notice in notices}
    keys: list[Key] = [(StoredTemplate, TEMPLATES, name) for name in names]
    of_payments = [(n.subject_id, "") for n in notices if n.kind.startswith("payment_")]
    for payment in store.get_many(Payment, of_payments):
        keys += _each(Invoice, (a.invoice_id for a in payment.allocations))
        keys += _each(Invoice, [payment.invoice_id] if payment.invoice_id else [])
        keys.append((PaymentMethod, payment.customer_id, payment.payment_method_id or ""))
    store.ahead(keys)


def _subject(notice: Notice) -> Key:
    kind = Payment if notice.kind.startswith("payment_") else Invoice
    return (kind, notice.subject_id, "")


def ahead_of_mail_events(notice_ids: Sequence[str], ports: Ports) -> None:
    """For taking in what became of these notices."""
    if isinstance(ports.store, LooksAhead):
        ports.store.ahead(_each(Notice, notice_ids))


def ahead_of_documents(invoice_ids: Sequence[str], ports: Ports) -> None:
    """For rendering these invoices."""
    store = ports.store
    if not isinstance(store, LooksAhead):
        return
    store.ahead([SETTINGS, *_each(Invoice, invoice_ids)])
    keys: list[Key] = []
    for invoice in store.get_many(Invoice, [(id, "") for id in invoice_ids]):
        keys.append((Customer, invoice.customer_id, ""))
        keys.append((Notice, notice_id(invoice.customer_id, "invoice", invoice.id), ""))
        keys += ((InvoiceLines, *key) for key in part_keys(invoice))
    store.ahead(keys)


def ahead_of_charges(invoice_ids: Sequence[str], ports: Ports) -> None:
    """For charging these invoices by their customers' rules. Tries are read before the customers that they guard."""
    store = ports.store
    if not isinstance(store, LooksAhead):
        return
    store.ahead([*_gates(invoice_ids, ports), *_each(Invoice, invoice_ids)])
    invoices = store.get_many(Invoice, [(id, "") for id in invoice_ids])
    owners = list(dict.fromkeys(i.customer_id for i in invoices))
    store.ahead(_each(CardTries, owners))
    attempts = _each(Payment, (attempt_id(i.id, i.attempts) for i in invoices if i.attempts))
    of_owners = (key for kind in (Customer, AutopayList) for key in _each(kind, owners))
    store.ahead([SETTINGS, *of_owners, *attempts])
    keys = [*_each_in("classes", CustomerClass, (c.class_id for c in _those(Customer, owners, ports)))]
    methods: list[tuple[str, str]] = []
    for listed in _those(AutopayList, owners, ports):
        methods += ((listed.customer_id, rule.payment_method_id) for rule in listed.rules)
        named = (str(v) for r in listed.rules for c in r.criteria if c.type == "contract" for v in c.values)
        keys += _each_in(listed.customer_id, Contract, named)
    store.ahead([*keys, *((PaymentMethod, *method) for method in methods)])
    tries = {t.customer_id: t for t in _those(CardTries, owners, ports)}
    cards = store.get_many(PaymentMethod, methods)
    now = ports.clock.now()
    unknown = (c for c in cards if c.customer_id not in tries or not tries[c.customer_id].knows(c.token, now))
    store.ahead([(CardUse, card.customer_id, card.token) for card in unknown])


def _those(kind: type[E], owners: Iterable[str], ports: Ports) -> list[E]:
    return ports.store.get_many(kind, [(owner, "") for owner in owners])


def _gates(ids: Iterable[str], ports: Ports) -> Iterator[Key]:
    return ((SettingsGate, f"gate{shard_of(ports.gate or id)}", "") for id in ids)


def _each(kind: type[object], ids: Iterable[str]) -> list[Key]:
    return [(kind, id, "") for id in ids]


def _each_in(partition: str, kind: type[object], sorts: Iterable[str]) -> list[Key]:
    return [(kind, partition, sort) for sort in sorts]
