"""The lab: creates the hosts, connects them, starts their servers, and removes everything again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable

from ci.labnet.addresses import LAN_HOSTS, VPNS
from ci.labnet.api import Api
from ci.labnet.gateway import Gateway
from ci.labnet.host import Host
from ci.labnet.hosts import Hosts
from ci.labnet.internet import Internet
from ci.labnet.lan import LanHosts
from ci.labnet.paths import PROJECT, ROOT
from ci.labnet.vpn_servers import VpnServers
from ci.labnet.waiting import LabError
from ci.labnet.wan_client import WanClient
from ci.labnet.wires import Wires

_IDENT = re.compile(r"[A-Za-z0-9_]{1,24}")  # no hyphen: "a" must not own the hosts of "a-b"; no path either


def programs() -> dict[str, str]:
    """The programs that the lab calls and their packages: those of ``make run`` in ci/programs."""
    rows = (line.split() for line in (PROJECT / "ci" / "programs").read_text().splitlines())
    return {row[1]: row[2] for row in rows if row[:1] == ["run"] and "/" not in row[1] and ".so." not in row[1]}


class Lab:
    """The parts of a lab by name. Some of their classes can be replaced, for a gateway that is cabled differently."""

    def __init__(
        self,
        ident: str = "lab",
        *,
        wires: type[Wires] = Wires,
        internet: type[Internet] = Internet,
        wan_client: type[WanClient] = WanClient,
        gateway: type[Gateway] = Gateway,
    ) -> None:
        """Prepare a lab. Raises LabError for an id with other characters than letters, digits and ``_``."""
        if not _IDENT.fullmatch(ident):
            raise LabError(f"a lab's id has 1 to 24 letters, digits and _, not {ident!r}")
        self.ident = ident
        self.hosts = Hosts(ident)
        self.directory = self.hosts.directory
        self.api = Api()
        self.wires = wires(self.hosts)
        self.lan = LanHosts(self.hosts)
        self.vpn = VpnServers(self.hosts)
        self.wan_client = wan_client(self.hosts)
        self.internet = internet(self.hosts, self.wan_client)
        self.gateway = gateway(self.hosts, self.wan_client, self.vpn, self.api)
        self._lock: int | None = None

    # --- up and down -----------------------------------------------------------------------------------------------

    def up(self, *, port: int = 0, app: bool = True, say: Callable[[str], None] = lambda _: None) -> Lab:
        """Build everything; with ``app``, returns once the UI answers and both VPN servers are added.

        What an earlier lab of this id left is taken away first. Raises LabError, also where another process is at it.
        """
        self.check()
        self._lock_directory()
        self._remove_leftovers()
        try:
            if app:
                self.api.listen(port)
            say("making the hosts")
            for name in ("switch", *LAN_HOSTS, "gateway", "isp", "internet", *VPNS):
                self.hosts.create(name)
            self._save()
            say("connecting them")
            self.wires.connect()
            say("starting the Internet, the ISP and two WireGuard servers")
            self.internet.start()
            for name in VPNS:
                self.vpn.start(name)
            if app:
                say("starting the gateway")
                self.gateway.start()
                self.gateway.wait_ready()
                self.gateway.add_servers()
                say("waiting for the LAN's hosts to get their addresses")
                for name in LAN_HOSTS:
                    self.lan.start_dhcp(name)
                for name in LAN_HOSTS:
                    self.lan.wait_address(name)
        except BaseException:
            if not os.environ.get("LAB_KEEP"):  # keeps a failed lab for inspection
                self.down()
            raise
        return self

    def down(self) -> None:
        """Remove everything, including what an interrupted ``up`` left."""
        self._remove_leftovers()
        self.api.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        with contextlib.suppress(OSError):  # other labs have their directories in there
            ROOT.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _lock_directory(self) -> None:
        """Lock the lab's directory until ``down`` or the end of this process. Raises LabError."""
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

    def _remove_leftovers(self) -> None:
        """Remove the hosts and files of this id, including those of an earlier process."""
        self.hosts.destroy()
        if self.directory.exists():
            for path in self.directory.iterdir():
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    @classmethod
    def attach(cls, ident: str = "lab") -> Lab:
        """The lab that is already running. Raises LabError."""
        cls.check()
        lab = cls(ident)
        with contextlib.suppress(OSError, ValueError):
            data = json.loads((lab.directory / "lab.json").read_text())
            hosts = [Host(h["name"], h["namespace"], h["holder"], h["init"]) for h in data["hosts"]]
            lab.hosts.update({host.name: host for host in hosts if host.alive()})
            lab.api.port = data["port"]
        if not lab.hosts:
            raise LabError("no lab is running: start one with `ci/lab up` or `make run`")
        return lab

    @staticmethod
    def check() -> None:
        """Check that this process is root and every tool is installed. Raises LabError."""
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
        (self.directory / "lab.json").write_text(json.dumps({"port": self.api.port, "hosts": hosts}))
