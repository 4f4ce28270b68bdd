"""``NetworkPlan``: all of the kernel state that the gateway owns, as one value.

The planner makes it, the reconciler applies it, and attestation compares it with the kernel. Equal plans mean equal
kernel state; applying a plan twice changes nothing. Ownership is by name and number, so clean-up needs no stored state:

* nftables: the table ``inet vpn_gateway`` (``NFT_TABLE``), also the name of the static boot table that it replaces;
* routing: tables ``TABLE_DIRECT``, ``TABLE_LAN``, ``TABLE_EXIT_BASE + n``; rule priorities ``RULE_FIRST..RULE_LAST``;
* traffic control: the egress of the WAN's links, and of every port that has no role yet;
* links: interfaces named ``wgNa`` and ``wgNb``, the two slots of exit ``N`` (make before break needs two).

Packet marks (skb mark, all 32 bits; no other program marks packets on the gateway):

======================  ==========================================================================
``MARK_BLOCKED``        from a LAN device that may reach nothing
``MARK_WAITING``        from a LAN device that waits for its admission: the same, and no other device of the LAN
``MARK_DIRECT``         from a LAN device with the ``direct`` policy
``MARK_TRANSPORT``      WireGuard's own encrypted packets (the device's fwmark)
``MARK_LOOKUP``         netd's look-up of an endpoint's name
``MARK_CLEAR``          netd's other permitted traffic in the clear (a provider's API while blocked)
``MARK_TIME``           the time daemon's queries, until the clock is set
``MARK_END``            to a device of the LAN: ends a connection whose tunnel is gone
``MARK_CANARY``         from the canary, until its device's mark replaces it: nobody else has its MAC addresses
``MARK_EXIT_BASE + n``  from a LAN device whose policy is exit ``n``, or from the gateway's resolver for it
``MARK_EXCEPTION + n``  within one chain: from a LAN device with exception ``n``; afterwards that of its policy. The
                        connection keeps it, so that the kernel knows to whom it belongs when the exception ends
======================  ==========================================================================
"""

from __future__ import annotations

import functools
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from msgspec import Struct

from app.addresses import Address, Family, Interface, Network, cover_internet
from app.lan import RESOLVERS4, RESOLVERS6
from app.model import LanSettings, Links, Policy, WaitingPolicy
from app.policies import PlannedException

NFT_TABLE = "vpn_gateway"

MARK_BLOCKED = 0x01
MARK_WAITING = 0x02
MARK_DIRECT = 0x10
MARK_TRANSPORT = 0x20
MARK_LOOKUP = 0x21
MARK_CLEAR = 0x22
MARK_TIME = 0x23
MARK_END = 0x24
MARK_CANARY = 0x30
MARK_EXIT_BASE = 0x100
MARK_EXCEPTION = 0x1000

MAX_EXCEPTIONS = 256

TABLE_DIRECT = 7000
TABLE_LAN = 7001
TABLE_EXIT_BASE = 7100

RULE_FIRST = 10000
RULE_LAST = 10999

MAX_EXITS = 32

# Virtual addresses to which dnsmasq forwards exit n's queries; nftables translates them to the resolvers of the tunnel
# in use, so that resolver and route change in the same transaction and a switch never restarts dnsmasq. One for each
# resolver, in their order: with a single one, dnsmasq could not go from a silent resolver to the next.
RESOLVER_PORT_BASE = 5300  # exit n's forwarder listens on RESOLVER_PORT_BASE + n + 1; DIRECT's on RESOLVER_PORT_BASE
RESOLVER_SLOTS = 4  # resolvers of one exit that are in use; the C library asks three (resolv.conf(5))
RESOLVER_VIP4 = RESOLVERS4.network_address
RESOLVER_VIP6 = RESOLVERS6.network_address
WAITING_RESOLVER_PORT = RESOLVER_PORT_BASE + MAX_EXITS + 1  # knows the gateway's own names only
DIRECT_RESOLVERS = -1  # the number of the direct resolvers, in place of an exit's

# The ports of the gateway's own sockets (ip_local_port_range), WireGuard's among them. No connection of a device is
# translated to one of them, so none can be taken for the gateway's own (CVE-2021-3773).
OWN_PORTS = range(61440, 65536)
DEVICE_PORTS = range(1024, 61440)

Slot = Literal["a", "b"]


def exit_mark(index: int) -> int:
    return MARK_EXIT_BASE + index


def exception_mark(slot: int) -> int:
    return MARK_EXCEPTION + slot


def exit_table(index: int) -> int:
    return TABLE_EXIT_BASE + index


def exit_interface(index: int, slot: Slot) -> str:
    return f"wg{index}{slot}"


@functools.cache
def resolver_network(index: int, family: Family) -> Network:
    """The virtual addresses of the resolvers of exit ``index``, or of ``DIRECT_RESOLVERS``."""
    first = (index + 1) * RESOLVER_SLOTS
    if family == 4:
        return IPv4Network((RESOLVER_VIP4 + first, 30))
    return IPv6Network((RESOLVER_VIP6 + first, 126))


@functools.cache
def resolver_vips(index: int, family: Family) -> tuple[Address, ...]:
    """The virtual addresses of :func:`resolver_network`, the first resolver's first."""
    network = resolver_network(index, family)
    return tuple(network[n] for n in range(RESOLVER_SLOTS))


# --- The planner's input ---------------------------------------------------------------------------------------------


class TransportPeer(Struct, frozen=True):
    """One permitted destination of encrypted packets: exact address and UDP port."""

    address: Address
    port: int


