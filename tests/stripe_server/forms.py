"""Stripe's form encoding: brackets nest, `created[gte]=1` is {"created": {"gte": "1"}}."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl


def parse_form(text: str) -> dict:
    form: dict = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, *inner = re.findall(r"[^\[\]]+", name)
        where, last = form, head
        for part in inner:
            where, last = where.setdefault(last, {}), part
        where[last] = value
    return form


def listed(value: dict | None) -> list:
    """A list comes as {"0": …, "1": …}."""
    return [value[key] for key in sorted(value, key=int)] if value else []
