"""The support file's sections from programs: the journal, boot times, the kernel's rules; each reports its failures."""

from __future__ import annotations

import asyncio
import re

from app import process
from app.process import NotStartedError, ProcessError
from app.support.report import Section, unreadable

TIMEOUT = 45.0  # seconds for one program; systemd's take ten on a board that is still starting
MAX_OUTPUT = 2_000_000  # bytes of one program's output

_JOURNAL = ("journalctl", "--no-pager", "--no-hostname", "--boot", "--output=short-monotonic", "--quiet")
_UNITS = ("vpn-gateway-*", "systemd-networkd*", "systemd-resolved*", "systemd-timesyncd*", "ppp*")
_TIMES = (
    "KernelTimestamp", "InitRDTimestampMonotonic", "UserspaceTimestampMonotonic", "FinishTimestampMonotonic",
    "SystemState", "NFailedUnits", "Version", "WatchdogDevice", "RuntimeWatchdogUSec",
)  # fmt: skip

# A kernel message concerns the network where it matches: network devices and modules, then faults that stop networks.
_NETWORK = re.compile(
    r"(?i)\b(eth\d|wan\d?|lan\d|wlan\d|br-lan|wg\d|usb\d? \d|enx|end\d|enp|wwan|ppp|link is (up|down)|carrier|phy\d"
    r"|bcmgenet|genet|macb|lan78xx|smsc95xx|r815\d|ax\d{5}|asix|cdc_\w+|rndis\w*|ipheth|huawei\w*|qmi_wwan|option"
    r"|brcm\w*|cfg80211|mac80211|ieee80211|rfkill|regulatory|rtl\w*|rtw\w*|mt76\w*|ath\w*|mdio\w*|phylink|dwc\w*"
    r"|xhci\w*|wireguard|nf_\w+|nft\w*|conntrack|nfnetlink|bridge|ipv6|tcp|netdev|net|802\.1q|mmc\d|\w*voltage|throttl\w*"
    r"|thermal|watchdog|oom|out of memory|firmware|segfault|panic|oops|bug|call trace|i/o error|ext4-fs error)\b"
)


async def sections() -> list[Section]:
    """All sections, made concurrently."""
    return list(
        await asyncio.gather(
            _section("Boot times", ("systemd-analyze", "time"), ("systemd-analyze", "blame", "--no-pager"), limit=4000),
            _section(
                "systemd",
                ("systemctl", "show", "--no-pager", *(f"--property={name}" for name in _TIMES)),
                ("systemctl", "--failed", "--no-pager", "--no-legend", "--plain", "--full"),
            ),
            _section("Wi-Fi", ("iw", "dev"), ("iw", "reg", "get")),
            _section("Addresses", ("ip", "-s", "address")),
            _section(
                "Rules and routes in the kernel",
                ("ip", "rule"),
                ("ip", "-6", "rule"),
                ("ip", "route", "show", "table", "all"),
                ("ip", "-6", "route", "show", "table", "all"),
                ("ip", "neigh"),
            ),
            _section("Firewall in the kernel", ("nft", "--handle", "list", "ruleset"), limit=150_000),
            _kernel(),
            _section(
                "Messages of the network's services",
                (*_JOURNAL, "--lines=1500", *(f"--unit={unit}" for unit in _UNITS)),
                limit=200_000,
                keep="last",
            ),
        )
    )


async def _kernel() -> Section:
    messages = await run(*_JOURNAL, "--dmesg", "--lines=6000")
    return Section("Messages of the kernel about the network", about_network(messages), limit=150_000, keep="last")


def about_network(text: str) -> str:
    """The lines of a kernel's log that concern the network (pure)."""
    return "\n".join(line for line in text.splitlines() if _NETWORK.search(line) or line.startswith("(")) or text


async def _section(title: str, *commands: tuple[str, ...], limit: int = 60_000, keep: str = "first") -> Section:
    parts = [f"$ {' '.join(command)}\n{await run(*command)}" for command in commands]
    return Section(title, "\n\n".join(parts), limit=limit, keep="last" if keep == "last" else "first")


async def run(*command: str) -> str:
    """The output of ``command``, or the reason why there is none."""
    try:
        status, said = await process.transcript(*command, timeout=TIMEOUT, limit=MAX_OUTPUT)
    except NotStartedError as error:
        return unreadable(f"{command[0]}: {error.reason}")
    except ProcessError as error:
        return unreadable(error.message)
    text = said.decode(errors="replace").rstrip()
    if status > 0:
        text = f"{text}\n{unreadable(f'{command[0]} ended with {status}')}".strip()
    return text or "(nothing)"
