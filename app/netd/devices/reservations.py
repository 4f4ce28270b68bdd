"""The check of an address that DHCP is to give to one device alone (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from app.errors import ConflictError, InvalidFieldError
from app.model import Device, LanSettings, Lease, Neighbour
from app.network.dhcp_hosts import can_be_fixed


def check_reservation(
    mac: str,
    address: IPv4Address,
    lan: LanSettings,
    *,
    devices: Iterable[Device],
    leases: Iterable[Lease],
    neighbours: Iterable[Neighbour],
) -> None:
    """Check that the device ``mac`` can have ``address``. Raises InvalidFieldError, ConflictError (``address``)."""
    if lan.dhcp_enabled is False:
        message = "address: the gateway gives out no addresses here; fix it where DHCP is"
        raise ConflictError(message, field="address", code="no_dhcp")
    if address == lan.address.ip:
        raise InvalidFieldError(f"address: {address} is the gateway's own", field="address")
    if not can_be_fixed(address, lan):
        network = lan.address.network
        first, last = network.network_address + 1, network.broadcast_address - 1
        raise InvalidFieldError(f"address: an address of the LAN, {first} to {last}", field="address")
    text = str(address)
    for other in devices:
        if other.address == address and other.mac != mac:
            raise _taken(f"{address} is fixed for {other.name or other.mac}")
    for lease in leases:
        if lease.address == text and lease.mac != mac:
            raise _taken(f"{lease.hostname or lease.mac} has {address} now; choose another, or wait until it is free")
    for neighbour in neighbours:
        if neighbour.address == text and neighbour.mac != mac:
            raise _taken(f"{neighbour.mac} uses {address} without asking for it")


def _taken(message: str) -> ConflictError:
    return ConflictError(f"address: {message}", field="address", code="address_taken")
