"""The signs of devices with the kernel's own neighbour table and sockets: mDNS, IPv6 alone, and the question."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from ipaddress import ip_address, ip_network
from textwrap import dedent

import pytest

from app.model import LanLink, Links, Settings
from app.netd.devices.mdns import MdnsListener
from app.netd.devices.own_addresses import own_addresses
from app.netd.devices.watcher import DeviceWatcher
from app.network.neighbours import probe, read_neighbours
from tests.kernel.namespace import inside, neighbour, run, until

pytestmark = pytest.mark.kernel

MAC = "02:00:00:00:00:60"
NETWORKS = [ip_network("192.168.77.0/24"), ip_network("fd12::/64")]
LINKS = Links(wan=None, lan=(LanLink("wan0"),))

# A device that tells its name and a service by mDNS once, from its link-local address, and then only waits.
SPEAK = dedent(
    """
    import dns.flags, dns.message, dns.rrset, socket, sys
    message = dns.message.Message(0)
    message.flags |= dns.flags.QR | dns.flags.AA
    for name, kind, value in (
        ("printer.local.", "AAAA", sys.argv[1]),
        ("_ipp._tcp.local.", "PTR", "Printer._ipp._tcp.local."),
    ):
        message.answer.append(dns.rrset.from_text(name, 120, "IN", kind, value))
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
    sock.bind(("::", 5353))
    sock.sendto(message.to_wire(), ("ff02::fb", 5353))
    """
)


@contextlib.contextmanager
def device():
    with neighbour() as host:
        host.run("ip link set eth0 down")
        host.run(f"ip link set eth0 address {MAC}")
        host.run("sysctl -qw net.ipv6.conf.eth0.accept_dad=0")
        host.run("ip link set eth0 up")
        run("ip addr add 192.168.77.1/24 dev wan0")
        run("ip addr add fd12::1/64 dev wan0 nodad")
        yield host


@contextlib.asynccontextmanager
async def watching(tmp_path, events):
    mdns = MdnsListener(lambda: ["wan0"])
    found: list = []

    async def ask(addresses):
        await probe("wan0", addresses)

    watcher = DeviceWatcher(
        path=tmp_path / "devices.json",
        settings=Settings,
        leases=tuple,
        neighbours=lambda: tuple(found),
        sending=tuple,
        mdns=mdns,
        ask=ask,
        own=own_addresses,
        publish=events.append,
    )

    async def look():
        found[:] = await read_neighbours(["wan0"], NETWORKS)
        await watcher.look()
        return watcher.get(MAC)

    listening = asyncio.create_task(mdns.run())
    try:
        await asyncio.sleep(0.2)
        yield look
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


@inside
async def test_device_that_only_speaks_mdns_appears_with_its_name(tmp_path):
    events = []
    with device() as host:
        own6 = host.run("ip -6 -o addr show dev eth0 scope link").split()[3].partition("/")[0]
        async with watching(tmp_path, events) as look:
            run("ip neigh flush dev wan0")
            for _ in range(20):  # unknown at first: its address is asked for, and its next message counts
                host.run(f"{sys.executable} -c exec(open(0).read()) {own6}", feed=SPEAK)
                await asyncio.sleep(0.2)
                seen = await look()
                if seen is not None and seen.hostname:
                    break
            assert seen is not None
            assert (seen.hostname, seen.services, seen.kind) == ("printer", ("_ipp._tcp",), "printer")
            assert seen.addresses == (own6,)
            assert seen.online
    assert [(e.mac, e.reason) for e in events] == [(MAC, "appeared")]


@inside
async def test_silent_device_is_asked_over_ipv6_too(tmp_path):
    with device() as host:
        host.run("ip addr add fd12::60/64 dev eth0 nodad")
        run("ip neigh flush dev wan0")
        await probe("wan0", [ip_address("fd12::60")])
        await until(lambda: MAC in run("ip -6 neigh show dev wan0"))
        (found,) = [n for n in await read_neighbours(["wan0"], NETWORKS) if n.address == "fd12::60"]
        assert found.mac == MAC


@inside
async def test_gateway_s_own_interfaces_are_no_devices():
    run("ip link add one type veth peer name two")
    run("ip link set one address 02:00:00:00:00:aa")
    assert "02:00:00:00:00:aa" in own_addresses()
    assert "00:00:00:00:00:00" not in own_addresses()
