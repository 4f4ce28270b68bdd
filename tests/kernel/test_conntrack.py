"""Deleting connections; conntrack(8) creates and lists them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from app.network.conntrack import flush_mark, flush_source
from tests.kernel.namespace import inside, run

SCTP = (
    "conntrack -I -p sctp -s 10.0.0.1 -d 198.51.100.9 --orig-port-src 5 --orig-port-dst 7 -t 300 --state ESTABLISHED"
    " --orig-vtag 1 --reply-vtag 1"
)

pytestmark = pytest.mark.kernel


def add(source, port, mark, destination="198.51.100.9"):
    run(f"conntrack -I -p udp -s {source} -d {destination} --sport {port} --dport 7 -t 300 -m {mark}")


def listed():
    found = set()
    for family in ("ipv4", "ipv6"):
        for line in run(f"conntrack -L -f {family}").splitlines():
            words = dict(word.split("=", 1) for word in reversed(line.split()) if "=" in word)
            found.add((words["src"], int(words["sport"]), int(words.get("mark", 0))))
    return found


def others_than_udp():
    return (run("conntrack -L -p icmp") + run("conntrack -L -p sctp")).splitlines()


@inside
async def test_by_mark_and_by_that_mark_alone():
    add("10.0.0.1", 1000, 0x100)
    add("10.0.0.2", 1000, 0x100)
    add("10.0.0.1", 1001, 0x101)
    add("10.0.0.1", 1002, 0x1100)
    add("fd00::1", 1003, 0x100, "fd00::9")
    add("10.0.0.1", 1004, 0)
    await flush_mark(0x100)
    assert listed() == {("10.0.0.1", 1001, 0x101), ("10.0.0.1", 1002, 0x1100), ("10.0.0.1", 1004, 0)}
    await flush_mark(0x100)  # nothing left: no error
    await flush_mark(0)
    assert ("10.0.0.1", 1004, 0) not in listed()


@inside
async def test_by_source_and_by_that_source_alone():
    for number in range(60):
        add("10.0.0.1", 2000 + number, 0x100)
    run(SCTP)
    run("conntrack -I -p icmp -s 10.0.0.1 -d 198.51.100.9 --icmp-type 8 --icmp-code 0 --icmp-id 9 -t 300")
    assert len(others_than_udp()) == 2
    add("10.0.0.11", 1000, 0x100)
    add("fd00::1", 1001, 0x100, "fd00::9")
    add("198.51.100.9", 1002, 0, "10.0.0.1")  # begun by another host
    await flush_source(ip_address("10.0.0.1"))
    rest = {("10.0.0.11", 1000, 0x100), ("198.51.100.9", 1002, 0)}
    assert listed() == rest | {("fd00::1", 1001, 0x100)}
    assert others_than_udp() == []
    await flush_source(ip_address("fd00::2"))
    assert listed() == rest | {("fd00::1", 1001, 0x100)}
    await flush_source(ip_address("fd00::1"))
    assert listed() == rest
