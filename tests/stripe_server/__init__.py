"""A Stripe on loopback, as far as Paidup speaks to it: real sockets, real answers, and faults on request."""

from tests.stripe_server.account import API_KEY, SIGNING_SECRET, Account, Call
from tests.stripe_server.http import StripeServer

__all__ = ["API_KEY", "SIGNING_SECRET", "Account", "Call", "StripeServer"]
