"""The exit check asks a web server, through the tunnel, which address it sees.

The answer of ``settings.exit_check_url`` is JSON with an ``ip`` (as am.i.mullvad.net/json gives) or the bare address.
Name look-up and connection carry the exit's mark, so that they leave through the tunnel or fail.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from app.addresses import Address, is_on_internet
from app.https.exchange import AnswerTooLargeError, NotHttpError, Request, UnsendableRequestError, exchange
from app.https.headers import host_header
from app.https.transport import Destination, dial, tls_context
from app.tunnel.resolve import LookupFailedError, literal, lookup

TIMEOUT = 15.0  # seconds for one address: connection, TLS and answer
MAX_ANSWER = 65536  # bytes

Confirm = Callable[[Mapping[str, Any]], bool | None]  # see app.providers.base.ConfirmsExit


class ExitAddress(Struct, frozen=True):
    """The address from which the exit's traffic reaches the Internet."""

    ip: str
    confirmed: bool | None = None  # whether it is an exit of the provider; None = the provider does not say


def parse(body: bytes, confirm: Confirm) -> ExitAddress | None:
    """The address in ``body``, or None where it holds none (pure)."""
    text = body.decode("utf-8", "replace").strip()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = text
    answer: Mapping[str, Any] = data if isinstance(data, dict) else {"ip": data}
    try:
        return ExitAddress(str(ip_address(str(answer.get("ip")))), confirm(answer))
    except ValueError:
        return None


async def check_exit_address(
    url: str,
    resolvers: tuple[Address, ...],
    mark: int,
    *,
    ipv6: bool,
    confirm: Confirm,
    permitted: Callable[[Address], bool] = is_on_internet,
) -> ExitAddress | None:
    """The address that ``url`` sees for requests through the exit with ``mark``; None where it cannot be determined.

    Only ``permitted`` addresses are asked, also where a name resolves to others: packets to the LAN and to this machine
    do not take the exit's path, so whoever sets the URL or answers for its name would make requests in the LAN.
    """
    host = urlsplit(url).hostname or ""
    try:
        fixed = literal(host)
        addresses = [fixed] if fixed else await lookup(host, resolvers, want4=True, want6=ipv6, mark=mark)
    except LookupFailedError:
        return None
    for address in filter(permitted, addresses):
        try:
            return parse(await _get(url, address, mark), confirm)
        except (OSError, AnswerTooLargeError, NotHttpError, UnsendableRequestError):
            continue
    return None


async def _get(url: str, address: Address, mark: int) -> bytes:
    """Raises OSError (TimeoutError is one), AnswerTooLargeError, NotHttpError, UnsendableRequestError."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    standard_port = 443 if secure else 80  # http is for labs only: the settings accept https alone
    to = Destination(parts.hostname or "", parts.port or standard_port)
    headers = {
        "host": host_header(to, standard_port),
        "accept-encoding": "identity",
        "accept": "application/json",
        "connection": "close",
    }
    request = Request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers)
    async with asyncio.timeout(TIMEOUT):
        # In a thread, because loading the system's certificate authorities takes tens of milliseconds on a Pi.
        tls = await asyncio.to_thread(tls_context) if secure else None
        async with dial([address], to, tls, mark=mark) as streams:
            answer = await exchange(streams, request, limit=MAX_ANSWER)
    return answer.body if answer.status == 200 else b""
