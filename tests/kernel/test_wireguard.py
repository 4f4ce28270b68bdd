"""Both backends, as far as this kernel has them, against wireguard-go in another namespace; ``wg`` is the witness."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from app.errors import KernelError
from app.keys import generate
from app.model import Secret
from app.network.wireguard.choose import choose_backend
from app.network.wireguard.kernel import KernelBackend, kernel_has_wireguard
from app.network.wireguard.types import DeviceConfig, PeerConfig
from app.network.wireguard.userspace import UserspaceBackend
from tests.kernel.namespace import inside, neighbour, run, until

pytestmark = pytest.mark.kernel


def keys():
    """(private, public) of a fresh pair."""
    pair = generate()
    return pair.private_key.reveal(), pair.public_key


@inside
async def _look():
    BACKENDS.append(UserspaceBackend)
    if await kernel_has_wireguard():
        BACKENDS.append(KernelBackend)


# Without the module only wireguard-go is tried here; the booted image is tested with its kernel's own.
BACKENDS = []
_look()
either = pytest.mark.parametrize("make", BACKENDS)

OURS, OUR_PUBLIC = keys()
THEIRS, THEIR_PUBLIC = keys()
SHARED = keys()[0]
ALL4, ALL6 = ip_network("0.0.0.0/0"), ip_network("::/0")


def device(*peers, mark=0x20, port=None):
    return DeviceConfig(Secret(OURS), mark, port, peers)


def peer(public=THEIR_PUBLIC, endpoint="10.9.0.2", port=51820, allowed=(ALL4, ALL6), shared=SHARED, keepalive=0):
    to = (ip_address(endpoint), port) if endpoint else None
    return PeerConfig(public, Secret(shared) if shared else None, to, tuple(allowed), keepalive)


def serve(host):
    """Set up the other end: 10.9.0.2 and .3 outside, 10.8.0.1 inside."""
    run("ip addr add 10.9.0.1/24 dev wan0")
    host.run("ip addr add 10.9.0.2/24 dev eth0")
    host.run("ip addr add 10.9.0.3/24 dev eth0")
    host.run("wireguard-go server")
    host.run("wg set server listen-port 51820 private-key /dev/stdin", feed=THEIRS)
    shared = f"wg set server peer {OUR_PUBLIC} allowed-ips 10.8.0.2/32 preshared-key /dev/stdin"
    host.run(shared, feed=SHARED)
    host.run("ip addr add 10.8.0.1/24 dev server")
    host.run("ip link set server up")


def dump():
    """The interface's own line, and the peers', as wg(8) shows them."""
    first, *rest = [line.split("\t") for line in run("wg show wg0a dump").splitlines()]
    return first, rest


def processes(name):
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
                same = (path / "ns/net").stat().st_ino == os.stat("/proc/thread-self/ns/net").st_ino
            except OSError:
                continue
            if same and b"wireguard-go" in words[0] and name.encode() in words:
                found.append(int(path.name))
    return found


async def up(backend, config):
    await backend.create("wg0a")
    run("ip addr add 10.8.0.2/32 dev wg0a")
    run("ip link set wg0a up")
    run("ip route replace 10.8.0.1/32 dev wg0a")
    await backend.configure("wg0a", config)


def ping():
    """Send a packet through the tunnel and receive the other end's answer (port unreachable)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)  # WireGuard retries a lost handshake only every 5 s
        sock.connect(("10.8.0.1", 7))
        sock.send(b"?" * 100)
        with pytest.raises(ConnectionRefusedError):
            sock.recv(1)


async def handshake(backend):
    ping()
    (seen,) = (await backend.stats("wg0a")).peers
    assert seen.latest_handshake is not None
    return seen


