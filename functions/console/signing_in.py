"""Signing in and out: by Cognito's hosted page (authorization code with PKCE), or with a local token. PRODUCT 12.

The session's cookie goes along with nothing that another site starts (SameSite=Strict), so whoever comes back from the
hosted page is shown a page of ours, which goes on by itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

from functions.admin_api.access import caller_of
from functions.console.rendering import Answer, html, redirect
from functions.console.requests import COOKIE, STATE_COOKIE, ConsoleRequest
from functions.console.views import frame
from shared.bootstrap import ports
from shared.domain.console_session import SESSION_LIFE
from shared.observability import report
from shared.use_cases.console_sessions import close_session, open_session
from shared.use_cases.lookups import settings_of

STATE_SECONDS: Final = 600  # to type a name, a password and a code


def show(request: ConsoleRequest) -> Answer:
    """The way in: on to the hosted page, or the form for a local token."""
    return _form(request)


def start(request: ConsoleRequest) -> Answer:
    """A token was typed in, or the hosted page is asked for."""
    sign_in = ports().sign_in
    if sign_in is None:
        return _form(request, 503, "Nobody can sign in here yet: the user pool has no page.")
    state, verifier = _secret(), _secret()
    digest = hashlib.sha256(verifier.encode()).digest()
    page = sign_in.page(state, base64.urlsafe_b64encode(digest).decode().rstrip("="))
    if page is not None:
        kept = _cookie(request, STATE_COOKIE, f"{state}.{verifier}", STATE_SECONDS, "Lax")
        return redirect(page, {"Set-Cookie": kept})
    return _entered(request, request.fields.only(("token",)).one("token"), "")


def come_back(request: ConsoleRequest) -> Answer:
    """Somebody comes back from the hosted page with a code. Only the browser that set out may."""
    state, _, verifier = request.cookies.get(STATE_COOKIE, "").partition(".")
    if not state or not hmac.compare_digest(state.encode(), request.query.get("state", "").encode()):
        return _form(request, 403, "That took too long, or began in another window. Please sign in again.")
    return _entered(request, request.query.get("code", ""), verifier)


def sign_out(request: ConsoleRequest) -> Answer:
    close_session(request.token, ports())
    sign_in = ports().sign_in
    to = (sign_in.goodbye() if sign_in else None) or request.url("/sign-in")
    return redirect(to, {"Set-Cookie": _cookie(request, COOKIE, "", 0)})


def _entered(request: ConsoleRequest, given: str, verifier: str) -> Answer:
    sign_in = ports().sign_in
    claims = sign_in.claims(given, verifier) if sign_in and given else None
    if claims is None:
        report("console_refused")
        return _form(request, 403, "That did not work. Please try again.")
    caller = caller_of({"requestContext": {"authorizer": {"claims": claims}}}, {})
    token, _ = open_session(caller.id, caller.role, ports())
    report("console_signed_in")
    kept = _cookie(request, COOKIE, token, int(SESSION_LIFE.total_seconds()))
    if not verifier:
        return redirect(request.url(), {"Set-Cookie": kept})
    return html("go_on", headers={"Set-Cookie": kept}, **frame(request, settings_of(ports())))


def _secret() -> str:
    """256 bits: PKCE asks for at least 43 characters (RFC 7636)."""
    return ports().ids.new("") + ports().ids.new("")


def _local() -> bool:
    sign_in = ports().sign_in
    return sign_in is not None and sign_in.page("", "") is None


def _form(request: ConsoleRequest, status: int = 200, wrong: str = "") -> Answer:
    about = frame(request, settings_of(ports()))
    return html("sign_in", status, **about, local=_local(), wrong=wrong)


def _cookie(request: ConsoleRequest, name: str, value: str, seconds: int, same_site: str = "Strict") -> str:
    secure = "" if _local() else "; Secure"  # the local server speaks plain HTTP on loopback
    return f"{name}={value}; Path={request.url()}; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}"
