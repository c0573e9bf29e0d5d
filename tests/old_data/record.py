"""Write down what this version stores and sends: `python -m tests.old_data.record`, once, when a version is released.

What a version wrote is never written anew: it is what installations hold.
"""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import MISSING, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from hypothesis import strategies as st
from hypothesis.errors import NonInteractiveExampleWarning

from shared.contracts import messages
from shared.storage.codec import encode
from shared.storage.schema import KINDS, Kind
from tests.contract.samples import any_of

HERE = Path(__file__).parent
EVENTS = HERE.parents[1] / "events"
EXAMPLES = 2  # of each kind, beside one that has nothing but what it must


def required_only(entity: type[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(entity)
    needed = [f.name for f in fields(entity) if f.default is MISSING and f.default_factory is MISSING]
    return st.builds(entity, **{name: any_of(hints[name]) for name in needed})


def records() -> list[dict[str, Any]]:
    """Where each is stored, its body, and what it says with every default written out."""
    return [_record(kind, entity) for kind in KINDS for entity in _examples(kind.entity)]


def _examples(entity: type[Any]) -> list[Any]:
    return [required_only(entity).example(), *(any_of(entity).example() for _ in range(EXAMPLES))]


def _record(kind: Kind, entity: Any) -> dict[str, Any]:
    return {
        "kind": kind.entity.__name__,
        "place": place(kind, entity),
        "body": json.loads(encode(entity)),
        "says": msgspec.to_builtins(entity),
    }


def place(kind: Kind, entity: Any) -> list[str]:
    """Table, partition and sort key."""
    return [kind.table, kind.partition(entity), kind.prefix + kind.sort(entity)]


def bodies() -> list[dict[str, Any]]:
    """The messages of the sample events."""
    known = {kind.__struct_config__.tag: kind for kind in messages.Message.__subclasses__()}
    found = []
    for path in sorted(EVENTS.rglob("*.json")):
        event = json.loads(path.read_text(encoding="utf-8"))
        for record in event.get("Records", []) if isinstance(event, dict) else []:
            body = json.loads(record["body"])
            if body.get("kind") in known:
                message = msgspec.json.decode(record["body"], type=known[body["kind"]])
                found.append({"kind": body["kind"], "body": body, "says": msgspec.to_builtins(message)})
    return found


def main() -> None:
    folder = HERE / version("paidup")
    if folder.exists():
        sys.exit(f"{folder.name} is recorded already; what was released does not change")
    folder.mkdir()
    warnings.simplefilter("ignore", NonInteractiveExampleWarning)
    for name, made in (("records", records()), ("messages", bodies())):
        lines = (json.dumps(each, sort_keys=True, default=str) for each in made)
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
