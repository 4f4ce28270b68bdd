"""The files of a PPPoE session: pppd(8)'s options and the session's port (pure)."""

from __future__ import annotations

from pathlib import Path

from app.errors import InvalidFieldError
from app.firstboot import uplink
from app.firstboot.render import wan_port
from app.firstboot.schema import Config
from app.firstboot.uplink import Pppoe

# Below /run.
OPTIONS = Path("vpn-gateway-setup/pppoe/options")
PORT = Path("vpn-gateway-setup/pppoe/port")

SESSION_UP = "/usr/lib/vpn-gateway/pppoe-up"

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
    """The session's files, by path below /run; empty without PPPoE. Raises InvalidFieldError."""
    pppoe = config.network.pppoe
    if pppoe is None:
        return {}
    port = uplink.VLAN if config.network.wan_vlan is not None else wan_port(config)
    return {OPTIONS: options(pppoe), PORT: port}


def options(pppoe: Pppoe) -> str:
    """The options for pppd with the password: unlike an argument, a file can be readable by root only."""
    if pppoe.password is None:
        field = "network.pppoe.password"
        raise InvalidFieldError(f"{field}: needed: it is in your provider's letter", field=field)
    assert pppoe.username is not None
    return f"{_OPTIONS}user {_quoted(pppoe.username)}\npassword {_quoted(pppoe.password)}\n"


def _quoted(word: str) -> str:
    """``word`` quoted for pppd: within quotation marks a backslash escapes the next character."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
