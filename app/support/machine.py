"""The support file's sections from the kernel's files, which any user may read: board, memory, heat, network ports.

One function for each section. ``root`` is where the file system begins, so that a test can lay out a Pi's files.
"""

from __future__ import annotations

import os
import platform
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from app import __version__
from app.support.report import Section, unreadable

ROOT = Path("/")

_MEMORY = frozenset(
    {"MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapTotal", "SwapFree", "Shmem", "Slab"}
)
_FILE_SYSTEMS = ("/", "/data", "/run", "/tmp", "/boot/firmware")  # noqa: S108 - its free space, nothing is written
_PACKAGES = (
    "linux-image", "raspi-firmware", "firmware-", "rpi-eeprom", "nftables", "dnsmasq", "hostapd", "wpasupplicant",
    "systemd", "iproute2", "wireguard", "usb-modeswitch", "wireless-regdb", "ppp",
)  # fmt: skip
_MODULES = ("msgspec", "pyroute2", "quart", "hypercorn", "cryptography")
_LINK_FACTS = ("operstate", "carrier", "carrier_changes", "speed", "duplex", "mtu", "address", "ifalias")
_LINK_ERRORS = (
    "rx_packets", "tx_packets", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped", "rx_crc_errors",
    "tx_carrier_errors", "rx_missed_errors",
)  # fmt: skip
# Of the Pi's firmware, in the order of its bits ("vcgencmd get_throttled" has the same): now, and since power-on.
_THROTTLED = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
    16: "under-voltage has been",
    17: "frequency has been capped",
    18: "has been throttled",
    19: "soft temperature limit has been reached",
}


def versions(root: Path = ROOT) -> str:
    from importlib import metadata  # noqa: PLC0415 - a megabyte that a gateway without support files does without

    lines = [
        f"VPN Gateway {__version__}",
        f"made {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC by this machine's clock",
        f"kernel {' '.join(platform.uname()[i] for i in (2, 3, 4))}",
        f"Python {platform.python_version()}",
    ]
    for module in _MODULES:
        try:
            lines.append(f"{module} {metadata.version(module)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{module}: not known")
    lines += ["", *_prefixed("", root / "etc/os-release"), "", *_packages(root / "var/lib/dpkg/status")]
    return "\n".join(lines)


def _packages(status: Path) -> Iterator[str]:
    """Name and version of the packages that networking rests on, as dpkg(1) has them."""
    try:
        text = status.read_text(errors="replace")
    except OSError as error:
        yield f"packages {unreadable(error)}"
        return
    for stanza in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and not line.startswith(" "))
        name = fields.get("Package", "")
        if name.startswith(_PACKAGES) and fields.get("Status", "").endswith(" installed"):
            yield f"{name} {fields.get('Version')}"


def board(root: Path = ROOT) -> str:
    """The board by its device tree, without the serial number; a PC has none."""
    tree = root / "proc/device-tree"
    loader = tree / "chosen/bootloader"
    lines = [
        f"model: {_text(tree / 'model') or _text(root / 'sys/class/dmi/id/product_name') or 'not known'}",
        f"revision: {_hex(tree / 'system/linux,revision')}",
        f"compatible: {_text(tree / 'compatible') or 'not known'}",
        f"firmware built: {_date(loader / 'build-timestamp')}",
        f"firmware updated: {_date(loader / 'update-timestamp')}",
        f"firmware version: {_text(loader / 'version') or 'not known'}",
        f"started from: boot mode {_number(loader / 'boot-mode')}, partition {_number(loader / 'partition')}",
        f"processors: {os.cpu_count()}",
        f"kernel command line: {_text(root / 'proc/cmdline')}",
    ]
    return "\n".join(lines)


def heat(root: Path = ROOT) -> str:
    """Throttling, under-voltage, temperature and clock, from whichever of the kernel's drivers is there."""
    lines: list[str] = []
    for path in sorted((root / "sys/devices/platform").glob("soc*/*firmware*/get_throttled")):
        lines.append(f"throttled: {throttled(_text(path) or '')}")
    for monitor in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        name = _text(monitor / "name")
        for alarm in sorted(monitor.glob("*_alarm")):
            lines.append(f"{name} {alarm.name}: {_text(alarm)}")
        for reading in sorted((*monitor.glob("temp*_input"), *monitor.glob("in*_input"), *monitor.glob("fan*_input"))):
            lines.append(f"{name} {reading.name}: {_text(reading)}")
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        lines.append(f"{_text(zone / 'type')}: {_thousandths(zone / 'temp')} degrees Celsius")
    for policy in sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*")):
        clock = "/".join(_text(policy / f"{name}_freq") or "?" for name in ("scaling_cur", "cpuinfo_max"))
        lines.append(f"{policy.name}: {clock} kHz, {_text(policy / 'scaling_governor')}")
    return "\n".join(lines) or unreadable("this kernel shows neither voltage nor temperature")


