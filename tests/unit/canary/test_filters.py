"""The filters take what may be a probe, on every kind of link, and nothing else."""

from __future__ import annotations

import struct
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.canary.filters import probes, transport
from app.canary.frames import TCP, UDP, packet, tcp_syn, udp
from app.canary.identity import TARGETS6
from app.network.plan import TransportPeer
from tests.unit.canary.bpf import taken

TARGETS4 = ip_network("203.0.113.0/24")
IPV4, IPV6, VLAN, PPPOE = 0x0800, 0x86DD, 0x8100, 0x8864
IN4, IN6 = ip_address("203.0.113.77"), TARGETS6[77]
OUT4, OUT6 = ip_address("9.9.9.9"), ip_address("2620:fe::fe")
ME4, ME6 = ip_address("192.168.1.20"), ip_address("2001:db8:1::20")


def content(source, to, port=443, *, tcp=False):
    made = tcp_syn(source, to, (40000, port), b"x" * 8) if tcp else udp(source, to, (40000, port), b"x" * 8)
    return packet(source, to, TCP if tcp else UDP, made)[2:]


def on(link: str, ip: bytes) -> tuple[bytes, int]:
    """``ip`` as a tap on a link of this kind sees it: from the network header on, with the frame's protocol."""
    four = ip[0] >> 4 == 4
    if link == "pppoe":
        return struct.pack(">BBHHH", 0x11, 0, 1, len(ip) + 2, 0x21 if four else 0x57) + ip, PPPOE
    return ip, VLAN if link == "vlan" else IPV4 if four else IPV6


@pytest.mark.parametrize("link", ["plain", "vlan", "pppoe"])
@pytest.mark.parametrize("tcp", [True, False])
def test_what_goes_to_a_target_is_taken(link, tcp):
    program = probes("out", TARGETS4, TARGETS6, names=False)
    for source, inside, outside in ((ME4, IN4, OUT4), (ME6, IN6, OUT6)):
        assert taken(program, *on(link, content(source, inside, tcp=tcp)), outgoing=True)
        assert not taken(program, *on(link, content(source, outside, tcp=tcp)), outgoing=True)
        assert not taken(program, *on(link, content(source, inside, tcp=tcp)), outgoing=False)


@pytest.mark.parametrize("link", ["plain", "vlan", "pppoe"])
@pytest.mark.parametrize("tcp", [True, False])
def test_queries_for_names_are_taken_where_wanted(link, tcp):
    for source, outside in ((ME4, OUT4), (ME6, OUT6)):
        seen = on(link, content(source, outside, 53, tcp=tcp))
        assert taken(probes("out", TARGETS4, TARGETS6, names=True), *seen, outgoing=True)
        assert not taken(probes("out", TARGETS4, TARGETS6, names=False), *seen, outgoing=True)
        other = on(link, content(source, outside, 5300, tcp=tcp))
        assert not taken(probes("out", TARGETS4, TARGETS6, names=True), *other, outgoing=True)


def test_incoming_is_taken_on_the_lan_alone():
    program = probes("in", TARGETS4, TARGETS6, names=False)
    assert taken(program, *on("plain", content(ME4, IN4)), outgoing=False)
    assert not taken(program, *on("plain", content(ME4, IN4)), outgoing=True)


def test_only_wireguard_to_its_peer_is_the_control():
    peers = [TransportPeer(ip_address(a), 51820) for a in ("198.51.100.10", "2001:db8:5e::10", "192.0.2.20")]
    program = transport(peers)
    for peer in peers:
        source = ME4 if peer.address.version == 4 else ME6
        assert taken(program, *on("plain", content(source, peer.address, 51820)), outgoing=True)
        assert not taken(program, *on("plain", content(source, peer.address, 51821)), outgoing=True)
        assert not taken(program, *on("plain", content(source, peer.address, 51820, tcp=True)), outgoing=True)
    assert not taken(program, *on("plain", content(ME4, OUT4, 51820)), outgoing=True)
    assert not taken(transport([]), *on("plain", content(ME4, OUT4, 51820)), outgoing=True)


@settings(deadline=None)
@given(st.binary(max_size=80), st.sampled_from([IPV4, IPV6, VLAN, PPPOE, 0x0806]), st.booleans())
def test_no_packet_is_too_short_or_too_strange(data, protocol, outgoing):
    for direction in ("in", "out"):
        assert taken(probes(direction, TARGETS4, TARGETS6, names=True), data, protocol, outgoing=outgoing) in {0, 512}


def test_jumps_fit_into_a_byte():
    many = [TransportPeer(TARGETS6[n], n + 1) for n in range(8)]
    assert len(transport(many)) // 8 < 255
    assert len(probes("out", TARGETS4, TARGETS6, names=True)) // 8 < 255
