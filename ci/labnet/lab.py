"""The lab: makes the hosts, connects them, starts what runs on them, breaks things on request, takes it all away."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from app import keys
from ci.labnet.addresses import (
    INTERNET4,
    INTERNET6,
    INTERNET_DNS4,
    LAN_HOSTS,
    VPN_PORT,
    VPNS,
    WAN4_NETWORKS,
    WAN6_PREFIX,
)
from ci.labnet.capture import Capture
from ci.labnet.host import Host

ROOT = Path("/var/lib/vpn-gateway-lab")  # not below /run, of which every host has its own
PROJECT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TOOLS = {
    "ip": "iproute2",
    "nft": "nftables",
    "dnsmasq": "dnsmasq-base",
    "wireguard-go": "wireguard-go",
    "wg": "wireguard-tools",
    "tcpdump": "tcpdump",
    "udhcpc": "udhcpc",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "pkill": "procps",
}


NAT = """
table inet nat {
    chain out {
        type nat hook postrouting priority srcnat;
        oifname "eth0" masquerade
    }
}
"""


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


class Lab:
    def __init__(self, ident: str = "lab") -> None:
        self.ident = ident
        self.directory = ROOT / ident
        self.hosts: dict[str, Host] = {}
        self.port = 0
        self._listener: socket.socket | None = None

    # --- up and down -----------------------------------------------------------------------------------------------

    def up(self, *, port: int = 0, app: bool = True, say: Callable[[str], None] = lambda _: None) -> Lab:
        """Build everything; with ``app``, returns once the UI answers and both VPN servers are added."""
        self.check()
        self.down()
        self.directory.mkdir(mode=0o700, parents=True)
        if app:
            self.listen(port)
        try:
            say("making the hosts")
            for name in ("switch", *LAN_HOSTS, "gateway", "isp", "internet", *VPNS):
                self.hosts[name] = Host.create(name, f"vpngw-{self.ident}-{name}")
            self._save()
            say("connecting them")
            self._connect()
            say("starting the Internet, the ISP and two WireGuard servers")
            self._start_isp()
            self._start_internet()
            for name in VPNS:
                self.start_vpn(name)
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
        for host in self.hosts.values() or self._load():
            host.destroy()
        self.hosts = {}
        for path in Path("/run/netns").glob(f"vpngw-{self.ident}-*"):
            subprocess.run(["ip", "netns", "del", path.name], check=False, capture_output=True)
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        shutil.rmtree(self.directory, ignore_errors=True)

    @classmethod
    def attach(cls, ident: str = "lab") -> Lab:
        """The lab that runs already. Raises LabError."""
        lab = cls(ident)
        lab.hosts = {host.name: host for host in lab._load()}
        if not lab.hosts:
            raise LabError("no lab is running: start one with `ci/lab up` or `make run`")
        lab.port = json.loads((lab.directory / "lab.json").read_text())["port"]
        return lab

    @staticmethod
    def check() -> None:
        """Raises LabError where root or a tool is missing."""
        if os.geteuid() != 0:
            raise LabError("this needs root, since it makes network namespaces: run it again with sudo")
        missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
        if missing:
            raise LabError(f"missing tools: apt-get install {' '.join(missing)}")

    def _save(self) -> None:
        hosts = [
            {"name": h.name, "namespace": h.namespace, "holder": h.holder, "init": h.init} for h in self.hosts.values()
        ]
        (self.directory / "lab.json").write_text(json.dumps({"port": self.port, "hosts": hosts}))

    def _load(self) -> list[Host]:
        with contextlib.suppress(OSError, ValueError):
            data = json.loads((self.directory / "lab.json").read_text())
            return [
                Host(h["name"], h["namespace"], h["holder"], h["init"])
                for h in data["hosts"]
                # A pid may have been taken by something else since: only a holder of ours is killed.
                if b"unshare" in _cmdline(h["holder"])
            ]
        return []

    def listen(self, port: int = 0) -> None:
        """Bind the UI's port on this machine; the gateway's web process inherits the socket."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise LabError(
                f"port {port} of 127.0.0.1 is taken ({error.strerror}): choose another with --port"
            ) from None
        listener.listen(128)
        self._listener, self.port = listener, listener.getsockname()[1]

    # --- wires -----------------------------------------------------------------------------------------------------

    def _wire(
        self, one: str, one_if: str, other: str, other_if: str, macs: tuple[str | None, str | None] = (None, None)
    ) -> None:
        a, b = self.hosts[one], self.hosts[other]
        subprocess.run(
            [
                "ip",
                "link",
                "add",
                one_if,
                "netns",
                a.namespace,
                "type",
                "veth",
                "peer",
                "name",
                other_if,
                "netns",
                b.namespace,
            ],
            check=True,
        )
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

    # --- the world outside -----------------------------------------------------------------------------------------

    def _dnsmasq(self, host: str, name: str, lines: Sequence[str]) -> None:
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

    def _start_isp(self, *, network: str = WAN4_NETWORKS[0], options: Sequence[str] = (), ra: bool = True) -> None:
        lines = [
            "bind-dynamic",
            "interface=wan",
            "dhcp-authoritative",
            "no-ping",
            f"server={INTERNET_DNS4}",
            f"dhcp-leasefile={self.directory}/isp.leases",
            f"dhcp-range={network}.100,{network}.150,255.255.255.0,10m",
            *options,
        ]
        if ra:
            lines += ["enable-ra", f"dhcp-range={WAN6_PREFIX}::,ra-only,64", "ra-param=wan,5,600"]
        self._dnsmasq("isp", "dhcp", lines)

    def _start_internet(self) -> None:
        self._dnsmasq(
            "internet",
            "dns",
            [
                "bind-dynamic",
                "interface=eth0",
                "log-queries=extra",
                f"log-facility={self.directory}/internet-dns.log",
                f"address=/whoami.lab/{INTERNET_DNS4}",
                "txt-record=whoami.lab,internet",
                f"address=/lab/{INTERNET4}",
                f"address=/lab/{INTERNET6}",
                *(f"address=/{name}.lab/{v4}" for name, (v4, *_) in VPNS.items()),
            ],
        )
        self.hosts["internet"].start(
            sys.executable, str(HERE / "internet_server.py"), log=self.directory / "internet.log"
        )
        wait_for("the Internet", lambda: self.http("internet", f"http://{INTERNET4}/", check=False))

    def start_vpn(self, name: str) -> None:
        """A WireGuard server with NAT to the Internet and a resolver of its own inside the tunnel."""
        host = self.hosts[name]
        v4, _, inner4, inner6, _ = VPNS[name]
        secret = self.directory / f"{name}.json"
        if not secret.exists():
            server, client = keys.generate(), keys.generate()
            secret.touch(mode=0o600)
            secret.write_text(
                json.dumps(
                    {
                        "private_key": server.private_key.reveal(),
                        "public_key": server.public_key,
                        "client_private_key": client.private_key.reveal(),
                        "client_public_key": client.public_key,
                    }
                )
            )
        pair = json.loads(secret.read_text())
        if host.run("ip", "link", "add", "wg0", "type", "wireguard", check=False).returncode != 0:
            host.shell("LOG_LEVEL=error wireguard-go wg0 >/dev/null 2>&1")  # a daemon must not hold our pipes
        config = (
            f"[Interface]\nPrivateKey = {pair['private_key']}\nListenPort = {VPN_PORT}\n"
            f"[Peer]\nPublicKey = {pair['client_public_key']}\nAllowedIPs = {inner4}.2/32, {inner6}::2/128\n"
        )
        host.run("wg", "setconf", "wg0", "/dev/stdin", input=config, stdin=None)
        host.shell(f"""
            sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
            ip addr add {inner4}.1/24 dev wg0; ip addr add {inner6}::1/64 dev wg0 nodad; ip link set wg0 up
        """)
        host.run(
            "nft",
            "-f",
            "-",
            input=NAT,
            stdin=None,
        )
        self._dnsmasq(
            name,
            "dns",
            [
                "bind-dynamic",
                "interface=wg0",
                "except-interface=lo",
                f"server={INTERNET_DNS4}",
                f"address=/whoami.lab/{v4}",
                f"txt-record=whoami.lab,{name}",
                "log-queries=extra",
                f"log-facility={self.directory}/{name}-dns.log",
            ],
        )

    def stop_vpn(self, name: str) -> None:
        """The server dies: its WireGuard is gone, its host still answers nothing on that port."""
        self.hosts[name].shell("nft delete table inet nat; ip link del wg0; pkill dnsmasq || true")

    def vpn_mute(self, name: str, mute: bool = True) -> None:
        """The server's packets no longer get through, as when a network on the way has failed."""
        table = f"mute_{name.replace('-', '_')}"
        text = f"table inet {table} {{ }}\ndelete table inet {table}\n"
        if mute:
            either = f'iifname "{name}" drop\n oifname "{name}" drop'
            text += f"table inet {table} {{\n chain c {{\n type filter hook forward priority 0;\n {either}\n }}\n}}\n"
        self.hosts["isp"].run("nft", "-f", "-", input=text, stdin=None)

    # --- the product -----------------------------------------------------------------------------------------------

    @property
    def state_dir(self) -> Path:
        return self.directory / "state"

    def boot(self) -> None:
        """What happens before the app on the image: the static ruleset, then the links, then the WAN's DHCP client."""
        gateway = self.hosts["gateway"]
        boot = PROJECT / "overlay" / "etc" / "vpn-gateway" / "boot.nft"
        gateway.run("nft", "-f", str(boot))
        gateway.shell(
            "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0; mkdir -p /run/vpn-gateway"
        )
        # The image's sysctl.d forwards from the start; the locks do not depend on it being off.
        gateway.shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.wan0.accept_ra=2")
        gateway.shell("ip link set lan0 up; ip link set wan0 up")
        self.start_wan_dhcp()

    def start_wan_dhcp(self) -> None:
        gateway = self.hosts["gateway"]
        gateway.run("pkill", "udhcpc", check=False)
        gateway.start(
            "udhcpc",
            "-i",
            "wan0",
            "-f",
            "-S",
            "-t",
            "5",
            "-T",
            "1",
            "-A",
            "2",
            "-O",
            "121",
            "-s",
            str(HERE / "wan-dhcp"),
        )
        wait_for("the WAN's DHCP", lambda: "inet " in gateway.run("ip", "-4", "addr", "show", "dev", "wan0").stdout)

    def seed(self, **changes: Any) -> None:
        """Settings of the lab's gateway, before its first start."""
        import msgspec

        from app.model import DEFAULT_EXIT, LinkSettings, Settings
        from app.store import Store

        settings = Settings(
            provider="custom",
            exit_check_url=f"http://{INTERNET4}/json",
            links=LinkSettings(wan="wan0", lan=("lan0",)),
            exits=(DEFAULT_EXIT, "second"),
        )
        with Store(self.state_dir) as store:
            store.update_settings(lambda _: msgspec.structs.replace(settings, **changes))

    def start_gateway(self) -> None:
        if not self.state_dir.exists():
            self.seed()
        self.boot()
        self.start_app()

    def start_app(self) -> None:
        """netd with nothing but the capabilities it is allowed, web with none, both under a supervisor."""
        gateway = self.hosts["gateway"]
        python = sys.executable
        # The last three are for dnsmasq, which on the image has a unit of its own.
        keep = "-all,+net_admin,+net_raw,+net_bind_service,+setuid,+setgid"
        netd = [
            "setpriv",
            f"--bounding-set={keep}",
            "--inh-caps=-all",
            python,
            "-m",
            "app",
            "netd",
            "--state-dir",
            str(self.state_dir),
            "--run-dir",
            "/run/vpn-gateway",
        ]
        web = [
            "setpriv",
            "--bounding-set=-all",
            "--inh-caps=-all",
            "--no-new-privs",
            python,
            "-m",
            "app",
            "web",
            "--socket",
            "/run/vpn-gateway/netd.sock",
            "--bind",
            "0.0.0.0:5000",
            "--bind",
            "[::]:5000",
        ]
        fds: tuple[int, ...] = ()
        if self._listener is not None:
            fds = (self._listener.fileno(),)
            os.set_inheritable(fds[0], True)
            web += ["--fd", str(fds[0])]
        gateway.start(
            python,
            str(HERE / "supervise.py"),
            str(self.directory),
            f"netd={shlex.join(netd)}",
            f"web={shlex.join(web)}",
            log=self.directory / "supervise.log",
            cwd=PROJECT,
            pass_fds=fds,
        )

    def stop_app(self) -> None:
        """An orderly end, as at shutdown."""
        gateway = self.hosts["gateway"]
        gateway.run("pkill", "-TERM", "-f", "supervise.py", check=False)
        wait_for("the app to end", lambda: gateway.run("pgrep", "-f", "supervise.py", check=False).returncode != 0)

    def hold(self, name: str, held: bool = True) -> None:
        """Whether ``netd`` or ``web`` stays dead once it is."""
        path = self.directory / f"hold-{name}"
        path.touch() if held else path.unlink(missing_ok=True)

    def kill_app(self, name: str = "netd", *, restart: bool = True) -> None:
        """SIGKILL; with ``restart`` the supervisor starts it again, else not before ``release_app``."""
        self.hold(name, not restart)
        self.hosts["gateway"].run("kill", "-KILL", (self.directory / f"{name}.pid").read_text(), check=False)

    def release_app(self, name: str = "netd") -> None:
        self.hold(name, False)

    def wait_ready(self, timeout: float = 30.0) -> None:
        def ready() -> bool:
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.request("GET", "/health")[0] == 200
            return False

        try:
            wait_for("the gateway to be ready", ready, timeout)
        except LabError as error:
            raise LabError(f"{error}\n{self.logs()}") from None

    def logs(self) -> str:
        """The end of the gateway's logs."""
        texts = [
            f"--- {p.name}\n{p.read_text(errors='replace')[-3000:]}"
            for p in sorted(self.directory.glob("*.log"))
            if p.name in {"netd.log", "web.log", "supervise.log"}
        ]
        return "\n".join(texts)

    def add_servers(self) -> None:
        for name, (v4, _, inner4, inner6, location) in VPNS.items():
            pair = json.loads((self.directory / f"{name}.json").read_text())
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
            answer = self.api("POST", "/api/custom/add", body)
            if not answer.get("success") and answer.get("code") != "conflict":
                raise LabError(f"adding {name}: {answer}")

    def request(self, method: str, path: str, body: Any = None, timeout: float = 40.0) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def api(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The JSON answer of the gateway's API, errors included."""
        return json.loads(self.request(method, path, body)[1])

    # --- LAN hosts -------------------------------------------------------------------------------------------------

    def start_dhcp(self, host: str) -> None:
        self.hosts[host].run("pkill", "udhcpc", check=False)
        self.hosts[host].start(
            "udhcpc",
            "-i",
            "eth0",
            "-f",
            "-S",
            "-t",
            "8",
            "-T",
            "1",
            "-A",
            "1",
            "-x",
            f"hostname:{host}",
            "-s",
            str(HERE / "lan-dhcp"),
        )

    def wait_address(self, host: str, timeout: float = 20.0) -> str:
        """The host's IPv4 address, once DHCP has given it one."""

        def address() -> str | None:
            out = json.loads(
                self.hosts[host].run("ip", "-j", "-4", "addr", "show", "dev", "eth0", "scope", "global").stdout
            )
            found = [a["local"] for link in out for a in link.get("addr_info", [])]
            return found[0] if found else None

        return wait_for(f"{host} to get an address", address, timeout)

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
        number = len(list(self.directory.glob("*.pcap")))
        return Capture(self.hosts[host], interface, path or self.directory / f"{host}-{number}.pcap", expression)

    # --- faults ----------------------------------------------------------------------------------------------------

    def wan_link(self, up: bool) -> None:
        """The cable on the WAN: pulled at the ISP's end, so that the gateway loses its carrier."""
        self.hosts["isp"].run("ip", "link", "set", "wan", "up" if up else "down")
        if up:
            self.hosts["isp"].shell(f"ip addr replace {WAN6_PREFIX}::1/64 dev wan nodad")

    def renumber(self, network: str) -> None:
        """Another network on the WAN; the gateway's DHCP client starts over, as it does on a new link."""
        self.hosts["isp"].shell(f"ip -4 addr flush dev wan; ip addr add {network}.1/24 dev wan")
        self._start_isp(network=network)
        self.start_wan_dhcp_again()

    def start_wan_dhcp_again(self) -> None:
        self.hosts["gateway"].shell("ip -4 addr flush dev wan0 scope global")
        self.start_wan_dhcp()

    @contextlib.contextmanager
    def option121(self, *routes: str) -> Generator[None]:
        """The WAN's DHCP server hands out classless static routes: "10.0.0.0/8,192.168.1.1", ..."""
        self._start_isp(options=[f"dhcp-option=121,{','.join(routes)}", f"dhcp-option=249,{','.join(routes)}"])
        self.start_wan_dhcp_again()
        try:
            yield
        finally:
            self._start_isp()

    @contextlib.contextmanager
    def rogue_ra(self) -> Generator[None]:
        """Somebody on the WAN announces a default route and a prefix that covers the LAN's."""
        self._dnsmasq(
            "isp",
            "dhcp",
            [
                "bind-dynamic",
                "interface=wan",
                "enable-ra",
                "dhcp-range=2001:db8:bad::,ra-only,64",
                "ra-param=wan,high,4,9000",
            ],
        )
        self.hosts["isp"].shell("ip addr replace 2001:db8:bad::1/64 dev wan nodad")
        try:
            yield
        finally:
            self.hosts["isp"].shell("ip addr del 2001:db8:bad::1/64 dev wan || true")
            self._start_isp()


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
