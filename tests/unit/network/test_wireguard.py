"""The messages for both WireGuard implementations, byte for byte, without sending them."""

from __future__ import annotations

import base64
import socket
import struct
from ipaddress import ip_address, ip_network

import pytest
from msgspec.structs import replace
from pyroute2.netlink.generic.wireguard import wgmsg

from app.errors import KernelError
from app.model import Secret
from app.network.netlink_raw import attributes
from app.network.wireguard import kernel_messages, uapi
from app.network.wireguard.types import INTERFACE_NAME, DeviceConfig, PeerConfig


def key(number):
    return base64.b64encode(bytes([number]) * 32).decode()


def raw(number):
    return bytes([number]) * 32


PEER = PeerConfig(
    key(2), Secret(key(3)), (ip_address("192.0.2.1"), 51820), (ip_network("0.0.0.0/0"), ip_network("fd00::/8")), 25
)
SIX = PeerConfig(key(4), None, (ip_address("2001:db8::1"), 1), (), 0)
DEVICE = DeviceConfig(Secret(key(1)), 0x20, None, (PEER, SIX))


def device_attributes(message):
    message.encode()
    assert message.data[16:20] == b"\1\1\0\0"  # WG_CMD_SET_DEVICE, version 1
    return attributes(message.data[20:])


def peers_of(found):
    return [attributes(peer) for peer in attributes(found[8]).values()]


def test_kernel_messages_replace_peers_and_allowed_ips():
    first, second = (device_attributes(m) for m in kernel_messages.configuration("wg0a", DEVICE))
    assert first[2] == b"wg0a\0"
    assert first[3] == raw(1)
    assert first[5] == struct.pack("=I", 1)  # WGDEVICE_F_REPLACE_PEERS
    assert first[6] == b"\0\0"
    assert first[7] == struct.pack("=I", 0x20)
    (peer,) = peers_of(first)
    assert (peer[1], peer[2]) == (raw(2), raw(3))
    assert peer[3] == struct.pack("=I", 2)  # WGPEER_F_REPLACE_ALLOWEDIPS
    assert peer[4] == struct.pack("=H", socket.AF_INET) + struct.pack(">H", 51820) + b"\xc0\0\2\1" + bytes(8)
    assert peer[5] == struct.pack("=H", 25)
    ranges = [attributes(one) for one in attributes(peer[9]).values()]
    assert ranges[0] == {1: struct.pack("=H", socket.AF_INET), 2: bytes(4), 3: b"\0"}
    assert ranges[1] == {1: struct.pack("=H", socket.AF_INET6), 2: b"\xfd" + bytes(15), 3: b"\10"}
    assert set(second) == {2, 8}  # the device's own values once only, or the first peer would go again
    (peer,) = peers_of(second)
    assert (peer[1], 2 in peer) == (raw(4), False)
    address = ip_address("2001:db8::1").packed
    assert peer[4] == struct.pack("=H", socket.AF_INET6) + struct.pack(">HI", 1, 0) + address + bytes(4)


def test_device_without_peers_removes_earlier_peers():
    (only,) = (
        device_attributes(m) for m in kernel_messages.configuration("wg0a", DeviceConfig(Secret(key(1)), 0, 5, ()))
    )
    assert (8 in only, only[5]) == (False, struct.pack("=I", 1))
    assert only[6] == struct.pack("=H", 5)


def test_many_allowed_ips_are_split_into_messages():
    networks = tuple(ip_network((i << 96, 64)) for i in range(1201))
    peer = PeerConfig(key(2), None, None, networks, 0)
    messages = list(kernel_messages.configuration("wg0a", DeviceConfig(Secret(key(1)), 0, None, (peer,))))
    found = [peers_of(device_attributes(m))[0] for m in messages]
    assert [p[3] for p in found] == [struct.pack("=I", flags) for flags in (2, 4, 4)]  # replace, then add
    sent = [attributes(one)[2] for p in found for one in attributes(p[9]).values()]
    assert sent == [n.network_address.packed for n in networks]
    assert all(len(m.data) < 1 << 16 for m in messages)


def test_endpoint_change_contains_nothing_else():
    found = device_attributes(kernel_messages.endpoint_change("wg0a", key(2), (ip_address("fe80::9%lo"), 7)))
    assert set(found) == {2, 8}
    (peer,) = peers_of(found)
    assert set(peer) == {1, 3, 4}
    assert peer[3] == struct.pack("=I", 4)  # WGPEER_F_UPDATE_ONLY
    assert peer[4][-4:] == struct.pack("=I", socket.if_nametoindex("lo"))
    with pytest.raises(KernelError):
        kernel_messages.endpoint_change("wg0a", key(2), (ip_address("fe80::9%no_such_zone"), 7))


