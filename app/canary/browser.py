"""What a browser is asked to send, to addresses of its own by which its packets are known (pure)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from msgspec import Struct

from app.addresses import Address
from app.canary.probes import NAMES, label
from app.protocol.canary import ProofProbe

# In the network of targets; the canary's own are below. An address is looked for without case, as names are: none of
# these is a letter in the other case of one of the canary's.
FIRST_HOST, LAST_HOST = 123, 250
_STUN_PORT = 3478
# A query for the address of a name, in the form of RFC 8484, section 4.1.1: base64url of the message.
_QUERY = "AAABAAABAAAAAAAABXByb29mB2V4YW1wbGUAAAEAAQ"


class BrowserProbe(Struct, frozen=True):
    """What the page is told, and what is looked for."""

    probe: ProofProbe
    needle: bytes


def browser_probes(
    targets4: IPv4Network, targets6: IPv6Network, hosts: tuple[int, int, int], token: Callable[[], bytes]
) -> tuple[BrowserProbe, ...]:
    """The probes of one proof; ``hosts`` are numbers in ``targets4`` that no other proof has at the same time."""
    name = label(token())
    page4, doh4, stun4 = (IPv4Address(int(targets4.network_address) + n) for n in hosts)
    page6, doh6, stun6 = (IPv6Address(int(targets6.network_address) | int.from_bytes(token())) for _ in range(3))
    found = [
        BrowserProbe(ProofProbe("name", 4, f"http://{name}.{NAMES}/"), name.encode()),
    ]
    ends: list[tuple[Address, Address, Address]] = [(page4, doh4, stun4), (page6, doh6, stun6)]
    for page, doh, stun in ends:
        found += [
            BrowserProbe(ProofProbe("http", page.version, f"http://{_host(page)}/"), page.packed),
            BrowserProbe(ProofProbe("doh", doh.version, f"https://{_host(doh)}/dns-query?dns={_QUERY}"), doh.packed),
            BrowserProbe(ProofProbe("stun", stun.version, f"stun:{_host(stun)}:{_STUN_PORT}"), stun.packed),
        ]
    return tuple(found)


def _host(address: Address) -> str:
    return str(address) if address.version == 4 else f"[{address}]"
