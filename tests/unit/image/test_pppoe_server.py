"""The provider's end of PPPoE that the booted image is tried against: what it answers, step by step."""

from __future__ import annotations

import struct

import pytest

from image.qemu import pppoe_server as pppoe
from image.qemu.pppoe_server import HEADER, Server, option

OURS, CUSTOMER, ANY = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", b"\xff" * 6


class Customer:
    """Sends frames as pppd's would be, and takes the answers apart."""

    def __init__(self, password: str = "secret") -> None:
        self.server = Server(OURS, "me", "secret")
        self.password = password

    def discover(self, code: int, number: int = 0) -> tuple[int, int, dict[int, bytes]]:
        tags = struct.pack(">HHHH", pppoe.SERVICE_NAME, 0, pppoe.HOST_UNIQ, 2) + b"hu"
        self.server.receive(HEADER.pack(ANY, CUSTOMER, pppoe.DISCOVERY, 0x11, code, number, len(tags)) + tags)
        (frame,) = self.take()
        to, _, kind, _, code, number, length = HEADER.unpack_from(frame)
        assert (to, kind, length) == (CUSTOMER, pppoe.DISCOVERY, len(frame) - HEADER.size)
        return code, number, dict(pppoe.pairs(frame[HEADER.size :]))

    def say(self, protocol: int, payload: bytes) -> list[tuple[int, bytes]]:
        """The answers as (protocol, payload)."""
        body = struct.pack(">H", protocol) + payload
        self.server.receive(HEADER.pack(OURS, CUSTOMER, pppoe.SESSION, 0x11, 0, pppoe.ID, len(body)) + body)
        bodies = [frame[HEADER.size :] for frame in self.take()]
        return [(int.from_bytes(body[:2]), body[2:]) for body in bodies]

    def control(self, protocol: int, code: int, body: bytes) -> list[tuple[int, int, bytes]]:
        """The answers as (protocol, code, body)."""
        said = self.say(protocol, struct.pack(">BBH", code, 9, 4 + len(body)) + body)
        assert all(int.from_bytes(payload[2:4]) == len(payload) for _, payload in said)
        return [(protocol, payload[0], payload[4:]) for protocol, payload in said]

    def take(self) -> list[bytes]:
        frames, self.server.frames = self.server.frames, []
        return frames

    def sign_in(self) -> list[tuple[int, int, bytes]]:
        name, word = b"me", self.password.encode()
        return self.control(pppoe.PAP, pppoe.REQUEST, bytes([len(name)]) + name + bytes([len(word)]) + word)


def test_a_customer_gets_a_session_an_address_and_packets_both_ways() -> None:
    customer = Customer()
    code, number, tags = customer.discover(pppoe.PADI)
    assert (code, number, tags[pppoe.HOST_UNIQ], tags[pppoe.AC_NAME]) == (pppoe.PADO, 0, b"hu", b"lab")
    code, number, tags = customer.discover(pppoe.PADR)
    assert (code, number, tags[pppoe.HOST_UNIQ]) == (pppoe.PADS, pppoe.ID, b"hu")

    wanted = option(pppoe.MRU, b"\x05\xd4") + option(pppoe.MAGIC, b"abcd")
    asked, agreed = customer.control(pppoe.LCP, pppoe.REQUEST, wanted)
    assert asked[:2] == (pppoe.LCP, pppoe.REQUEST)
    assert dict(pppoe.options(asked[2]))[pppoe.AUTHENTICATION] == b"\xc0\x23"
    assert agreed == (pppoe.LCP, pppoe.ACK, wanted)
    assert customer.sign_in() == [(pppoe.PAP, pppoe.ACK, b"\0")]

    nothing = bytes(4)
    wanted = b"".join(option(kind, nothing) for kind in (pppoe.ADDRESS, pppoe.DNS1, pppoe.DNS2))
    asked, told = customer.control(pppoe.IPCP, pppoe.REQUEST, wanted)
    assert asked == (pppoe.IPCP, pppoe.REQUEST, option(pppoe.ADDRESS, bytes((100, 64, 0, 1))))
    assert told[:2] == (pppoe.IPCP, pppoe.NAK)
    assert customer.control(pppoe.IPCP, pppoe.REQUEST, told[2]) == [(pppoe.IPCP, pppoe.ACK, told[2])]
    assert dict(pppoe.options(told[2]))[pppoe.ADDRESS] == bytes((100, 64, 3, 9))
    assert customer.server.said == ["session", "welcome", "up"]

    assert customer.say(pppoe.IPV4, b"packet") == []
    assert customer.server.packets == [b"packet"]
    customer.server.send(b"answer")
    assert [frame[HEADER.size :] for frame in customer.take()] == [b"\0\x21answer"]


def test_a_wrong_password_gets_no_address() -> None:
    customer = Customer("wrong")
    customer.discover(pppoe.PADI)
    customer.discover(pppoe.PADR)
    assert customer.sign_in() == [(pppoe.PAP, pppoe.NAK, b"\0")]
    assert customer.control(pppoe.IPCP, pppoe.REQUEST, option(pppoe.ADDRESS, bytes(4))) == []
    customer.say(pppoe.IPV4, b"packet")
    assert customer.server.packets == []
    assert customer.server.said == ["session", "refused"]


def test_what_it_does_not_speak_is_refused_and_echoes_are_answered() -> None:
    customer = Customer()
    customer.discover(pppoe.PADI)
    customer.discover(pppoe.PADR)
    customer.sign_in()
    compression = option(2, b"\0\x2d\x0f\1")
    _, said = customer.control(pppoe.IPCP, pppoe.REQUEST, compression)
    assert said == (pppoe.IPCP, pppoe.REJECT, compression)
    ((_, code, body),) = customer.control(0x8057, pppoe.REQUEST, b"")
    assert (code, body[:2]) == (pppoe.PROTOCOL_REJECT, b"\x80\x57")
    assert customer.control(pppoe.LCP, pppoe.ECHO, b"abcd") == [(pppoe.LCP, pppoe.ECHOED_BACK, pppoe.NUMBER)]
    assert customer.control(pppoe.LCP, pppoe.TERMINATE, b"") == [(pppoe.LCP, pppoe.TERMINATED, b"")]
    assert customer.server.up is False


@pytest.mark.parametrize("length", range(32))
def test_half_a_frame_does_no_harm(length: int) -> None:
    customer = Customer()
    customer.discover(pppoe.PADI)
    customer.discover(pppoe.PADR)
    body = struct.pack(">HBBH", pppoe.LCP, pppoe.ECHO, 1, 12) + b"abcdefgh"
    whole = HEADER.pack(OURS, CUSTOMER, pppoe.SESSION, 0x11, 0, pppoe.ID, len(body)) + body
    customer.server.receive(whole[:length])
