"""Usage records, taken in by the batch."""

from __future__ import annotations

from functions.admin_api.calls import Answer, Call
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_usage import UsageBody, read_usage, rejected_json
from shared.use_cases.record_usage import record_usage

router = new_router()


@endpoint(router, "POST", "/v1/usage", body=UsageBody)
def post_usage(call: Call[UsageBody]) -> Answer:
    """Take in usage records, each once; those that do not fit are reported and stop no other."""
    report = record_usage(read_usage(call.body), call.ports)
    rejected = [rejected_json(r.id, r.message) for r in report.rejected]
    return Answer(200, {"accepted": report.accepted, "duplicate": report.duplicate, "rejected": rejected})
