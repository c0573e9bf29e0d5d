"""Pages as HTML, with what a browser is told about them: nothing is kept, framed, or passed on. QUALITY "Security"."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shared.rendering.speech import Speech

TEMPLATES: Final = Path(__file__).parent / "templates"
HTML: Final = "text/html; charset=utf-8"
ASSETS: Final[Mapping[str, str]] = {
    "style.css": "text/css; charset=utf-8",
    "cards.js": "text/javascript; charset=utf-8",
}
ASSET_SECONDS: Final = 3600  # how long a browser may keep one; a page names its release

# No script runs but on the page that holds the gateway's own fields.
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_FIELDS: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; "
    "script-src 'self' https://js.stripe.com https://*.js.stripe.com; "
    "frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com; "
    "connect-src https://api.stripe.com; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",  # the address is the key
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(name: str, speech: Speech, status: int = 200, hosted_fields: bool = False, **data: object) -> dict[str, Any]:
    """A page from its template, in a language. `hosted_fields` lets the gateway's script in."""
    said = {"t": _saying(speech), "lang": speech.language, "hosted_fields": hosted_fields}
    body = _environment().get_template(f"{name}.html").render(**said, **data)
    policy = {"Content-Security-Policy": _FIELDS} if hosted_fields else {}
    return answer(status, body, {"Content-Type": HTML, **policy})


def _saying(speech: Speech) -> Callable[..., Markup]:
    """What templates call for every text of ours, given in English; the values in it are escaped, the text is not."""

    def t(words: str, *values: object) -> Markup:
        return Markup(speech.say(words)).format(*values)  # noqa: S704 - our own words

    return t


def answer(status: int, body: str, headers: Mapping[str, str]) -> dict[str, Any]:
    return {"statusCode": status, "headers": {**HEADERS, **headers}, "body": body}


def redirect(to: str) -> dict[str, Any]:
    """After a POST, so that going back or reloading submits nothing."""
    return answer(303, "", {"Location": to, "Content-Type": HTML})


def pdf(content: bytes, name: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/pdf", "Content-Disposition": f'inline; filename="{name}"'}
    made = answer(200, base64.b64encode(content).decode(), headers)
    return {**made, "isBase64Encoded": True}


def asset(name: str) -> dict[str, Any] | None:
    """A stylesheet or script of the page; None if there is none of this name."""
    if name not in ASSETS:
        return None
    headers = {"Content-Type": ASSETS[name], "Cache-Control": f"public, max-age={ASSET_SECONDS}"}
    return answer(200, _text(name), headers)


@lru_cache(maxsize=len(ASSETS))
def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
