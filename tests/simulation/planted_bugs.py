"""Mistakes that are easy to make, each planted where it would be made: the simulation must find every one of them.

A bug is a function that takes pytest's monkeypatch; its budget is how many seeds may pass before it is found.
"""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

from functions.pay_page import forms
from infra.local import faults
from infra.local.faults import FaultyGateway, FaultyStore
from shared.domain import money
from shared.domain.collection import CollectionState
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.payment import ChargeOutcome
from shared.domain.task import Task
from shared.gateways.simulated import SimulatedGateway
from shared.ports import Check, Remove, Save
from shared.storage.memory import MemoryStore
from shared.storage.records import keys_of
from shared.use_cases import (
    assess_customer,
    charge_invoice,
    compose_notice,
    generate_drafts,
    hear_gateway,
    lookups,
    outbox,
    pay_links,
    post_invoices,
    reconcile_payments,
    refund_payment,
    send_notice,
    settle_payment,
    sweep_notices,
    void_invoice,
)


def a_fresh_key_for_every_call(patch):
    charge = SimulatedGateway.charge
    patch.setattr(
        SimulatedGateway, "look_up", lambda self, payment: charge(self, replace(payment, id=f"{payment.id}_again"))
    )


def a_timeout_read_as_a_decline(patch):
    patch.setattr(faults, "_UNHEARD", ChargeOutcome("declined", code="timeout"))


def unknown_attempts_taken_for_failed(patch):
    patch.setattr(SimulatedGateway, "look_up", lambda self, payment: ChargeOutcome("failed", code="not_processed"))


def a_decline_tried_again_with_its_key(patch):
    charge = FaultyGateway.charge

    def again(self, payment):
        outcome = charge(self, payment)
        return charge(self, payment) if outcome.status == "declined" else outcome

    patch.setattr(FaultyGateway, "charge", again)


def the_gateway_called_before_the_attempt_is_stored(patch):
    opened = charge_invoice.open_attempt

    def hasty(read, method, use, choice, run, ports, **more):
        attempt_id = charge_invoice.attempt_id(read.invoice.id, read.invoice.attempts + 1)
        ports.gateway.charge(
            charge_invoice.Payment(
                attempt_id, read.customer.id, read.invoice.currency, read.invoice.residual_minor, "card", "pending",
                read.now, invoice_id=read.invoice.id, token=method.token,
            )
        )  # fmt: skip
        return opened(read, method, use, choice, run, ports, **more)

    patch.setattr(charge_invoice, "open_attempt", hasty)


def an_open_attempt_overlooked(patch):
    patch.setattr(charge_invoice, "read_for_charge", _without_open_attempt(charge_invoice.read_for_charge))


def _without_open_attempt(read):
    def blind(invoice_id, run, ports):
        found = read(invoice_id, run, ports)
        return replace(found, invoice=replace(found.invoice, open_attempt_id=None))

    return blind


def transactions_torn_apart(patch):
    def commit(self, *changes):
        for change in changes:
            self._calls.plain("store.commit", lambda change=change: self._inner.commit(change))

    patch.setattr(FaultyStore, "commit", commit)


def holds_forgotten(patch):
    patch.setattr(Customer, "on_hold", lambda self, on: False)
    patch.setattr(Invoice, "on_hold", lambda self, on: False)


def pauses_forgotten(patch):
    patch.setattr(Customer, "pause", lambda self, automation: None)


def the_mark_before_the_mail(patch):
    hand_over = send_notice._hand_over

    def marked(notice, composed, settings, ports):
        ports.store.commit(Save(replace(notice, status="sent", sent_at=ports.clock.now())))
        return hand_over(replace(notice, version=notice.version + 1), composed, settings, ports)

    patch.setattr(send_notice, "_hand_over", marked)


def one_link_for_all(patch):
    links = {}

    def new_link(customer, settings, ports):
        return links.setdefault(id(ports.clock), pay_links.new_link(customer, settings, ports))

    patch.setattr(compose_notice, "new_link", new_link)


def only_the_first_page(patch):
    contracts_of = generate_drafts.bill_customer.__globals__["contracts_of"]
    patch.setitem(
        generate_drafts.bill_customer.__globals__, "contracts_of", lambda id, ports: list(contracts_of(id, ports))[:1]
    )


def only_the_first_shard(patch):
    patch.setattr(reconcile_payments, "shards", lambda: ["0"])


def the_event_forgotten_before_the_bus_has_it(patch):
    publish = outbox.publish_event

    def hasty(event_id, ports):
        event = ports.store.get(outbox.OutboxEvent, event_id)
        if event is not None:
            ports.store.commit(outbox.Remove(event))
            ports.bus.publish(event.detail_type, event.detail)
        return publish(event_id, ports)

    patch.setattr("functions.past_due.assess.publish_event", hasty)


def a_number_passed_over(patch):
    number = post_invoices._next

    def skipping(series, draft, ports):
        number(series, draft, ports)
        return number(series, draft, ports)

    patch.setattr(post_invoices, "_next", skipping)


def too_much_money_forgotten(patch):
    grown = settle_payment.grown_credit
    patch.setattr("shared.use_cases.record_payment.grown_credit", lambda c, cur, by, ports: grown(c, cur, 0, ports))


