"""What the console says, in words: amounts, dates, and the reasons that the API names by a code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from shared.domain.calendar import zone

WHY_OFF: Final[Mapping[str, str]] = {
    "global_off": "switched off for everybody, in the settings",
    "customer_off": "all automation is switched off for this customer",
    "switch_off": "switched off for this customer",
    "paused": "paused",
    "on_hold": "collection is on hold",
    "no_address": "there is no usable e-mail address",
}
FLAGS: Final[Mapping[str, str]] = {
    "total_changed": "Total changed", "zero_total": "Zero total", "negative_total": "Negative total",
    "first_invoice": "First invoice", "expected_usage_missing": "Usage missing", "no_email": "No e-mail address",
    "unusual_lines": "Unusual lines", "late_usage": "Late usage",
}  # fmt: skip
AUTOMATIONS: Final[Mapping[str, str]] = {
    "send_new_invoices": "Send new invoices", "account_summary": "Account summary", "past_due": "Past-due notices",
}  # fmt: skip
SKIPS: Final[Mapping[str, str]] = {
    "no_rule": "no autopay rule matches", "autopay_off": "autopay is switched off", "not_due": "not due yet",
    "no_payment_method": "no payment method", "attempt_open": "an attempt is under way",
    "retry_scheduled": "a retry is scheduled", "attempts_exhausted": "all attempts are used up",
    "card_limit": "the card's limit of attempts is reached", "nothing_due": "nothing is due",
    "service_terminated": "service is terminated", "not_posted": "not posted yet", "on_hold": "on hold",
}  # fmt: skip
EFFECTS: Final[Mapping[str, str]] = {
    "noticed": "sent a notice", "charged_fee": "charged a late fee", "limited": "limited", "suspended": "suspended",
    "terminated": "terminated", "asked_to_terminate": "put up for termination, which a person confirms",
}  # fmt: skip
CHARGED_ON: Final[Mapping[str, str]] = {"due_on": "on the due date", "invoice_date": "on the invoice date"}
LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "de": "German", "fr": "French", "pl": "Polish"}
CHARGE_TYPES: Final[Mapping[str, str]] = {
    "recurring": "a recurring charge", "usage": "a usage charge", "one_time": "a one-time charge",
}  # fmt: skip
DONE: Final[Mapping[str, str]] = {
    "posted": "Posted.", "mailed": "The mails are on their way.",
    "cancelled": "Cancelled: its periods can be billed again.",
    "started": "The bill run has started.", "saved": "Saved.", "paused": "Paused.", "resumed": "It acts again.",
    "held": "Collection is on hold.", "released": "Collection goes on.", "promised": "The promise is noted.",
    "forgotten": "The promise is withdrawn.", "done": "Marked as done.", "redriven": "Put back on its queue.",
    "resent": "Sent again.", "voided": "Voided: its periods can be billed again.",
    "charged": "The charge was made; see payments.",
    "restored": "Service is restored.", "terminated": "Service is terminated.", "revoked": "Every pay link is revoked.",
    "reset": "Back to the default.", "recorded": "The payment is recorded.", "removed": "Removed.",
    "collecting": "The payment run has started.", "noted": "The verdict is noted.",
    "contracted": "The contract is made.",
    "suspended": "Suspended from that day.", "serving": "Service resumes on that day.",
    "ended": "The contract ends.", "recorded_usage": "The usage is recorded.",
    "adjusted": "The memo is posted.", "refunded": "The money goes back; see payments.",
    "drafted": "The draft is made.",
    "enabled": "Deliveries go there again.", "redelivered": "It is told again.",
    "known_usage": "That record was taken in before; it was not counted again.",
}  # fmt: skip
JOBS: Final[Mapping[str, str]] = {
    "bill_run": "Bill run", "payment_run": "Payment run", "past_due": "Past-due check",
    "account_summary": "Account summaries",
}  # fmt: skip


def day(text: str | None) -> str:
    """`1 Mar 2026`."""
    if not text:
        return "–"
    on = date.fromisoformat(text)
    return f"{on.day} {on:%b %Y}"


def day_and_month(text: str) -> str:
    """`1 Mar`, where the year goes without saying."""
    return day(text).rpartition(" ")[0]


def instant(text: str | None, timezone: str) -> str:
    """`1 Mar 2026, 14:15`, in the business's time zone."""
    if not text:
        return "–"
    local = datetime.fromisoformat(text).astimezone(zone(timezone))
    return f"{local.day} {local:%b %Y, %H:%M}"