class TunnelPlan(Struct, frozen=True):
    """A WireGuard interface that should exist, as links, routes and firewall need it; it has no keys."""

    slot: Slot
    addresses: tuple[Interface, ...]
    mtu: int
    transport: tuple[TransportPeer, ...]  # resolved endpoints
    routes: tuple[Network, ...]  # the union of the peers' allowed IPs
    dns: tuple[Address, ...]  # resolvers inside the tunnel

    def carries_all(self, family: Family) -> bool:
        """Whether the tunnel carries the whole Internet of this family; without an own address it carries nothing."""
        return any(a.version == family for a in self.addresses) and cover_internet(self.routes, family)


class ExitPlan(Struct, frozen=True):
    """One exit: ``active`` carries its devices' traffic; ``candidate`` only handshakes. Both None = blocked."""

    name: str
    index: int
    active: TunnelPlan | None = None
    candidate: TunnelPlan | None = None
    draining: TunnelPlan | None = None  # still exists and carries nothing, during a switch or disconnect


class PlanInput(Struct, frozen=True):
    """Everything that decides the plan."""

    links: Links
    lan: LanSettings
    exits: tuple[ExitPlan, ...]
    default_policy: Policy | WaitingPolicy
    devices: tuple[tuple[str, Policy | WaitingPolicy], ...] = ()  # (MAC, policy)
    exceptions: tuple[PlannedException, ...] = ()  # which open more than these, for a while
    lookup_servers: tuple[Address, ...] = ()  # WAN name servers, only while an endpoint's name is being resolved
    clear_api: tuple[TransportPeer, ...] = ()  # provider API addresses (TCP), only while blocked
    time_sync_uid: int | None = None  # the time daemon's uid, only until the first synchronisation
    time_servers: tuple[Address, ...] = ()  # the servers that it may ask until then
    flowtable: bool = False  # whether the kernel has nf_flow_table
    http_ports: tuple[int, ...] = (5000,)
    canary: tuple[tuple[str, Policy], ...] = ()  # (MAC, policy) of the gateway's own devices in the LAN


# --- The planner's output --------------------------------------------------------------------------------------------


class RulePlan(Struct, frozen=True, order=True):
    """An ip rule of one family. ``table`` is None where ``action`` is unreachable."""

    priority: int
    family: Literal[4, 6]
    table: int | None
    iif: str | None = None
    oif: str | None = None  # of a socket bound to an interface, or of a next hop that the kernel checks
    fwmark: int | None = None  # compared with mask 0xffffffff
    dst: Network | None = None
    ip_proto: int | None = None
    sport: int | None = None
    dport: int | None = None
    suppress_prefixlength: int | None = None
    action: Literal["lookup", "unreachable"] = "lookup"


class RoutePlan(Struct, frozen=True):
    """A route in a managed table."""

    table: int
    family: Literal[4, 6]
    dst: Network  # 0.0.0.0/0 or ::/0 = default
    oif: str | None = None
    gateway: Address | None = None
    kind: Literal["unicast", "unreachable"] = "unicast"
    metric: int = 0  # 0 = the kernel's default for the family; unreachable defaults get the highest


class LinkPlan(Struct, frozen=True):
    """A managed WireGuard interface. Its addresses make no routes in main (IFA_F_NOPREFIXROUTE)."""

    name: str
    addresses: tuple[Interface, ...]
    mtu: int


class BridgePlan(Struct, frozen=True):
    """The LAN's bridge with exactly these wired ports; hostapd adds and removes radios."""

    name: str
    ports: tuple[str, ...]


class EgressFilter(Struct, frozen=True):
    """The last filter on a port, of frames that leave (:mod:`app.network.egress_filter`)."""

    interface: str
    marks: tuple[int, ...]  # that pass
    lan: tuple[Network, ...] = ()  # destinations that pass, on a link that is WAN and LAN at once


class TimedElement(Struct, frozen=True):
    """An element of a set or map that the kernel itself removes at ``deadline`` (CLOCK_BOOTTIME)."""

    collection: str
    key: tuple[str | int | Address, ...]
    value: int | None
    deadline: float

    @property
    def text(self) -> str:
        """The line of a transaction; :func:`app.network.nft.with_deadlines` puts the time that is left into it.

        As it stands, nft refuses it: an element whose end has been forgotten is never loaded.
        """
        key = " . ".join(f"0x{part:x}" if isinstance(part, int) else str(part) for part in self.key)
        value = "" if self.value is None else f" : 0x{self.value:x}"
        return f"add element inet {NFT_TABLE} {self.collection} {{ {key} timeout until {self.deadline:.3f}{value} }}\n"


class NetworkPlan(Struct, frozen=True):
    ruleset: str  # a whole ``nft -f`` transaction that replaces the table
    rules: tuple[RulePlan, ...]
    routes: tuple[RoutePlan, ...]
    links: tuple[LinkPlan, ...]
    lan_addresses: tuple[tuple[str, Interface], ...]  # (LAN interface, address)
    sysctls: tuple[tuple[str, str], ...]  # (path under /proc/sys with slashes, value)
    bridge: BridgePlan | None = None
    bridge_ruleset: str = ""  # the same for the bridge family's table; empty where there is no bridge
    egress: tuple[EgressFilter, ...] = ()  # of the WAN and of the port under it; a port of neither role keeps its own
    unfiltered: tuple[str, ...] = ()  # the LAN's links
    timed: tuple[TimedElement, ...] = ()  # of ``ruleset``

    @property
    def transaction(self) -> str:
        """The text that replaces both tables in one transaction."""
        return self.ruleset + self.bridge_ruleset + "".join(element.text for element in self.timed)
