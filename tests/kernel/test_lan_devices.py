"""Devices without a lease, with the kernel's neighbour table and the real dnsmasq."""

from __future__ import annotations

import asyncio
import contextlib
from ipaddress import IPv4Address, ip_network

import pytest
from msgspec.structs import replace

from app.model import LanSettings, Settings
from app.netd.lan_devices import LanDevices, addresses_in_use
from app.network.neighbours import probe, read_neighbours
from app.protocol.events import SecurityAlert
from app.store import Store
from tests.kernel.namespace import inside, neighbour, run, until
from tests.support.dhcp_client import host_name
from tests.support.dnsmasq_lan import LINKS, DnsmasqLan

pytestmark = pytest.mark.kernel

PRINTER, PRINTER_MAC = "192.168.77.60", "02:00:00:00:00:60"
NETWORKS = [ip_network("192.168.77.0/24")]


@contextlib.contextmanager
def printer():
    """A device with an address of its own choice, which has never spoken to the gateway."""
    with neighbour() as device:
        run("ip link set wan0 master lan0")
        device.run(f"ip link set eth0 address {PRINTER_MAC}")
        device.run(f"ip addr add {PRINTER}/24 dev eth0")
        yield device


def watcher(lan, store, events):
    return LanDevices(
        leases=lan.services.leases,
        update_hosts=lambda leases, in_use: lan.services.update_hosts(lan.settings, leases, in_use),
        read_neighbours=read_neighbours,
        probe=probe,
        links=lambda: LINKS,
        store=store,
        publish=events.append,
    )


@inside
async def test_address_of_a_device_without_a_lease_is_not_given_out(tmp_path):
    # The range holds only the printer's address and the next one.
    small = LanSettings(dhcp_start=IPv4Address(PRINTER), dhcp_end=IPv4Address("192.168.77.61"))
    lan = DnsmasqLan(tmp_path, Settings(lan=small))
    events = []
    with Store(tmp_path / "state") as store, printer():
        store.update_settings(lambda _: lan.settings)
        devices = watcher(lan, store, events)
        tasks = [asyncio.create_task(job()) for job in (devices.ask, devices.run)]
        try:
            await lan.apply()
            async with asyncio.timeout(20):
                while not (lan.directory / "dnsmasq/hosts" / PRINTER_MAC.replace(":", "-")).exists():
                    await asyncio.sleep(0.05)
            assert [(n.mac, n.address) for n in devices.neighbours] == [(PRINTER_MAC, PRINTER)]
            newcomer = lan.device(1).lease(host_name("newcomer"), wanted=PRINTER)
            assert newcomer is not None
            assert newcomer.address == "192.168.77.61"
            assert lan.device(2).lease(wanted=PRINTER) is None
            # Where its owner asks for it, it is given.
            same = lan.device(0x60).lease()
            assert same is not None
            assert same.address == PRINTER
            async with asyncio.timeout(20):
                while not events:
                    await asyncio.sleep(0.05)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await lan.close()
    assert [(type(e), e.reason) for e in events] == [(SecurityAlert, "dhcp_range_full")]


@inside
async def test_newcomers_cannot_take_every_address(tmp_path):
    """Of 20 addresses, two are kept for devices that were here before, whose leases are long."""
    lan = DnsmasqLan(
        tmp_path,
        Settings(lan=LanSettings(dhcp_start=IPv4Address("192.168.77.20"), dhcp_end=IPv4Address("192.168.77.39"))),
    )
    try:
        await lan.apply()
        (tmp_path / "dnsmasq/hosts/known").write_text("02:00:00:00:00:fe,set:regular\n")
        given = [lan.device(n).lease(timeout=10) for n in range(1, 19)]
        assert None not in given
        assert [lan.device(n).lease(timeout=1) for n in range(19, 22)] == [None] * 3
        assert {answer.seconds for answer in given if answer is not None} == {300}
        regular = lan.device(0xFE).lease()
        assert regular is not None
        assert regular.seconds == 12 * 3600
    finally:
        await lan.close()


@inside
async def test_neighbour_that_has_gone_is_not_listed(tmp_path):
    lan = DnsmasqLan(tmp_path, Settings())
    with printer() as device:
        await probe("lan0", [IPv4Address(PRINTER)])
        await until(lambda: PRINTER_MAC in run("ip neigh show dev lan0"))
        (seen,) = await read_neighbours(["lan0"], NETWORKS)
        assert (seen.mac, seen.address) == (PRINTER_MAC, PRINTER)
        assert await read_neighbours(["lan0"], []) == ()
        assert await read_neighbours(["up0"], NETWORKS) == ()
        in_use = addresses_in_use(LanSettings(), (), [replace(seen, address="fe80::1"), seen])
        assert in_use == {PRINTER_MAC: IPv4Address(PRINTER)}
        assert addresses_in_use(LanSettings(), (), [replace(seen, address="192.168.77.2")]) == {}  # not of the range
        device.run("ip link set eth0 down")
        run(f"ip neigh change {PRINTER} dev lan0 nud failed")
        assert await read_neighbours(["lan0"], NETWORKS) == ()
    await lan.close()
