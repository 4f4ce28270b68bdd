"""The hosts of one lab by name, with helpers to run programs, fetch URLs and capture packets on them."""

from __future__ import annotations

import subprocess
from collections import UserDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ci.labnet.capture import Capture
from ci.labnet.host import NETNS, Host, remove
from ci.labnet.paths import ROOT
from ci.labnet.waiting import LabError, wait_for


class Hosts(UserDict[str, Host]):
    """The hosts by name, shared by all parts of a lab; ``directory`` holds the files of all parts."""

    def __init__(self, ident: str) -> None:
        super().__init__()
        self.ident = ident
        self.directory = ROOT / ident

    def create(self, name: str) -> Host:
        """Create a host and keep it by its name. Raises RuntimeError."""
        self[name] = Host.create(name, f"vpngw-{self.ident}-{name}")
        return self[name]

    def destroy(self) -> None:
        """Remove every host of this lab, including those of an earlier process."""
        for host in self.values():
            host.destroy()
        self.clear()
        for path in NETNS.glob(f"vpngw-{self.ident}-*"):
            remove(path.name)

    def exec(self, host: str, argv: Sequence[str], timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        return self[host].run(*argv, timeout=timeout, check=False)

    def popen(self, host: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        return self[host].start(*argv, **options)

    def http(self, host: str, url: str, *, timeout: float | None = None, check: bool = True) -> str:
        """The body that ``host`` receives; "" if it receives none and ``check`` is false.

        ``timeout`` in seconds; by default 3, and 15 where there must be an answer: a machine may be busy elsewhere.
        """
        timeout = timeout or (15 if check else 3)
        done = self.exec(host, ["curl", "-sS", "-m", str(timeout), url], timeout + 5)
        if done.returncode != 0 and check:
            raise LabError(f"{host}: {done.stderr.strip()}")
        return done.stdout.strip() if done.returncode == 0 else ""

    def capture(self, host: str, interface: str, path: Path | None = None, expression: str = "") -> Capture:
        number = len(list(self.directory.glob("*.pcap")))
        return Capture(self[host], interface, path or self.directory / f"{host}-{number}.pcap", expression)

    def dnsmasq(self, host: str, name: str, lines: Sequence[str]) -> None:
        """(Re)start the instance ``name`` of dnsmasq on ``host`` with this configuration."""
        config = self.directory / f"{host}-{name}.conf"
        pid = self.directory / f"{host}-{name}.pid"
        if pid.exists():
            self[host].run("pkill", "-F", str(pid), check=False)
            wait_for(
                "dnsmasq to end",
                lambda: self[host].run("pkill", "-0", "-F", str(pid), check=False).returncode != 0,
            )
        config.write_text("\n".join(["no-resolv", "no-hosts", "user=root", f"pid-file={pid}", *lines]) + "\n")
        self[host].run("dnsmasq", f"--conf-file={config}")
