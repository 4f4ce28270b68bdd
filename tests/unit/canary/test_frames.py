"""The frames are what a device sends: lengths, checksums, addresses, read back field by field."""

from __future__ import annotations

import random
import struct
from ipaddress import ip_address, ip_network

import dns.message
import pytest

from app.canary.browser import FIRST_HOST
from app.canary.frames import IPV4, checksum
from app.canary.identity import TARGETS6, identities, mac, server_host
from app.canary.probes import NAMES, Ends, probes
from app.model import BlockedPolicy
from app.network.plan import MAX_EXITS

ENDS = Ends(
    mac=mac(3),
    router="02:00:00:00:00:01",
    source4=ip_address("192.168.77.254"),
    source6=ip_address("fd12:3456:789a::77"),
    gateway4=ip_address("192.168.77.1"),
    gateway6=ip_address("fd12:3456:789a::1"),
    wan=(ip_address("192.168.1.20"), ip_address("2001:db8:1::20")),
    targets4=ip_network("203.0.113.0/24"),
)


def made(ends=ENDS):
    made_up = random.Random(1)
    return probes(ends, lambda: made_up.randbytes(8), lambda: 40000)


def test_all_that_a_device_may_try_is_among_the_probes():
    kinds = [(p.kind, p.family) for p in made()]
    assert len(kinds) == len(set(kinds)) == 18
    assert {k for k, f in kinds if f == 4} == {k for k, f in kinds if f == 6}
    without = made(Ends(**{**{n: getattr(ENDS, n) for n in ENDS.__struct_fields__}, "source6": None, "wan": ()}))
    assert {p.family for p in without} == {4}
    assert "spoofed_wan" not in {p.kind for p in without}


def test_frames_come_from_the_canary_and_go_to_the_router():
    for probe in made():
        assert probe.frame[:12] == bytes.fromhex("020000000001") + bytes.fromhex(mac(3).replace(":", ""))
        assert len(probe.frame) >= 60


def test_no_two_devices_of_the_canary_probe_the_same_host():
    """Of a protocol without ports NAT keeps one flow to a host: the second device's packet would be dropped."""
    numbers = [int(one.mac[-2:], 16) for one in identities([f"exit{n}" for n in range(MAX_EXITS)], BlockedPolicy())]
    hosts = [server_host(mac(number)) for number in numbers]
    assert len(set(hosts)) == len(hosts) == MAX_EXITS + 2
    assert max(hosts) < FIRST_HOST
    (probe,) = (p for p in made() if (p.kind, p.family) == ("other_protocol", 4))
    assert probe.frame[30:34] == ENDS.targets4[server_host(ENDS.mac)].packed


def test_each_has_a_needle_that_no_other_has():
    all_probes = made()
    for probe in all_probes:
        assert [p.kind for p in all_probes if probe.needle in p.frame] == [probe.kind]


@pytest.mark.parametrize("probe", made(), ids=lambda p: f"{p.kind}{p.family}")
def test_lengths_and_checksums_are_right(probe):
    ip = probe.frame[14:]
    if probe.frame[12:14] == IPV4:
        length, protocol = struct.unpack(">H", ip[2:4])[0], ip[9]
        assert checksum(ip[:20]) == 0
        ip, body, pseudo = ip[:length], ip[20:length], ip[12:20] + struct.pack(">BBH", 0, ip[9], length - 20)
        assert ip_address(ip[16:20]) in ENDS.targets4
    else:
        length, protocol = struct.unpack(">H", ip[4:6])[0], ip[6]
        body, pseudo = ip[40 : 40 + length], ip[8:40] + struct.pack(">II", length, ip[6])
        assert ip_address(ip[24:40]) in TARGETS6
    covered = {6: pseudo + body, 17: pseudo + body, 58: pseudo + body, 1: body, 253: None}[protocol]
    if covered is not None:
        assert checksum(covered) == 0
    if probe.kind == "dns":
        query = dns.message.from_wire(body[8:])
        assert query.question[0].name.to_text().endswith(f".{NAMES}.")
    source = ip_address(ip[12:16]) if probe.family == 4 else ip_address(ip[8:24])
    own = {ENDS.source4, ENDS.source6}
    assert (source in own) == (not probe.kind.startswith("spoofed"))
