"""The world outside the gateway: an ISP, an Internet, two WireGuard servers, and what may go wrong with them."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Generator, Sequence

from app import keys
from ci.labnet import rogue_router
from ci.labnet.addresses import (
    INTERNET4,
    INTERNET6,
    INTERNET_DNS4,
    VPN_PORT,
    VPNS,
    WAN4_NETWORKS,
    WAN6_PREFIX,
)
from ci.labnet.hosts import HERE, Base, wait_for

NAT = """
table inet nat {
    chain out {
        type nat hook postrouting priority srcnat;
        oifname "eth0" masquerade
    }
}
"""


class World(Base):
    # --- the Internet and its servers ------------------------------------------------------------------------------

    def start_world(self) -> None:
        self.start_isp()
        self.start_internet()
        for name in VPNS:
            self.start_vpn(name)

    def start_isp(self, *, network: str | None = None, options: Sequence[str] = ()) -> None:
        """The WAN's DHCP server and honest router advertisements; ``options`` are more lines for its dnsmasq."""
        remembered = self.directory / "wan-network"
        if network is None:
            network = remembered.read_text() if remembered.exists() else WAN4_NETWORKS[0]
        remembered.write_text(network)
        self.dnsmasq(
            "isp",
            "dhcp",
            [
                "bind-dynamic",
                "interface=wan",
                "dhcp-authoritative",
                "no-ping",
                f"server={INTERNET_DNS4}",
                f"dhcp-leasefile={self.directory}/isp.leases",
                f"dhcp-range={network}.100,{network}.150,255.255.255.0,10m",
                *options,
                "enable-ra",
                f"dhcp-range={WAN6_PREFIX}::,ra-only,64",
                "ra-param=wan,5,600",
            ],
        )

    def start_internet(self) -> None:
        """A web server, NTP and UDP echo; and a DNS server that logs who asked for what in ``internet-dns.log``."""
        self.dnsmasq(
            "internet",
            "dns",
            [
                "bind-dynamic",
                "interface=eth0",
                "log-queries=extra",
                f"log-facility={self.directory}/internet-dns.log",
                f"address=/whoami.lab/{INTERNET_DNS4}",
                "txt-record=whoami.lab,internet",
                f"address=/lab/{INTERNET4}",
                f"address=/lab/{INTERNET6}",
                *(f"address=/{name}.lab/{v4}" for name, (v4, *_) in VPNS.items()),
            ],
        )
        self.hosts["internet"].start(
            sys.executable, str(HERE / "internet_server.py"), log=self.directory / "internet.log"
        )
        wait_for("the Internet", lambda: self.http("internet", f"http://{INTERNET4}/", check=False))

    def vpn_keys(self, name: str) -> dict[str, str]:
        """The server's pair and its client's, made when first asked for and valid for this lab only."""
        path = self.directory / f"{name}.json"
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

    def start_vpn(self, name: str) -> None:
        """A WireGuard server with NAT to the Internet and a resolver of its own inside the tunnel."""
        host = self.hosts[name]
        v4, _, inner4, inner6, _ = VPNS[name]
        pair = self.vpn_keys(name)
        if host.run("ip", "link", "add", "wg0", "type", "wireguard", check=False).returncode != 0:
            host.shell("LOG_LEVEL=error wireguard-go wg0 >/dev/null 2>&1")  # a daemon must not hold our pipes
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
        self.dnsmasq(
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
                f"log-facility={self.directory}/{name}-dns.log",
            ],
        )

    # --- faults ----------------------------------------------------------------------------------------------------

    def stop_vpn(self, name: str) -> None:
        """The server dies: its WireGuard is gone, and nothing on its host answers on that port."""
        self.hosts[name].shell("nft delete table inet nat; ip link del wg0; pkill dnsmasq || true")

    def vpn_mute(self, name: str, mute: bool = True) -> None:
        """The server's packets no longer get through, as when a network on the way has failed."""
        table = f"mute_{name.replace('-', '_')}"
        text = f"table inet {table} {{ }}\ndelete table inet {table}\n"
        if mute:
            either = f'iifname "{name}" drop\n oifname "{name}" drop'
            text += f"table inet {table} {{\n chain c {{\n type filter hook forward priority 0;\n {either}\n }}\n}}\n"
        self.hosts["isp"].run("nft", "-f", "-", input=text, stdin=None)

    def wan_link(self, up: bool) -> None:
        """The cable on the WAN: pulled at the ISP's end, so that the gateway loses its carrier."""
        self.hosts["isp"].run("ip", "link", "set", "wan", "up" if up else "down")
        if up:
            self.hosts["isp"].shell(f"ip addr replace {WAN6_PREFIX}::1/64 dev wan nodad")

    def renumber(self, network: str) -> None:
        """Another network on the WAN; the gateway's DHCP client starts over, as it does on a new link."""
        self.hosts["isp"].shell(f"ip -4 addr flush dev wan; ip addr add {network}.1/24 dev wan")
        self.start_isp(network=network)
        self.start_wan_dhcp_again()

    def set_option121(self, *routes: str) -> None:
        """The WAN's DHCP server hands out these classless static routes ("10.0.0.0/8", "192.168.1.1", ...), or none."""
        told = ",".join(routes)
        self.start_isp(options=[f"dhcp-option=121,{told}", f"dhcp-option=249,{told}"] if routes else [])
        self.start_wan_dhcp_again()

    @contextlib.contextmanager
    def option121(self, *routes: str) -> Generator[None]:
        self.set_option121(*routes)
        try:
            yield
        finally:
            self.start_isp()

    def set_rogue_ra(self, on: bool) -> None:
        """Somebody on the WAN announces a default route, of high preference, and a prefix."""
        isp = self.hosts["isp"]
        router = (sys.executable, str(HERE / "rogue_router.py"))
        if on:
            isp.shell(f"ip addr replace {rogue_router.SOURCE}/64 dev {rogue_router.INTERFACE} nodad")
            isp.start(*router, "1800", log=self.directory / "rogue-router.log")
            return
        if isp.run("pkill", "-f", "rogue_router.py", check=False).returncode != 0:
            return  # there was none
        isp.run(*router, "0")
        isp.shell(f"ip addr del {rogue_router.SOURCE}/64 dev {rogue_router.INTERFACE}")

    @contextlib.contextmanager
    def rogue_ra(self) -> Generator[None]:
        self.set_rogue_ra(True)
        try:
            yield
        finally:
            self.set_rogue_ra(False)

    # --- the gateway's side of the WAN -----------------------------------------------------------------------------

    def start_wan_dhcp(self) -> None:
        gateway = self.hosts["gateway"]
        gateway.run("pkill", "udhcpc", check=False)
        gateway.start(
            *("udhcpc", "-i", "wan0", "-f", "-S", "-t", "5", "-T", "1", "-A", "2", "-O", "121"),
            *("-s", str(HERE / "wan-dhcp")),
        )
        wait_for("the WAN's DHCP", lambda: "inet " in gateway.run("ip", "-4", "addr", "show", "dev", "wan0").stdout)

    def start_wan_dhcp_again(self) -> None:
        self.hosts["gateway"].shell("ip -4 addr flush dev wan0 scope global")
        self.start_wan_dhcp()
