"""The canary with a kernel of its own: frames of a device go in, and every place where they come out is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.canary.identity import mac
from app.canary.verdict import check, report
from app.errors import UnavailableError
from app.model import DEFAULT_EXIT, LanBridge, LanLink, LanSettings, Links, NetworkPort, Settings, WanLink
from app.netd.canary.capture import Capture, Tap
from app.netd.canary.prober import Prober
from app.netd.canary.proofs import Proofs
from app.network.canary_link import disconnect
from app.network.plan import ExitPlan, TransportPeer, TunnelPlan
from app.protocol.commands import GetProof, StartProof
from app.store import Store
from tests.kernel.namespace import inside, run, until

pytestmark = pytest.mark.kernel

OTHER = "02:00:00:00:00:99"
LAN = LanSettings(ula=IPv6Interface("fd12:3456:789a::1/64"))
ENDPOINT = TransportPeer(ip_address("198.51.100.10"), 51820)
TUNNEL = TunnelPlan(
    slot="a",
    addresses=(ip_interface("10.64.0.2/32"), ip_interface("fd00:64::2/128")),
    mtu=1420,
    transport=(ENDPOINT,),
    routes=(ip_network("0.0.0.0/0"), ip_network("::/0")),
    dns=(),
)
LOCK = "table inet x {\n chain forward {\n type filter hook forward priority 0; policy drop;\n }\n}\n"
# Whatever the machine that runs the tests allows, the process gets this and no more.
SANDBOX = ("setpriv", "--bounding-set=-all,+net_raw", "--inh-caps=-all", "--no-new-privs")


def cable(name: str, far: str) -> None:
    run(f"ip link add {name} type veth peer name {far}")
    for end in (name, far):
        run(f"sysctl -qw net.ipv6.conf.{end}.router_solicitations=0")
        run(f"ip link set {end} up")


class Machine:
    """A router with a LAN, a WAN and a cable in place of a tunnel, which forwards all: there is no lock at all."""

    def __init__(self, *, bridged: bool) -> None:
        cable("lan0", "device0")
        cable("wan0", "isp0")
        cable("wg0a", "vpn0")
        self.lan = "lan0"
        if bridged:
            run("ip link add br-lan type bridge")
            run("ip link set lan0 master br-lan")
            run("ip link set br-lan up")
            self.lan = "br-lan"
        run(f"ip addr add {LAN.address} dev {self.lan}")
        run(f"ip addr add {LAN.ula} dev {self.lan} nodad")
        run("ip addr add 192.168.1.20/24 dev wan0")
        run("ip addr add 2001:db8:1::20/64 dev wan0 nodad")
        run("ip addr add 10.64.0.2/24 dev wg0a")
        run("ip addr add fd00:64::2/64 dev wg0a nodad")
        for host, link in (
            ("192.168.1.1", "wan0"),
            ("2001:db8:1::1", "wan0"),
            ("10.64.0.1", "wg0a"),
            ("fd00:64::1", "wg0a"),
        ):
            run(f"ip neigh replace {host} lladdr {OTHER} dev {link}")
        run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0")
        self.followed: Settings | None = None
        self.plans: tuple[ExitPlan, ...] = (ExitPlan(DEFAULT_EXIT, 0),)
        self.links = Links(
            WanLink(
                "wan0",
                up=True,
                addresses=(IPv4Interface("192.168.1.20/24"), IPv6Interface("2001:db8:1::20/64")),
                gateway4=IPv4Address("192.168.1.1"),
            ),
            (LanLink(self.lan, 1500),),
            LanBridge("br-lan", ("lan0",), ()) if bridged else None,
            (NetworkPort("wan0", "wan", OTHER), NetworkPort("lan0", "lan", OTHER)),
        )

    @property
    def carrying_plans(self) -> tuple[ExitPlan, ...]:
        return self.plans

    def route(self, link: str) -> None:
        """Send everything by ``link``."""
        four, six = ("192.168.1.1", "2001:db8:1::1") if link == "wan0" else ("10.64.0.1", "fd00:64::1")
        run(f"ip route replace default via {four} dev {link}")
        run(f"ip -6 route replace default via {six} dev {link} metric 1")

    def connect(self) -> None:
        self.plans = (ExitPlan(DEFAULT_EXIT, 0, active=TUNNEL),)
        self.route("wg0a")


class Process:
    """The capturing process, with its socket and what it has used."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "capture.sock"
        argv = [*SANDBOX, sys.executable, "-m", "app", "capture", "--socket", str(self.socket)]
        self.process = subprocess.Popen(argv, cwd=Path(__file__).parents[2])

    def memory(self) -> int:
        """Bytes that are its own."""
        lines = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()
        private = (line.split() for line in lines if line.startswith("Private_"))
        return 1024 * sum(int(words[1]) for words in private)

    def cpu(self) -> float:
        """Seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def at_rest(self) -> bool:
        """Whether it sleeps and no socket that captures is open any more: it answers before it closes them."""
        proc = Path(f"/proc/{self.process.pid}")
        capturing = {line.split()[-1] for line in (proc / "net/packet").read_text().splitlines()[1:]}
        try:
            held = {os.readlink(fd) for fd in (proc / "fd").iterdir()}
        except FileNotFoundError:
            return False  # it has closed one just now
        state = (proc / "stat").read_text().rpartition(") ")[2][0]
        return state == "S" and not any(f"socket:[{inode}]" in held for inode in capturing)


@contextlib.asynccontextmanager
async def capturing(directory: Path) -> AsyncGenerator[Process]:
    process = Process(directory)
    try:
        await until(process.socket.exists)
        yield process
    finally:
        process.process.kill()
        process.process.wait()


def prober(machine: Machine, capture: Path) -> Prober:
    machine.followed = Settings(lan=LAN)
    store = cast("Store", SimpleNamespace(settings=machine.followed))
    return Prober(network=machine, store=store, capture=Capture(capture), used=lambda: ())


def default(machine: Machine, capture: Path) -> tuple[Prober, Any]:
    made = prober(machine, capture)
    identity = made.identity(DEFAULT_EXIT)
    assert identity is not None
    return made, identity


@pytest.mark.parametrize("bridged", [True, False], ids=["bridge", "port"])
def test_a_leak_is_seen_and_a_locked_gateway_leaks_none(tmp_path: Path, bridged: bool) -> None:
    @inside
    async def body() -> None:
        machine = Machine(bridged=bridged)
        machine.route("wan0")
        async with capturing(tmp_path) as process:
            made, identity = default(machine, process.socket)
            seen = await made.round(identity)
            kinds = {(e.kind, e.family) for e in seen.evidence if e.seen_on_wan}
            assert {(k, f) for k in ("tcp", "udp", "icmp", "dns", "other_protocol") for f in (4, 6)} <= kinds, seen
            assert all(e.seen_on_lan for e in seen.evidence)
            assert seen.leaked >= 10
            assert check(seen).result == "failed"
            assert "LEAK" in report(seen, "1")
            run("nft -f -", feed=LOCK)
            seen = await made.round(identity)
            assert [e for e in seen.evidence if e.seen_on_wan or e.seen_in_tunnel] == []
            assert all(e.seen_on_lan for e in seen.evidence)
            assert (check(seen).result, seen.control, seen.leaked) == ("ok", None, 0)

    body()


@pytest.mark.parametrize("translated", [True, False], ids=["nat", "plain"])
def test_the_tunnel_is_seen_and_its_control(tmp_path: Path, translated: bool) -> None:
    @inside
    async def body() -> None:
        machine = Machine(bridged=True)
        machine.connect()
        if translated:
            nat = "type nat hook postrouting priority srcnat; oifname wg0a masquerade fully-random"
            run("nft -f -", feed=f"table inet x {{\n chain nat {{\n {nat}\n }}\n}}\n")
        async with capturing(tmp_path) as process:
            made, identity = default(machine, process.socket)
            seen = await made.round(identity)
            through = {(e.kind, e.family) for e in seen.evidence if e.seen_in_tunnel}
            assert {(k, f) for k in ("tcp", "udp", "icmp", "dns_over_tls") for f in (4, 6)} <= through
            assert check(seen).result == "unknown", "no packet of WireGuard was there to be seen"
            assert seen.control is False
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.bind(("192.168.1.20", 0))
                run(f"ip route replace {ENDPOINT.address} via 192.168.1.1 dev wan0")
                probing = asyncio.create_task(made.round(identity))
                while not probing.done():
                    peer.sendto(b"as WireGuard would", (str(ENDPOINT.address), ENDPOINT.port))
                    await asyncio.sleep(0.05)
                seen = await probing
            assert (seen.control, check(seen).result) == (True, "ok"), seen

    body()


def test_the_tunnel_of_another_exit_is_a_leak(tmp_path: Path) -> None:
    @inside
    async def body() -> None:
        machine = Machine(bridged=False)
        machine.connect()
        machine.plans = (ExitPlan("other", 0, active=TUNNEL), ExitPlan(DEFAULT_EXIT, 1))
        async with capturing(tmp_path) as process:
            made, identity = default(machine, process.socket)
            seen = await made.round(identity)
            assert any(e.seen_in_other_tunnel for e in seen.evidence)
            assert check(seen).result == "failed"

    body()


def test_nothing_of_the_canary_reaches_devices_or_lists(tmp_path: Path) -> None:
    @inside
    async def body() -> None:
        machine = Machine(bridged=True)
        machine.route("wan0")
        far = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0x0300)
        far.bind(("device0", 3))
        async with capturing(tmp_path) as process:
            made, identity = default(machine, process.socket)
            await made.round(identity)
        frames = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frames.append(far.recv(2048))
        source = bytes.fromhex(mac(0).replace(":", ""))
        assert [f for f in frames if source in f[:12]] == []
        assert "canary" not in run("ip neigh show dev br-lan")
        assert source.hex(":") not in run("ip neigh")
        await disconnect()
        assert "canary0" not in run("ip link")
        far.close()

    body()


def test_a_port_that_is_gone_is_told(tmp_path: Path) -> None:
    @inside
    async def body() -> None:
        machine = Machine(bridged=False)
        machine.route("wan0")
        machine.plans = (ExitPlan(DEFAULT_EXIT, 0, active=TUNNEL),)
        run("ip link del wg0a")
        run("nft -f -", feed=LOCK)
        async with capturing(tmp_path) as process:
            made, identity = default(machine, process.socket)
            seen = await made.round(identity)
            assert seen.problem is not None
            assert "wg0a" in seen.problem
            assert {e.seen_in_tunnel for e in seen.evidence} == {None}
            assert check(seen).result == "unknown"
        with pytest.raises(UnavailableError):
            await made.round(identity)

    body()


def test_what_one_round_and_an_idle_hour_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A round has at most 18 probes; the process uses no time between two of them, and little memory."""

    @inside
    async def body() -> None:
        machine = Machine(bridged=True)
        machine.connect()
        async with capturing(tmp_path) as process:
            made, identity = default(machine, process.socket)
            seen = await made.round(identity)
            assert len(seen.evidence) == 18
            before, own = process.cpu(), resource.getrusage(resource.RUSAGE_THREAD)
            for _ in range(5):
                await made.round(identity)
            after = resource.getrusage(resource.RUSAGE_THREAD)
            capture = (process.cpu() - before) / 5
            netd = (after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime) / 5
            await until(process.at_rest)
            idle = process.cpu()
            await asyncio.sleep(2)
            assert process.cpu() == idle, "it sleeps"
            with capsys.disabled():
                print(f"\n  a round: {1000 * capture:.0f} ms of capture's CPU, {1000 * netd:.0f} ms of netd's;"
                      f" {process.memory() / 1e6:.1f} MB of memory")  # fmt: skip
            assert capture < 0.3
            assert netd < 0.6
            assert process.memory() < 12e6

    body()


