"""The device that people mean, by its MAC address, its address or its name."""

from __future__ import annotations

import re

from app.cli.client import CommandError
from app.cli.context import Context

_MAC = re.compile(r"[:.-]*([0-9a-fA-F][:.-]*){12}")


def device_mac(ctx: Context, text: str) -> str:
    """The MAC address of the device ``text``; a name that people gave counts before others. Raises CommandError."""
    if _MAC.fullmatch(text):
        return text
    wanted = text.casefold()
    listed = ctx.client.get("/api/devices")["devices"]
    named = {d["mac"] for d in listed if (d["name"] or "").casefold() == wanted}
    sent = {d["mac"] for d in listed if (d["hostname"] or "").casefold() == wanted or wanted in d["addresses"]}
    found = sorted(named or sent)
    if len(found) != 1:
        listed_macs = f": {', '.join(found)}" if found else "; `vpn-gateway devices` lists them"
        raise CommandError(f"{'several devices are' if found else 'no device is known as'} {text!r}{listed_macs}")
    return found[0]