@either
@inside
async def test_a_tunnel_carries_packets_and_reports_counters(make):
    with neighbour() as host:
        serve(host)
        backend = make()
        await up(backend, device(peer()))
        before = (await backend.stats("wg0a")).peers[0]
        assert before.latest_handshake is None
        assert before.endpoint == (ip_address("10.9.0.2"), 51820)
        await backend.configure("wg0a", device(peer(keepalive=25)))
        seen = await handshake(backend)
        assert abs(seen.latest_handshake - float(run("date +%s"))) < 10
        assert seen.rx_bytes > 100
        assert seen.tx_bytes > 100
        assert seen.public_key == THEIR_PUBLIC
        ((private, public, _, mark), ((_, shared, endpoint, allowed, *_, keepalive),)) = dump()
        assert (private, public, shared, mark, keepalive) == (OURS, OUR_PUBLIC, SHARED, "0x20", "25")
        assert (endpoint, allowed) == ("10.9.0.2:51820", "0.0.0.0/0,::/0")


@either
@inside
async def test_configure_replaces_the_whole_configuration(make):
    backend = make()
    other = keys()[1]
    await backend.create("wg0a")
    await backend.configure("wg0a", device(peer(keepalive=25), peer(other, allowed=[ip_network("10.0.0.0/8")]), port=5))
    assert {p.public_key for p in (await backend.stats("wg0a")).peers} == {THEIR_PUBLIC, other}
    narrow = peer(allowed=[ip_network("10.1.0.0/16")], shared=None, endpoint=None)
    await backend.configure("wg0a", device(narrow, mark=0x99, port=4444))
    ((_, _, port, mark), (line,)) = dump()
    assert (port, mark) == ("4444", "0x99")
    assert line == [THEIR_PUBLIC, "(none)", "(none)", "10.1.0.0/16", "0", "0", "0", "off"]
    await backend.configure("wg0a", device(mark=0))
    stats = await backend.stats("wg0a")
    assert (stats.fwmark, stats.peers) == (0, ())


def udp_socket(port):
    """What /proc/net/udp has of the IPv4 socket on ``port``, its inode among it: it changes with each new socket."""
    lines = [line.split() for line in Path("/proc/thread-self/net/udp").read_text().splitlines()[1:]]
    (found,) = [words for words in lines if int(words[1].rpartition(":")[2], 16) == port]
    return found[1], found[9]


@either
@inside
async def test_the_socket_stays_while_the_port_is_the_same(make):
    """Else what arrives between two sockets is lost, and the other end gets an ICMP error in the clear."""
    backend = make()
    await backend.create("wg0a")
    run("ip link set wg0a up")
    await backend.configure("wg0a", device(peer()))
    port = (await backend.stats("wg0a")).listen_port
    before = udp_socket(port)
    await backend.configure("wg0a", device(peer(shared=None), port=port))
    assert udp_socket(port) == before
    await backend.configure("wg0a", device(peer(), port=40001))
    assert udp_socket(40001) != before
    assert (await backend.stats("wg0a")).listen_port == 40001
    await backend.remove("wg0a")


@either
@inside
async def test_a_peer_is_pointed_elsewhere_within_its_session(make):
    with neighbour() as host:
        serve(host)
        backend = make()
        await up(backend, device(peer()))
        before = await handshake(backend)
        await backend.set_endpoint("wg0a", THEIR_PUBLIC, ip_address("10.9.0.3"), 51820)
        host.run("ip addr del 10.9.0.2/24 dev eth0")  # the new way is the only one
        host.run("ip addr replace 10.9.0.3/24 dev eth0")
        ping()
        after = (await backend.stats("wg0a")).peers[0]
        assert after.latest_handshake == before.latest_handshake
        assert after.endpoint == (ip_address("10.9.0.3"), 51820)
        assert after.rx_bytes > before.rx_bytes
        await backend.set_endpoint("wg0a", keys()[1], ip_address("10.9.0.3"), 1)  # of a removed peer: not recreated
        assert len((await backend.stats("wg0a")).peers) == 1


