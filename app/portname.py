"""The names by which users select a network port: an interface name, a MAC address or a place on the USB (pure).

A USB adapter's interface name is unknown before it is plugged in, yet two adapters must be distinguishable before the
first start: ``wan``, ``00:e0:4c:68:01:22``, ``usb-1.2@1f00200000.usb``, or ``usb-modem`` for a phone or stick that
shares its connection. The reader of ``gateway.toml`` and netd both use this module, so it imports neither.

A place is the chain of ports from a USB controller on, and that controller's name in /sys. A Pi 5 has two controllers
with the same port numbers, so ports alone, such as ``usb-1.2``, may be two places: they are accepted, and point at a
port only where no other one has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from app.mac_address import is_canonical

MODEM = "usb-modem"
# Drivers of phones and mobile network sticks only; cdc_ether and cdc_ncm drive Ethernet adapters too.
MODEM_DRIVERS = ("rndis_host", "ipheth", "cdc_mbim", "qmi_wwan", "huawei_cdc_ncm")

_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}")
_CONTROLLER = r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,31}"
_USB = re.compile(rf"usb-[0-9]{{1,2}}(\.[0-9]{{1,2}}){{0,6}}(@{_CONTROLLER})?")
_USB_DEVICE = re.compile(r"/[0-9]+-([0-9]+(?:\.[0-9]+)*)(?::[0-9.]+)?(?=/|$)")
_USB_BUS = re.compile(r"/usb[0-9]+/")
# Made by the driver of a controller, and numbered in the order in which drivers start: not the controller's own name.
_NUMBERED = re.compile(r"xhci-hcd\.[0-9]+(\.auto)?|.*\.auto")

FORMS = (
    "the name of a port such as wan, its MAC address, its place such as usb-1.2 or usb-1.2@1f00200000.usb, or usb-modem"
)

Kind = Literal["name", "mac", "usb", "modem"]


@dataclass(frozen=True)
class PortName:
    kind: Kind
    text: str  # as written, a MAC address in lower case with colons

    @property
    def is_interface(self) -> bool:
        """Whether it is the interface's own name, which is known before the port is there."""
        return self.kind == "name"


def parse(text: str) -> PortName:
    """The parsed name of a port. Raises ValueError where ``text`` has none of the ``FORMS``."""
    mac = text.lower().replace("-", ":")
    if text == MODEM:
        return PortName("modem", text)
    if _USB.fullmatch(text):
        return PortName("usb", text)
    if is_canonical(mac):
        return PortName("mac", mac)
    if _INTERFACE.fullmatch(text):
        return PortName("name", text)
    raise ValueError(FORMS)


def is_valid(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def networkd_match(name: PortName) -> str:
    """The line of a ``[Match]`` section for the port (systemd.network(5)).

    ID_PATH, which ``Path=`` is compared with, has ``usb-0:1.2:1.0`` for configuration 1, interface 0 of the device at
    port 2 of the hub at port 1. Of a Pi 5's controllers it has numbers that may change, so a place with a controller is
    compared with the path in /sys, as :func:`usb_place` reads it.
    """
    ports, _, controller = name.text.removeprefix("usb-").partition("@")
    match name.kind:
        case "modem":
            return "Driver=" + " ".join(MODEM_DRIVERS)
        case "usb" if controller:
            return f"Property=DEVPATH=*/{controller}/*-{ports}:*/net/*"
        case "usb":
            return f"Path=*usb*-0:{ports}:*"
        case "mac":
            return f"PermanentMACAddress={name.text}"
        case "name":
            return f"Name={name.text}"


def usb_place(device: str) -> str | None:
    """The place, such as ``usb-1.2@0000:01:00.0``, in a device's path in /sys; None where the device is not on a USB.

    The last USB device in the path counts: its name includes the hubs before it.
    """
    bus = _USB_BUS.search(device)
    places = _USB_DEVICE.findall(device, bus.end() - 1) if bus else []
    if bus is None or not places:
        return None
    above = device[: bus.start()].split("/")
    controller = next((name for name in reversed(above) if name and not _NUMBERED.fullmatch(name)), "")
    place = f"usb-{places[-1]}@{controller}"
    return place if _USB.fullmatch(place) else f"usb-{places[-1]}"


def is_at(place: str | None, text: str) -> bool:
    """Whether ``text``, a place with or without its controller, is ``place`` of :func:`usb_place`."""
    return place is not None and text in {place, place.partition("@")[0]}
