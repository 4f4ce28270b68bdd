"""Addresses that people fixed, and the names for devices that wait, with the real dnsmasq."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from msgspec.structs import replace

from app.model import Device, Settings
from app.network.plan import WAITING_RESOLVER_PORT
from tests.kernel.namespace import inside, until
from tests.support.dhcp_client import host_name
from tests.support.dnsmasq_lan import DnsmasqLan, mac

pytestmark = pytest.mark.kernel

INSIDE, OUTSIDE = IPv4Address("192.168.77.50"), IPv4Address("192.168.77.5")  # of DHCP's range


def fixed(number: int, address: IPv4Address, name: str | None = None) -> Device:
    return Device(mac(number), name=name, address=address, own=False)


@pytest.mark.parametrize("address", [INSIDE, OUTSIDE])
def test_fixed_address_is_given_to_its_device_alone(tmp_path, address):
    @inside
    async def body():
        lan = DnsmasqLan(tmp_path, Settings(devices=(fixed(1, address, "NAS"),)))
        try:
            await lan.apply()
            other = lan.device(2).lease(wanted=str(address))
            assert other is not None
            assert other.address != str(address)
            given = lan.device(1).lease(host_name("something"))
            assert given is not None
            assert (given.address, given.seconds) == (str(address), 12 * 3600)
            await lan.follow()
            assert lan.addresses("nas.lan") == [str(address)]
        finally:
            await lan.close()

    body()


@inside
async def test_device_with_a_lease_gets_its_fixed_address_next(tmp_path):
    lan = DnsmasqLan(tmp_path, Settings())
    try:
        await lan.apply()
        before = lan.device(1).lease(host_name("nas"))
        assert before is not None
        await lan.follow()
        lan.settings = replace(lan.settings, devices=(fixed(1, INSIDE),))
        await lan.apply()
        # As at a renewal: the old address is refused, and the device asks anew.
        assert lan.device(1).request(before.address) is None
        after = lan.device(1).lease(host_name("nas"))
        assert after is not None
        assert after.address == str(INSIDE)
        # Another address, another name: dnsmasq takes neither from a changed record without its restart.
        lan.settings = replace(lan.settings, devices=(fixed(1, OUTSIDE, "files"),))
        await lan.apply()
        moved = lan.device(1).lease(host_name("nas"))
        assert moved is not None
        assert moved.address == str(OUTSIDE)
        assert lan.addresses("files.lan") == [str(OUTSIDE)]
        # No longer fixed: it may keep the address, and others may have the one before.
        lan.settings = replace(lan.settings, devices=())
        await lan.apply()
        other = lan.device(2).lease(wanted=str(INSIDE))
        assert other is not None
        assert other.address == str(INSIDE)
    finally:
        await lan.close()


@inside
async def test_two_devices_swap_their_fixed_addresses(tmp_path):
    one, two = IPv4Address("192.168.77.31"), IPv4Address("192.168.77.32")
    lan = DnsmasqLan(tmp_path, Settings(devices=(fixed(1, one), fixed(2, two))))
    try:
        await lan.apply()
        for number, address in ((1, one), (2, two)):
            given = lan.device(number).lease()
            assert given is not None
            assert given.address == str(address)
            lan.device(number).release(given.address, given.server)
        await until(lambda: not lan.services.leases())
        lan.settings = replace(lan.settings, devices=(fixed(1, two), fixed(2, one)))
        await lan.apply()
        for number, address in ((1, two), (2, one)):
            given = lan.device(number).lease()
            assert given is not None
            assert given.address == str(address)
    finally:
        await lan.close()


@inside
async def test_waiting_devices_are_told_the_gateway_s_names_only(tmp_path):
    lan = DnsmasqLan(tmp_path, Settings(new_device_policy="wait"))
    try:
        await lan.apply()
        assert lan.device(1).lease(host_name("nas")) is not None
        await lan.follow()
        await until(lambda: lan.addresses("nas.lan") != [])
        assert lan.addresses("vpn-gateway.lan", port=WAITING_RESOLVER_PORT) == ["192.168.77.1"]
        assert lan.addresses("nas.lan", port=WAITING_RESOLVER_PORT) == []
        assert lan.addresses("nas", port=WAITING_RESOLVER_PORT) == []
        assert lan.addresses("example.com", port=WAITING_RESOLVER_PORT) == []
    finally:
        await lan.close()
