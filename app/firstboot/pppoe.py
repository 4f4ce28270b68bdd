"""PPPoE: the file that pppd(8) reads, and the program of ``vpn-gateway-pppoe.service``, which becomes pppd.

A PPPoE session needs the name of an interface, and people point at a port by its address or place as well. What that
is called is known when it is there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from app.firstboot import uplink
from app.firstboot.render import wan_port
from app.firstboot.schema import Config, SchemaError
from app.firstboot.uplink import Pppoe
from app.model import NetworkPort
from app.network.roles import points_at
from app.portname import usb_place

# Below /run.
OPTIONS = Path("vpn-gateway-setup/pppoe/options")
PORT = Path("vpn-gateway-setup/pppoe/port")

PPPD = "/usr/sbin/pppd"
SESSION_UP = "/usr/lib/vpn-gateway/pppoe-up"
NET = Path("/sys/class/net")

_OPTIONS = f"""\
plugin pppoe.so
ifname {uplink.PPPOE}
nodetach
noauth
hide-password
noipdefault
defaultroute
usepeerdns
ip-up-script {SESSION_UP}
noipv6
mtu {uplink.PPPOE_MTU}
mru {uplink.PPPOE_MTU}
noaccomp
nopcomp
nobsdcomp
nodeflate
novj
lcp-echo-interval 10
lcp-echo-failure 3
"""


def files(config: Config) -> dict[Path, str]:
    """What the session needs, by its place below /run; nothing where there is none. Raises SchemaError."""
    pppoe = config.network.pppoe
    if pppoe is None:
        return {}
    port = uplink.VLAN if config.network.wan_vlan is not None else wan_port(config)
    return {OPTIONS: options(pppoe), PORT: port}


def options(pppoe: Pppoe) -> str:
    """The options for pppd, the password among them: unlike an argument, a file is root's alone."""
    if pppoe.password is None:
        raise SchemaError("network.pppoe.password: needed: it is in your provider's letter")
    assert pppoe.username is not None
    return f"{_OPTIONS}user {_quoted(pppoe.username)}\npassword {_quoted(pppoe.password)}\n"


def _quoted(word: str) -> str:
    """``word`` as pppd reads one word: within quotation marks a backslash takes the next character as it is."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def find(text: str, net: Path = NET) -> str | None:
    """The name of the interface that ``text``, in a form of app.portname, points at."""
    for link in sorted(net.iterdir()):
        if not (link / "address").exists():
            continue
        device = link / "device"
        driver = device / "driver"
        port = NetworkPort(
            link.name,
            mac=(link / "address").read_text().strip(),
            driver=driver.resolve().name if driver.exists() else None,
            usb=usb_place(str(device.resolve())) if device.exists() else None,
        )
        if points_at(text, port):
            return link.name
    return None


def command(interface: str, run: Path) -> list[str]:
    return [PPPD, "file", str(run / OPTIONS), f"nic-{interface}"]


def main(run: Path = Path("/run")) -> NoReturn:
    """Becomes pppd. EX_TEMPFAIL where there is no such port: systemd tries again in a while."""
    text = (run / PORT).read_text().strip()
    interface = find(text)
    if interface is None:
        print(f"the port {text} is not there", file=sys.stderr)
        sys.exit(os.EX_TEMPFAIL)
    words = command(interface, run)
    os.execv(words[0], words)  # noqa: S606 - no shell is wanted