def throttled(text: str) -> str:
    """The firmware's throttling bits in words (pure)."""
    try:
        bits = int(text, 16)
    except ValueError:
        return text or "not known"
    said = [words for bit, words in _THROTTLED.items() if bits >> bit & 1]
    return f"0x{bits:x} ({', '.join(said) or 'never'})"


def memory(root: Path = ROOT) -> str:
    lines = [
        line
        for line in (_text(root / "proc/meminfo") or "").splitlines()
        if line.partition(":")[0] in _MEMORY
    ]  # fmt: skip
    lines.append(f"load: {_text(root / 'proc/loadavg')}")
    lines.append(f"up: {_text(root / 'proc/uptime')} s (the second: idle, of all processors)")
    for kind in ("cpu", "memory", "io"):
        lines += _prefixed(f"pressure, {kind}: ", root / "proc/pressure" / kind)
    for name in _FILE_SYSTEMS:
        try:
            found = os.statvfs(root / name.lstrip("/"))
        except OSError as error:
            lines.append(f"{name}: {unreadable(error)}")
        else:
            free, size = (blocks * found.f_frsize // 2**20 for blocks in (found.f_bavail, found.f_blocks))
            lines.append(f"{name}: {free} of {size} MiB free{', read-only' if found.f_flag & os.ST_RDONLY else ''}")
    return "\n".join(lines)


def links(root: Path = ROOT) -> str:
    """Each network interface: its driver, its place, its cable, and its error counters."""
    blocks: list[str] = []
    for link in sorted((root / "sys/class/net").iterdir()):
        if not link.is_dir():
            continue  # bonding_masters
        lines = [link.name, f"  driver: {_target(link / 'device/driver') or 'none (virtual)'}"]
        if (link / "device").exists():
            lines.append(f"  bus: {_bus((link / 'device').resolve())}")
        if (usb := _usb(link)) is not None:
            lines.append(f"  USB: {usb}")
        if (link / "phy80211").exists():
            lines.append(f"  radio: {_text(link / 'phy80211/name')}")
        if (master := _target(link / "master")) is not None:
            lines.append(f"  port of: {master}")
        lines += [f"  {name}: {value}" for name in _LINK_FACTS if (value := _text(link / name))]
        counted = ((name, _text(link / "statistics" / name)) for name in _LINK_ERRORS)
        lines.append(f"  {', '.join(f'{name} {value}' for name, value in counted if value)}")
        blocks.append("\n".join(lines))
    for switch in sorted((root / "sys/class/rfkill").glob("rfkill*")):
        words = (f"{name} {_text(switch / name)}" for name in ("type", "name", "soft", "hard"))
        blocks.append(f"{switch.name}: {', '.join(words)}")
    return "\n".join(blocks)


def _bus(device: Path) -> str:
    """The device's place, such as ``platform/soc/fe980000.usb/usb1/1-1``."""
    return str(device).partition("/sys/devices/")[2]


def _usb(link: Path) -> str | None:
    for place in ((link / "device").resolve(), (link / "device").resolve().parent):
        if (place / "idVendor").exists():
            ids = f"{_text(place / 'idVendor')}:{_text(place / 'idProduct')}"
            return f"{ids} {_text(place / 'manufacturer')} {_text(place / 'product')}, {_text(place / 'speed')} Mbit/s"
    return None


# Each with the section's title; a failure stays within its section.
SOURCES: tuple[tuple[str, Callable[[Path], str]], ...] = (
    ("Versions", versions),
    ("Board and firmware", board),
    ("Voltage, heat, clock", heat),
    ("Memory and load", memory),
    ("Network ports", links),
)


def sections(root: Path = ROOT) -> list[Section]:
    found: list[Section] = []
    for title, source in SOURCES:
        try:
            text = source(root)
        except Exception as error:
            text = unreadable(error)
        found.append(Section(title, text))
    return found


# --- files -----------------------------------------------------------------------------------------------------------


def _text(path: Path) -> str | None:
    """The file's text, with spaces between a device tree's strings; None where it has none.

    Reading the speed of an interface that is down fails (EINVAL): None, too.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data.decode(errors="replace").strip("\0\n ").replace("\0", " ") or None


def _prefixed(prefix: str, path: Path) -> list[str]:
    return [f"{prefix}{line}" for line in (_text(path) or "not known").splitlines()]


def _number(path: Path) -> int | str:
    """The number in a device tree's cell: 32 bits, big-endian."""
    try:
        return struct.unpack(">I", path.read_bytes())[0]
    except (OSError, struct.error):
        return "not known"


def _hex(path: Path) -> str:
    number = _number(path)
    return f"{number:x}" if isinstance(number, int) else number


def _date(path: Path) -> str:
    number = _number(path)
    return time.strftime("%Y-%m-%d", time.gmtime(number)) if isinstance(number, int) else number


def _thousandths(path: Path) -> str:
    text = _text(path) or ""
    return f"{int(text) / 1000:.1f}" if text.lstrip("-").isdigit() else "?"


def _target(path: Path) -> str | None:
    """The name of a symbolic link's target."""
    try:
        return path.readlink().name
    except OSError:
        return None
