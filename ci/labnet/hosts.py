"""What every part of the lab shares: its hosts, and how to run, await and record something on them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.labnet.host import Host

if TYPE_CHECKING:
    from ci.labnet.capture import Capture

ROOT = Path("/var/lib/vpn-gateway-lab")  # not below /run, of which every host has its own
PROJECT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


class LabError(Exception):
    """The lab cannot do what was asked; the text says why and what to do."""


def wait_for(what: str, condition: Callable[[], Any], timeout: float = 15.0, interval: float = 0.05) -> Any:
    """The first true value of ``condition()``. Raises LabError when ``timeout`` seconds are over."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"timed out: {what}")
        time.sleep(interval)


class Base:
    def __init__(self, ident: str) -> None:
        self.ident = ident
        self.directory = ROOT / ident
        self.hosts: dict[str, Host] = {}

    def exec(self, host: str, argv: Sequence[str], timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        return self.hosts[host].run(*argv, timeout=timeout, check=False)

    def popen(self, host: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        return self.hosts[host].start(*argv, **options)

    def http(self, host: str, url: str, *, timeout: float = 3.0, check: bool = True) -> str:
        """The body that ``host`` gets, or "" where it gets none (with ``check`` false)."""
        done = self.exec(host, ["curl", "-sS", "-m", str(timeout), url], timeout + 5)
        if done.returncode != 0 and check:
            raise LabError(f"{host}: {done.stderr.strip()}")
        return done.stdout.strip() if done.returncode == 0 else ""

    def capture(self, host: str, interface: str, path: Path | None = None, expression: str = "") -> Capture:
        from ci.labnet.capture import Capture

        number = len(list(self.directory.glob("*.pcap")))
        return Capture(self.hosts[host], interface, path or self.directory / f"{host}-{number}.pcap", expression)

    def dnsmasq(self, host: str, name: str, lines: Sequence[str]) -> None:
        """(Re)start the instance ``name`` of dnsmasq on ``host`` with this configuration."""
        config = self.directory / f"{host}-{name}.conf"
        pid = self.directory / f"{host}-{name}.pid"
        if pid.exists():
            self.hosts[host].run("pkill", "-F", str(pid), check=False)
            wait_for(
                "dnsmasq to end",
                lambda: self.hosts[host].run("pkill", "-0", "-F", str(pid), check=False).returncode != 0,
            )
        config.write_text("\n".join(["no-resolv", "no-hosts", "user=root", f"pid-file={pid}", *lines]) + "\n")
        self.hosts[host].run("dnsmasq", f"--conf-file={config}")
