"""The support file, which a person attaches to a report of a fault."""

from __future__ import annotations

from datetime import UTC, datetime

from quart import Blueprint

from app.api.context import gateway
from app.api.operation import Download, operation
from app.protocol.commands import MakeSupportFile

blueprint = Blueprint("support", __name__)


@operation(blueprint, "GET", "/api/support", scope="admin", limit="connection", produces="text/plain; charset=utf-8")
async def support_file() -> Download:
    """Make the support file: one text about the gateway's state, to be attached to a report.

    Board, firmware, kernel messages of the network, ports and their drivers, boot times, throttling, memory, plan and
    live state, history, versions. Secrets, public addresses, names of devices and of Wi-Fi networks are redacted.
    One is made at a time: a second request gets 429.
    """
    text = await gateway().submit(MakeSupportFile())
    return Download(text.encode(), f"vpn-gateway-support-{datetime.now(UTC):%Y-%m-%d}.txt")