def spoken(at: datetime, timezone: str) -> str:
    """`Sunday 1 March 2026 at 14:15`; with the time in UTC where that is another one."""
    local = at.astimezone(zone(timezone))
    utc = "" if not local.utcoffset() else f" ({at.astimezone(UTC):%H:%M} UTC)"
    return f"{local:%A} {local.day} {local:%B %Y} at {local:%H:%M}{utc}"


def money(amount: str | None, currency: str) -> str:
    """`USD 1,234.50`."""
    if amount is None:
        return "–"
    sign, digits = ("−", amount[1:]) if amount.startswith("-") else ("", amount)
    whole, point, rest = digits.partition(".")
    return f"{sign}{currency}\u00a0{int(whole):,}{point}{rest}"


def sums(by_currency: Mapping[str, str]) -> str:
    """`EUR 1.00 + USD 2.00`; – if there is nothing."""
    shown = [money(amount, currency) for currency, amount in sorted(by_currency.items())]
    return " + ".join(shown) or "–"


def word(code: object) -> str:
    """`partially_paid` is Partially paid."""
    return str(code).replace("template:", "").replace("_", " ").replace(".", " ").capitalize()


def set_to(value: object) -> str:
    """`on`, `never`, `1, 2`: what a setting is set to."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(str(v) for v in value) if all(isinstance(v, int | str) for v in value) else "a new list"
    return "never" if value is None else str(value)


def stored(value: object) -> str:
    """A value as the audit log has it: texts as they are, – for none, everything else as JSON."""
    return "–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def fee(rule: Mapping[str, Any]) -> str:
    """`25.00 and 1.5 %, monthly`; – if there is none."""
    parts = [said for said, value in ((rule["amount"], rule["amount"]), (f"{rule['percent']} %", rule["percent"]))
             if value.strip("0.")]  # fmt: skip
    return (" and ".join(parts) + (", monthly" if rule["repeat"] == "monthly" else "")) if parts else "–"


def place(field: str) -> str:
    """`charges[0].tiers[1].up_to` is Charge 1, tier 2, up to."""
    numbered = re.sub(r"s?\[(\d+)\]", lambda m: f" {int(m[1]) + 1}", field.replace("criteria", "conditions"))
    said = numbered.replace(".", ", ").replace("_", " ")
    return said[:1].upper() + said[1:]


def anchor(field: str) -> str:
    """`charges[0].amount` is shown by the field whose id is charges.0.amount."""
    return re.sub(r"\[(\d+)\]", r".\1", field)


def pairs(words: Iterable[str]) -> list[tuple[str, str]]:
    """As the options of a select that says what it sends."""
    return [(word, word) for word in words]


def with_card(method: Mapping[str, Any]) -> tuple[str, str]:
    """A payment method as an option of a select."""
    return method["id"], f"{word(method['brand'])} ending in {method['last4']}"


def with_language(code: str) -> tuple[str, str]:
    """As an option of a select."""
    return code, named(LANGUAGES)(code)


def named(table: Mapping[str, str]) -> Callable[[Any], str]:
    return lambda code: table.get(str(code), word(code))


def said(code: str | None) -> str:
    """What was done, from the address; "" for anything that is none of ours."""
    return DONE.get(code or "", "")


def last_day(end: str | None) -> str:
    """The last day of a period whose end is exclusive: API.md, `service_end`."""
    return day(str(date.fromordinal(date.fromisoformat(end).toordinal() - 1))) if end else "–"


def count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "day": day, "day_and_month": day_and_month,
    "instant": instant, "money": money, "sums": sums, "word": word, "last_day": last_day, "count": count,
    "flag": named(FLAGS), "automation": named(AUTOMATIONS), "why_off": named(WHY_OFF), "skip": named(SKIPS),
    "job": named(JOBS), "place": place, "anchor": anchor, "fee": fee, "pairs": pairs,
    "charge_type": named(CHARGE_TYPES), "language": named(LANGUAGES), "with_language": with_language,
    "with_card": with_card, "stored": stored,
    "effect": named(EFFECTS), "charged_on": named(CHARGED_ON),
}  # fmt: skip
