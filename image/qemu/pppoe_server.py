"""A PPPoE server for one customer: discovery, LCP, PAP, IPCP, and the payload to a tun device.

    python pppoe_server.py INTERFACE USERNAME PASSWORD

It needs no PPP in the kernel, which the machine that runs the tests may not have: frames come and go by a packet socket
(RFC 2516, 1661, 1334, 1332, 1877). The server prints a line for each step.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

DISCOVERY, SESSION = 0x8863, 0x8864
PADI, PADO, PADR, PADS, PADT = 0x09, 0x07, 0x19, 0x65, 0xA7
END_OF_LIST, SERVICE_NAME, AC_NAME, HOST_UNIQ, AC_COOKIE, RELAY_SESSION = 0, 0x0101, 0x0102, 0x0103, 0x0104, 0x0110
ECHOED = (SERVICE_NAME, HOST_UNIQ, AC_COOKIE, RELAY_SESSION)

IPV4, IPCP, LCP, PAP = 0x0021, 0x8021, 0xC021, 0xC023
REQUEST, ACK, NAK, REJECT, TERMINATE, TERMINATED, _, PROTOCOL_REJECT, ECHO, ECHOED_BACK = range(1, 11)
MRU, AUTHENTICATION, MAGIC = 1, 3, 5  # of LCP
ADDRESS, DNS1, DNS2 = 3, 129, 131  # of IPCP

MTU = 1492
OURS, THEIRS, RESOLVER = "100.64.0.1", "100.64.3.9", "203.0.113.1"
TUN = "ppp-isp"
ID = 7  # the session's number
NUMBER = b"\x2a\x2a\x2a\x2a"  # our magic number
HEADER = struct.Struct(">6s6sHBBHH")  # Ethernet's, and PPPoE's: version and type, code, session, length
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def pairs(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags of discovery."""
    while len(data) >= 4:
        kind, length = struct.unpack_from(">HH", data)
        yield kind, data[4 : 4 + length]
        data = data[4 + length :]


