"""Captures with tcpdump, and the judgement of what is a leak."""

from __future__ import annotations

import ipaddress
import struct
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from ci.labnet.addresses import VPN_PORT, VPNS
from ci.labnet.host import Host

ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_ARP = 0x0800, 0x86DD, 0x0806
ICMP6_PERMITTED = {133, 134, 135, 136, 143}  # RFC 4861 and MLDv2 reports (RFC 3810)


class Packet(NamedTuple):
    time: float
    source_mac: str
    ethertype: int
    source: str
    destination: str
    protocol: int
    sport: int
    dport: int
    payload: bytes

    def __str__(self) -> str:
        return (
            f"{self.source}:{self.sport} > {self.destination}:{self.dport} proto {self.protocol} {self.payload[:16]!r}"
        )


class Capture:
    """``with Capture(host, "wan0") as capture: ...`` records; afterwards ``capture.packets`` is what was seen."""

    def __init__(self, host: Host, interface: str, path: Path, expression: str = "") -> None:
        self._host, self._interface, self.path, self._expression = host, interface, path, expression
        self._process: subprocess.Popen[bytes] | None = None
        self.packets: list[Packet] = []

    def start(self) -> Capture:
        """Returns once tcpdump listens."""
        self._process = self._host.start(
            "tcpdump",
            "-i",
            self._interface,
            "-n",
            "-U",
            "--immediate-mode",
            "-s",
            "200",
            "-B",
            "16384",
            "-w",
            str(self.path),
            self._expression,
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if b"listening on" in line:
                threading.Thread(target=self._process.stderr.read, daemon=True).start()
                return self
        raise RuntimeError(f"tcpdump on {self._host.name} {self._interface} did not start")

    def stop(self) -> list[Packet]:
        if self._process is not None:
            # The process we know is nsenter; tcpdump itself is what has to flush and end.
            self._host.run("pkill", "-INT", "-f", f"tcpdump.*-w {self.path}", check=False)
            self._process.wait(timeout=10)
            self._process = None
            self.packets = read_pcap(self.path)
        return self.packets

    def __enter__(self) -> Capture:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def read_pcap(path: Path) -> list[Packet]:
    """The packets of an Ethernet capture in pcap format, as far as they were captured."""
    data = path.read_bytes()
    if len(data) < 24:
        return []
    endian = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    packets: list[Packet] = []
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, length, _ = struct.unpack_from(f"{endian}IIII", data, at)
        frame = data[at + 16 : at + 16 + length]
        at += 16 + length
        if len(frame) >= 14:
            packets.append(_parse(seconds + fraction / 1e6, frame))
    return packets


def _parse(when: float, frame: bytes) -> Packet:
    mac = ":".join(f"{b:02x}" for b in frame[6:12])
    (ethertype,) = struct.unpack_from(">H", frame, 12)
    body = frame[14:]
    if ethertype == ETHERTYPE_IPV4 and len(body) >= 20:
        source, destination = ipaddress.IPv4Address(body[12:16]), ipaddress.IPv4Address(body[16:20])
        protocol, body = body[9], body[(body[0] & 15) * 4 :]
    elif ethertype == ETHERTYPE_IPV6 and len(body) >= 40:
        source, destination = ipaddress.IPv6Address(body[8:24]), ipaddress.IPv6Address(body[24:40])
        protocol, body = body[6], body[40:]
        if protocol == 0 and len(body) >= 8:  # hop-by-hop options, as MLD has
            protocol, body = body[0], body[(body[1] + 1) * 8 :]
    else:
        return Packet(when, mac, ethertype, "", "", 0, 0, 0, body)
    sport = dport = 0
    if protocol in (6, 17) and len(body) >= 8:
        sport, dport = struct.unpack_from(">HH", body)
        body = body[8:] if protocol == 17 else body[(body[12] >> 4) * 4 if len(body) > 12 else 8 :]
    return Packet(when, mac, ethertype, str(source), str(destination), protocol, sport, dport, body)


def leaks(packets: list[Packet], gateway_mac: str, *, lookups: frozenset[str] = frozenset()) -> list[Packet]:
    """Those that the gateway sent on the WAN and that are not on the closed list.

    ``lookups``: name servers that may be asked for an endpoint's name in this test. A WireGuard packet is one to a VPN
    server's port that also begins as a WireGuard message does (type 1 to 4 and three zero bytes): the address and port
    alone would hide clear packets to the server.
    """
    return [p for p in packets if p.source_mac == gateway_mac and not _permitted(p, lookups)]


def _permitted(p: Packet, lookups: frozenset[str]) -> bool:
    if p.ethertype == ETHERTYPE_ARP:
        return True
    if p.protocol == 58:
        kind = p.payload[0] if p.payload else 0
        target = ipaddress.IPv6Address(p.destination)
        return kind in ICMP6_PERMITTED and (target.is_link_local or target.is_multicast or kind in (135, 136))
    if p.protocol == 17:
        servers = {address for v4, v6, *_ in VPNS.values() for address in (v4, v6)}
        if p.destination in servers and p.dport == VPN_PORT:
            return p.payload[:1] in (b"\1", b"\2", b"\3", b"\4") and p.payload[1:4] == b"\0\0\0"
        if (p.sport, p.dport) in ((68, 67), (546, 547)):
            return True
        return p.dport == 53 and p.destination in lookups
    return False
