"""Pages of the console as HTML, with what a browser is told about them. QUALITY "Security"."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from functions.console import words
from functions.pay_page.rendering import HEADERS as PAY_HEADERS
from functions.pay_page.rendering import HTML
from functions.pay_page.rendering import TEMPLATES as PAY_TEMPLATES

HERE: Final = Path(__file__).parent
ASSETS: Final[Mapping[str, str]] = {
    "icon.svg": "image/svg+xml",
    "style.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
}
ASSET_SECONDS: Final = 31_536_000  # a page names the content, so what it names never changes
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Forms tell where they come from, which is checked; other sites are told nothing.
HEADERS: Final[Mapping[str, str]] = {
    **PAY_HEADERS, "Content-Security-Policy": _POLICY, "Referrer-Policy": "same-origin",
}  # fmt: skip

# A page that holds a frame, and what the frame is told: what stands in it is somebody's own, and may do nothing.
FRAMING: Final[Mapping[str, str]] = {"Content-Security-Policy": f"{_POLICY}; frame-src 'self'"}
_FRAMED: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}  # fmt: skip

Answer = dict[str, Any]


@lru_cache(maxsize=1)
def environment() -> Environment:
    made = Environment(
        autoescape=True, undefined=StrictUndefined, loader=FileSystemLoader([HERE / "templates", PAY_TEMPLATES]),
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(words.FILTERS)
    return made


def html(name: str, status: int = 200, headers: Mapping[str, str] | None = None, **data: Any) -> Answer:
    """A page from its template."""
    body = environment().get_template(f"{name}.html").render(**data)
    return answer(status, body, {"Content-Type": HTML, **(headers or {})})


def framed(content: str) -> Answer:
    """HTML that is somebody's own, to be looked at in a frame of ours: no script, no link to follow, nothing loaded."""
    return answer(200, content, {"Content-Type": HTML, **_FRAMED})


def answer(status: int, body: str, headers: Mapping[str, str]) -> Answer:
    return {"statusCode": status, "headers": {**HEADERS, **headers}, "body": body}


def redirect(to: str, headers: Mapping[str, str] | None = None) -> Answer:
    """After a POST, so that going back or reloading submits nothing."""
    return answer(303, "", {"Location": to, "Content-Type": HTML, **(headers or {})})


def binary(content: str, headers: Mapping[str, str]) -> Answer:
    """`content` in base64, as the API answered it."""
    return {**answer(200, content, headers), "isBase64Encoded": True}


def asset(name: str) -> Answer | None:
    """A stylesheet or script; None if there is none of this name."""
    if name not in ASSETS:
        return None
    headers = {"Content-Type": ASSETS[name], "Cache-Control": f"public, max-age={ASSET_SECONDS}, immutable"}
    return answer(200, _text(name), headers)


@lru_cache(maxsize=len(ASSETS))
def asset_mark(name: str) -> str:
    """What a page adds to the address of an asset: another one for another content."""
    digest = hashlib.sha256(_text(name).encode()).digest()
    return base64.urlsafe_b64encode(digest[:9]).decode()


@lru_cache(maxsize=len(ASSETS))
def _text(name: str) -> str:
    return (HERE / "static" / name).read_text(encoding="utf-8")
