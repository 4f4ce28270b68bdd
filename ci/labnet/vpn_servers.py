"""The lab's WireGuard servers and their faults."""

from __future__ import annotations

import json

from app import keys
from ci.labnet.addresses import INTERNET_DNS4, VPN_PORT, VPNS
from ci.labnet.hosts import Hosts

NAT = """
table inet nat {
    chain out {
        type nat hook postrouting priority srcnat;
        oifname "eth0" masquerade
    }
}
"""


class VpnServers:
    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def keys(self, name: str) -> dict[str, str]:
        """The key pairs of the server and its client, generated on first use and valid for this lab only."""
        path = self._hosts.directory / f"{name}.json"
        if not path.exists():
            server, client = keys.generate(), keys.generate()
            path.touch(mode=0o600)
            path.write_text(
                json.dumps(
                    {
                        "private_key": server.private_key.reveal(),
                        "public_key": server.public_key,
                        "client_private_key": client.private_key.reveal(),
                        "client_public_key": client.public_key,
                    }
                )
            )
        return json.loads(path.read_text())

    def start(self, name: str) -> None:
        """Start a WireGuard server with NAT to the Internet and its own resolver inside the tunnel."""
        host = self._hosts[name]
        v4, _, inner4, inner6, _ = VPNS[name]
        pair = self.keys(name)
        if host.run("ip", "link", "add", "wg0", "type", "wireguard", check=False).returncode != 0:
            host.shell("LOG_LEVEL=error wireguard-go wg0 >/dev/null 2>&1")  # the daemon must not keep our pipes open
        config = (
            f"[Interface]\nPrivateKey = {pair['private_key']}\nListenPort = {VPN_PORT}\n"
            f"[Peer]\nPublicKey = {pair['client_public_key']}\nAllowedIPs = {inner4}.2/32, {inner6}::2/128\n"
        )
        host.run("wg", "setconf", "wg0", "/dev/stdin", input=config, stdin=None)
        host.shell(f"""
            sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
            ip addr add {inner4}.1/24 dev wg0; ip addr add {inner6}::1/64 dev wg0 nodad; ip link set wg0 up
        """)
        host.run("nft", "-f", "-", input=NAT, stdin=None)
        self._hosts.dnsmasq(
            name,
            "dns",
            [
                "bind-dynamic",
                "interface=wg0",
                "except-interface=lo",
                f"server={INTERNET_DNS4}",
                f"address=/whoami.lab/{v4}",
                f"txt-record=whoami.lab,{name}",
                "log-queries=extra",
                f"log-facility={self._hosts.directory}/{name}-dns.log",
            ],
        )

    def stop(self, name: str) -> None:
        """Stop the server: its WireGuard interface is removed, and its port is closed."""
        self._hosts[name].shell("nft delete table inet nat; ip link del wg0; pkill dnsmasq || true")

    def mute(self, name: str, mute: bool = True) -> None:
        """Drop all packets of the server, as when a network on the path has failed."""
        table = f"mute_{name.replace('-', '_')}"
        text = f"table inet {table} {{ }}\ndelete table inet {table}\n"
        if mute:
            either = f'iifname "{name}" drop\n oifname "{name}" drop'
            text += f"table inet {table} {{\n chain c {{\n type filter hook forward priority 0;\n {either}\n }}\n}}\n"
        self._hosts["isp"].run("nft", "-f", "-", input=text, stdin=None)
