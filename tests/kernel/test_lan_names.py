"""Names of the LAN with the real dnsmasq: who gets one, who keeps it, and which addresses an Internet name may have."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.model import Device, Settings
from tests.kernel.namespace import inside, until
from tests.support.dhcp_client import fqdn, host_name
from tests.support.dnsmasq_lan import EXIT_PORT, GATEWAY, DnsmasqLan, mac

pytestmark = pytest.mark.kernel

LAPTOP, SECOND, TV = 1, 2, 3


@contextlib.asynccontextmanager
async def served(directory: Path, settings: Settings | None = None) -> AsyncGenerator[DnsmasqLan]:
    lan = DnsmasqLan(directory, settings or Settings())
    await lan.apply()
    try:
        yield lan
    finally:
        await lan.close()


# --- DNS rebinding ---------------------------------------------------------------------------------------------------

PRIVATE = {
    "A": ("127.0.0.1", "0.0.0.0", "0.0.0.8", GATEWAY, "192.168.77.21", "10.1.2.3", "172.16.9.9", "169.254.1.1"),
    "AAAA": (
        "::",
        "::1",
        "fe80::1",
        "fd12:3456:789a::1",
        "::ffff:0.0.0.0",
        "::ffff:127.0.0.1",
        "::ffff:192.168.77.21",
        "::ffff:10.1.2.3",
    ),
}


@inside
async def test_internet_names_do_not_lead_into_the_lan(tmp_path):
    names = {
        (kind, a): f"n{n}.evil" for n, (kind, a) in enumerate((k, a) for k, list_ in PRIVATE.items() for a in list_)
    }
    settings = Settings(rebind_exceptions=("plex.direct", "Corp.example"))
    async with served(tmp_path, settings) as lan:
        lan.resolver(
            *(f"address=/{name}/{address}" for (_, address), name in names.items()),
            "cname=trick.evil,n3.evil",
            "address=/plex.direct/192.168.77.9",
            "address=/corp.example/10.9.9.9",
            "address=/good.example/93.184.216.34",
            "address=/good.example/2606:2800:220::1",
            "address=/notplex.direct.evil/192.168.77.9",
        )
        for (kind, address), name in names.items():
            assert lan.addresses(name, kind, EXIT_PORT) == [], address
        assert lan.addresses("n3.evil", "A", EXIT_PORT, tcp=True) == []
        assert lan.addresses("trick.evil", "A", EXIT_PORT) == []
        assert lan.addresses("notplex.direct.evil", "A", EXIT_PORT) == []
        # What is meant to pass.
        assert lan.addresses("good.example", "A", EXIT_PORT) == ["93.184.216.34"]
        assert lan.addresses("good.example", "AAAA", EXIT_PORT) == ["2606:2800:220::1"]
        assert lan.addresses("192-168-77-9.abc.plex.direct", "A", EXIT_PORT) == ["192.168.77.9"]
        assert lan.addresses("wiki.corp.example", "A", EXIT_PORT) == ["10.9.9.9"]
        assert lan.device(LAPTOP).lease(host_name("laptop")) is not None
        assert lan.addresses("laptop.lan", "A", EXIT_PORT) == lan.addresses("laptop.lan") != []


# --- names of devices ------------------------------------------------------------------------------------------------

RESERVED = [
    *(host_name(name) for name in ("wpad", "WPAD", "wpad.lan", "wpad.example", "wpad.", "isatap.lan", "localhost.lan")),
    *(fqdn(name) for name in ("wpad", "wpad.lan", "WPAD.lan", "wpad.example", "isatap.lan", "vpn-gateway.lan")),
    *(fqdn(name, flags=0x01) for name in ("wpad.lan", "localhost.lan")),
    *(host_name(name) for name in ("vpn-gateway", "vpn-gateway.lan", "anna-s-tv", "anna-s-tv.lan")),
    fqdn("anna-s-tv.lan"),
]


@inside
async def test_reserved_names_are_given_to_no_device(tmp_path):
    """By option 12 and 81, encoded or not, with and without a domain; the device gets its address all the same."""
    settings = Settings(devices=(Device(mac(TV), name="Anna's TV"),))
    async with served(tmp_path, settings) as lan:
        for number, option in enumerate(RESERVED):
            answer = lan.device(100 + number).lease(option)
            assert answer is not None, option
            assert {lease.hostname for lease in lan.services.leases()} == {None}, option
        for name in ("wpad.lan", "isatap.lan", "localhost.lan", "anna-s-tv.lan"):
            assert set(lan.addresses(name)) <= {"127.0.0.1"}, name
        assert lan.addresses("vpn-gateway.lan") == [GATEWAY]
        assert lan.device(TV).lease(host_name("android-2f3a")) is not None
        assert lan.addresses("anna-s-tv.lan") == [lease.address for lease in lan.services.leases() if lease.hostname]


@pytest.mark.parametrize("option", [host_name("laptop"), host_name("laptop.lan"), fqdn("laptop.lan")], ids=str)
@inside
async def test_first_device_keeps_its_name(tmp_path, option):
    async with served(tmp_path) as lan:
        first = lan.device(LAPTOP).lease(host_name("laptop"))
        assert first is not None
        await lan.follow()
        second = lan.device(SECOND).lease(option)
        assert second is not None
        assert lan.addresses("laptop.lan") == [first.address]
        # Also after netd and dnsmasq were both started again.
        lan.services = lan.another_netd()
        await lan.runner.apply({})
        await lan.apply()
        assert lan.device(SECOND).request(second.address, option) is not None
        assert lan.addresses("laptop.lan") == [first.address]


@inside
async def test_name_taken_before_it_was_noticed_is_given_back(tmp_path):
    """netd looks every two seconds; who had the name when it looked first keeps it."""
    async with served(tmp_path) as lan:
        first = lan.device(LAPTOP).lease(host_name("laptop"))
        assert first is not None
        noticed = lan.services.leases()
        assert lan.device(SECOND).lease(host_name("laptop")) is not None
        assert lan.addresses("laptop.lan") != [first.address]
        await lan.services.update_hosts(lan.settings, noticed, {})
        await until(lambda: lan.addresses("laptop.lan") == [first.address])


@inside
async def test_name_is_free_again_once_its_lease_has_ended(tmp_path):
    async with served(tmp_path) as lan:
        first = lan.device(LAPTOP).lease(host_name("laptop"))
        assert first is not None
        await lan.follow()
        lan.device(LAPTOP).release(first.address, first.server)
        await until(lambda: lan.services.leases() == ())
        await lan.follow()
        second = lan.device(SECOND).lease(host_name("laptop"))
        assert second is not None
        await lan.follow()
        assert lan.device(LAPTOP).lease(host_name("laptop")) is not None
        assert lan.addresses("laptop.lan") == [second.address]


@inside
async def test_name_given_by_people_replaces_any_other(tmp_path):
    async with served(tmp_path) as lan:
        thief = lan.device(SECOND).lease(host_name("telly"))
        tv = lan.device(TV).lease(host_name("android-2f3a"))
        assert thief is not None
        assert tv is not None
        await lan.follow()
        assert lan.addresses("telly.lan") == [thief.address]
        lan.settings = replace(lan.settings, devices=(Device(mac(TV), name="Telly"),))
        await lan.apply()
        await until(lambda: lan.addresses("telly.lan") == [tv.address])
        assert lan.device(SECOND).request(thief.address, host_name("telly")) is not None
        assert lan.device(TV).request(tv.address, host_name("android-2f3a")) is not None
        assert lan.addresses("telly.lan") == [tv.address]
        lan.settings = replace(lan.settings, devices=(Device(mac(TV), name="Cinema"),))
        await lan.apply()
        await until(lambda: lan.addresses("cinema.lan") == [tv.address])
        assert lan.addresses("telly.lan") == []
