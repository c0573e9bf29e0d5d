"""What one Stripe account holds and does, without the wire: objects, idempotency keys, events, faults.

Kept to what Stripe documents: the limiter and the check of the API key come before the idempotency layer, refused
parameters are not remembered under a key, everything from the start of execution is, 500s included. A key is forgotten
after 24 hours. Lists see what has been written; search lags.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.gateways.webhooks import sign
from tests.stripe_server.cards import SUCCEEDS, TEST_METHODS, Behaviour
from tests.stripe_server.forms import listed

API_KEY = "sk_test_paidup"
SIGNING_SECRET = "whsec_paidup"
KEY_SECONDS = 24 * 3600
SMALLEST = 50  # of most currencies

INTENT_PARAMETERS = {
    "allowed_payment_method_types", "amount", "confirm", "currency", "customer", "description", "metadata",
    "off_session", "payment_method",
}  # fmt: skip


class Refused(Exception):
    """An error of Stripe's: its status and the fields of its `error`."""

    def __init__(self, status: int, type: str, code: str | None = None, **more) -> None:
        super().__init__(code)
        self.status = status
        self.fields = {"type": type, "code": code, "message": f"{type}: {code}", **more}

    @property
    def body(self) -> dict:
        return {"error": {name: value for name, value in self.fields.items() if value is not None}}


def invalid(code: str, param: str | None = None, status: int = 400) -> Refused:
    return Refused(status, "invalid_request_error", code, param=param)


@dataclass(frozen=True)
class Call:
    """A request as it arrived."""

    method: str
    path: str
    form: dict
    headers: dict


@dataclass
class Answer:
    status: int
    body: dict
    headers: dict = field(default_factory=dict)


@dataclass
class Remembered:
    fingerprint: tuple
    answer: Answer | None  # None: the first request is still at work
    at: float


