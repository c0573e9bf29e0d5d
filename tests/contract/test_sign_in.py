"""Signing in on Cognito's hosted page: what is asked of it, and which of its answers vouch for anybody."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, urlsplit

import pytest

from infra.local.clock import VirtualClock
from shared.gateways.sign_in import CognitoSignIn, FixedTokens
from shared.ports import Unavailable

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WANTED = {"iss": "https://cognito-idp.eu-central-1.amazonaws.com/pool", "aud": "client-1"}
GOOD = {**WANTED, "token_use": "id", "exp": int(NOW.timestamp()) + 1, "email": "ada@paidup.example"}


def token(claims):
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return json.dumps({"id_token": f"e30.{payload}.sig"}).encode()


def sign_in(answer, asked=None):
    def fetch(request):
        if asked is not None:
            asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return CognitoSignIn("https://pool.example", WANTED, "https://b.example/console", VirtualClock(NOW), fetch)


def test_the_page_is_asked_for_a_code_with_a_challenge():
    url = urlsplit(sign_in(b"").page("state-1", "challenge-1"))
    asked = {k: v for k, (v,) in parse_qs(url.query).items()}
    assert (url.netloc, url.path) == ("pool.example", "/oauth2/authorize")
    assert asked["response_type"] == "code"
    assert (asked["state"], asked["code_challenge"], asked["code_challenge_method"]) == (
        "state-1",
        "challenge-1",
        "S256",
    )
    assert asked["redirect_uri"] == "https://b.example/console/callback"


def test_a_code_is_exchanged_with_its_verifier_for_the_claims():
    asked = []
    assert sign_in(token(GOOD), asked).claims("code-1", "verifier-1") == GOOD
    sent = {k: v for k, (v,) in parse_qs(asked[0].data.decode()).items()}
    assert (sent["code"], sent["code_verifier"], sent["grant_type"]) == ("code-1", "verifier-1", "authorization_code")


@pytest.mark.parametrize("wrong", [{"aud": "client-2"}, {"iss": "https://evil.example"}, {"token_use": "access"},
                                   {"exp": int(NOW.timestamp())}, {"exp": None}])  # fmt: skip
def test_a_token_for_another_or_of_another_or_expired_vouches_for_nobody(wrong):
    assert sign_in(token({**GOOD, **wrong})).claims("code", "verifier") is None


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"id_token": "x"}', b'{"id_token": "a.!!.c"}',
                                    HTTPError("https://pool.example", 400, "invalid_grant", {}, None)])  # fmt: skip
def test_what_is_no_answer_vouches_for_nobody(answer):
    assert sign_in(answer).claims("code", "verifier") is None


@pytest.mark.parametrize("away", [URLError("away"), TimeoutError(), HTTPError("https://p", 503, "busy", {}, None)])
def test_a_page_that_does_not_answer_is_a_matter_of_trying_again(away):
    with pytest.raises(Unavailable):
        sign_in(away).claims("code", "verifier")


def test_the_fixed_tokens_are_three():
    tokens = FixedTokens()
    assert tokens.claims("local-viewer", "")["cognito:groups"] == "viewer"
    assert tokens.claims("viewer", "") is None