def test_other_users_and_senseless_requests_are_refused(tmp_path: Path) -> None:
    @inside
    async def body() -> None:
        Machine(bridged=False)
        async with capturing(tmp_path) as process:
            capture = Capture(process.socket)
            tap = Tap("wan", "wan0", b"\x06\0\0\0\xff\xff\0\0")
            for taps, needles, frames, seconds in (
                ((), (), (), 1.0),
                ((tap,) * 60, (), (), 1.0),
                ((tap,), (b"x",), (), 1.0),
                ((tap,), (), (b"short",), 1.0),
                ((tap,), (), (), 60.0),
                ((Tap("wan", "wan0", b"x"),), (), (), 1.0),
            ):
                with pytest.raises(UnavailableError, match="refused"):
                    await capture.run(taps, needles, frames, seconds)
            assert (await capture.run((tap,), (), (), 0.1)).taps[0].error is None
            stranger = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('%s'); print(s.recv(9))"
            process.socket.chmod(0o666)
            tmp_path.chmod(0o755)
            done = run(
                f"setpriv --reuid=65534 --clear-groups {sys.executable} -c {stranger % process.socket!r}", check=False
            )
            assert done in {"b''\n", ""}

    body()


def test_a_proof_sees_what_a_browser_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.netd.canary.proofs.WATCH", 2.0)

    @inside
    async def body() -> None:
        machine = Machine(bridged=False)
        machine.connect()
        settings = SimpleNamespace(lan=LAN)
        async with capturing(tmp_path) as process:
            store = cast("Store", SimpleNamespace(settings=settings))
            proofs = Proofs(network=machine, store=store, capture=Capture(process.socket))
            start, get = (dict(proofs.handlers())[kind] for kind in (StartProof, GetProof))
            proof = await start(StartProof())
            assert proof.state == "watching"
            stun = next(p for p in proof.probes if p.kind == "stun" and p.family == 4)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                while (done := await get(GetProof(proof.id))).state == "watching":  # as a browser asks again and again
                    sock.sendto(b"a binding request", (stun.url.split(":")[1], 3478))
                    await asyncio.sleep(0.1)
            seen = [e for e in done.evidence if e.seen_in_tunnel]
            assert [(e.kind, e.family, e.seen_on_lan, e.seen_on_wan) for e in seen] == [("stun", 4, False, False)]

    body()