class Account:
    """`now` is Stripe's own clock, in seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.search_lag_seconds = 60.0
        self.faults: list[str] = []  # what happens to the next requests that move money, in order; see StripeServer
        self.calls: list[Call] = []
        self.intents: dict[str, dict] = {}
        self.refunds: dict[str, dict] = {}
        self.disputes: dict[str, dict] = {}
        self.setups: dict[str, dict] = {}
        self.customers: dict[str, dict] = {}
        self.methods: dict[str, dict] = {}
        self.events: list[dict] = []
        self._behaviours: dict[str, list[Behaviour]] = {}
        self._keys: dict[str, Remembered] = {}
        self._numbers = 0
        self._lock = threading.RLock()

    # ---- what a test sets up and looks at -------------------------------------------------------

    def save_card(self, customer: str, *like: str) -> str:
        """A card saved for a customer, as Paidup's token; charges behave as those cards, in turn, the last repeats."""
        id = self._id("pm")
        self.customers.setdefault(customer, {"id": customer, "object": "customer", "metadata": {}})
        card = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
        self.methods[id] = {"id": id, "object": "payment_method", "customer": customer, "type": "card", "card": card}
        self._behaviours[id] = [TEST_METHODS[name] for name in like or ("pm_card_visa",)]
        return f"{customer}/{id}"

    def charged(self, attempt_id: str | None = None) -> list[dict]:
        """The PaymentIntents that took money."""
        taken = [i for i in self.intents.values() if i["status"] == "succeeded"]
        return [i for i in taken if attempt_id in (None, i["metadata"].get("paidup_attempt"))]

    def posts(self, path: str = "/v1/payment_intents") -> list[Call]:
        return [call for call in self.calls if call.method == "POST" and call.path == path]

    def deliveries(self, seed: int | None = None, times: int = 1) -> list[tuple[bytes, str]]:
        """Every event so far, signed now: in order, or shuffled and each up to `times` times."""
        events = list(self.events)
        if seed is not None:
            chance = random.Random(seed)
            events = [event for event in events for _ in range(chance.randint(1, times))]
            chance.shuffle(events)
        bodies = [json.dumps(event).encode() for event in events]
        return [(body, sign(body, SIGNING_SECRET, datetime.fromtimestamp(self.now(), UTC))) for body in bodies]

    # ---- the API --------------------------------------------------------------------------------

    def answer(self, call: Call) -> Answer:
        """As Stripe would, without faults of the network."""
        try:
            if call.headers.get("authorization") != f"Bearer {API_KEY}":
                raise Refused(401, "invalid_request_error", "api_key_invalid")
            handler, parameters = self._route(call)
            if call.method == "GET":
                with self._lock:
                    return Answer(200, handler(call.form, *parameters))
            return self._once(call, lambda: handler(call.form, *parameters))
        except Refused as error:
            return Answer(error.status, error.body)

    def fail_inside(self, call: Call, charged: bool) -> Answer:
        """A 500 of Stripe's own, after execution began: it is what the key stands for from now on."""
        with self._lock:
            key = call.headers["idempotency-key"]
            if key in self._keys:
                return self.answer(call)
            if charged:
                self.answer(call)
            failure = Answer(500, {"error": {"type": "api_error", "message": "An unknown error occurred"}})
            self._keys[key] = Remembered(_fingerprint(call), failure, self.now())
            return failure

    def _once(self, call: Call, carry_out: Callable[[], dict]) -> Answer:
        key, fingerprint = call.headers.get("idempotency-key", ""), _fingerprint(call)
        with self._lock:
            known = self._keys.get(key)
            if known is not None and self.now() - known.at < KEY_SECONDS:
                if known.fingerprint != fingerprint:
                    raise Refused(400, "idempotency_error")
                if known.answer is None:
                    raise Refused(409, "idempotency_error", "idempotency_key_in_use")
                return Answer(known.answer.status, known.answer.body, {"Idempotent-Replayed": "true"})
            try:
                answer = Answer(200, carry_out())
            except Refused as error:
                answer = Answer(error.status, error.body)
                if error.status == 400 or error.status == 404:
                    return answer  # not remembered
            self._keys[key] = Remembered(fingerprint, answer, self.now())
            return answer

    def hold(self, call: Call) -> None:
        """From now on the key is at work, until the request is answered; a key that has an answer keeps it."""
        held = Remembered(_fingerprint(call), None, self.now())
        self._keys.setdefault(call.headers["idempotency-key"], held)

    def let_go(self, call: Call) -> None:
        key = call.headers["idempotency-key"]
        if key in self._keys and self._keys[key].answer is None:
            del self._keys[key]

    def _route(self, call: Call) -> tuple[Callable[..., dict], list[str]]:
        parts = call.path.strip("/").split("/")[1:]
        shape = (call.method, parts[0], *("{}" if "_" in p and p != "payment_intents" else p for p in parts[1:]))
        routes = {
            ("POST", "payment_intents"): self._create_intent,
            ("GET", "payment_intents"): self._list_intents,
            ("GET", "payment_intents", "search"): self._search_intents,
            ("GET", "payment_intents", "{}"): lambda form, id: _found(self.intents, id),
            ("POST", "payment_intents", "{}", "confirm"): self._confirm_intent,
            ("POST", "payment_intents", "{}", "cancel"): self._cancel_intent,
            ("POST", "refunds"): self._create_refund,
            ("GET", "refunds"): self._list_refunds,
            ("GET", "refunds", "{}"): lambda form, id: _found(self.refunds, id),
            ("GET", "disputes"): self._list_disputes,
            ("POST", "customers"): self._create_customer,
            ("POST", "setup_intents"): self._create_setup,
            ("GET", "setup_intents", "{}"): self._retrieve_setup,
            ("POST", "setup_intents", "{}", "confirm"): self._confirm_setup,
            ("GET", "payment_methods", "{}"): lambda form, id: _found(self.methods, id),
        }
        if shape not in routes:
            raise invalid("url_invalid", status=404)
        return routes[shape], [p for p, s in zip(parts, shape[1:], strict=True) if s == "{}"]

    # ---- payment intents ------------------------------------------------------------------------

    def _create_intent(self, form: dict) -> dict:
        unknown = set(form) - INTENT_PARAMETERS
        if "payment_method_types" in unknown:
            raise invalid("payment_method_types_no_longer_supported", "payment_method_types")
        if unknown:
            raise invalid("parameter_unknown", min(unknown))
        amount = _positive(form.get("amount"))
        if not form.get("currency", "").islower():
            raise invalid("invalid_currency", "currency")
        if amount < SMALLEST:
            raise invalid("amount_too_small", "amount")
        self._check_method(form.get("payment_method"), form.get("customer"))
        intent = {
            "id": self._id("pi"), "object": "payment_intent", "amount": amount, "amount_received": 0,
            "currency": form["currency"], "customer": form.get("customer"), "created": int(self.now()),
            "metadata": dict(form.get("metadata", {})), "payment_method": form.get("payment_method"),
            "status": "requires_confirmation", "last_payment_error": None, "livemode": False,
            "payment_method_types": listed(form.get("allowed_payment_method_types")) or ["card"],
        }  # fmt: skip
        self.intents[intent["id"]] = intent
        if form.get("confirm") == "true":
            self._confirm(intent)
        return dict(intent)

    def _check_method(self, method: str | None, customer: str | None) -> None:
        if method in TEST_METHODS:
            return
        if method not in self.methods:
            raise invalid("resource_missing", "payment_method")
        if self.methods[method]["customer"] != customer:  # "… belongs to the Customer … Please include it"
            raise invalid("payment_method_customer_mismatch", "payment_method")

    def _confirm(self, intent: dict) -> None:
        method = intent["payment_method"]
        script = self._behaviours.get(method) or [TEST_METHODS.get(method, SUCCEEDS)]
        behaviour = script.pop(0) if len(script) > 1 else script[0]
        intent["status"] = behaviour.status
        if behaviour.status == "succeeded":
            intent["amount_received"] = intent["amount"]
            self._tell("payment_intent.succeeded", intent)
            self._tell("charge.succeeded", {"object": "charge", "metadata": intent["metadata"]})
        if behaviour.error is not None:
            error = {"type": "card_error", "code": behaviour.error, "message": "declined"}
            more = {"decline_code": behaviour.decline_code, "advice_code": behaviour.advice_code}
            intent["last_payment_error"] = error | {name: value for name, value in more.items() if value}
            self._tell("payment_intent.payment_failed", intent)
            raise Refused(402, "card_error", behaviour.error, **more, payment_intent=dict(intent))

    def _confirm_intent(self, form: dict, id: str) -> dict:
        intent = _found(self.intents, id)
        if intent["status"] not in ("requires_confirmation", "requires_payment_method"):
            raise invalid("payment_intent_unexpected_state")
        self._confirm(intent)
        return dict(intent)

    def _cancel_intent(self, form: dict, id: str) -> dict:
        intent = _found(self.intents, id)
        if intent["status"] in ("succeeded", "canceled", "processing"):
            raise invalid("payment_intent_unexpected_state")
        intent["status"] = "canceled"
        self._tell("payment_intent.canceled", intent)
        return dict(intent)

    def _list_intents(self, form: dict) -> dict:
        created = form.get("created", {})
        low, high = int(created.get("gte", 0)), int(created.get("lte", 10**12))
        wanted = [
            intent
            for intent in self.intents.values()
            if form.get("customer") in (None, intent["customer"]) and low <= intent["created"] <= high
        ]
        return _page(wanted, form)

    def _search_intents(self, form: dict) -> dict:
        name, value = form["query"].removeprefix("metadata['").removesuffix("'").split("']:'")
        seen = [i for i in self.intents.values() if self.now() - i["created"] >= self.search_lag_seconds]
        found = [i for i in seen if i["metadata"].get(name) == value]
        return {"object": "search_result", "data": found, "has_more": False, "next_page": None}

    # ---- refunds --------------------------------------------------------------------------------

    def _create_refund(self, form: dict) -> dict:
        intent = _found(self.intents, form.get("payment_intent"))
        amount = _positive(form.get("amount"))
        if intent["status"] != "succeeded":
            raise invalid("charge_not_refundable", "payment_intent")
        given = sum(r["amount"] for r in self.refunds.values() if r["payment_intent"] == intent["id"])
        if given == intent["amount"]:
            raise invalid("charge_already_refunded")
        if given + amount > intent["amount"]:
            raise invalid("amount_too_large", "amount")
        refund = {
            "id": self._id("re"), "object": "refund", "amount": amount, "payment_intent": intent["id"],
            "status": "succeeded", "metadata": dict(form.get("metadata", {})), "created": int(self.now()),
        }  # fmt: skip
        self.refunds[refund["id"]] = refund
        self._tell("refund.created", refund)
        charge = {"object": "charge", "metadata": intent["metadata"], "payment_intent": intent["id"]}
        self._tell("charge.refunded", charge)
        return dict(refund)

    def _list_refunds(self, form: dict) -> dict:
        return _page([r for r in self.refunds.values() if r["payment_intent"] == form.get("payment_intent")], form)

    def refund_at_dashboard(self, intent_id: str, amount: int) -> dict:
        """What a person does at Stripe itself: nothing of it carries our metadata, but the charge that it is of."""
        with self._lock:
            return self._create_refund({"payment_intent": intent_id, "amount": str(amount)})

    def dispute(self, intent_id: str, status: str = "needs_response") -> dict:
        """The payer objects, or it is decided who is right."""
        known = next((d for d in self.disputes.values() if d["payment_intent"] == intent_id), None)
        if known is not None:
            known["status"] = status
            self._tell("charge.dispute.closed", known)
            return known
        made = {
            "id": self._id("dp"), "object": "dispute", "amount": self.intents[intent_id]["amount"], "charge": "ch_1",
            "payment_intent": intent_id, "status": status, "reason": "fraudulent", "metadata": {},
        }  # fmt: skip
        self.disputes[made["id"]] = made
        self._tell("charge.dispute.created", made)
        return made

    def _list_disputes(self, form: dict) -> dict:
        return _page([d for d in self.disputes.values() if d["payment_intent"] == form.get("payment_intent")], form)

    # ---- cards ----------------------------------------------------------------------------------

    def _create_customer(self, form: dict) -> dict:
        customer = {"id": self._id("cus"), "object": "customer", "metadata": dict(form.get("metadata", {}))}
        self.customers[customer["id"]] = customer
        return dict(customer)

    def _create_setup(self, form: dict) -> dict:
        customer = _found(self.customers, form.get("customer"))
        id = self._id("seti")
        self.setups[id] = {
            "id": id, "object": "setup_intent", "client_secret": f"{id}_secret", "customer": customer["id"],
            "status": "requires_payment_method", "usage": form.get("usage"), "payment_method": None,
            "metadata": dict(form.get("metadata", {})),
        }  # fmt: skip
        return dict(self.setups[id])

    def _confirm_setup(self, form: dict, id: str) -> dict:
        """What Stripe's fields do in the customer's browser."""
        setup = _found(self.setups, id)
        token = self.save_card(setup["customer"], form["payment_method"])
        setup |= {"status": "succeeded", "payment_method": token.partition("/")[2]}
        self._tell("setup_intent.succeeded", setup)
        return dict(setup)

    def _retrieve_setup(self, form: dict, id: str) -> dict:
        setup = dict(_found(self.setups, id))
        if setup["payment_method"] and "payment_method" in listed(form.get("expand")):
            setup["payment_method"] = dict(self.methods[setup["payment_method"]])
        return setup

    # ---- inside ---------------------------------------------------------------------------------

    def _tell(self, type: str, thing: dict) -> None:
        event = {"id": self._id("evt"), "object": "event", "type": type, "created": int(self.now())}
        self.events.append(event | {"data": {"object": json.loads(json.dumps(thing))}})

    def _id(self, prefix: str) -> str:
        self._numbers += 1
        return f"{prefix}_{self._numbers:06d}"


def _found(things: dict[str, dict], id: str | None) -> dict:
    if id not in things:
        raise invalid("resource_missing", status=404)
    return things[id]


def _positive(text: str | None) -> int:
    if text is None:
        raise invalid("parameter_missing", "amount")
    if not text.isdigit() or int(text) == 0:
        raise invalid("parameter_invalid_integer", "amount")
    return int(text)


def _page(things: list[dict], form: dict) -> dict:
    """Newest first, after `starting_after`."""
    ordered = sorted(things, key=lambda thing: thing["id"], reverse=True)
    if "starting_after" in form:
        ids = [thing["id"] for thing in ordered]
        ordered = ordered[ids.index(form["starting_after"]) + 1 :]
    limit = int(form.get("limit", 10))
    return {"object": "list", "url": "/v1", "data": ordered[:limit], "has_more": len(ordered) > limit}


def _fingerprint(call: Call) -> tuple:
    return call.path, json.dumps(call.form, sort_keys=True)
