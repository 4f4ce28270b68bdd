"""Captures with tcpdump: every packet from ``start`` to ``stop``, or an error."""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
import struct
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from ci.labnet.host import Host
from ci.labnet.waiting import LabError, wait_for

ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_ARP = 0x0800, 0x86DD, 0x0806
ETHERTYPE_VLAN = 0x8100  # IEEE 802.1Q
ETHERTYPE_PPPOE_DISCOVERY, ETHERTYPE_PPPOE = 0x8863, 0x8864  # RFC 2516
_PPP = {0x0021: ETHERTYPE_IPV4, 0x0057: ETHERTYPE_IPV6}  # what a session carries
ETHERTYPE_MARKER = 0x88B5  # for local experiments (IEEE 802)
LINKTYPE_RAW = 101  # IP without a link header, as a tunnel's interface has it (tcpdump.org/linktypes.html)

_SEND_MARKER = f"""
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x20)  # passes the gateway's filter on its own port
s.send(bytes(12) + ({ETHERTYPE_MARKER}).to_bytes(2, "big") + bytes.fromhex(sys.argv[2]).ljust(46, b"\\0"))
"""


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
    vlan: int | None = None  # the number of its tag
    session: bool = False  # within PPPoE
    dscp: int = 0  # RFC 2474; a router leaves it as it is, so that it tells who sent the packet

    def __str__(self) -> str:
        return (
            f"{self.source}:{self.sport} > {self.destination}:{self.dport} proto {self.protocol} {self.payload[:16]!r}"
        )


class Capture:
    """``with Capture(host, "wan0") as capture: ...`` records; afterwards ``capture.packets`` is what was seen."""

    BUFFER = 16384  # KiB in the kernel for packets that tcpdump has not read yet

    def __init__(self, host: Host, interface: str, path: Path, expression: str = "") -> None:
        self._host, self._interface, self.path, self._expression = host, interface, path, expression
        self._process: subprocess.Popen[bytes] | None = None
        self._said: list[str] = []
        self.packets: list[Packet] = []

    def start(self) -> Capture:
        """Start tcpdump; returns once it listens. Raises LabError."""
        shown = self._host.run("ip", "-j", "link", "show", "dev", self._interface, check=False)
        if shown.returncode != 0:
            raise LabError(f"{self._host.name} has no interface {self._interface}")
        self._ethernet: bool = json.loads(shown.stdout)[0]["link_type"] == "ether"
        expression = self._expression
        if expression and self._ethernet:
            expression = f"({expression}) or ether proto {ETHERTYPE_MARKER}"
        self._process = self._host.start(
            *("tcpdump", "-i", self._interface, "-n", "-s", "200", "-B", str(self.BUFFER), "-Z", "root"),
            *("--immediate-mode", "-U", "-w", str(self.path), expression),
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line.decode(errors="replace"))
            if b"listening on" in line:
                self._reader = threading.Thread(target=self._read, args=(self._process.stderr,), daemon=True)
                self._reader.start()
                return self
        raise LabError(f"tcpdump on {self._host.name} {self._interface} did not start: {''.join(self._said).strip()}")

    def _read(self, stream: object) -> None:
        for line in stream:  # type: ignore[attr-defined]
            self._said.append(line.decode(errors="replace"))

    def stop(self, *, exact: bool = True) -> list[Packet]:
        """Stop and return the captured packets; with ``exact``, every packet from before the call is among them.

        When tcpdump ends it discards packets that it has not read yet. So a marker frame is sent first, and awaited in
        the file. Raises LabError if the kernel dropped packets: such a capture proves nothing.
        """
        process, self._process = self._process, None
        if process is None:
            return self.packets
        if exact and self._ethernet:
            self._flush()
        # The child process is nsenter; tcpdump itself has to flush and end.
        self._host.run("pkill", "-TERM", "-f", f"tcpdump.*-w {re.escape(str(self.path))}", check=False)
        process.wait(timeout=10)
        self._reader.join(timeout=10)
        self.packets = read_pcap(self.path)
        dropped = sum(int(n) for n in re.findall(r"(\d+) packets? dropped", "".join(self._said)))
        if exact and dropped:
            raise LabError(f"{dropped} packets are missing from the capture of {self._host.name} {self._interface}")
        return self.packets

    def _flush(self) -> None:
        token = secrets.token_bytes(16)
        sent = self._host.run(sys.executable, "-c", _SEND_MARKER, self._interface, token.hex(), check=False)
        if sent.returncode == 0:  # else the interface is down, and no packet is in flight
            wait_for("the end of the capture in its file", lambda: token in _tail(self.path), interval=0.01)

    def __enter__(self) -> Capture:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(exact=error is None)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 20)))
        return file.read()


def read_pcap(path: Path) -> list[Packet]:
    """The packets of a capture in pcap format, as far as they were captured, without the marker frames."""
    data = path.read_bytes()
    if len(data) < 24:
        return []
    endian = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    (link,) = struct.unpack_from(f"{endian}I", data, 20)
    packets: list[Packet] = []
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, length, _ = struct.unpack_from(f"{endian}IIII", data, at)
        frame = data[at + 16 : at + 16 + length]
        at += 16 + length
        if link & 0xFFFF == LINKTYPE_RAW and frame:
            ethertype = ETHERTYPE_IPV6 if frame[0] >> 4 == 6 else ETHERTYPE_IPV4
            frame = bytes(12) + ethertype.to_bytes(2, "big") + frame
        if len(frame) >= 14:
            packets.append(_parse(seconds + fraction / 1e6, frame))
    return [p for p in packets if p.ethertype != ETHERTYPE_MARKER]


def _parse(when: float, frame: bytes) -> Packet:
    mac = ":".join(f"{b:02x}" for b in frame[6:12])
    (ethertype,) = struct.unpack_from(">H", frame, 12)
    if ethertype == ETHERTYPE_VLAN and len(frame) >= 18:
        (tag,) = struct.unpack_from(">H", frame, 14)
        return _parse(when, frame[:12] + frame[16:])._replace(vlan=tag & 0xFFF)
    if ethertype == ETHERTYPE_PPPOE and len(frame) >= 22:
        (protocol,) = struct.unpack_from(">H", frame, 20)
        if protocol in _PPP:
            inner = _parse(when, frame[:12] + _PPP[protocol].to_bytes(2, "big") + frame[22:])
            return inner._replace(session=True)
    body = frame[14:]
    if ethertype == ETHERTYPE_IPV4 and len(body) >= 20:
        source, destination = ipaddress.IPv4Address(body[12:16]), ipaddress.IPv4Address(body[16:20])
        dscp, protocol, body = body[1] >> 2, body[9], body[(body[0] & 15) * 4 :]
    elif ethertype == ETHERTYPE_IPV6 and len(body) >= 40:
        source, destination = ipaddress.IPv6Address(body[8:24]), ipaddress.IPv6Address(body[24:40])
        dscp, protocol, body = (body[0] & 15) << 2 | body[1] >> 6, body[6], body[40:]
        if protocol == 0 and len(body) >= 8:  # hop-by-hop options, as MLD has
            protocol, body = body[0], body[(body[1] + 1) * 8 :]
    else:
        return Packet(when, mac, ethertype, "", "", 0, 0, 0, body)
    sport = dport = 0
    if protocol in (6, 17) and len(body) >= 8:
        sport, dport = struct.unpack_from(">HH", body)
        body = body[8:] if protocol == 17 else body[(body[12] >> 4) * 4 if len(body) > 12 else 8 :]
    return Packet(when, mac, ethertype, str(source), str(destination), protocol, sport, dport, body, dscp=dscp)
