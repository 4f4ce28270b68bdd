"""802.1Q without the kernel's: frames of a tap device leave a port with a tag, tagged ones come in by it.

    python tagger.py PORT TAP ID

Stands in for a VLAN's interface where the kernel has none. Runs until it is ended.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import sys

ETH_P_ALL = 0x0003
SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
TP_STATUS_VLAN_VALID = 0x10
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
LONGEST = 65536


def main(port: str, tap: str, number: int) -> None:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    wire.bind((port, ETH_P_ALL))
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    # The kernel's VLAN keeps a packet's mark, which the port's filter asks for; the tap has a filter of its own.
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x20)
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", tap.encode(), IFF_TAP | IFF_NO_PI))
    tag = struct.pack(">HH", 0x8100, number)
    while True:
        ready, _, _ = select.select([wire, device], [], [])
        if device in ready:
            frame = os.read(device, LONGEST)
            try:
                wire.send(frame[:12] + tag + frame[12:])
            except OSError:  # the cable is out
                continue
        if wire in ready:
            frame, auxiliary, _, origin = wire.recvmsg(LONGEST, 256)
            if origin[2] != PACKET_OUTGOING and number_of(auxiliary) == number:
                os.write(device, frame)


def number_of(auxiliary: list[tuple[int, int, bytes]]) -> int | None:
    """The tag's number, which the kernel has taken out of the frame; None where there was none. packet(7)"""
    for level, kind, data in auxiliary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tag, _ = struct.unpack("IIIHHHH", data[:20])
            return tag & 0xFFF if status & TP_STATUS_VLAN_VALID else None
    return None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
