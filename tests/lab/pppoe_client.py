"""PPPoE without the kernel's: opens a session on a port, and leaves a link as pppd does.

    python -m tests.lab.pppoe_client PORT INTERFACE USERNAME PASSWORD

The link is a tun device with the other end's address as peer and a default route that names no router; it goes with
this program. Runs until it is ended.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

from image.qemu import pppoe_server as pppoe
from image.qemu.pppoe_server import HEADER, option


class Client:
    def __init__(self, port: str, interface: str, username: str, password: str) -> None:
        self.interface, self.username, self.password = interface, username.encode(), password.encode()
        kinds = (pppoe.DISCOVERY, pppoe.SESSION)
        self.wire = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind)) for kind in kinds]
        for one, kind in zip(self.wire, kinds, strict=True):
            one.bind((port, kind))
            # The kernel's PPPoE keeps a packet's mark, which the port's filter asks for; the link has its own filter.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x20)
        self.mac, self.server = self.wire[0].getsockname()[4], b"\xff" * 6
        self.session = 0
        self.peer = ""
        self.device: int | None = None

    def run(self) -> None:
        self.frame(pppoe.DISCOVERY, pppoe.PADI, struct.pack(">HH", pppoe.SERVICE_NAME, 0))
        while True:
            ends = [*self.wire, *([] if self.device is None else [self.device])]
            for ready in select.select(ends, [], [])[0]:
                if isinstance(ready, int):
                    self.frame(pppoe.SESSION, 0, struct.pack(">H", pppoe.IPV4) + os.read(ready, 65536))
                    continue
                frame, origin = ready.recvfrom(65536)
                if origin[2] == socket.PACKET_HOST:
                    self.receive(frame)

    def frame(self, ethertype: int, code: int, body: bytes) -> None:
        head = HEADER.pack(self.server, self.mac, ethertype, 0x11, code, self.session, len(body))
        self.wire[0].send(head + body)

    def control(self, protocol: int, code: int, body: bytes) -> None:
        self.frame(pppoe.SESSION, 0, struct.pack(">HBBH", protocol, code, 1, 4 + len(body)) + body)

    def receive(self, frame: bytes) -> None:
        _, source, ethertype, _, code, number, length = HEADER.unpack_from(frame)
        body = frame[HEADER.size : HEADER.size + length]
        if ethertype == pppoe.DISCOVERY and code == pppoe.PADO:
            self.server = source
            self.frame(pppoe.DISCOVERY, pppoe.PADR, struct.pack(">HH", pppoe.SERVICE_NAME, 0))
        elif ethertype == pppoe.DISCOVERY and code == pppoe.PADS:
            self.session = number
            self.control(pppoe.LCP, pppoe.REQUEST, option(pppoe.MRU, struct.pack(">H", pppoe.MTU)))
        elif ethertype == pppoe.SESSION:
            protocol, code = struct.unpack_from(">HB", body)
            if protocol == pppoe.IPV4 and self.device is not None:
                os.write(self.device, body[2:])
            elif protocol != pppoe.IPV4:
                self.agree(protocol, code, body[6:])

    def agree(self, protocol: int, code: int, body: bytes) -> None:
        match protocol, code:
            case (pppoe.LCP | pppoe.IPCP, pppoe.REQUEST):
                if protocol == pppoe.IPCP:
                    self.peer = socket.inet_ntoa(dict(pppoe.options(body))[pppoe.ADDRESS])
                self.control(protocol, pppoe.ACK, body)
            case (pppoe.LCP, pppoe.ACK):
                words = (self.username, self.password)
                self.control(pppoe.PAP, pppoe.REQUEST, b"".join(bytes([len(word)]) + word for word in words))
            case (pppoe.PAP, pppoe.ACK):
                self.control(pppoe.IPCP, pppoe.REQUEST, option(pppoe.ADDRESS, bytes(4)))
            case (pppoe.IPCP, pppoe.NAK):
                self.control(pppoe.IPCP, pppoe.REQUEST, body)
            case (pppoe.IPCP, pppoe.ACK):
                self.up(socket.inet_ntoa(dict(pppoe.options(body))[pppoe.ADDRESS]))
            case _:
                sys.exit(f"unexpected: protocol {protocol:#x}, code {code}")

    def up(self, address: str) -> None:
        self.device = os.open("/dev/net/tun", os.O_RDWR)
        request = struct.pack("16sH22x", self.interface.encode(), pppoe.IFF_TUN | pppoe.IFF_NO_PI)
        fcntl.ioctl(self.device, pppoe.TUNSETIFF, request)
        for words in (
            f"link set {self.interface} up mtu {pppoe.MTU}",
            f"address add {address} peer {self.peer} dev {self.interface}",
            f"route add default dev {self.interface}",
        ):
            subprocess.run(["ip", *words.split()], check=True)


if __name__ == "__main__":
    Client(*sys.argv[1:5]).run()
