"""Notices: the mails that went out, or why they did not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functions.admin_api.calls import Answer, Call, one_of
from functions.admin_api.listing import PAGING, indexed, page_of, stored
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_fields import id_of, name
from shared.contracts.api_notices import notice_json
from shared.domain.errors import NotFound
from shared.domain.notice import Notice
from shared.ports import NOTICES, NOTICES_BY_CUSTOMER, NOTICES_PENDING, PAGE_LIMIT, Entry
from shared.use_cases.lookups import shards
from shared.use_cases.notices_by_hand import resend_notice

router = new_router()


@endpoint(
    router,
    "GET",
    "/v1/notices",
    filters={
        **PAGING,
        "customer_id": id_of("cus_"),
        "kind": name,
        "status": one_of("pending", "sent", "suppressed", "failed", "bounced"),
    },
)
def list_notices(call: Call[Any]) -> Answer:
    """Notices that pass all filters given; a customer's are in the order in which they were made."""
    wanted = {key: value for key, value in call.query.items() if key in ("customer_id", "kind", "status")}

    def keep(found: Sequence[Entry]) -> list[tuple[Entry, Notice]]:
        there = stored(call.ports, Notice, found)
        return [(e, n) for e, n in there if all(getattr(n, key) == value for key, value in wanted.items())]

    if "customer_id" in wanted:
        sources = indexed(call.ports, NOTICES_BY_CUSTOMER, wanted["customer_id"])
    else:
        sources = indexed(call.ports, NOTICES_PENDING if wanted.get("status") == "pending" else NOTICES, *shards())
    return page_of(
        call, sources, keep, lambda found: [notice_json(n) for n in found], ahead=PAGE_LIMIT if wanted else 0
    )


@endpoint(router, "GET", "/v1/notices/<notice_id>")
def get_notice(call: Call[Any], notice_id: str) -> Answer:
    """One notice."""
    notice = call.ports.store.get(Notice, notice_id)
    if notice is None:
        raise NotFound("notice", notice_id)
    return Answer(200, notice_json(notice))


@endpoint(router, "POST", "/v1/notices/<notice_id>/resend")
def resend(call: Call[Any], notice_id: str) -> Answer:
    """Send the same notice again, to the address on file now; answers the new notice."""
    return Answer(200, notice_json(resend_notice(notice_id, call.ports)))
