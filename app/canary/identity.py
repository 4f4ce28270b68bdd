"""Who the canary is: a MAC address for each exit, an address of the LAN that nobody has, targets that nobody is (pure).

Its packets must carry the mark of the policy that is tested, and marks go by MAC address. So it has one for each exit,
one for a blocked device, and one that no policy names, for a device that has just come.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from msgspec import Struct

from app.addresses import Address, Network
from app.mac_address import CANARY_PREFIX
from app.model import BlockedPolicy, DirectPolicy, LanSettings, Policy, VpnPolicy, WaitingPolicy
from app.network.plan import MAX_EXITS

BLOCKED, NEWCOMER = "(blocked)", "(new device)"  # no exit has such a name
_BLOCKED_NUMBER, _NEWCOMER_NUMBER = 0xFD, 0xFE
_FIRST_SERVER = 60

# Documentation addresses (RFC 5737, RFC 3849): what gets out disturbs nobody, and no host answers.
TARGETS4 = tuple(IPv4Network(text) for text in ("192.0.2.0/24", "203.0.113.0/24", "198.51.100.0/24"))
TARGETS6 = IPv6Network("2001:db8:6361:6e61::/64")


class Identity(Struct, frozen=True):
    """One device that the canary is: ``exit`` is the exit that its packets must take, None = nothing may pass."""

    name: str
    mac: str
    exit: str | None


def mac(number: int) -> str:
    return f"{CANARY_PREFIX}{number:02x}"


def server_host(mac_address: str) -> int:
    """The host in the networks of targets that this device of the canary's probes: one that no other of them does.

    A packet without ports is known to NAT by its addresses alone: another device's to the same host, behind the same
    address of a tunnel, would be dropped.
    """
    number = int(mac_address.rpartition(":")[2], 16)
    return _FIRST_SERVER + (number if number < _BLOCKED_NUMBER else number - _BLOCKED_NUMBER + MAX_EXITS)


def identities(exits: Sequence[str], default: Policy | WaitingPolicy) -> tuple[Identity, ...]:
    """All that the canary is; ``default`` is the policy of a device that has just come.

    Where that is ``direct``, the canary is no new device: those may leave in the clear.
    """
    found = [Identity(name, mac(number), name) for number, name in enumerate(exits) if name]
    if not isinstance(default, DirectPolicy):
        exit_name = default.exit if isinstance(default, VpnPolicy) and default.exit in exits else None
        found.append(Identity(NEWCOMER, mac(_NEWCOMER_NUMBER), exit_name))
    return (*found, Identity(BLOCKED, mac(_BLOCKED_NUMBER), None))


def policies(exits: Sequence[str]) -> tuple[tuple[str, Policy], ...]:
    """The policies that the plan has for the canary. The new device has none, that is the point of it."""
    own: list[tuple[str, Policy]] = [(mac(n), VpnPolicy(name)) for n, name in enumerate(exits) if name]
    return (*own, (mac(_BLOCKED_NUMBER), BlockedPolicy()))


def own_address(lan: LanSettings, used: Collection[str]) -> IPv4Address | None:
    """An address of the LAN that nobody uses, if possible outside of what DHCP gives out; None where all are used."""
    taken = {*used, str(lan.address.ip)}
    first, last = int(lan.address.network.network_address) + 1, int(lan.address.network.broadcast_address) - 1
    inside = range(int(lan.dhcp_start), int(lan.dhcp_end) + 1)

    def candidates() -> Iterator[int]:
        yield from (n for n in range(last, max(first, last - 4096) - 1, -1) if n not in inside)
        yield from (n for n in range(last, max(first, last - 4096) - 1, -1) if n in inside)

    return next((address for n in candidates() if str(address := IPv4Address(n)) not in taken), None)


def target_network(avoid: Iterable[Address | Network]) -> IPv4Network:
    """The documentation network that the probes go to: one in which nothing of ``avoid`` lies, if there is one."""
    obstacles = [IPv4Network(str(a)) for a in avoid if a.version == 4]
    return next((net for net in TARGETS4 if not any(net.overlaps(o) for o in obstacles)), TARGETS4[0])
