"""``wg-quick`` with the same configuration, on a separate host on the same WAN, to compare with."""

from __future__ import annotations

import json

from ci.labnet import Lab
from ci.labnet.addresses import VPN_PORT, VPNS

NAME = "wgq"  # the interface; the file is named after it


def configuration(lab: Lab, server: str) -> str:
    """The .conf equivalent to the gateway's custom server."""
    v4, _, inner4, inner6, _ = VPNS[server]
    pair = json.loads((lab.directory / f"{server}.json").read_text())
    return (
        f"[Interface]\nPrivateKey = {pair['client_private_key']}\nAddress = {inner4}.2/32, {inner6}::2/128\n"
        f"[Peer]\nPublicKey = {pair['public_key']}\nEndpoint = {v4}:{VPN_PORT}\n"
        "AllowedIPs = 0.0.0.0/0, ::/0\nPersistentKeepalive = 25\n"
    )


def prepare(lab: Lab, host: str) -> None:
    """Write the configurations of both servers for wg-quick on ``host``."""
    lab.hosts[host].shell("mkdir -p /run/wgq && chmod 700 /run/wgq")
    for server in VPNS:
        lab.hosts[host].write(f"/run/wgq/{server}.conf", configuration(lab, server))


def use(lab: Lab, host: str, server: str) -> None:
    lab.hosts[host].shell(f"umask 077; cp /run/wgq/{server}.conf /run/wgq/{NAME}.conf")


def up_command() -> list[str]:
    return ["sh", "-c", f"wg-quick up /run/wgq/{NAME}.conf >/dev/null 2>&1"]


def down_command() -> list[str]:
    return ["sh", "-c", f"wg-quick down /run/wgq/{NAME}.conf >/dev/null 2>&1"]