def a_webhook_believed(patch):
    def believed(payment, ports):
        hear_gateway.settle(payment, ChargeOutcome("succeeded"), ports)
        return "settled"

    patch.setattr(hear_gateway, "_settled", believed)
    patch.setattr(hear_gateway, "_concerned", _any_payment(hear_gateway._concerned))


def _any_payment(concerned):
    def unresolved(event, ports):
        payment = concerned(event, ports)
        return None if payment is None else replace(payment, status="failed") if event.succeeded else replace(
            payment, next_check_at=payment.at, status="unknown"
        )  # fmt: skip

    return unresolved


def revoked_links_still_open(patch):
    def open_link(token, ports):
        link = ports.store.get(pay_links.PayLink, pay_links.digest_of(token))
        return ports.store.get(Customer, link.customer_id)

    patch.setattr("functions.pay_page.app.open_link", open_link)


def looking_writes_something_down(patch):
    account = forms.own_account

    def noted(customer, settings, ports):
        ports.store.commit(Save(Task(ports.ids.new("tsk_"), "seen", "looked", customer.id, ports.clock.now())))
        return account(customer, settings, ports)

    patch.setattr("functions.pay_page.app.own_account", noted)


def fractions_cut_off(patch):
    patch.setattr(money, "_divide_half_up", lambda numerator, denominator: numerator // denominator)


def a_refusal_answered_as_a_failure(patch):
    def refuse(*args, **options):
        raise RuntimeError("not a refusal")

    patch.setattr("functions.admin_api.invoice_actions.void_invoice", refuse)


def a_table_that_no_role_allows(patch):
    sweep = sweep_notices.sweep_notices

    def curious(ports):
        ports.store.list(CollectionState, "cus_1")
        return sweep(ports)

    patch.setattr("functions.send_email.sweep.sweep_notices", curious)


def a_void_invoice_still_mailed(patch):
    patch.setattr(void_invoice, "_mail_stopped", lambda invoice, ports: [])


# ---- races that are lost -----------------------------------------------------------------------------------------


def preconditions_left_out(patch):
    """What was only read may have changed by the time of the transaction."""
    commit = MemoryStore.commit

    def unchecked(self, *changes):
        commit(self, *(c for c in changes if not isinstance(c, Check)))

    patch.setattr(MemoryStore, "commit", unchecked)


def the_last_writer_wins(patch):
    commit = MemoryStore.commit

    def overwriting(self, *changes):
        stored = [self.get(*key) for key in keys_of(changes)]
        commit(self, *(
            type(c)(replace(c.entity, version=old.version if old else 0))
            for c, old in zip(changes, stored, strict=True) if old is not None or not isinstance(c, Remove)
        ))  # fmt: skip

    patch.setattr(MemoryStore, "commit", overwriting)


def settings_remembered_from_the_first_mail_on(patch):
    kept = WeakKeyDictionary()
    patch.setattr(send_notice, "settings_of", lambda ports: kept.setdefault(ports.clock, lookups.settings_of(ports)))


def a_stale_chase_sent_again(patch):
    patch.setattr(send_notice, "AT_MOST_ONCE", ())


def a_refund_asked_for_again_under_a_new_key(patch):
    def anew(payment, refund, ports):
        return ports.gateway.refund(payment, refund.amount_minor, f"{payment.id}_again_{refund.checks}")

    for module in (refund_payment, hear_gateway):
        patch.setattr(module, "ask_again", anew)


def the_tier_that_was_told_forgotten(patch):
    changes = assess_customer._plan
    patch.setattr(
        assess_customer, "_plan", lambda *args: replace(plan := changes(*args), state=replace(plan.state, worst_tier=0))
    )


# Each with the seed that the search starts from, and how many seeds it may take. Where it starts is where the search
# from 1 ended once, so that finding them all takes a minute.
BUGS = (
    (a_fresh_key_for_every_call, 1, 20),
    (a_timeout_read_as_a_decline, 1, 20),
    (unknown_attempts_taken_for_failed, 1, 20),
    (a_decline_tried_again_with_its_key, 1, 20),
    (the_gateway_called_before_the_attempt_is_stored, 1, 20),
    (an_open_attempt_overlooked, 1, 40),
    (transactions_torn_apart, 1, 20),
    (holds_forgotten, 1, 30),
    (pauses_forgotten, 1, 30),
    (the_mark_before_the_mail, 1, 20),
    (a_void_invoice_still_mailed, 100, 60),
    (one_link_for_all, 1, 20),
    (only_the_first_page, 1, 20),
    (only_the_first_shard, 1, 20),
    (the_event_forgotten_before_the_bus_has_it, 5, 40),
    (a_number_passed_over, 1, 20),
    (too_much_money_forgotten, 1, 20),
    (a_webhook_believed, 1, 20),
    (revoked_links_still_open, 25, 40),
    (looking_writes_something_down, 1, 30),
    (fractions_cut_off, 1, 20),
    (a_refusal_answered_as_a_failure, 1, 30),
    (a_table_that_no_role_allows, 1, 20),
    (preconditions_left_out, 229, 20),
    (the_last_writer_wins, 1, 20),
    (settings_remembered_from_the_first_mail_on, 120, 60),
    (a_stale_chase_sent_again, 20, 60),
    (a_refund_asked_for_again_under_a_new_key, 1, 20),
    (the_tier_that_was_told_forgotten, 1, 60),
)
