"""The Internet around the gateway: an ISP, a host with web, DNS and NTP, and the faults of a WAN."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Sequence

from ci.labnet import rogue_router
from ci.labnet.addresses import INTERNET4, INTERNET6, INTERNET_DNS4, VPNS, WAN4_NETWORKS, WAN6_PREFIX
from ci.labnet.hosts import Hosts
from ci.labnet.paths import HERE
from ci.labnet.waiting import wait_for
from ci.labnet.wan_client import WanClient


class Internet:
    def __init__(self, hosts: Hosts, wan_client: WanClient) -> None:
        self._hosts = hosts
        self._wan_client = wan_client

    def start(self) -> None:
        self.start_isp()
        self.start_internet()

    def start_isp(self, *, network: str | None = None, options: Sequence[str] = ()) -> None:
        """Start the WAN's DHCP server and router advertisements; ``options`` are extra lines for its dnsmasq."""
        remembered = self._hosts.directory / "wan-network"
        if network is None:
            network = remembered.read_text() if remembered.exists() else WAN4_NETWORKS[0]
        remembered.write_text(network)
        self._hosts.dnsmasq(
            "isp",
            "dhcp",
            [
                "bind-dynamic",
                "interface=wan",
                "dhcp-authoritative",
                "no-ping",
                f"server={INTERNET_DNS4}",
                f"dhcp-leasefile={self._hosts.directory}/isp.leases",
                f"dhcp-range={network}.100,{network}.150,255.255.255.0,12h",
                *options,
                "enable-ra",
                f"dhcp-range={WAN6_PREFIX}::,ra-only,64",
                "ra-param=wan,5,600",
            ],
        )

    def start_internet(self) -> None:
        """Start a web server, NTP, UDP echo, and a DNS server that logs all queries in ``internet-dns.log``."""
        self._hosts.dnsmasq(
            "internet",
            "dns",
            [
                "bind-dynamic",
                "interface=eth0",
                "log-queries=extra",
                f"log-facility={self._hosts.directory}/internet-dns.log",
                f"address=/whoami.lab/{INTERNET_DNS4}",
                "txt-record=whoami.lab,internet",
                f"address=/lab/{INTERNET4}",
                f"address=/lab/{INTERNET6}",
                *(f"address=/{name}.lab/{v4}" for name, (v4, *_) in VPNS.items()),
            ],
        )
        self._hosts["internet"].start(
            sys.executable, str(HERE / "internet_server.py"), log=self._hosts.directory / "internet.log"
        )
        wait_for("the Internet", lambda: self._hosts.http("internet", f"http://{INTERNET4}/", check=False))

    # --- faults ----------------------------------------------------------------------------------------------------

    def wan_link(self, up: bool) -> None:
        """Plug or pull the WAN's cable at the ISP's end; when it is pulled, the gateway loses its carrier."""
        self._hosts["isp"].run("ip", "link", "set", "wan", "up" if up else "down")
        if up:
            self._hosts["isp"].shell(f"ip addr replace {WAN6_PREFIX}::1/64 dev wan nodad")

    def renumber(self, network: str) -> None:
        """Change the WAN's network; the gateway's DHCP client restarts, as on a new link."""
        self._hosts["isp"].shell(f"ip -4 addr flush dev wan; ip addr add {network}.1/24 dev wan")
        self.start_isp(network=network)
        self._wan_client.restart()

    def set_option121(self, *routes: str) -> None:
        """Set the classless static routes that the WAN's DHCP offers ("10.0.0.0/8", "192.168.1.1", ...), or none."""
        option = ",".join(routes)
        self.start_isp(options=[f"dhcp-option=121,{option}", f"dhcp-option=249,{option}"] if routes else [])
        self._wan_client.restart()

    @contextlib.contextmanager
    def option121(self, *routes: str) -> Generator[None]:
        self.set_option121(*routes)
        try:
            yield
        finally:
            self.start_isp()

    def set_rogue_ra(self, on: bool) -> None:
        """Start or stop a rogue router on the WAN, which announces a prefix and a default route of high preference."""
        isp = self._hosts["isp"]
        router = (sys.executable, str(HERE / "rogue_router.py"))
        if on:
            isp.shell(f"ip addr replace {rogue_router.SOURCE}/64 dev {rogue_router.INTERFACE} nodad")
            isp.start(*router, "1800", log=self._hosts.directory / "rogue-router.log")
            return
        if isp.run("pkill", "-f", "rogue_router.py", check=False).returncode != 0:
            return  # no rogue router was running
        isp.run(*router, "0")
        isp.shell(f"ip addr del {rogue_router.SOURCE}/64 dev {rogue_router.INTERFACE}")

    @contextlib.contextmanager
    def rogue_ra(self) -> Generator[None]:
        self.set_rogue_ra(True)
        try:
            yield
        finally:
            self.set_rogue_ra(False)
