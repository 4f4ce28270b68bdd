"""The MAC addresses of the gateway itself, which are no devices of the LAN. netdevice(7)."""

from __future__ import annotations

import fcntl
import socket
import struct

_SIOCGIFHWADDR = 0x8927
_ETHERNET = 1  # ARPHRD_ETHER


def own_addresses() -> frozenset[str]:
    """Those of all interfaces, by system calls that never block."""
    found: set[str] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(sock, _SIOCGIFHWADDR, struct.pack("16s24x", name.encode()))
            except OSError:
                continue  # the interface has just gone
            kind, address = struct.unpack_from("=H6s", answer, 16)
            if kind == _ETHERNET:
                found.add(address.hex(":"))
    return frozenset(found)