def options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Options of LCP and IPCP."""
    while len(data) >= 2 and data[1] >= 2:
        yield data[0], data[2 : data[1]]
        data = data[data[1] :]


def option(kind: int, value: bytes) -> bytes:
    return bytes((kind, len(value) + 2)) + value


@dataclass
class Server:
    """The protocol's state (pure): ``frames`` are to be sent, ``packets`` are for the tun device."""

    mac: bytes
    username: str
    password: str
    client: bytes = b""
    welcome: bool = False
    up: bool = False
    asked: set[int] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    packets: list[bytes] = field(default_factory=list)

    def receive(self, frame: bytes) -> None:
        if len(frame) < HEADER.size:
            return
        _, source, ethertype, _, code, number, length = HEADER.unpack_from(frame)
        body = frame[HEADER.size : HEADER.size + length]
        if ethertype == DISCOVERY:
            self._discovery(source, code, body)
        elif ethertype == SESSION and number == ID and source == self.client and len(body) >= 2:
            (protocol,) = struct.unpack_from(">H", body)
            self._session(protocol, body[2:])

    def send(self, packet: bytes) -> None:
        """Send ``packet`` to the customer."""
        if self.up:
            self._frame(SESSION, 0, ID, struct.pack(">H", IPV4) + packet)

    def _frame(self, ethertype: int, code: int, number: int, body: bytes) -> None:
        self.frames.append(HEADER.pack(self.client, self.mac, ethertype, 0x11, code, number, len(body)) + body)

    def _discovery(self, source: bytes, code: int, body: bytes) -> None:
        tags = b"".join(struct.pack(">HH", k, len(v)) + v for k, v in pairs(body) if k in ECHOED)
        if code == PADI:
            self.client, self.welcome, self.up = source, False, False
            name = b"lab"
            self._frame(DISCOVERY, PADO, 0, struct.pack(">HH", AC_NAME, len(name)) + name + tags)
        elif code == PADR and source == self.client:
            self.said.append("session")
            self.asked = set()
            self._frame(DISCOVERY, PADS, ID, tags)
        elif code == PADT and source == self.client:
            self.said.append("ended")
            self.up = False

    def _ask(self, protocol: int, wanted: bytes) -> None:
        """Send the server's request once, after the customer's, since only then the customer listens."""
        if protocol not in self.asked:
            self.asked.add(protocol)
            self._control(protocol, REQUEST, 1, wanted)

    def _control(self, protocol: int, code: int, number: int, body: bytes) -> None:
        head = struct.pack(">HBBH", protocol, code, number, 4 + len(body))
        self._frame(SESSION, 0, ID, head + body)

    def _session(self, protocol: int, data: bytes) -> None:
        if protocol == IPV4:
            if self.up:
                self.packets.append(data)
            return
        if len(data) < 4:
            return
        code, number, length = struct.unpack_from(">BBH", data)
        body = data[4:length]
        if protocol == LCP:
            self._lcp(code, number, body)
        elif protocol == PAP and code == REQUEST:
            self._pap(number, body)
        elif protocol == IPCP:
            self._ipcp(code, number, body)
        else:
            self._control(LCP, PROTOCOL_REJECT, number, struct.pack(">H", protocol) + data)

    def _lcp(self, code: int, number: int, body: bytes) -> None:
        if code == REQUEST:
            wanted = option(MRU, struct.pack(">H", MTU)) + option(AUTHENTICATION, struct.pack(">H", PAP))
            self._ask(LCP, wanted + option(MAGIC, NUMBER))
            self._control(LCP, ACK, number, body)
        elif code == ECHO:
            self._control(LCP, ECHOED_BACK, number, NUMBER + body[4:])
        elif code == TERMINATE:
            self.said.append("ended")
            self.up = False
            self._control(LCP, TERMINATED, number, b"")

    def _pap(self, number: int, body: bytes) -> None:
        name = body[1 : 1 + body[0]]
        rest = body[1 + len(name) :]
        word = rest[1 : 1 + rest[0]]
        right = (name, word) == (self.username.encode(), self.password.encode())
        self.said.append("welcome" if right else "refused")
        self.welcome = right
        self._control(PAP, ACK if right else NAK, number, b"\0")

    def _ipcp(self, code: int, number: int, body: bytes) -> None:
        if code != REQUEST or not self.welcome:
            return
        self._ask(IPCP, option(ADDRESS, socket.inet_aton(OURS)))
        given = {ADDRESS: THEIRS, DNS1: RESOLVER, DNS2: RESOLVER}
        asked = list(options(body))
        if strange := [option(k, v) for k, v in asked if k not in given]:
            self._control(IPCP, REJECT, number, b"".join(strange))
            return
        right = {kind: socket.inet_aton(address) for kind, address in given.items()}
        if wrong := [option(k, right[k]) for k, v in asked if v != right[k]]:
            self._control(IPCP, NAK, number, b"".join(wrong))
            return
        self._control(IPCP, ACK, number, body)
        self.up = True
        self.said.append("up")


def main(interface: str, username: str, password: str) -> None:
    wire = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind)) for kind in (DISCOVERY, SESSION)]
    for one, kind in zip(wire, (DISCOVERY, SESSION), strict=True):
        one.bind((interface, kind))
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", TUN.encode(), IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "address", "add", OURS, "peer", THEIRS, "dev", TUN], check=True)
    subprocess.run(["ip", "link", "set", TUN, "up", "mtu", str(MTU)], check=True)
    server = Server(wire[0].getsockname()[4], username, password)
    while True:
        for ready in select.select([*wire, device], [], [])[0]:
            if isinstance(ready, int):  # the tun device; the others are sockets
                server.send(os.read(device, 65536))
                continue
            frame, origin = ready.recvfrom(65536)
            if origin[2] != socket.PACKET_OUTGOING:
                server.receive(frame)
        for frame in server.frames:
            wire[0].send(frame)
        for packet in server.packets:
            os.write(device, packet)
        for line in server.said:
            print(line, flush=True)
        server.frames, server.packets, server.said = [], [], []


if __name__ == "__main__":
    main(*sys.argv[1:4])
