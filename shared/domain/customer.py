"""A customer, with the switches, pauses and holds that say what Paidup may do towards it. PRODUCT 2."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from shared.domain.address import NOWHERE, Address
from shared.domain.copies import replace
from shared.domain.policy import DEFAULT_CLASS_ID
from shared.domain.settings import Automation, Language, Settings
from shared.domain.values import dataclass

Delivery = Literal["email", "print"]
HoldReason = Literal["dispute", "promise_to_pay", "other"]
Service = Literal["active", "limited", "suspended", "terminated"]
OffReason = Literal["global_off", "customer_off", "switch_off", "paused", "on_hold", "no_address"]


@dataclass(frozen=True, slots=True)
class Switches:
    """`enabled` is the master switch; None inherits the global switch of that automation."""

    enabled: bool = False
    send_new_invoices: bool | None = None
    account_summary: bool | None = None
    past_due: bool | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Quiet through a date (inclusive, local), or until lifted when `through` is None."""

    automation: Automation
    through: date | None = None

    def covers(self, on: date) -> bool:
        return self.through is None or on <= self.through


@dataclass(frozen=True, slots=True)
class Hold:
    """Collection on hold through a date (inclusive, local), or until lifted: no notices, charges, fees or steps."""

    reason: HoldReason = "other"
    through: date | None = None

    def covers(self, on: date) -> bool:
        return self.through is None or on <= self.through


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise to pay by a date (inclusive, local): past-due notices and service steps wait for it. PRODUCT 9.

    `amount_minor` is in the customer's currency; None: all that is past due.
    """

    id: str
    through: date
    amount_minor: int | None = None
    made_at: datetime | None = None
    made_by: str = ""

    def covers(self, on: date) -> bool:
        return on <= self.through


@dataclass(frozen=True, slots=True)
class Customer:
    id: str
    name: str
    email: str | None = None
    class_id: str = DEFAULT_CLASS_ID
    currency: str = "USD"
    timezone: str | None = None  # None: the business's
    address: Address = NOWHERE
    delivery: tuple[Delivery, ...] = ("email",)
    tax_rate_percent: Decimal = Decimal(0)
    automations: Switches = Switches()
    pauses: tuple[Pause, ...] = ()
    hold: Hold | None = None
    promise: Promise | None = None
    automated_since: date | None = None  # the day the master switch was last turned on; None: since it was made
    account_summary_schedule: str | None = None
    external_id: str | None = None
    language: Language | None = None  # None: the business's
    service: Service = "active"
    email_problem: Literal["bounced", "complained"] | None = None  # set by the mail provider's feedback
    pay_epoch: int = 0  # pay links of an earlier one are revoked
    erased_at: datetime | None = None  # the person was removed; only the accounts are left
    created_at: datetime | None = None
    version: int = 0

    def zone(self, settings: Settings) -> str:
        return self.timezone or settings.business.timezone

    def speaks(self, settings: Settings) -> Language:
        return self.language or settings.business.language

    def mailable(self) -> bool:
        """Whether there is an address that mail can be expected to reach."""
        return bool(self.email) and self.email_problem is None

    def on_hold(self, on: date) -> bool:
        return self.hold is not None and self.hold.covers(on)

    def promised(self, on: date) -> bool:
        return self.promise is not None and self.promise.covers(on)

    def automated(self, on: date) -> bool:
        """Whether the master switch is on, and was on that day."""
        return self.automations.enabled and (self.automated_since is None or self.automated_since <= on)

    def pause(self, automation: Automation) -> Pause | None:
        return next((p for p in self.pauses if p.automation == automation), None)

    def with_pause(self, pause: Pause) -> Customer:
        others = self.without_pause(pause.automation)
        return replace(others, pauses=(*others.pauses, pause))

    def without_pause(self, automation: Automation) -> Customer:
        return replace(self, pauses=tuple(p for p in self.pauses if p.automation != automation))


def why_off(
    automation: Automation, customer: Customer, settings: Settings, on: date, *, ignore_global: bool = False
) -> OffReason | None:
    """The first thing that keeps an automation from acting for a customer on a local date; None when it acts.

    `ignore_global` is for a bill run that asks for mail itself: its `auto_email` stands in for the global switch.
    """
    own: bool | None = getattr(customer.automations, automation)
    pause = customer.pause(automation)
    if not ignore_global and not getattr(settings.automations, automation).enabled:
        return "global_off"
    if not customer.automations.enabled:
        return "customer_off"
    if own is False:
        return "switch_off"
    if pause is not None and pause.covers(on):
        return "paused"
    if automation == "past_due" and (customer.on_hold(on) or customer.promised(on)):
        return "on_hold"
    if not customer.mailable():
        return "no_address"
    return None
