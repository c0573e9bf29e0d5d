"""Which handlers a rehearsal drives, as template.yaml wires them. A test holds every number here against the template.

Only functions/ and shared/ are in a function's bundle, and the template is not; so what a rehearsal needs of it is
written down again, and cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from functions.account_summary import compose
from functions.account_summary import sweep as summary_sweep
from functions.auto_post import post
from functions.auto_post import sweep as posting_sweep
from functions.autopay import charge, reconcile
from functions.bill_run import generate
from functions.bill_run import plan as bill_plan
from functions.past_due import assess
from functions.past_due import sweep as past_due_sweep
from functions.payment_run import plan as payment_plan
from functions.send_email import send
from functions.send_email import sweep as mail_sweep
from shared.domain.values import dataclass

Handler = Callable[[dict[str, Any], Any], Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """A handler that EventBridge invokes at every multiple of `every`."""

    handler: Handler
    every: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Worker:
    """A handler that a queue invokes with up to `batch` records; a record that failed comes back after `hidden`."""

    queue: str
    handler: Handler
    batch: int
    hidden: timedelta
    receives_max: int = 5


# In the template's order, which is that in which simultaneous ticks fire.
RULES: Final = (
    Rule(bill_plan.lambda_handler),
    Rule(posting_sweep.lambda_handler),
    Rule(payment_plan.lambda_handler),
    Rule(reconcile.lambda_handler, timedelta(minutes=5)),
    Rule(past_due_sweep.lambda_handler),
    Rule(summary_sweep.lambda_handler),
    Rule(mail_sweep.lambda_handler),
)

WORKERS: Final = (
    Worker("bill_run", generate.lambda_handler, 1, timedelta(seconds=360)),
    Worker("post", post.lambda_handler, 1, timedelta(seconds=360)),
    Worker("charge", charge.lambda_handler, 1, timedelta(seconds=720)),
    Worker("assess", assess.lambda_handler, 5, timedelta(seconds=360)),
    Worker("summary", compose.lambda_handler, 5, timedelta(seconds=360)),
    Worker("notice", send.lambda_handler, 10, timedelta(seconds=360)),
)

# What only reaches out of Paidup, or hears from there, has nobody to speak to: each with the reason.
LEFT_OUT: Final = {
    "functions.send_email.feedback.lambda_handler": "no mail leaves, so nothing is heard of any",
    "functions.webhooks.sweep.lambda_handler": "the copy has no endpoints",
    "functions.webhooks.deliver.lambda_handler": "the copy has no endpoints",
    "functions.render_pdf.render.lambda_handler": "every document is taken as made",
    "functions.rehearsal.run.lambda_handler": "a rehearsal asks for none",
    "functions.reports.make.lambda_handler": "nobody looks at a page of a rehearsal",
}
