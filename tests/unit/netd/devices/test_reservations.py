"""A fixed address: of the LAN, not the gateway's, and nobody else's."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from msgspec.structs import replace

from app.errors import ConflictError, InvalidFieldError
from app.model import Device, LanSettings, Lease, Neighbour
from app.netd.devices.reservations import check_reservation

MAC, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
LAN = LanSettings()


def check(address: str, lan=LAN, devices=(), leases=(), neighbours=()) -> None:
    check_reservation(MAC, IPv4Address(address), lan, devices=devices, leases=leases, neighbours=neighbours)


@pytest.mark.parametrize("address", ["192.168.77.2", "192.168.77.20", "192.168.77.254"])
def test_any_address_of_the_lan_can_be_fixed(address):
    check(address)


@pytest.mark.parametrize("address", ["192.168.77.1", "192.168.77.0", "192.168.77.255", "192.168.78.9", "8.8.8.8"])
def test_address_that_is_no_device_s_is_refused(address):
    with pytest.raises(InvalidFieldError) as raised:
        check(address)
    assert raised.value.field == "address"


@pytest.mark.parametrize(
    "taken",
    [
        {"devices": [Device(OTHER, address=IPv4Address("192.168.77.50"), name="NAS")]},
        {"leases": [Lease(OTHER, "192.168.77.50", "nas", 0)]},
        {"neighbours": [Neighbour(OTHER, "192.168.77.50", 1.0)]},
    ],
)
def test_address_of_another_device_is_refused(taken):
    with pytest.raises(ConflictError) as raised:
        check("192.168.77.50", **taken)
    assert (raised.value.field, raised.value.code) == ("address", "address_taken")


def test_device_may_have_the_address_that_it_has():
    check("192.168.77.50", leases=[Lease(MAC, "192.168.77.50", None, 0)])
    check("192.168.77.50", neighbours=[Neighbour(MAC, "192.168.77.50", 1.0)])


def test_nothing_is_fixed_where_another_server_has_dhcp():
    with pytest.raises(ConflictError) as raised:
        check("192.168.77.50", lan=replace(LAN, dhcp_enabled=False))
    assert (raised.value.field, raised.value.code) == ("address", "no_dhcp")
