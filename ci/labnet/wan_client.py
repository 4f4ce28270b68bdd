"""The gateway's DHCP client on the WAN, which has its own unit on the image."""

from __future__ import annotations

from ci.labnet.hosts import Hosts
from ci.labnet.paths import HERE
from ci.labnet.waiting import wait_for


class WanClient:
    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def start(self) -> None:
        """Start the client; returns once the WAN has an address. Raises LabError."""
        gateway = self._hosts["gateway"]
        gateway.run("pkill", "udhcpc", check=False)
        gateway.start(
            *("udhcpc", "-i", "wan0", "-f", "-S", "-t", "5", "-T", "1", "-A", "2", "-O", "121"),
            *("-s", str(HERE / "wan-dhcp")),
        )
        wait_for("the WAN's DHCP", lambda: "inet " in gateway.run("ip", "-4", "addr", "show", "dev", "wan0").stdout)

    def restart(self) -> None:
        """Restart without an address, as on a new link."""
        self._hosts["gateway"].shell("ip -4 addr flush dev wan0 scope global")
        self.start()
