"""Where people sign in to the console: Cognito's hosted page (authorization code with PKCE), or the fixed tokens.

The ID token is fetched from Cognito itself over TLS, so its signature need not be checked again (OpenID Connect Core
3.1.3.7, point 6); whom it is for, who issued it and until when it is good is.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from shared.ports import Clock, Unavailable

LOCAL_TOKENS: Final[Mapping[str, str]] = {f"local-{role}": role for role in ("viewer", "operator", "admin")}
SECONDS_MAX: Final = 5
ANSWER_BYTES_MAX: Final = 64 * 1024

Fetch = Callable[[Request], bytes]


class FixedTokens:
    """The tokens of the local server. Made in local mode only."""

    def page(self, state: str, challenge: str) -> str | None:
        return None

    def claims(self, given: str, verifier: str) -> Mapping[str, Any] | None:
        role = LOCAL_TOKENS.get(given)
        return None if role is None else local_claims(role)

    def goodbye(self) -> str | None:
        return None


def local_claims(role: str) -> dict[str, Any]:
    """What a local token says of its bearer."""
    name = f"local-{role}"
    return {"sub": name, "cognito:username": name, "cognito:groups": role, "token_use": "id"}


def _fetch(request: Request) -> bytes:
    with urlopen(request, timeout=SECONDS_MAX) as answer:  # noqa: S310 - the address is the stack's own, and https
        content: bytes = answer.read(ANSWER_BYTES_MAX)
    return content


class CognitoSignIn:
    """`domain` is the user pool's hosted page, `home` the console's own address; both begin with https."""

    def __init__(
        self, domain: str, wanted: Mapping[str, str], home: str, clock: Clock, fetch: Fetch = _fetch
    ) -> None:  # fmt: skip
        self._domain, self._wanted, self._home, self._clock, self._fetch = domain, wanted, home, clock, fetch

    def page(self, state: str, challenge: str) -> str | None:
        asked = {
            "response_type": "code", "client_id": self._wanted["aud"], "redirect_uri": f"{self._home}/callback",
            "scope": "openid email", "state": state, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{self._domain}/oauth2/authorize?{urlencode(asked)}"

    def claims(self, given: str, verifier: str) -> Mapping[str, Any] | None:
        """What Cognito says for a code of its page; None for one that is no good. Raises Unavailable."""
        body = urlencode({
            "grant_type": "authorization_code", "client_id": self._wanted["aud"], "code": given,
            "redirect_uri": f"{self._home}/callback", "code_verifier": verifier,
        }).encode()  # fmt: skip
        sent = {"Content-Type": "application/x-www-form-urlencoded"}
        asked = Request(f"{self._domain}/oauth2/token", body, sent, method="POST")  # noqa: S310 - https
        try:
            answer = json.loads(self._fetch(asked))
        except HTTPError as refused:
            if refused.code < 500:
                return None
            raise Unavailable("the sign-in page does not answer") from refused
        except (URLError, OSError) as away:
            raise Unavailable("the sign-in page does not answer") from away
        except ValueError:
            return None
        return self._checked(answer)

    def goodbye(self) -> str | None:
        return f"{self._domain}/logout?{urlencode({'client_id': self._wanted['aud'], 'logout_uri': self._home})}"

    def _checked(self, answer: object) -> Mapping[str, Any] | None:
        token = answer.get("id_token") if isinstance(answer, dict) else None
        claims = _claims_in(token) if isinstance(token, str) else {}
        good = claims.get("token_use") == "id" and all(claims.get(k) == v for k, v in self._wanted.items())
        expires = claims.get("exp")
        if not good or not isinstance(expires, int) or expires <= self._clock.now().timestamp():
            return None
        return claims


def _claims_in(token: str) -> dict[str, Any]:
    parts = token.split(".")
    try:
        payload = parts[1] if len(parts) == 3 else ""
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
