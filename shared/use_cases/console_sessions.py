"""Signing in to the console and out again. PRODUCT 12."""

from __future__ import annotations

from shared.domain.console_session import SESSION_LIFE, ConsoleSession, session_digest
from shared.ports import Conflict, Ports, Remove, Save


def open_session(by: str, role: str | None, ports: Ports) -> tuple[str, ConsoleSession]:
    """A token for the cookie, which nobody can ask for again, and what is stored of it."""
    token = ports.ids.new("") + ports.ids.new("")
    session = ConsoleSession(session_digest(token), by, role, ports.clock.now() + SESSION_LIFE)
    ports.store.commit(Save(session))
    return token, session


def session_of(token: str, ports: Ports) -> ConsoleSession | None:
    """Whose it is; None if it is nobody's, or has expired."""
    session = ports.store.get(ConsoleSession, session_digest(token)) if token else None
    return session if session is not None and ports.clock.now() < session.expires_at else None


def close_session(token: str, ports: Ports) -> None:
    """From now on the token opens nothing."""
    session = ports.store.get(ConsoleSession, session_digest(token))
    if session is None:
        return
    try:
        ports.store.commit(Remove(session))
    except Conflict:
        pass  # signed out in another window this very moment
