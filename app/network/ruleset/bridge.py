"""The bridge family's table, which filters the frames between two ports of the LAN (pure).

Frames from one port of a bridge to another pass no chain of the IP layer. They are accepted only between ports that are
known to be the LAN's, and only the gateway may assign addresses and routes there: a phone that shares its connection
or a second router on a LAN port would lead devices past the tunnel, in the clear. A port with a foreign DHCP server
behind it, such as a cable in the wrong socket, is isolated from the other ports for a while. A device that waits for
its admission reaches no other port; who waits is in two sets, so that an admission changes elements only.

No device behind a port may announce the gateway's own address, whether to the gateway or to other ports, and a port may
ask for addresses (DHCP) only so often: one that invents devices would else take every address from the others.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface

from msgspec import Struct

from app.model import LanBridge
from app.network.plan import NFT_TABLE
from app.network.ruleset.syntax import collection

# The reasons of dropped frames, each with its counter ``drop_<reason>``.
REASONS = {
    "ports": "between two ports of which one is not known to be the LAN's",
    "foreign_router": "addresses or routes from another router than the gateway, between two ports of the LAN",
    "gateway_address": "announcements of the gateway's own address by a device of the LAN",
    "waiting_lan": "to another device of the LAN, from one that waits for its admission",
    "dhcp_flood": "requests for an address, from a port that sends too many",
}
DHCP, ROUTERS = "foreign_dhcp", "foreign_routers"  # the sets of ports with a foreign server or router behind them
FOREIGN_TIMEOUT = 600  # seconds after the last answer
_MAX_PORTS = 64  # ports a set holds
IMPOSTORS = "impostors"  # the set of ports and devices that announce the gateway's address
_RATES, FLOODING = (
    "dhcp_rates",
    "dhcp_flooding",
)  # how often each port asks for addresses; the ports that do so too often
# Newcomers' leases last five minutes (app.network.dhcp_dns), and a device needs one or two packets for one. So a port
# gets 180 of a usual range's 208 addresses for newcomers at most, while after a power cut 40 devices come at once.
_DHCP_RATE, _DHCP_BURST = 20, 80  # packets a minute, and at once


def _filled(name: str, kind: str = "ifname") -> str:
    """A set that packets fill."""
    lines = (f"type {kind}", f"size {_MAX_PORTS}", "flags dynamic,timeout", f"timeout {FOREIGN_TIMEOUT}s")
    return f"\tset {name} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"


# The ports at which a device waits that is not known, and the devices that fare otherwise than those: there the
# admitted ones, elsewhere the ones that wait.
_WAITING_PORTS, _DEVICES = "waiting_ports", "lan_devices"
_DROP = 'counter name "drop_foreign_router" drop'
# DHCP snooping and RA Guard (RFC 6105), as switches call them. The text replaces a table that exists.
_TEXT = f"""\
table bridge {NFT_TABLE} {{ }}
delete table bridge {NFT_TABLE}
table bridge {NFT_TABLE} {{
%(counters)s
%(waiting)s
{_filled(DHCP)}{_filled(ROUTERS)}{_filled(IMPOSTORS, "ifname . ether_addr")}{_filled(_RATES)}{_filled(FLOODING)}
	chain prerouting {{
		type filter hook prerouting priority filter; policy accept;
%(addresses)s		udp dport 67 update @{_RATES} {{ iifname limit rate over \
{_DHCP_RATE}/minute burst {_DHCP_BURST} packets }} goto {FLOODING}
	}}

	chain forward {{
		type filter hook forward priority filter; policy drop;
		iifname @{_WAITING_PORTS} ether saddr != @{_DEVICES} counter name "drop_waiting_lan" drop
		iifname != @{_WAITING_PORTS} ether saddr @{_DEVICES} counter name "drop_waiting_lan" drop
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

	chain {IMPOSTORS} {{
		update @{IMPOSTORS} {{ iifname . ether saddr }}
		counter name "drop_gateway_address" drop
	}}

	chain {FLOODING} {{
		update @{FLOODING} {{ iifname }}
		counter name "drop_dhcp_flood" drop
	}}
}}
"""


class Admission(Struct, frozen=True):
    """The devices that wait: ``devices``, or with ``others`` all but these."""

    others: bool = False
    devices: tuple[str, ...] = ()


def bridge_ruleset(
    bridge: LanBridge, lan4: IPv4Interface, ula: IPv6Interface | None = None, admission: Admission | None = None
) -> str:
    """The text for ``nft -f`` that replaces the table; ``lan4`` and ``ula`` are the gateway's own addresses."""
    names = sorted({*bridge.ports, *bridge.radios})
    ports = ""
    if len(names) > 1:
        both = "{ " + ", ".join(f'"{name}"' for name in names) + " }"
        ports = f"\t\tiifname {both} oifname {both} accept\n"
    counters = "\n".join(f"\tcounter drop_{reason} {{ }}" for reason in REASONS)
    addresses = f"\t\tarp saddr ip {lan4.ip} goto {IMPOSTORS}\n"
    if ula is not None:  # the target of a neighbour advertisement (RFC 4861, 4.4), 48 bytes into the packet
        addresses += f"\t\ticmpv6 type nd-neighbor-advert @nh,384,128 0x{int(ula.ip):032x} goto {IMPOSTORS}\n"
    return _TEXT % {
        "counters": counters,
        "ports": ports,
        "addresses": addresses,
        "waiting": _waiting(admission or Admission(), names),
    }


def _waiting(admission: Admission, ports: list[str]) -> str:
    """The sets that say who waits."""
    where = (f'"{name}"' for name in ports) if admission.others else ()
    sets = (
        collection("set", _WAITING_PORTS, "iifname", where),
        collection("set", _DEVICES, "ether saddr", admission.devices),
    )
    return "".join("\t" + one.replace("\n", "\n\t") + "\n" for one in sets)
