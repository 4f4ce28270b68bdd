"""The machine's surroundings: a laptop on the LAN; an ISP, an Internet and a VPN server behind the WAN.

All network namespaces are named ``PREFIX-*``; the root namespace is never touched.

==============  ===============================================================================================
``PREFIX-lan``  the laptop: ``eth0`` is the machine's LAN port
``PREFIX-isp``  the ISP's router: ``wan0`` is the machine's WAN port, 203.0.113.1/24, with a DHCP server
``PREFIX-net``  a web server at 198.51.100.10 port 80 that answers with the caller's address
``PREFIX-vpn``  a WireGuard server at 198.51.100.20:51820, 10.66.0.1 inside; NATs what it forwards
``PREFIX-vp2``  where a test asks for it: another one at 198.51.100.40:51820, 10.67.0.1 inside
``PREFIX-tv``   where a test asks for it: a second device of the LAN, on the laptop's wire, with a fixed address
==============  ===============================================================================================

Two labs with different prefixes are independent.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

from image.qemu.machine import Port

WEB = "198.51.100.10"
VPN = "198.51.100.20"
SECOND_VPN = "198.51.100.40"
GATEWAY = "192.168.77.1"
TV_MAC, TV_ADDRESS = "52:54:00:12:34:13", "192.168.77.3"  # outside the range that DHCP gives from

WEB_SERVER = f"""
import http.server, socketserver
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (self.client_address[0] + "\\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("{WEB}", 80), H).serve_forever()
"""


def until(condition: Callable[[], object], timeout: float, what: str) -> object:
    """Poll ``condition`` until it is true; returns its value. Raises AssertionError after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {what}")
        time.sleep(0.25)


def run(*command: str, check: bool = True, timeout: float = 60, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout, **options)  # type: ignore[call-overload]
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done


def keypair() -> tuple[str, str]:
    private = run("wg", "genkey").stdout.strip()
    return private, run("wg", "pubkey", input=private).stdout.strip()


@dataclass
class Lab:
    work: Path
    prefix: str = "vgi"
    offers: tuple[str, ...] = ()  # more DHCP options of the ISP's, as dnsmasq's --dhcp-option takes them
    isp_interface: str = "wan0"  # where the ISP's address and its DHCP server are
    client_key: tuple[str, str] = field(default_factory=keypair)
    server_key: tuple[str, str] = field(default_factory=keypair)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _dhcp: subprocess.Popen[bytes] | None = None
    _password: str | None = None
    _token: str | None = None  # of the owner's session, while there is one

    def __post_init__(self) -> None:
        self.lan, self.isp, self.net, self.vpn, self.second, self.tv = self.namespaces = tuple(
            f"{self.prefix}-{role}" for role in ("lan", "isp", "net", "vpn", "vp2", "tv")
        )
        self.wan_port = Port(self.isp, "wan0", "52:54:00:12:34:01")
        self.lan_port = Port(self.lan, "eth0", "52:54:00:12:34:02")

    def up(self) -> None:
        self.down()
        self.work.mkdir(parents=True, exist_ok=True)
        for name in (self.lan, self.isp, self.net, self.vpn):
            self._create(name)
        self._behind_the_isp(self.net, f"{WEB}/30", "198.51.100.9")
        self._behind_the_isp(self.vpn, f"{VPN}/28", "198.51.100.17")
        self.inside(self.isp, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.spawn(self.net, sys.executable, "-c", WEB_SERVER)
        self._serve(self.vpn, f"{self.prefix}wg0", "10.66.0", self.server_key[0], self.client_key[1])

    def _create(self, name: str) -> None:
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def _remove(self, name: str) -> None:
        """Take a namespace away with all that runs in it; nothing where there is none."""
        if not Path("/run/netns", name).exists():
            return
        for pid in run("ip", "netns", "pids", name).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "delete", name)

    def _behind_the_isp(self, name: str, address: str, gateway: str) -> None:
        """Connect the namespace to the ISP, which is ``gateway`` there."""
        short = name.removeprefix(f"{self.prefix}-")
        run("ip", "-n", self.isp, "link", "add", short, "type", "veth", "peer", "eth0", "netns", name)
        run("ip", "-n", name, "address", "add", address, "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", name, "route", "add", "default", "via", gateway)
        run("ip", "-n", self.isp, "address", "add", f"{gateway}/{address.split('/')[1]}", "dev", short)
        run("ip", "-n", self.isp, "link", "set", short, "up")

    def _serve(self, name: str, interface: str, inner: str, private_key: str, client: str) -> None:
        """Start a VPN server: userspace WireGuard, since this kernel may have none."""
        self.inside(name, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        key = self.work / f"{interface}.key"
        key.write_text(private_key)
        environment = {**os.environ, "WG_PROCESS_FOREGROUND": "1"}
        self.spawn(name, "wireguard-go", "-f", interface, environment=environment)
        until(
            lambda: self.inside(name, "ip", "link", "show", interface, check=False).returncode == 0, 10, "wireguard-go"
        )
        until(
            lambda: self.inside(name, "wg", "show", interface, check=False).returncode == 0, 10, "wireguard-go's socket"
        )
        peer = ("peer", client, "allowed-ips", f"{inner}.2/32")
        self.inside(name, "wg", "set", interface, "listen-port", "51820", "private-key", str(key), *peer)
        self.inside(name, "ip", "address", "add", f"{inner}.1/24", "dev", interface)
        self.inside(name, "ip", "link", "set", interface, "up")
        self.inside(
            name,
            "nft",
            "table ip nat { chain post { type nat hook postrouting priority 100; oifname eth0 masquerade; }; }",
        )

    @contextlib.contextmanager
    def second_vpn(self) -> Generator[dict[str, str]]:
        """Within this context there is another VPN server; its settings as the API takes a server of one's own."""
        server, client = keypair(), keypair()
        self._create(self.second)
        try:
            self._behind_the_isp(self.second, f"{SECOND_VPN}/28", "198.51.100.33")
            self._serve(self.second, f"{self.prefix}wg1", "10.67.0", server[0], client[1])
            yield {
                "endpoint": f"{SECOND_VPN}:51820",
                "public_key": server[1],
                "private_key": client[0],
                "address": "10.67.0.2/32",
                "dns": "10.67.0.1",
                "allowed_ips": "0.0.0.0/0",
            }
        finally:
            self._remove(self.second)

    @contextlib.contextmanager
    def second_device(self) -> Generator[str]:
        """Within this context there is a device :data:`TV_MAC` beside the laptop; its namespace. It has no lease."""
        self._create(self.tv)
        try:
            parts = ("link", "eth0", "name", "tv0", "address", TV_MAC, "type", "macvlan", "mode", "bridge")
            run("ip", "-n", self.lan, "link", "add", *parts)
            run("ip", "-n", self.lan, "link", "set", "tv0", "netns", self.tv)
            run("ip", "-n", self.tv, "address", "add", f"{TV_ADDRESS}/24", "dev", "tv0")
            run("ip", "-n", self.tv, "link", "set", "tv0", "up")
            run("ip", "-n", self.tv, "route", "add", "default", "via", GATEWAY)
            yield self.tv
        finally:
            self._remove(self.tv)

    def new_client(self) -> None:
        """Have another client key from now on: the server refuses what is older than its last handshake with a key."""
        old, self.client_key = self.client_key, keypair()
        new = ("peer", self.client_key[1], "allowed-ips", "10.66.0.2/32")
        self.inside(self.vpn, "wg", "set", f"{self.prefix}wg0", "peer", old[1], "remove", *new)

    def isp_up(self) -> None:
        """The ISP's side of the WAN port and its DHCP server; call it once the machine has its port."""
        interface = self.isp_interface
        run("ip", "-n", self.isp, "address", "replace", "203.0.113.1/24", "dev", interface)
        run("ip", "-n", self.isp, "link", "set", interface, "up")
        if self._dhcp is not None and self._dhcp.poll() is None:
            return
        leases = self.work / "isp.leases"
        self._dhcp = self.spawn(
            *(
                self.isp,
                "dnsmasq",
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--port=0",
                f"--interface={interface}",
            ),
            *("--bind-dynamic", "--dhcp-range=203.0.113.50,203.0.113.99,1h", "--dhcp-option=6,203.0.113.1"),
            *(f"--dhcp-option={option}" for option in self.offers),
            *(f"--dhcp-leasefile={leases}", "--pid-file=", "--user=root", "--dhcp-authoritative"),
        )

    @contextlib.contextmanager
    def isp_at(self, interface: str) -> Generator[None]:
        """Within this context the ISP is at another interface of its namespace, which is to be there by then."""
        usual = self.isp_interface
        self._isp_down()
        self.isp_interface = interface
        try:
            yield
        finally:
            self._isp_down()
            self.isp_interface = usual

    def _isp_down(self) -> None:
        if self._dhcp is not None and self._dhcp.poll() is None:
            self.stop(self._dhcp)
        self.inside(self.isp, "ip", "address", "flush", "dev", self.isp_interface, check=False)

    def client_conf(self) -> str:
        """A .conf for the VPN server, as a provider would hand it out."""
        return (
            f"[Interface]\nPrivateKey = {self.client_key[0]}\nAddress = 10.66.0.2/32\nDNS = 10.66.0.1\n\n"
            f"[Peer]\nPublicKey = {self.server_key[1]}\nAllowedIPs = 0.0.0.0/0\nEndpoint = {VPN}:51820\n"
        )

    def inside(
        self, namespace: str, *command: str, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        return run("ip", "netns", "exec", namespace, *command, check=check, timeout=timeout)

    def spawn(
        self, namespace: str, *command: str, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.work / "lab.log").open("ab") as log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )
        self._processes.append(process)
        return process

    def stop(self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
        process.send_signal(number)
        process.wait(10)
        if process in self._processes:
            self._processes.remove(process)

    def lease(self, timeout: float) -> str:
        """The laptop asks for a lease; returns its address."""
        script = self.work / "udhcpc.sh"
        script.write_text(
            '#!/bin/sh\n[ "$1" = bound ] || [ "$1" = renew ] || exit 0\n'
            "ip address flush dev $interface scope global\nip address add $ip/$mask dev $interface\n"
            '[ -z "$router" ] || ip route replace default via $router\necho "$ip"\n'
        )
        script.chmod(0o755)
        tries = max(1, int(timeout))
        ask = ("udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", str(tries), "-T", "1", "-s", str(script))
        deadline = time.monotonic() + timeout
        while True:  # udhcpc waits three seconds for the answer to its choice, however long it was told to try
            done = self.inside(self.lan, *ask, timeout=timeout + 10, check=False)
            address = done.stdout.strip().splitlines()[-1:] if done.returncode == 0 else []
            if address:
                return address[0]
            if time.monotonic() > deadline:
                raise AssertionError(f"no lease within {timeout} s: {done.stderr}")

    def laptop_get(self, url: str, timeout: float = 5) -> str | None:
        """The body of a web request from the laptop; None if the request fails."""
        return self.get(self.lan, url, timeout)

    def get(self, namespace: str, url: str, timeout: float = 5) -> str | None:
        """The same from another namespace."""
        done = self.inside(namespace, "curl", "-sS", "--max-time", str(timeout), url, check=False, timeout=timeout + 5)
        return done.stdout if done.returncode == 0 else None

    @contextlib.contextmanager
    def signed_in(self, password: str) -> Generator[None]:
        """Within this context :meth:`api` sends its requests as the owner, who has this password."""
        self._password = password
        try:
            yield
        finally:
            self._password = self._token = None

    def api(self, method: str, path: str, body: object = None, timeout: float = 60) -> tuple[int, object]:
        """Send a request to the gateway's API from the laptop."""
        status, answer = self._request(method, path, body, timeout)
        if status != 401 or self._password is None:
            return status, answer
        _, session = self._request("POST", "/api/auth/login", {"password": self._password}, timeout)
        assert isinstance(session, dict), session
        self._token = session["access_token"]
        return self._request(method, path, body, timeout)

    def _request(self, method: str, path: str, body: object, timeout: float) -> tuple[int, object]:
        arguments = ["curl", "-sS", "--max-time", str(timeout), "-X", method, "-w", "\n%{http_code}"]
        if self._token is not None:
            arguments += ["-H", f"Authorization: Bearer {self._token}"]
        if body is not None:
            arguments += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        done = self.inside(self.lan, *arguments, f"http://{GATEWAY}:5000{path}", check=False, timeout=timeout + 5)
        if done.returncode:
            return 0, done.stderr
        text, _, status = done.stdout.rpartition("\n")
        with contextlib.suppress(ValueError):
            return int(status), json.loads(text)
        return int(status), text

    def down(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait(10)
        self._processes.clear()
        self._dhcp = None
        for name in self.namespaces:
            self._remove(name)

    @contextlib.contextmanager
    def running(self) -> Generator[Lab]:
        try:
            self.up()
            yield self
        finally:
            self.down()
