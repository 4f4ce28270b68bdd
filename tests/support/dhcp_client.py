"""A DHCP client that sends frames of its own making, also what no ordinary client would say (RFC 2131, RFC 4702)."""

from __future__ import annotations

import ipaddress
import random
import socket
import struct
import time
from typing import NamedTuple

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE = range(1, 8)
_COOKIE = b"\x63\x82\x53\x63"
_HOST_NAME, _REQUESTED, _TYPE, _SERVER, _PARAMETERS, _FQDN = 12, 50, 53, 54, 55, 81
_LEASE_TIME = 51
ETH_P_IP = 0x0800


class Answer(NamedTuple):
    kind: int
    address: str
    server: str
    seconds: int  # of the lease
    options: dict[int, bytes]


def fqdn(name: str, flags: int = 0x05) -> tuple[int, bytes]:
    """Option 81; by default the name is encoded (flag E) and the server is to enter it (flag S)."""
    if flags & 0x04:
        wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        return _FQDN, bytes([flags, 0, 0]) + wire + b"\0"
    return _FQDN, bytes([flags, 0, 0]) + name.encode()


def host_name(name: str) -> tuple[int, bytes]:
    """Option 12."""
    return _HOST_NAME, name.encode()


class DhcpClient:
    """A device with the address ``mac`` behind the interface ``link`` of this namespace."""

    def __init__(self, link: str, mac: str) -> None:
        self._link = link
        self.mac = mac

    def lease(self, *options: tuple[int, bytes], wanted: str | None = None, timeout: float = 3.0) -> Answer | None:
        """DISCOVER and REQUEST; None where nothing is offered or the request is refused."""
        asked = [(_REQUESTED, socket.inet_aton(wanted))] if wanted else []
        offer = self.exchange(DISCOVER, *asked, *options, timeout=timeout)
        if offer is None:
            return None
        return self.request(offer.address, *options, server=offer.server, timeout=timeout)

    def request(
        self, address: str, *options: tuple[int, bytes], server: str | None = None, timeout: float = 3.0
    ) -> Answer | None:
        """REQUEST alone, after an offer of ``server`` or, without one, as a device that has just started again."""
        chosen = [(_SERVER, socket.inet_aton(server))] if server else []
        asked = (_REQUESTED, socket.inet_aton(address))
        answer = self.exchange(REQUEST, asked, *chosen, *options, timeout=timeout)
        return answer if answer is not None and answer.kind == ACK else None

    def release(self, address: str, server: str) -> None:
        """Give the lease of ``address`` back; nothing answers that."""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP)) as sock:
            sock.bind((self._link, 0))
            chosen = (_SERVER, socket.inet_aton(server))
            sock.send(self.frame(RELEASE, random.getrandbits(32), chosen, present=address))

    def exchange(self, kind: int, *options: tuple[int, bytes], timeout: float = 3.0) -> Answer | None:
        """Send one message; the first answer to it, or None."""
        number = random.getrandbits(32)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP)) as sock:
            sock.bind((self._link, 0))
            sock.send(self.frame(kind, number, *options))
            end = time.monotonic() + timeout
            while (left := end - time.monotonic()) > 0:
                sock.settimeout(left)
                try:
                    answer = _answer(sock.recv(2048), number)
                except TimeoutError:
                    return None
                if answer is not None:
                    return answer
        return None

    def frame(self, kind: int, number: int, *options: tuple[int, bytes], present: str = "0.0.0.0") -> bytes:
        """A whole frame; ``present`` is the address that the device says it has."""
        mac = bytes.fromhex(self.mac.replace(":", ""))
        head = struct.pack(">BBBBIHH4s12x", 1, 1, 6, 0, number, 0, 0x8000, socket.inet_aton(present))  # broadcast
        coded = b"".join(
            bytes([code, len(value)]) + value
            for code, value in ((_TYPE, bytes([kind])), (_PARAMETERS, bytes([1, 3, 6, 12, 15, 81])), *options)
        )
        body = head + mac + bytes(10 + 192) + _COOKIE + coded + b"\xff"
        udp = struct.pack(">HHHH", 68, 67, 8 + len(body), 0) + body
        ends = bytes(4) + b"\xff" * 4
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ends
        total = sum(struct.unpack(">10H", ip))
        total = (total & 0xFFFF) + (total >> 16)
        return b"\xff" * 6 + mac + b"\x08\x00" + ip[:10] + struct.pack(">H", ~total & 0xFFFF) + ip[12:] + udp


def _answer(frame: bytes, number: int) -> Answer | None:
    body = frame[14 + 20 + 8 :]
    if frame[23:24] != b"\x11" or len(body) < 240 or body[0] != 2 or struct.unpack(">I", body[4:8])[0] != number:
        return None
    options: dict[int, bytes] = {}
    at = 240
    while at + 1 < len(body) and body[at] != 255:
        if body[at] == 0:
            at += 1
            continue
        options[body[at]] = body[at + 2 : at + 2 + body[at + 1]]
        at += 2 + body[at + 1]
    return Answer(
        options.get(_TYPE, b"\0")[0],
        str(ipaddress.IPv4Address(body[16:20])),
        str(ipaddress.IPv4Address(options.get(_SERVER, bytes(4)))),
        struct.unpack(">I", options.get(_LEASE_TIME, bytes(4)))[0],
        options,
    )
