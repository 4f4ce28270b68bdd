"""Messages of multicast DNS: what is read of them, and that no bytes break the reader."""

from __future__ import annotations

from ipaddress import ip_address

import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.netd.devices.mdns_message import BadMessageError, parse, query

NAS, NAS6 = ip_address("192.168.77.60"), ip_address("fe80::60")


def answer(*records: tuple[str, str, str]) -> bytes:
    message = dns.message.Message(0)
    message.flags |= dns.flags.QR | dns.flags.AA
    for name, kind, value in records:
        message.answer.append(dns.rrset.from_text(name, 120, "IN", kind, value))
    return message.to_wire()


def test_names_and_services_of_an_announcement():
    told = parse(
        answer(
            ("files.local.", "A", str(NAS)),
            ("files.local.", "AAAA", str(NAS6)),
            ("_smb._tcp.local.", "PTR", "files._smb._tcp.local."),
            ("_services._dns-sd._udp.local.", "PTR", "_adisk._tcp.local."),
            ("My\\032Printer._ipp._tcp.local.", "SRV", "0 0 631 files.local."),
        )
    )
    assert told.names == {NAS: "files", NAS6: "files"}
    assert told.services == {"_smb._tcp", "_adisk._tcp", "_ipp._tcp"}


def test_names_by_address():
    told = parse(
        answer((NAS.reverse_pointer + ".", "PTR", "Files.local."), (NAS6.reverse_pointer + ".", "PTR", "f.local."))
    )
    assert told.names == {NAS: "files", NAS6: "f"}


def test_questions_tell_nothing():
    told = parse(query([NAS, NAS6]))
    assert (told.names, told.services) == ({}, frozenset())


def test_question_names_the_services_and_the_addresses():
    asked = [str(question.name) for question in dns.message.from_wire(query([NAS])).question]
    assert asked == ["_services._dns-sd._udp.local.", "60.77.168.192.in-addr.arpa."]


@pytest.mark.parametrize("name", ["files.lan.", "a.b.local.", "-bad-.local."])
def test_names_that_are_no_hosts_of_the_link_do_not_count(name):
    assert parse(answer((name, "A", str(NAS)))).names == {}


def test_name_that_points_at_itself_is_refused():
    loop = bytes.fromhex("000084000000000100000000") + b"\xc0\x0c" + bytes(10)
    with pytest.raises(BadMessageError):
        parse(loop)


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_break_the_reader(data, whole):
    head = bytes.fromhex("000084000001000200000000") if whole else b""
    try:
        told = parse(head + data)
    except BadMessageError:
        return
    assert len(told.services) <= 32


@given(st.data())
def test_no_change_of_a_message_breaks_the_reader(data):
    good = bytearray(answer(("files.local.", "A", str(NAS)), ("_smb._tcp.local.", "PTR", "files._smb._tcp.local.")))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse(bytes(good))
    except BadMessageError:
        return
