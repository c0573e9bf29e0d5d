"""Write what this version stores and sends: `python -m tests.old_data.write`, once per release, and commit the files.

A folder per version holds records.jsonl (one line per record: kind, key, places in indexes, body) and messages.jsonl.
"""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

from infra.local.cloud import LocalCloud
from shared.domain.account_summary import SummaryMark
from shared.domain.card import CardUse
from shared.domain.console_session import ConsoleSession
from shared.domain.invoice import Flag, Invoice, InvoiceHold, InvoiceLines, Line
from shared.domain.notice import Notice
from shared.domain.records import FailedMessage
from shared.domain.rehearsal import Rehearsal
from shared.domain.review import Verdict
from shared.domain.runs import PrintPart
from shared.ports import Save
from shared.storage.codec import encode, text_of
from shared.storage.memory import MemoryStore
from shared.storage.records import places_of
from shared.storage.schema import KINDS
from tests.integration.sample_world import NOW, make_sample_world
from tests.integration.test_events import API, CALLS, DIRECT, FUNCTIONS, PAYLOADS, WIRING, body_of, invoke, request_of
from tests.simulation.simulator import Simulation

FOLDER = Path(__file__).parent
PER_KIND = 3
SEEDS = range(1, 4)


def written(kind, partition, sort, entity):
    places = list(places_of(kind, entity))
    body = text_of(encode(entity))
    text = body.decode() if body[:1] == b"{" else None
    return {"kind": kind.entity.__name__, "key": [partition, sort], "places": places, "body": text}


# What only a failure, or a schedule of months, leaves behind.
SELDOM = (
    CardUse("cus_acme", "tok_sample", (NOW,), "6d1f"),  # as it was counted before CardTries
    InvoiceLines("inv_of_many", 0, (Line("Support", 1_00), Line("Backup", 2_00))),
    SummaryMark("cus_acme", "ntc_sent", NOW, NOW),
    PrintPart("brn_sample", 1, ("inv_due", "inv_posted"), NOW, followed=True),
    FailedMessage("000000000001", "NotFound: no notice ntc_1", 5, NOW, NOW),
    Verdict("brn_sample", "inv_due", "wrong", "billed twice", "local-admin", NOW),
    ConsoleSession("0" * 64, "local-admin", "admin", NOW),
    Notice(
        "ntc_third", "cus_acme", "invoice", "inv_third", "", NOW, "bounced", "bounced", bill_run_id="brn_sample",
        by_run=True, claimed_at=NOW, claim="6d1f", attempts=2, retry_at=NOW, sent_at=NOW, to="ap@acme.example",
        message_id="mail-3", delivered_at=NOW, again_ids=("ntc_fourth",),
    ),
    Rehearsal(
        "reh_third", 14, "failed", settings="{}", classes="{}", seed=7, since=NOW.date(), reason="too large",
        created_at=NOW, created_by="local-admin", finished_at=NOW,
    ),
    Invoice(
        "inv_third", "cus_acme", "USD", NOW.date(), status="posted", subtotal_minor=100_00,
        tax_rate_percent=Decimal("7.5"), tax_minor=7_50, total_minor=107_50, residual_minor=107_50, line_count=1,
        bill_run_id="brn_sample", bill_on=NOW.date(), contract_ids=("con_acme",), flags=(Flag("no_email", "none"),),
        earlier_minor=(107_50, 99_00), number="INV-000003", posted_on=NOW.date(), posted_at=NOW, due_on=NOW.date(),
        hold=InvoiceHold("other", NOW.date()), attempts=2, next_attempt_on=NOW.date(), retries=1, autopay_ended=True,
        late_fees=("1",), created_at=NOW,
    ),
)  # fmt: skip


def stores():
    """A world of samples, the same after every sample event, and companies after some days."""
    with LocalCloud("memory", NOW, wiring=WIRING, log_level="CRITICAL") as cloud:
        make_sample_world(cloud.ports)
        yield cloud.ports.store
        for call in CALLS:
            invoke(cloud, FUNCTIONS[API], request_of(call))
            yield cloud.ports.store
        cloud.engine.drain()
        yield cloud.ports.store
    store = MemoryStore()
    store.commit(*map(Save, SELDOM))
    yield store
    for seed in SEEDS:
        simulation = Simulation(seed, wiring=WIRING, faultless=True)
        simulation.run()
        yield simulation.store


def records():
    """Those of each kind that say most; each is taken as it was first seen."""
    found = defaultdict(dict)
    for store in stores():
        for kind in KINDS:
            for (partition, sort), (entity, _, _) in store._tables[kind.entity].rows.items():
                row = written(kind, partition, sort, entity)
                if row["body"] is not None:
                    fields = tuple(sorted(json.loads(row["body"])))
                    found[row["kind"]].setdefault(fields, row)
    for kind in sorted(found):
        most = sorted(found[kind].items(), key=lambda item: (-len(item[0]), item[0]))
        yield from (row for _, row in most[:PER_KIND])


def messages():
    for name in DIRECT:
        event = PAYLOADS[name]
        if "Records" in event and "kind" in (body := body_of(event)):
            yield {"function": name.rpartition("/")[0], "body": body}


def main() -> None:
    folder = FOLDER / f"v{version('paidup')}"
    folder.mkdir(exist_ok=True)
    for name, rows in (("records", records()), ("messages", messages())):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
