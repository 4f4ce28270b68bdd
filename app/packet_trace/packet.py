"""The packet of the packet tracer, as rules and routes see it (pure)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from msgspec import Struct

from app.addresses import Address

Protocol = Literal["tcp", "udp", "icmp", "icmpv6", "igmp"]
ConnectionState = Literal["new", "established", "related", "invalid", "untracked"]


class Packet(Struct, frozen=True):
    """A packet at one point of its path. ``iif`` is empty for the gateway's own, ``oif`` until it is routed.

    ``ct_*`` is the state of its connection in connection tracking: the mark, and, unless the state is ``new``, the
    translations in force (``ct_src``, ``ct_dst``; None = untouched).
    """

    src: Address
    dst: Address
    proto: Protocol
    sport: int = 0
    dport: int = 0
    icmp_type: str = "echo-request"  # as nft(8) names it
    syn: bool = True
    iif: str = ""
    oif: str = ""
    mac: str = ""  # source, lower case
    mark: int = 0
    uid: int = 0
    ct_state: ConnectionState = "new"
    ct_mark: int = 0
    ct_src: Address | None = None
    ct_dst: Address | None = None

    @property
    def family(self) -> Literal[4, 6]:
        return 4 if isinstance(self.dst, IPv4Address) else 6


def unspecified(family: Literal[4, 6]) -> Address:
    """The unspecified address, the source of a packet that has none yet."""
    return IPv4Address(0) if family == 4 else IPv6Address(0)