@either
@inside
async def test_hundreds_of_allowed_ips(make):
    backend = make()
    many = [ip_network((0x0A000000 + (i << 8), 24)) for i in range(2000)]
    await backend.create("wg0a")
    await backend.configure("wg0a", device(peer(allowed=many)))
    assert (await backend.stats("wg0a")).peers[0].public_key == THEIR_PUBLIC
    assert len(dump()[1][0][3].split(",")) == 2000


@either
@inside
async def test_creating_and_removing_are_idempotent(make):
    backend = make()
    assert await backend.stats("wg0a") is None
    assert await backend.names() == set()
    await backend.create("wg0a")
    first = socket.if_nametoindex("wg0a")
    await backend.create("wg0a")
    assert socket.if_nametoindex("wg0a") == first
    await backend.create("wg12b")
    run("ip link add other type veth peer name wgx")
    assert await backend.names() == {"wg0a", "wg12b"}
    for _ in range(2):
        await backend.remove("wg0a")
    assert await backend.names() == {"wg12b"}
    await until(lambda: not processes("wg0a"))
    assert await backend.stats("wg0a") is None
    with pytest.raises(KernelError):
        await backend.configure("wg0a", device(peer()))


@either
@inside
async def test_an_interface_deleted_and_made_again_at_once_works(make):
    """The process of the old one removes its socket at its end, which must not be the new one's."""
    backend = make()
    for _ in range(15):
        await backend.create("wg0a")
        await backend.configure("wg0a", device(peer()))
        run("ip link del wg0a")
    await backend.create("wg0a")
    await until(lambda: len(processes("wg0a")) == (backend.kind == "userspace"))
    await backend.configure("wg0a", device(peer()))
    assert dump()[0][0] == OURS


@inside
async def test_leftovers_of_a_killed_process_are_removed():
    backend = UserspaceBackend()
    await backend.create("wg0a")
    (pid,) = processes("wg0a")
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not Path("/sys/class/net/wg0a").exists())
    assert Path("/run/wireguard/wg0a.sock").exists()
    assert await backend.stats("wg0a") is None
    await backend.create("wg0a")
    await backend.configure("wg0a", device(peer()))
    assert await backend.stats("wg0a") is not None


@either
@inside
async def test_a_foreign_interface_with_a_managed_name_is_replaced(make):
    run("ip link add wg0a type veth peer name elsewhere")
    backend = make()
    await backend.create("wg0a")
    assert await backend.stats("wg0a") is not None
    assert "veth" not in run("ip -d link show wg0a")
    assert not Path("/sys/class/net/elsewhere").exists()


@inside
async def test_the_tunnel_outlives_netd_and_is_adopted_by_the_next():
    with neighbour() as host:
        serve(host)
        program = (
            "import asyncio\n"
            "from app.network.wireguard.userspace import UserspaceBackend\n"
            "asyncio.run(UserspaceBackend().create('wg0a'))\n"
        )
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], check=True, timeout=30)
        (pid,) = processes("wg0a")
        backend = UserspaceBackend()
        await up(backend, device(peer()))
        seen = await handshake(backend)
        assert processes("wg0a") == [pid]
        again = UserspaceBackend()
        await again.create("wg0a")
        assert (await again.stats("wg0a")).peers[0].latest_handshake == seen.latest_handshake


@either
@inside
async def test_no_key_is_shown_by_values_or_errors(make):
    config = device(peer())
    shown = repr(config)
    with pytest.raises(KernelError) as refused:
        await make().configure("wg0a", config)
    backend = make()
    await backend.create("wg0a")
    await backend.configure("wg0a", config)
    shown += str(refused.value) + repr(await backend.stats("wg0a"))
    for secret in (OURS, SHARED, OURS[:-1], SHARED[:12]):
        assert secret not in shown


@inside
async def test_the_backend_is_chosen_by_what_the_kernel_can_do():
    backend = await choose_backend()
    possible = subprocess.run(["ip", "link", "add", "probe", "type", "wireguard"], check=False).returncode == 0
    assert backend.kind == ("kernel" if possible else "userspace")
    assert "wgprobe" not in run("ip link")