def answer(*device, peers=()):
    message = wgmsg()
    message["attrs"] = [*device, ["WGDEVICE_A_PEERS", [{"attrs": p} for p in peers]]]
    message.encode()
    back = wgmsg(message.data)
    back.decode()
    return back


def test_kernel_answer_in_parts_is_parsed():
    moment = {"tv_sec": 1000, "tv_nsec": 500_000_000}
    full = [
        ["WGPEER_A_PUBLIC_KEY", key(2)],
        ["WGPEER_A_PRESHARED_KEY", key(3)],
        ["WGPEER_A_LAST_HANDSHAKE_TIME", moment],
        ["WGPEER_A_RX_BYTES", 1 << 33],
        ["WGPEER_A_TX_BYTES", 7],
        ["WGPEER_A_ENDPOINT", {"addr": "192.0.2.1", "port": 51820}],
    ]
    never = [["WGPEER_A_PUBLIC_KEY", key(4)], ["WGPEER_A_LAST_HANDSHAKE_TIME", {"tv_sec": 0, "tv_nsec": 0}]]
    device = [["WGDEVICE_A_PRIVATE_KEY", key(1)], ["WGDEVICE_A_FWMARK", 0x20], ["WGDEVICE_A_LISTEN_PORT", 1234]]
    stats = kernel_messages.parse([answer(*device, peers=[full]), answer(peers=[full[:1], never])])
    assert (stats.fwmark, stats.listen_port) == (0x20, 1234)
    first, second = stats.peers
    assert first.endpoint == (ip_address("192.0.2.1"), 51820)
    assert (first.latest_handshake, first.rx_bytes, first.tx_bytes) == (1000.5, 1 << 33, 7)
    assert (second.public_key, second.latest_handshake, second.endpoint) == (key(4), None, None)
    assert key(1) not in repr(stats)


def test_uapi_text_has_the_same_configuration():
    lines = uapi.configuration(DEVICE).split("\n")
    assert lines[:5] == ["set=1", "replace_peers=true", f"private_key={raw(1).hex()}", "fwmark=32", "listen_port=0"]
    assert lines[5:12] == [
        f"public_key={raw(2).hex()}",
        f"preshared_key={raw(3).hex()}",
        "endpoint=192.0.2.1:51820",
        "replace_allowed_ips=true",
        "allowed_ip=0.0.0.0/0",
        "allowed_ip=fd00::/8",
        "persistent_keepalive_interval=25",
    ]
    assert "endpoint=[2001:db8::1]:1" in lines
    assert lines[-2:] == ["", ""]


@pytest.mark.parametrize(
    ("wanted", "now", "told"),
    [(None, 0, "listen_port=0"), (None, 9, "listen_port=0"), (9, 0, "listen_port=9"), (9, 8, "listen_port=9")],
)
def test_uapi_text_tells_a_new_port(wanted: int | None, now: int, told: str):
    assert told in uapi.configuration(replace(DEVICE, listen_port=wanted), now).split("\n")


def test_uapi_text_leaves_the_port_as_it_is():
    assert "listen_port" not in uapi.configuration(replace(DEVICE, listen_port=9), 9)


def test_uapi_answer_is_parsed():
    reply = (
        f"private_key={raw(1).hex()}\nlisten_port=9\nfwmark=32\npublic_key={raw(2).hex()}\nendpoint=[2001:db8::1]:1\n"
        "last_handshake_time_sec=1000\nlast_handshake_time_nsec=500000000\nrx_bytes=5\ntx_bytes=6\n"
        f"allowed_ip=::/0\npublic_key={raw(4).hex()}\nlast_handshake_time_sec=0\nlast_handshake_time_nsec=0\nerrno=0\n\n"
    )
    stats = uapi.parse_stats(reply)
    assert (stats.fwmark, stats.listen_port, len(stats.peers)) == (32, 9, 2)
    assert stats.peers[0].endpoint == (ip_address("2001:db8::1"), 1)
    assert (stats.peers[0].latest_handshake, stats.peers[0].rx_bytes, stats.peers[0].tx_bytes) == (1000.5, 5, 6)
    assert (stats.peers[1].latest_handshake, stats.peers[1].endpoint) == (None, None)
    assert uapi.parse_stats("errno=0\n\n").peers == ()
    assert raw(1).hex() not in repr(stats)


@pytest.mark.parametrize("name", ["wg0a", "wg31b"])
def test_managed_interfaces_match_the_name_pattern(name):
    assert INTERFACE_NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["wg0", "wg0c", "xwg0a", "wg0a1", "wga", "wgprobe"])
def test_other_interfaces_do_not_match_the_name_pattern(name):
    assert not INTERFACE_NAME.fullmatch(name)
