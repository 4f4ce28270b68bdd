"""The exit address as the Internet sees it, asked through the tunnel itself.

The answer of ``settings.exit_check_url`` is JSON with an ``ip`` (as am.i.mullvad.net/json gives) or the bare address.
Name look-up and connection carry the exit's mark, so that they leave by the tunnel or not at all.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
from ipaddress import ip_address
from urllib.parse import urlsplit

from msgspec import Struct

from app.addresses import Address
from app.tunnel.resolve import LookupFailedError, literal, lookup

TIMEOUT = 5.0  # seconds for the whole exchange, each step of it
LIMIT = 65536  # bytes read at most


class Seen(Struct, frozen=True):
    """What the outside sees of us."""

    ip: str
    mullvad: bool | None = None  # whether Mullvad knows the address for an exit of its own; None = not said


def parse(body: bytes) -> Seen | None:
    """What ``body`` says, or None where there is no address in it (pure)."""
    text = body.decode("utf-8", "replace").strip()
    try:
        data = json.loads(text)
    except ValueError:
        data = text
    found, mullvad = (data.get("ip"), data.get("mullvad_exit_ip")) if isinstance(data, dict) else (data, None)
    try:
        return Seen(str(ip_address(str(found))), mullvad if isinstance(mullvad, bool) else None)
    except ValueError:
        return None


def _get(url: str, address: Address, mark: int) -> bytes:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    host = parts.hostname or ""
    sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        sock.settimeout(TIMEOUT)
        sock.connect((str(address), port))
        if secure:
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        connection.sock = sock
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"Accept": "application/json", "Connection": "close"})
        response = connection.getresponse()
        return response.read(LIMIT) if response.status == http.HTTPStatus.OK else b""
    finally:
        sock.close()


async def exit_address(url: str, resolvers: tuple[Address, ...], mark: int, *, ipv6: bool) -> Seen | None:
    """What ``url`` sees when asked through the exit with ``mark``, or None."""
    host = urlsplit(url).hostname or ""
    try:
        fixed = literal(host)
        addresses = [fixed] if fixed else await lookup(host, resolvers, want4=True, want6=ipv6, mark=mark)
    except LookupFailedError:
        return None
    for address in addresses:
        try:
            return parse(await asyncio.to_thread(_get, url, address, mark))
        except (OSError, http.client.HTTPException):
            continue
    return None
