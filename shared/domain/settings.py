"""The business's settings, with their defaults: every automation is off until someone turns it on. PRODUCT 2, 4, 5."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from shared.domain.address import NOWHERE, Address
from shared.domain.values import dataclass

Gate = Literal["clean_only", "all"]
DueDateBasis = Literal["posted_on", "invoice_date"]
SummaryFormat = Literal["open_invoices", "recent_transactions"]
Language = Literal["en", "de"]  # those whose words are complete: shared/rendering/speech.py
EInvoice = Literal["off", "factur_x"]
Automation = Literal["send_new_invoices", "account_summary", "past_due"]
AUTOMATIONS: tuple[Automation, ...] = ("send_new_invoices", "account_summary", "past_due")
ACCENT: Final = "#0e5a66"


@dataclass(frozen=True, slots=True)
class Business:
    name: str = "Your company"
    timezone: str = "UTC"
    email_from: str = "billing@example.com"
    currency: str = "USD"
    address: Address = NOWHERE
    tax_id: str | None = None  # a VAT number begins with its country
    iban: str | None = None  # without spaces
    bic: str | None = None
    payment_instructions: tuple[str, ...] = ()  # lines, printed as they are
    logo: str | None = None  # the key of its file
    accent_colour: str = ACCENT
    language: Language = "en"  # of customers who have none of their own
    e_invoice: EInvoice = "off"


@dataclass(frozen=True, slots=True)
class SpotCheckSettings:
    change_percent: Decimal = Decimal(50)
    flag_first_invoice: bool = True


@dataclass(frozen=True, slots=True)
class BillRunSettings:
    enabled: bool = False
    schedule: str = "0 4 * * *"
    auto_post: bool = False
    auto_email: bool = False
    gate: Gate = "clean_only"
    spot_check: SpotCheckSettings = SpotCheckSettings()


@dataclass(frozen=True, slots=True)
class PaymentRunSettings:
    enabled: bool = False
    schedule: str = "0 11 * * *"
    wait_for_bill_run: bool = True
    max_wait_hours: int = 6


@dataclass(frozen=True, slots=True)
class SendNewInvoices:
    enabled: bool = False


@dataclass(frozen=True, slots=True)
class AccountSummary:
    enabled: bool = False
    schedule: str = "0 8 1 * *"
    format: SummaryFormat = "open_invoices"
    send_when_empty: bool = False


@dataclass(frozen=True, slots=True)
class Tier:
    """A past-due tier: it starts when the oldest open invoice is `from_days` past due (inclusive)."""

    from_days: int
    template: str
    repeat_every_days: int | None = None
    repeat_max: int | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """What a trigger does; which fields count depends on `type`."""

    type: Literal["send_template", "late_fee", "suspend", "emit_event", "task"]
    template: str | None = None
    amount: str | None = None  # decimal string in each customer's own currency
    name: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    days: int
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class PastDue:
    enabled: bool = False
    schedule: str = "0 14 * * *"
    tiers: tuple[Tier, ...] = (Tier(1, "past_due_1"), Tier(14, "past_due_2"), Tier(30, "past_due_3"))
    triggers: tuple[Trigger, ...] = (Trigger(14), Trigger(30))


@dataclass(frozen=True, slots=True)
class Automations:
    send_new_invoices: SendNewInvoices = SendNewInvoices()
    account_summary: AccountSummary = AccountSummary()
    past_due: PastDue = PastDue()


@dataclass(frozen=True, slots=True)
class Retries:
    retry_days: tuple[int, ...] = (3, 5, 7)
    max_attempts_per_card_30_days: int = 15


@dataclass(frozen=True, slots=True)
class PayLinkSettings:
    expires_days: int = 30


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole tree; one record. `version` grows by one with every change."""

    business: Business = Business()
    bill_run: BillRunSettings = BillRunSettings()
    payment_run: PaymentRunSettings = PaymentRunSettings()
    automations: Automations = Automations()
    retries: Retries = Retries()
    due_date_basis: DueDateBasis = "posted_on"
    pay_link: PayLinkSettings = PayLinkSettings()
    version: int = 0


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """One entry of the settings' history."""

    settings_version: int
    changed_at: datetime
    changed_by: str
    before: dict[str, object] = field(default_factory=dict)
    after: dict[str, object] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True)
class SettingsGate:
    """A small copy of the settings' version, one per shard, that claims check in their own transaction.

    Every change of the settings rewrites all shards, so a claim made with settings that changed meanwhile fails
    and reads again. One shared record would make all claims conflict with each other. PRODUCT 2.
    """

    shard: int
    version: int = 0
