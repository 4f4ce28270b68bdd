"""The path of one packet through a host's hooks and routing decisions, to its end (pure).

The order is the kernel's: prerouting, routing decision, then input, or forward and postrouting; for the host's own
packets routing, output, a second routing decision where a mark or address has changed, postrouting.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Literal

import msgspec
from msgspec import Struct

from app.addresses import Address
from app.packet_trace.host import Hop, Host
from app.packet_trace.nft_interpreter import run
from app.packet_trace.nft_model import Nat
from app.packet_trace.packet import Packet

_NAT = {"prerouting": -100, "output": -100, "postrouting": 100}  # the priority at which the kernel translates, by hook

Ending = Literal["sent", "local", "dropped", "rejected", "reset", "unroutable"]
_STOPPED: dict[str, Ending] = {"drop": "dropped", "reject": "rejected", "reset": "reset"}


class PacketOutcome(Struct, frozen=True):
    """The end of a packet: ``packet`` as it was ``sent``, as it reached the gateway (``local``) or as it was stopped.

    ``counted`` has the counters that it raised, in order.
    """

    kind: Ending
    packet: Packet
    counted: tuple[str, ...] = ()

    @property
    def link(self) -> str | None:
        """The interface by which it left; None where it did not leave."""
        return self.packet.oif if self.kind == "sent" else None


def _is_group(address: Address) -> bool:
    """Whether ``address`` is multicast or IPv4's limited broadcast."""
    return address.is_multicast or address == IPv4Address("255.255.255.255")


class _StoppedError(Exception):
    def __init__(self, kind: Ending) -> None:
        self.kind: Ending = kind


class Journey:
    def __init__(self, host: Host, packet: Packet) -> None:
        self._host = host
        self._packet = packet
        self._counted: list[str] = []
        self._hop = Hop(packet.oif, packet.dst)

    def forward(self) -> PacketOutcome:
        try:
            self._run_hook("prerouting")
            if self._packet.src.is_loopback:
                raise _StoppedError("dropped")  # a martian (RFC 1812, 5.3.7)
            # The gateway does not route multicast: it delivers such a packet locally or drops it.
            if _is_group(self._packet.dst) or self._route() == "lo":
                self._run_hook("input")
                return self._outcome("local")
            if self._packet.src.is_link_local or self._packet.src.is_unspecified:
                raise _StoppedError("unroutable")  # ip6_forward() in the kernel
            self._set(oif=self._hop.link)
            self._run_hook("forward")
            self._run_hook("postrouting")
            self._leave()
        except _StoppedError as stop:
            return self._outcome(stop.kind)
        return self._outcome("sent")

    def send_own(self) -> PacketOutcome:
        bound = self._packet.oif
        try:
            self._set(oif=bound or self._route())
            if self._packet.src.is_unspecified and not _is_group(self._packet.dst):
                source = self._host.address_of(self._packet.oif, self._packet.dst, self._hop.via)
                if source is not None:
                    self._set(src=source)
            before = self._packet
            self._run_hook("output", below=0)
            if not bound and (before.mark, before.dst) != (self._packet.mark, self._packet.dst):
                self._set(oif=self._route())
            self._run_hook("output", above=0)
            self._run_hook("postrouting")
            if self._packet.oif == "lo":
                self._set(iif="lo", oif="")
                self._run_hook("prerouting")
                self._run_hook("input")
                return self._outcome("local")
            self._leave()
        except _StoppedError as stop:
            return self._outcome(stop.kind)
        return self._outcome("sent")

    # --- steps -----------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        if not self._host.may_leave(self._packet):
            raise _StoppedError("dropped")

    def _route(self) -> str:
        found = self._host.route(self._packet)
        if found is None:
            raise _StoppedError("unroutable")
        self._hop = found
        return found.link

    def _run_hook(self, hook: str, *, below: int | None = None, above: int | None = None) -> None:
        for chain in self._host.ruleset.at(hook):
            if (below is not None and chain.priority >= below) or (above is not None and chain.priority < above):
                continue
            if chain.priority >= _NAT.get(hook, 0):
                self._apply_tracked_nat(hook)
            if chain.kind == "nat" and self._packet.ct_state != "new":
                continue  # the translation of the first packet holds for the whole connection
            result = run(self._host.ruleset, chain, self._packet)
            self._counted += result.counted
            self._packet = result.packet
            if result.verdict != "accept":
                raise _StoppedError(_STOPPED[result.verdict])
            if result.nat is not None:
                self._translate(result.nat)
        self._apply_tracked_nat(hook)

    def _apply_tracked_nat(self, hook: str) -> None:
        """Apply the translations of an established connection."""
        if self._packet.ct_state not in {"established", "related"}:
            return
        if hook in {"prerouting", "output"} and self._packet.ct_dst is not None:
            self._set(dst=self._packet.ct_dst)
        if hook == "postrouting" and self._packet.ct_src is not None:
            self._set(src=self._packet.ct_src)

    def _translate(self, nat: Nat) -> None:
        match nat.kind:
            case "dnat":
                assert isinstance(nat.address, IPv4Address | IPv6Address)  # looked up by the interpreter
                self._set(dst=nat.address)
            case "redirect":
                address = self._host.address_of(self._packet.iif, self._packet.src)
                if address is None:
                    raise _StoppedError("dropped")
                port = nat.port if isinstance(nat.port, int) else self._packet.dport
                self._set(dst=address, dport=port)
            case "masquerade":
                address = self._host.address_of(self._packet.oif, self._packet.dst, self._hop.via)
                if address is None:
                    raise _StoppedError("dropped")
                self._set(src=address)

    def _set(self, **changes: Address | str | int) -> None:
        self._packet = msgspec.structs.replace(self._packet, **changes)

    def _outcome(self, kind: Ending) -> PacketOutcome:
        return PacketOutcome(kind, self._packet, tuple(self._counted))
