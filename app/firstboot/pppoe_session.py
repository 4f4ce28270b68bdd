"""The program of ``vpn-gateway-pppoe.service``: it finds the port of the session and becomes pppd.

A PPPoE session needs the name of an interface, while the settings may select a port by its address or place. Its name
is known once the port exists.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from app.firstboot.pppoe import OPTIONS, PORT
from app.model import NetworkPort
from app.network.roles import points_at
from app.portname import usb_place

PPPD = "/usr/sbin/pppd"
NET = Path("/sys/class/net")


def find_interface(text: str, net: Path = NET) -> str | None:
    """The name of the interface that ``text``, in a form of app.portname, selects; None also where it selects two."""
    found = [port.name for port in _ports(net) if points_at(text, port)]
    return found[0] if len(found) == 1 else None


def _ports(net: Path) -> Iterator[NetworkPort]:
    for link in sorted(net.iterdir()):
        if not (link / "address").exists():
            continue
        device = link / "device"
        driver = device / "driver"
        yield NetworkPort(
            link.name,
            # A bridge and a VLAN have the address of a port.
            mac=(link / "address").read_text().strip() if device.exists() else "",
            driver=driver.resolve().name if driver.exists() else None,
            usb=usb_place(str(device.resolve())) if device.exists() else None,
        )


def command(interface: str, run: Path) -> list[str]:
    return [PPPD, "file", str(run / OPTIONS), f"nic-{interface}"]


def main(run: Path) -> NoReturn:
    """Become pppd. Exits with EX_TEMPFAIL where the port does not exist: systemd tries again later."""
    text = (run / PORT).read_text().strip()
    interface = find_interface(text)
    if interface is None:
        print(f"the port {text} is not there, or is more than one", file=sys.stderr)
        sys.exit(os.EX_TEMPFAIL)
    words = command(interface, run)
    os.execv(words[0], words)  # noqa: S606 - no shell is wanted
