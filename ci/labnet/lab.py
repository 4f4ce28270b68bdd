"""The lab: makes the hosts, connects them, starts what runs on them, takes it all away."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable

from ci.labnet.addresses import INTERNET4, INTERNET6, INTERNET_DNS4, LAN_HOSTS, VPNS, WAN4_NETWORKS, WAN6_PREFIX
from ci.labnet.hosts import PROJECT, ROOT, LabError, wait_for
from ci.labnet.host import NETNS, Host, remove
from ci.labnet.lan import LanHosts
from ci.labnet.gateway import Product

__all__ = ["Lab", "LabError", "wait_for"]

_IDENT = re.compile(r"[A-Za-z0-9_]{1,24}")  # no hyphen: "a" must not own what "a-b" has; no path either


def programs() -> dict[str, str]:
    """What the lab calls and the package that brings it: those of ``make run`` in the table of ci/setup."""
    rows = (line.split() for line in (PROJECT / "ci" / "programs").read_text().splitlines())
    return {row[1]: row[2] for row in rows if row[:1] == ["run"] and "/" not in row[1]}


class Lab(Product, LanHosts):
    def __init__(self, ident: str = "lab") -> None:
        """Raises LabError for an id that is not letters, digits and ``_``."""
        if not _IDENT.fullmatch(ident):
            raise LabError(f"a lab's id has 1 to 24 letters, digits and _, not {ident!r}")
        super().__init__(ident)
        self._lock: int | None = None

    # --- up and down -----------------------------------------------------------------------------------------------

    def up(self, *, port: int = 0, app: bool = True, say: Callable[[str], None] = lambda _: None) -> Lab:
        """Build everything; with ``app``, returns once the UI answers and both VPN servers are added.

        What an earlier lab of this id left is taken away first. Raises LabError, also where another process is at it.
        """
        self.check()
        self._take()
        self._clear()
        try:
            if app:
                self.listen(port)
            say("making the hosts")
            for name in ("switch", *LAN_HOSTS, "gateway", "isp", "internet", *VPNS):
                self.hosts[name] = Host.create(name, f"vpngw-{self.ident}-{name}")
            self._save()
            say("connecting them")
            self._connect()
            say("starting the Internet, the ISP and two WireGuard servers")
            self.start_world()
            if app:
                say("starting the gateway")
                self.start_gateway()
                self.wait_ready()
                self.add_servers()
                say("waiting for the LAN's hosts to get their addresses")
                for name in LAN_HOSTS:
                    self.start_dhcp(name)
                for name in LAN_HOSTS:
                    self.wait_address(name)
        except BaseException:
            if not os.environ.get("LAB_KEEP"):  # to look into what went wrong
                self.down()
            raise
        return self

    def down(self) -> None:
        """Take everything away; also what an interrupted ``up`` left."""
        self._clear()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        shutil.rmtree(self.directory, ignore_errors=True)
        with contextlib.suppress(OSError):  # other labs have theirs in there
            ROOT.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take(self) -> None:
        """Hold the directory for as long as this process has the lab. Raises LabError."""
        if self._lock is not None:
            return
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise LabError(f"a lab {self.ident!r} is running already: stop it, or choose another --id") from None
        self._lock = descriptor

    def _clear(self) -> None:
        """Hosts and files of this id, by whomever they were made."""
        for host in self.hosts.values():
            host.destroy()
        self.hosts = {}
        for path in NETNS.glob(f"vpngw-{self.ident}-*"):
            remove(path.name)
        if self.directory.exists():
            for path in self.directory.iterdir():
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    @classmethod
    def attach(cls, ident: str = "lab") -> Lab:
        """The lab that runs already. Raises LabError."""
        cls.check()
        lab = cls(ident)
        with contextlib.suppress(OSError, ValueError):
            data = json.loads((lab.directory / "lab.json").read_text())
            hosts = [Host(h["name"], h["namespace"], h["holder"], h["init"]) for h in data["hosts"]]
            lab.hosts = {host.name: host for host in hosts if host.alive()}
            lab.port = data["port"]
        if not lab.hosts:
            raise LabError("no lab is running: start one with `ci/lab up` or `make run`")
        return lab

    @staticmethod
    def check() -> None:
        """Raises LabError where root or a tool is missing."""
        if os.geteuid() != 0:
            raise LabError("this needs root, since it makes network namespaces: run it again with sudo")
        missing = {program: package for program, package in programs().items() if shutil.which(program) is None}
        if missing:
            packages = " ".join(sorted(set(missing.values())))
            raise LabError(f"not on this machine: {' '.join(missing)}; ci/setup run, or apt-get install {packages}")

    def _save(self) -> None:
        hosts = [
            {"name": h.name, "namespace": h.namespace, "holder": h.holder, "init": h.init} for h in self.hosts.values()
        ]
        (self.directory / "lab.json").write_text(json.dumps({"port": self.port, "hosts": hosts}))

    # --- wires -----------------------------------------------------------------------------------------------------

    def _wire(
        self, one: str, one_if: str, other: str, other_if: str, macs: tuple[str | None, str | None] = (None, None)
    ) -> None:
        a, b = self.hosts[one], self.hosts[other]
        near = ["ip", "link", "add", one_if, "netns", a.namespace]
        subprocess.run([*near, "type", "veth", "peer", "name", other_if, "netns", b.namespace], check=True)
        for host, name, mac in ((a, one_if, macs[0]), (b, other_if, macs[1])):
            if mac:
                host.run("ip", "link", "set", name, "address", mac)

    def _connect(self) -> None:
        switch, isp = self.hosts["switch"], self.hosts["isp"]
        switch.shell("ip link add br0 type bridge forward_delay 0 && ip link set br0 up")
        for name, mac in LAN_HOSTS.items():
            self._wire(name, "eth0", "switch", name, (mac, None))
            switch.shell(f"ip link set {name} master br0 up")
            # RFC 4429: an address may be used before duplicate detection is over; the tests need not wait for it.
            self.hosts[name].shell("sysctl -qw net.ipv6.conf.eth0.accept_dad=0; ip link set eth0 up")
        self._wire("gateway", "lan0", "switch", "gateway", ("02:00:00:00:00:01", None))
        switch.shell("ip link set gateway master br0 up")
        self._wire("gateway", "wan0", "isp", "wan", ("02:00:00:00:00:02", None))
        self._wire("isp", "net", "internet", "eth0")
        for name in VPNS:
            self._wire("isp", name, name, "eth0")
        isp.shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0")
        isp.shell(f"""
            ip link set wan up
            ip addr add {WAN4_NETWORKS[0]}.1/24 dev wan; ip addr add {WAN6_PREFIX}::1/64 dev wan nodad
            ip addr add 203.0.113.1/24 dev net; ip addr add 2001:db8:80::1/64 dev net nodad; ip link set net up
        """)
        self.hosts["internet"].shell(f"""
            ip link set eth0 up; ip addr add {INTERNET4}/24 dev eth0; ip addr add {INTERNET_DNS4}/24 dev eth0
            ip addr add {INTERNET6}/64 dev eth0 nodad
            ip route add default via 203.0.113.1; ip -6 route add default via 2001:db8:80::1
        """)
        for name, (v4, v6, *_) in VPNS.items():
            near4, near6 = v4.rpartition(".")[0] + ".1", v6.rpartition("::")[0] + "::1"
            isp.shell(
                f"ip addr add {near4}/24 dev {name}; ip addr add {near6}/64 dev {name} nodad; ip link set {name} up"
            )
            self.hosts[name].shell(f"""
                ip link set eth0 up; ip addr add {v4}/24 dev eth0; ip addr add {v6}/64 dev eth0 nodad
                ip route add default via {near4}; ip -6 route add default via {near6}
            """)
