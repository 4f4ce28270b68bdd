"""What the kernel's messages say of an interface."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from app.network import links, rtnetlink
from app.network.links import is_port, members, read_links
from app.network.netlink_raw import attribute

ETHERNET = 1
BRIDGE, RADIO, CABLE, TUNNEL = 2, 3, 4, 5
NAME, MASTER, INFO, KIND, SLAVE_KIND = 3, 10, 18, 1, 4
# As the kernel tells of a port of a bridge: the kind of its master, and none of its own.
SLAVE = attribute(INFO, attribute(SLAVE_KIND, b"bridge\0"))
IN_BRIDGE = attribute(MASTER, struct.pack("=I", BRIDGE))


def _link(index: int, name: str, *attrs: bytes, hardware: int = ETHERNET) -> bytes:
    return rtnetlink.LINK.pack(0, hardware, index, 1, 0) + attribute(NAME, name.encode() + b"\0") + b"".join(attrs)


def _address(index: int, prefix: int, local: bytes, peer: bytes, *attrs: bytes) -> bytes:
    header = rtnetlink.ADDRESS.pack(2 if len(local) == 4 else 10, prefix, 0, 0, index)
    return header + attribute(2, local) + attribute(1, peer) + b"".join(attrs)


@pytest.fixture(autouse=True)
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge with an access point's radio and a cable in it, and a point-to-point link."""
    (tmp_path / "radio0" / "phy80211").mkdir(parents=True)
    monkeypatch.setattr(links, "SYS", tmp_path)
    answers = {
        rtnetlink.GET_LINK: [
            _link(BRIDGE, "br-lan", attribute(INFO, attribute(KIND, b"bridge\0"))),
            _link(RADIO, "radio0", IN_BRIDGE, SLAVE),
            _link(CABLE, "lan0", IN_BRIDGE, SLAVE),
            _link(TUNNEL, "ppp0", attribute(4, struct.pack("=I", 1492)), attribute(33, b"\1"), hardware=512),
        ],
        rtnetlink.GET_ADDRESS: [
            _address(BRIDGE, 24, bytes((192, 168, 77, 1)), bytes((192, 168, 77, 1)), attribute(11, b"\x56")),
            _address(TUNNEL, 32, bytes((203, 0, 113, 5)), bytes((203, 0, 113, 1))),
        ],
    }
    monkeypatch.setattr(rtnetlink, "dump", lambda kind: answers[kind])


def test_radio_stays_a_radio_in_the_bridge() -> None:
    state = read_links()
    assert [name for name, link in state.items() if link.radio] == ["radio0"]
    assert [name for name, link in state.items() if is_port(link)] == ["lan0"]
    assert members("br-lan", state) == {"lan0"}


def test_addresses_belong_to_their_links() -> None:
    state = read_links()
    assert [str(a) for a in state["br-lan"].managed] == ["192.168.77.1/24"]
    session = state["ppp0"]
    assert ([str(a) for a in session.addresses], session.managed) == (["203.0.113.5/32"], frozenset())
    assert (session.peer, session.mtu, session.carrier, session.ethernet) == ("203.0.113.1", 1492, True, False)
