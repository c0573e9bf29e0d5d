"""Webhook endpoints: where the company's other systems want to hear of events. PRODUCT 9, API.md "Resources"."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from shared.domain.copies import replace
from shared.domain.errors import Invalid, NotFound, Refused
from shared.domain.settings import Settings
from shared.domain.webhook import ALL_EVENTS, MONEY_EVENTS, RUN_EVENTS, SERVICE_EVENTS, WebhookEndpoint, WebhookSecret
from shared.ports import Conflict, Ports, Remove, Save, Unavailable
from shared.use_cases.creating import Created
from shared.use_cases.lookups import CONFLICT_RETRIES, settings_of

ENDPOINTS_MAX = 20  # all together: an event and its deliveries are written in one transaction
ALL = "webhooks"


def endpoints_of(ports: Ports) -> tuple[WebhookEndpoint, ...]:
    """Every endpoint, by id."""
    return ports.store.list(WebhookEndpoint, ALL, limit=ENDPOINTS_MAX).items


def heard(event_type: str, ports: Ports) -> bool:
    """Whether an endpoint asks for events of this type."""
    return any(e.hears(event_type) for e in endpoints_of(ports))


def endpoint_of(endpoint_id: str, ports: Ports) -> WebhookEndpoint:
    endpoint = ports.store.get(WebhookEndpoint, ALL, endpoint_id)
    if endpoint is None:
        raise NotFound("webhook endpoint", endpoint_id)
    return endpoint


def known_events(settings: Settings) -> tuple[str, ...]:
    """The types of events there are: our own, and those that the triggers of the settings emit."""
    actions = (a for t in settings.automations.past_due.triggers for a in t.actions)
    emitted = (a.name for a in actions if a.type == "emit_event" and a.name)
    return tuple(dict.fromkeys([*SERVICE_EVENTS, *MONEY_EVENTS, *RUN_EVENTS, *emitted]))


def create_endpoint(endpoint_id: str, url: str, events: Iterable[str], ports: Ports) -> Created[WebhookEndpoint]:
    """A new endpoint with its first secret. One that is there already with the same values is not fresh."""
    wanted = tuple(dict.fromkeys(events))
    _check(url, wanted, ports)
    there = ports.store.get(WebhookEndpoint, ALL, endpoint_id)
    if there is None and len(endpoints_of(ports)) >= ENDPOINTS_MAX:
        raise Refused("too_many", f"there are at most {ENDPOINTS_MAX} webhook endpoints; delete one first")
    now = ports.clock.now()
    made = WebhookEndpoint(
        endpoint_id, url, wanted, (WebhookSecret(ports.webhooks.new_secret(), now),), created_at=now
    )  # fmt: skip
    try:
        ports.store.commit(Save(made))
    except Conflict:
        stored = endpoint_of(endpoint_id, ports)
        if (stored.url, stored.events) != (url, wanted):
            raise Refused("id_taken", f"the id {endpoint_id} is taken: choose another") from None
        return Created(stored, fresh=False)
    return Created(replace(made, version=1), fresh=True)


def _check(url: str, events: tuple[str, ...], ports: Ports) -> None:
    if (reason := ports.webhooks.refuses(url)) is not None:
        raise Invalid("url", reason)
    known = known_events(settings_of(ports))
    for n, event in enumerate(events):
        if event not in (ALL_EVENTS, *known):
            raise Invalid(f"events[{n}]", f"is no known event; use {', '.join(known)}, or {ALL_EVENTS} for all of them")


def delete_endpoint(endpoint_id: str, ports: Ports) -> None:
    """Nothing is delivered there any more; what is on its way is cancelled when its turn comes."""
    for _ in range(CONFLICT_RETRIES):
        try:
            return ports.store.commit(Remove(endpoint_of(endpoint_id, ports)))
        except Conflict:
            continue
    raise Unavailable(f"webhook endpoint {endpoint_id} kept changing")


def rotate_secret(endpoint_id: str, grace: timedelta, ports: Ports) -> WebhookEndpoint:
    """Give it a new secret. For `grace` messages are signed with the one before it too."""
    for _ in range(CONFLICT_RETRIES):
        before = endpoint_of(endpoint_id, ports)
        after = before.rotated(ports.webhooks.new_secret(), ports.clock.now(), grace)
        try:
            ports.store.commit(Save(after))
        except Conflict:
            continue
        return replace(after, version=before.version + 1)
    raise Unavailable(f"webhook endpoint {endpoint_id} kept changing")


def enable_endpoint(endpoint_id: str, ports: Ports) -> WebhookEndpoint:
    """Deliver to it again from now on; what was cancelled meanwhile can be delivered by hand."""
    for _ in range(CONFLICT_RETRIES):
        before = endpoint_of(endpoint_id, ports)
        if before.disabled_at is None:
            return before
        after = before.enabled()
        try:
            ports.store.commit(Save(after))
        except Conflict:
            continue
        return replace(after, version=before.version + 1)
    raise Unavailable(f"webhook endpoint {endpoint_id} kept changing")
