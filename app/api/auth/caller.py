"""The caller of the present request: its address and its program, by which people tell their sessions apart."""

from __future__ import annotations

from quart import has_websocket_context, request, websocket

from app.api.auth.sessions import Caller
from app.api.limits import client_address

AGENT_SHOWN = 200  # characters of a User-Agent that are kept


def caller() -> Caller:
    asking = websocket if has_websocket_context() else request
    agent = "".join(c for c in asking.headers.get("User-Agent", "") if c.isprintable())
    return Caller(client_address(asking.remote_addr), agent[:AGENT_SHOWN])
