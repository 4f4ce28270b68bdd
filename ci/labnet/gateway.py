"""The gateway's software on its host: boot, supervision, kill and restart as on the image."""

from __future__ import annotations

import contextlib
import http.client
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from ci.labnet import owner
from ci.labnet.addresses import INTERNET4, VPN_PORT, VPNS
from ci.labnet.api import Api
from ci.labnet.host import Host
from ci.labnet.hosts import Hosts
from ci.labnet.paths import HERE, PROJECT
from ci.labnet.vpn_servers import VpnServers
from ci.labnet.waiting import LabError, wait_for
from ci.labnet.wan_client import WanClient

PROCESSES = ("netd", "web")
# The last three are for dnsmasq, which has its own unit on the image.
CAPTURE = "/run/vpn-gateway-capture/capture.sock"
HEAP = "MALLOC_ARENA_MAX=1"  # as in the units of netd and web
NETD_CAPABILITIES = "-all,+net_admin,+net_raw,+net_bind_service,+setuid,+setgid"


class Gateway:
    def __init__(self, hosts: Hosts, wan_client: WanClient, vpn: VpnServers, api: Api) -> None:
        self._hosts = hosts
        self._wan_client = wan_client
        self._vpn = vpn
        self._api = api
        self.directory = hosts.directory
        self.netd_options: tuple[str, ...] = ()  # extra options for the next start
        self.canary_interval = 0.0  # seconds between the canary's rounds; 0 = none, since tests count packets
        self.owned = False  # whether a password is set from the start, with the lab's API key
        self.netd_environment: tuple[str, ...] = ()  # NAME=VALUE; the children of netd inherit PATH from these

    @property
    def host(self) -> Host:
        return self._hosts["gateway"]

    @property
    def state_dir(self) -> Path:
        return self.directory / "state"

    @property
    def web_state_dir(self) -> Path:
        return self.directory / "web-state"

    # --- start -----------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Do what the image does before the app starts: static ruleset, then links, then the WAN's DHCP client."""
        gateway = self.host
        gateway.run("nft", "-f", str(PROJECT / "overlay" / "etc" / "vpn-gateway" / "boot.nft"))
        lock = PROJECT / "overlay" / "usr" / "lib" / "vpn-gateway" / "lock-port"
        gateway.shell(f"LOCK_FILE={PROJECT}/overlay/etc/vpn-gateway/boot.bpf sh {lock} wan0")
        gateway.shell(
            "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0; "
            "mkdir -p /run/vpn-gateway /run/vpn-gateway-capture"
        )
        # The image's sysctl.d enables forwarding from the start; the locks work regardless.
        gateway.shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.wan0.accept_ra=2")
        gateway.shell("ip link set lan0 up; ip link set wan0 up")
        self._wan_client.start()

    def seed(self, **changes: Any) -> None:
        """Write the settings of the lab's gateway, before its first start."""
        import msgspec

        from app.model import DEFAULT_EXIT, LinkSettings, Settings
        from app.store import Store

        settings = Settings(
            provider="custom",
            exit_check_url=f"http://{INTERNET4}/json",
            links=LinkSettings(wan="wan0", lan=("lan0",)),
            exits=(DEFAULT_EXIT, "second"),
            rebind_exceptions=("lab",),  # its Internet has documentation addresses, which dnsmasq takes for private
        )
        with Store(self.state_dir) as store:
            store.update_settings(lambda _: msgspec.structs.replace(settings, **changes))

    def own(self) -> None:
        """Set the lab's password; from then on its API client presents the lab's key."""
        self.web_state_dir.mkdir(mode=0o700, exist_ok=True)
        owner.own(self.web_state_dir, self.state_dir)
        self._api.headers = dict(owner.AUTHORIZATION)

    def start(self) -> None:
        if not self.state_dir.exists():
            self.seed()
        if self.owned:
            self.own()
        self.boot()
        self.start_app()

    def start_app(self) -> None:
        """Start netd with only its allowed capabilities and web with none, both under a supervisor."""
        python = sys.executable
        self.web_state_dir.mkdir(mode=0o700, exist_ok=True)
        netd = [
            *("env", HEAP, *self.netd_environment),
            *("setpriv", f"--bounding-set={NETD_CAPABILITIES}", "--inh-caps=-all"),
            *(python, "-m", "app", "netd", "--state-dir", str(self.state_dir), "--run-dir", "/run/vpn-gateway"),
            *("--providers", str(self.directory / "providers.toml")),
            *("--capture", CAPTURE, "--canary", str(self.canary_interval)),
            *self.netd_options,
        ]
        web = [
            *("env", HEAP),
            *("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"),
            *(python, "-m", "app", "web", "--socket", "/run/vpn-gateway/netd.sock"),
            *("--state-dir", str(self.web_state_dir)),
            *("--first-password-until", "inf"),  # of this machine's uptime, which is not the lab's
            *("--bind", "0.0.0.0:5000", "--bind", "[::]:5000"),
        ]
        capture = [
            *("setpriv", "--bounding-set=-all,+net_raw", "--inh-caps=-all", "--no-new-privs"),
            *(python, "-m", "app", "capture", "--socket", CAPTURE),
        ]
        fds: tuple[int, ...] = ()
        if self._api.listener is not None:
            fds = (self._api.listener.fileno(),)
            os.set_inheritable(fds[0], True)
            web += ["--fd", str(fds[0])]
        self.host.start(
            python,
            str(HERE / "supervise.py"),
            str(self.directory),
            f"netd={shlex.join(netd)}",
            f"web={shlex.join(web)}",
            f"capture={shlex.join(capture)}",
            log=self.directory / "supervise.log",
            cwd=PROJECT,
            pass_fds=fds,
        )

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Wait until /health reports success. Raises LabError, with the gateway's logs."""

        def ready() -> bool:
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self._api.request("GET", "/health")[0] == 200
            return False

        try:
            wait_for("the gateway to be ready", ready, timeout)
        except LabError as error:
            raise LabError(f"{error}\n{self.logs()}") from None

    def add_servers(self) -> None:
        for name, (v4, _, inner4, inner6, location) in VPNS.items():
            pair = self._vpn.keys(name)
            body = {
                "name": name,
                "endpoint": f"{v4}:{VPN_PORT}",
                "public_key": pair["public_key"],
                "private_key": pair["client_private_key"],
                "address": f"{inner4}.2/32, {inner6}::2/128",
                "dns": f"{inner4}.1, {inner6}::1",
                "allowed_ips": "0.0.0.0/0, ::/0",
                "location": location,
            }
            answer = self._api("POST", "/api/custom/add", body)
            if not answer.get("success") and answer.get("code") != "conflict":
                raise LabError(f"adding {name}: {answer}")

    # --- stop and restart ------------------------------------------------------------------------------------------

    def stop_app(self) -> None:
        """Stop both processes in order, as at shutdown."""
        gateway = self.host
        gateway.run("pkill", "-TERM", "-f", "supervise.py", check=False)
        wait_for("the app to end", lambda: gateway.run("pgrep", "-f", "supervise.py", check=False).returncode != 0)

    def set_held(self, name: str, held: bool = True) -> None:
        """Set whether ``netd`` or ``web`` stays down once it has ended."""
        path = self.directory / f"hold-{name}"
        path.touch() if held else path.unlink(missing_ok=True)

    def kill_app(self, name: str = "netd", *, restart: bool = True) -> None:
        """Send SIGKILL; the supervisor restarts the process at once, or without ``restart`` after ``release_app``."""
        self.set_held(name, not restart)
        self.host.run("kill", "-KILL", self._pid(name), check=False)

    def release_app(self, name: str = "netd") -> None:
        self.set_held(name, False)

    def restart_app(self) -> None:
        """Restart both processes in order; returns once the UI answers again."""
        before = {name: self._pid(name) for name in PROCESSES}
        for name, pid in before.items():
            self.set_held(name, False)
            self.host.run("kill", "-TERM", pid, check=False)
        for name, pid in before.items():
            try:
                wait_for(f"a new {name}", lambda n=name, old=pid: self._pid(n) != old)
            except LabError as error:
                raise LabError(f"{error}\n{self.logs()}") from None
        self.wait_ready()

    def _pid(self, name: str) -> str:
        """The process id within the gateway's host. Raises LabError if the app was never started."""
        try:
            return (self.directory / f"{name}.pid").read_text()
        except FileNotFoundError:
            raise LabError("the gateway's software does not run: this lab was started with --no-app") from None

    def logs(self) -> str:
        """The end of the gateway's logs."""
        texts = [
            f"--- {p.name}\n{p.read_text(errors='replace')[-3000:]}"
            for p in sorted(self.directory.glob("*.log"))
            if p.name in {"netd.log", "web.log", "supervise.log"}
        ]
        return "\n".join(texts)
