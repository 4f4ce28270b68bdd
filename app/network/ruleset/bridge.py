"""The bridge family's table, which filters the frames between two ports of the LAN (pure).

Frames from one port of a bridge to another pass no chain of the IP layer. They are accepted only between ports that are
known to be the LAN's, and only the gateway may assign addresses and routes there: a phone that shares its connection
or a second router on a LAN port would lead devices past the tunnel, in the clear. A port with a foreign DHCP server
behind it, such as a cable in the wrong socket, is isolated from the other ports for a while.
"""

from __future__ import annotations

from app.model import LanBridge
from app.network.plan import NFT_TABLE

# The reasons of dropped frames, each with its counter ``drop_<reason>``.
REASONS = {
    "ports": "between two ports of which one is not known to be the LAN's",
    "foreign_router": "addresses or routes from another router than the gateway, between two ports of the LAN",
}
DHCP, ROUTERS = "foreign_dhcp", "foreign_routers"  # the sets of ports with a foreign server or router behind them
FOREIGN_TIMEOUT = 600  # seconds after the last answer
_MAX_PORTS = 64  # ports a set holds


def _ports(name: str) -> str:
    lines = ("type ifname", f"size {_MAX_PORTS}", "flags dynamic,timeout", f"timeout {FOREIGN_TIMEOUT}s")
    return f"\tset {name} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"


_DROP = 'counter name "drop_foreign_router" drop'
# DHCP snooping and RA Guard (RFC 6105), as switches call them. The text replaces a table that exists.
_TEXT = f"""\
table bridge {NFT_TABLE} {{ }}
delete table bridge {NFT_TABLE}
table bridge {NFT_TABLE} {{
%(counters)s
{_ports(DHCP)}{_ports(ROUTERS)}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		udp sport 67 udp dport 68 goto {DHCP}
		udp sport 547 udp dport 546 goto {DHCP}
		icmpv6 type {{ nd-router-advert, nd-redirect }} goto {ROUTERS}
		iifname @{DHCP} {_DROP}
		oifname @{DHCP} {_DROP}
%(ports)s		counter name "drop_ports" drop
	}}

	chain {DHCP} {{
		update @{DHCP} {{ iifname }}
		{_DROP}
	}}

	chain {ROUTERS} {{
		update @{ROUTERS} {{ iifname }}
		{_DROP}
	}}
}}
"""


def bridge_ruleset(bridge: LanBridge) -> str:
    """The text for ``nft -f`` that replaces the table."""
    names = sorted({*bridge.ports, *bridge.radios})
    ports = ""
    if len(names) > 1:
        both = "{ " + ", ".join(f'"{name}"' for name in names) + " }"
        ports = f"\t\tiifname {both} oifname {both} accept\n"
    counters = "\n".join(f"\tcounter drop_{reason} {{ }}" for reason in REASONS)
    return _TEXT % {"counters": counters, "ports": ports}
