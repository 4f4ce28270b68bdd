"""A device of the LAN by what people call it: its MAC address, an address, or a name (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from msgspec import Struct

from app import mac_address
from app.addresses import Address, Family
from app.errors import ConflictError, InvalidFieldError, NotFoundError
from app.model import Device, Lease, Neighbour


class KnownDevices(Struct, frozen=True):
    """Everything that is known of the LAN's devices at one time."""

    devices: tuple[Device, ...]
    leases: tuple[Lease, ...]
    neighbours: tuple[Neighbour, ...]

    def find(self, text: str, field: str = "device") -> str:
        """The MAC address of the device that ``text`` means. Raises NotFoundError, ConflictError."""
        try:
            mac = mac_address.parse_device(text)
        except InvalidFieldError:
            mac = None
        if mac is not None:
            return self.known(mac, field)
        wanted = text.strip().lower()
        named = {d.mac for d in self.devices if d.name is not None and d.name.lower() == wanted}
        sent = {lease.mac for lease in self.leases if lease.hostname is not None and lease.hostname.lower() == wanted}
        address = literal(wanted)
        at = set() if address is None else {mac for mac, a in self._addresses() if a == address}
        found = named or sent or at
        if not found:
            raise NotFoundError(f"no device is known as {text!r}; `vpn-gateway devices` lists them", field=field)
        if len(found) > 1:
            listed = ", ".join(sorted(found))
            raise ConflictError(f"several devices are {text!r}: {listed}", field=field, code="ambiguous_device")
        return found.pop()

    def known(self, mac: str, field: str = "mac") -> str:
        """``mac``, of which something is known. Raises NotFoundError."""
        everybody: Iterable[Device | Lease | Neighbour] = (*self.devices, *self.leases, *self.neighbours)
        if not any(one.mac == mac for one in everybody):
            raise NotFoundError(f"there is no device {mac}; `vpn-gateway devices` lists them", field=field)
        return mac

    def at(self, address: Address) -> str | None:
        """The MAC address of the one device that uses ``address`` now, by the kernel's neighbour table."""
        found = {n.mac for n in self.neighbours if literal(n.address) == address}
        return found.pop() if len(found) == 1 else None

    def name(self, mac: str) -> str | None:
        given = next((d.name for d in self.devices if d.mac == mac and d.name), None)
        return given or next((lease.hostname for lease in self.leases if lease.mac == mac and lease.hostname), None)

    def seen(self, mac: str) -> bool:
        return any(one.mac == mac for one in (*self.leases, *self.neighbours))

    def own(self, mac: str) -> dict[Family, Address]:
        """An address of the device by family, not link-local."""
        found: dict[Family, Address] = {}
        for known, address in self._addresses():
            if known == mac and not address.is_link_local:
                found.setdefault(6 if address.version == 6 else 4, address)
        return found

    def _addresses(self) -> Sequence[tuple[str, Address]]:
        both: Iterable[Lease | Neighbour] = (*self.leases, *self.neighbours)
        return [(one.mac, address) for one in both if (address := literal(one.address)) is not None]


def literal(text: str) -> Address | None:
    """``text`` as an address, without its zone; None where it is none."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None
