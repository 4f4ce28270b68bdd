"""``NetworkPlan``: all of the kernel state that the gateway owns, as one value.

What the planner makes, the reconciler applies and attestation compares. Equal plans mean equal kernel state; ``apply``
of a plan twice changes nothing. Ownership is by name and number only, so clean-up needs no stored state:

* nftables: the table ``inet vpn_gateway`` (``NFT_TABLE``), also the name of the static boot table that it replaces;
* routing: tables ``TABLE_DIRECT``, ``TABLE_LAN``, ``TABLE_EXIT_BASE + n``; rule priorities ``RULE_FIRST..RULE_LAST``;
* links: interfaces named ``wgNa`` and ``wgNb``, the two slots of exit ``N`` (make before break needs two).

Packet marks (skb mark, all 32 bits; nobody else marks packets on the gateway):

======================  ==========================================================================
``MARK_BLOCKED``        from a LAN device that may reach nothing
``MARK_DIRECT``         from a LAN device with the ``direct`` policy
``MARK_TRANSPORT``      WireGuard's own encrypted packets (the device's fwmark)
``MARK_LOOKUP``         netd's one-off look-up of an endpoint's name
``MARK_CLEAR``          netd's other permitted traffic in the clear (a provider's API while blocked)
``MARK_EXIT_BASE + n``  from a LAN device whose policy is exit ``n``, or from the gateway's resolver for it
======================  ==========================================================================
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from app.addresses import Address, Family, Interface, Network, hold_internet
from app.lan import RESOLVERS6
from app.model import LanSettings, Links, Policy

NFT_TABLE = "vpn_gateway"

MARK_BLOCKED = 0x01
MARK_DIRECT = 0x10
MARK_TRANSPORT = 0x20
MARK_LOOKUP = 0x21
MARK_CLEAR = 0x22
MARK_EXIT_BASE = 0x100

TABLE_DIRECT = 7000
TABLE_LAN = 7001
TABLE_EXIT_BASE = 7100

RULE_FIRST = 10000
RULE_LAST = 10999

MAX_EXITS = 32

# dnsmasq forwards exit n's queries to these; nftables translates them to the resolver of the tunnel in use, so that
# resolver and route change in the same transaction and dnsmasq is never restarted for a switch.
RESOLVER_PORT_BASE = 5300  # exit n's forwarder listens on RESOLVER_PORT_BASE + n + 1; DIRECT's on RESOLVER_PORT_BASE
RESOLVER_VIP4 = IPv4Address("198.18.53.0")  # + n + 1 (RFC 2544 range: never on the Internet); DIRECT: + 0
RESOLVER_VIP6 = RESOLVERS6.network_address  # + n + 1

Slot = Literal["a", "b"]


def exit_mark(index: int) -> int:
    return MARK_EXIT_BASE + index


def exit_table(index: int) -> int:
    return TABLE_EXIT_BASE + index


def exit_interface(index: int, slot: Slot) -> str:
    return f"wg{index}{slot}"


# --- What goes into the planner --------------------------------------------------------------------------------------


class TransportPeer(Struct, frozen=True):
    """One permitted destination of encrypted packets: exact address and UDP port."""

    address: Address
    port: int


class TunnelPlan(Struct, frozen=True):
    """One WireGuard interface that should exist, as far as links, routes and firewall care (keys are elsewhere)."""

    slot: Slot
    addresses: tuple[Interface, ...]
    mtu: int
    transport: tuple[TransportPeer, ...]  # resolved endpoints
    routes: tuple[Network, ...]  # the union of the peers' allowed IPs
    dns: tuple[Address, ...]  # resolvers to be asked inside the tunnel

    def carries_all(self, family: Family) -> bool:
        """Whether everything on the Internet of this family goes through; without an own address nothing does."""
        return any(a.version == family for a in self.addresses) and hold_internet(self.routes, family)


class ExitPlan(Struct, frozen=True):
    """One exit: ``active`` carries its devices' traffic; ``candidate`` only handshakes. Both None = blocked."""

    name: str
    index: int
    active: TunnelPlan | None = None
    candidate: TunnelPlan | None = None
    draining: TunnelPlan | None = None  # exists still, carries nothing (a moment within a switch or disconnect)


class PlanInput(Struct, frozen=True):
    """Everything that decides the plan."""

    links: Links
    lan: LanSettings
    exits: tuple[ExitPlan, ...]
    default_policy: Policy
    devices: tuple[tuple[str, Policy], ...] = ()  # (MAC, policy)
    lookup_servers: tuple[Address, ...] = ()  # WAN name servers, only while an endpoint's name is being resolved
    clear_api: tuple[TransportPeer, ...] = ()  # provider API addresses (TCP), only while blocked
    time_sync_uid: int | None = None  # the time daemon's uid, only until the first synchronisation
    time_servers: tuple[Address, ...] = ()  # whom it may ask until then
    flowtable: bool = False  # whether the kernel has nf_flow_table
    http_ports: tuple[int, ...] = (5000,)


# --- What comes out --------------------------------------------------------------------------------------------------


class RulePlan(Struct, frozen=True, order=True):
    """An ip rule, both families apart. ``table`` None with ``action`` unreachable."""

    priority: int
    family: Literal[4, 6]
    table: int | None
    iif: str | None = None
    oif: str | None = None  # of a socket bound to an interface, or of a next hop that the kernel is asked to check
    fwmark: int | None = None  # compared with mask 0xffffffff
    dst: Network | None = None
    ip_proto: int | None = None
    sport: int | None = None
    dport: int | None = None
    suppress_prefixlength: int | None = None
    action: Literal["lookup", "unreachable"] = "lookup"


class RoutePlan(Struct, frozen=True):
    """A route in a table of ours."""

    table: int
    family: Literal[4, 6]
    dst: Network  # 0.0.0.0/0 or ::/0 = default
    oif: str | None = None
    gateway: Address | None = None
    kind: Literal["unicast", "unreachable"] = "unicast"
    metric: int = 0  # 0 = the kernel's default for the family; unreachable defaults get the highest


class LinkPlan(Struct, frozen=True):
    """A WireGuard interface of ours. Its addresses never make routes in main (IFA_F_NOPREFIXROUTE)."""

    name: str
    addresses: tuple[Interface, ...]
    mtu: int


class BridgePlan(Struct, frozen=True):
    """The LAN's bridge with exactly these wired ports; radios come and go by themselves."""

    name: str
    ports: tuple[str, ...]


class NetworkPlan(Struct, frozen=True):
    ruleset: str  # a whole ``nft -f`` transaction that replaces the table
    rules: tuple[RulePlan, ...]
    routes: tuple[RoutePlan, ...]
    links: tuple[LinkPlan, ...]
    lan_addresses: tuple[tuple[str, Interface], ...]  # (LAN interface, address) that must be there
    sysctls: tuple[tuple[str, str], ...]  # (path under /proc/sys with slashes, value)
    bridge: BridgePlan | None = None
    bridge_ruleset: str = ""  # the same for the bridge family's table; empty where there is no bridge

    @property
    def transaction(self) -> str:
        """Both tables, to be replaced at one moment."""
        return self.ruleset + self.bridge_ruleset
