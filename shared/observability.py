"""Logs and metrics of the functions, in one shape: what a handler is decorated with.

A handler logs outcomes; use cases return them and never log. Logs carry ids and reasons, never what people
typed.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from shared.config import Misconfigured
from shared.domain.errors import DomainError, Invalid
from shared.ports import Conflict, Unavailable

SERVICE = "paidup"
REASON_CHARS_MAX = 500
FRAMES_MAX = 12  # innermost frames of a stack that are logged
CORRELATION = "correlation_id"  # the attribute of a message; its body is the work alone
PASSING = (Unavailable, Conflict)  # will be gone when the record is delivered again
TELLING = (DomainError, Misconfigured, *PASSING)  # errors whose text names ids and rules only

logger = Logger(service=SERVICE)
metrics = Metrics(namespace="Paidup", service=SERVICE)

Handler = Callable[[dict[str, Any], Any], Any]
TellFailure = Callable[[str, str, int], None]  # message id, reason, attempts
_counts: dict[str, int] = {}
_tell_failure: TellFailure = lambda message_id, reason, attempts: None  # noqa: E731 - until somebody wants to know
_listener: Callable[[Mapping[str, int]], None] | None = None


def quiet(level: str = "ERROR", listener: Callable[[Mapping[str, int]], None] = lambda counts: None) -> None:
    """Log only from this level up, and tell the listener what each invocation counted instead of publishing it.

    For the local cloud, whose stdout people read. Until `loud`.
    """
    global _listener
    _listener = listener
    logger.setLevel(level)


def loud(level: str = "INFO") -> None:
    """Log and publish again as in a deployment."""
    global _listener
    _listener = None
    logger.setLevel(level)


@contextmanager
def unheard() -> Iterator[None]:
    """Nothing is logged, published or told of what happens inside; then all is as it was, within an invocation too."""
    global _listener, _tell_failure
    heard, told, counts = _listener, _tell_failure, dict(_counts)
    level, invocation = logger.log_level, logger.get_correlation_id()
    _listener, _tell_failure = (lambda counts: None), (lambda message_id, reason, attempts: None)
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        _listener, _tell_failure = heard, told
        logger.setLevel(level)
        logger.set_correlation_id(invocation)
        _counts.clear()
        _counts.update(counts)


def tell_failures(told: TellFailure) -> None:
    """Who is told of a message that fails for the last time, before its queue puts it aside."""
    global _tell_failure
    _tell_failure = told


def observed(handler: Handler) -> Handler:
    """Gives an invocation's log lines its id, publishes what it counted, and swallows no error."""

    @wraps(handler)
    def invoked(event: dict[str, Any], context: Any) -> Any:
        request_id = getattr(context, "aws_request_id", None)
        logger.set_correlation_id(request_id)
        logger.append_keys(function_request_id=request_id)
        try:
            return handler(event, context)
        except Exception as error:
            logger.error("invocation failed", extra={"handler": handler.__module__, **facts_of(error)})
            raise
        finally:
            _publish()

    return invoked


def report(outcome: object, times: int = 1, **ids: object) -> None:
    """Log what came of a piece of work, and count it: a word, or a value with `outcome` or `status`.

    `times`: that of so many alike, in one line that says how many.
    """
    name = _word(outcome)
    count(name, times)
    if logger.log_level <= logging.INFO:
        told = ids if times == 1 else {"times": times, **ids}
        logger.info(name, extra={key: str(value) for key, value in told.items()})


def correlation() -> str | None:
    """What the work at hand began with: the id of a tick's or request's invocation, through every message since."""
    return logger.get_correlation_id()


def correlate(began: str | None) -> None:
    """Go on with the work that began with this."""
    logger.set_correlation_id(began)


def count(name: str, by: int = 1) -> None:
    """Add to a metric of this invocation; published at its end."""
    _counts[name] = _counts.get(name, 0) + by


def tell_failure(message_id: str, error: BaseException, attempts: int) -> None:
    """That a reason is lost must not lose the message."""
    try:
        _tell_failure(message_id, _reason(error), attempts)
    except Exception as untold:  # noqa: BLE001 - whatever it is, the message is put aside all the same
        logger.error("reason is lost", extra={"message_id": message_id, **facts_of(untold)})


def _reason(error: BaseException) -> str:
    facts = facts_of(error)
    told = facts.get("reason") or (f"field {facts['field']}" if "field" in facts else "")
    where = next(reversed(traceback.extract_tb(error.__traceback__)), None)
    at = f"at {where.filename.rpartition('/')[2]}:{where.lineno} in {where.name}" if where else ""
    return f"{type(error).__name__}: {told or at}"[:REASON_CHARS_MAX]


def facts_of(error: BaseException) -> dict[str, object]:
    """Where an error came from. Its text only if it is one of ours: others quote what people typed."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    stack = [f"{frame.filename.rpartition('packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    facts: dict[str, object] = {"error": type(error).__name__, "stack": stack}
    if isinstance(error, Invalid):
        facts["field"] = error.field  # its message may quote the value
    elif isinstance(error, TELLING):
        facts["reason"] = str(error)
    return facts


def _word(outcome: object) -> str:
    if isinstance(outcome, str):
        return outcome
    for name in ("outcome", "status", "value"):
        if isinstance(word := getattr(outcome, name, None), str):
            return word
    return type(outcome).__name__


def _publish() -> None:
    if not _counts:
        return
    counted = dict(_counts)
    _counts.clear()
    if _listener is not None:
        _listener(counted)
        return
    for name, by in counted.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=by)
    metrics.flush_metrics()
