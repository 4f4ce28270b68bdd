"""Real packets through a gateway of namespaces: every byte of each device is counted once, and nothing is ever stopped.

``phone`` and ``laptop`` hang on the gateway's bridge ``br0``; its other side, ``wg0a``, leads to ``net``, which echoes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import ipaddress
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from app.errors import KernelError
from app.network.accounting import TABLE, Accounting, interfaces, render
from app.statistics import ALL, Bytes, Reading, Subject, TrafficQuery
from app.store.database import Database
from app.store.traffic import TrafficLog
from app.tunnel.clock import boottime

pytestmark = pytest.mark.kernel

LAN = [ipaddress.ip_network("10.77.0.0/24"), ipaddress.ip_network("fd77::/64")]
MAC = {"phone": "02:00:00:00:77:01", "laptop": "02:00:00:00:77:02"}
ADDRESS = {"phone": ("10.77.0.11", "fd77::11"), "laptop": ("10.77.0.12", "fd77::12")}
NET = ("198.51.100.1", "2001:db8::1")
PHONE, LAPTOP = Subject("device", MAC["phone"]), Subject("device", MAC["laptop"])
PAYLOAD, PACKETS = 1000, 50
IPV4, IPV6 = PACKETS * (PAYLOAD + 28), PACKETS * (PAYLOAD + 48)

FIREWALL = """
table inet vpn_gateway {{ }}
delete table inet vpn_gateway
table inet vpn_gateway {{
    chain forward {{
        type filter hook forward priority filter; policy {policy};
    }}
}}
"""

_CLONE_NEWNET = 0x40000000


def run(*command, check=True, **options):
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30, **options)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done


class Net:
    def __init__(self, prefix):
        self.prefix = prefix
        self.names = [f"{prefix}{n}" for n in ("gw", "net", "phone", "laptop")]

    def ip(self, host, text):
        for line in text.strip().splitlines():
            run("ip", "-n", self.prefix + host, *line.split())

    def nft(self, text):
        run("ip", "netns", "exec", f"{self.prefix}gw", "nft", "-f", "-", input=text)

    def within(self, host, work):
        """``work()`` in a thread that is in ``host``'s network namespace; programs it starts are too."""
        result = {}

        def target():
            try:
                with Path(f"/run/netns/{self.prefix}{host}").open() as namespace:
                    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                result["value"] = work()
            except BaseException as error:
                result["error"] = error

        thread = threading.Thread(target=target)
        thread.start()
        thread.join(60)
        if "error" in result:
            raise result["error"]
        return result["value"]

    def gateway(self, work):
        """``await work(accounting)`` within the gateway."""
        return self.within("gw", lambda: asyncio.run(work))

    def up(self):
        for name in self.names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
            # An interface needs its link-local address to solicit neighbours, and nobody here has the same.
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        for host in ("phone", "laptop"):
            run("ip", "-n", f"{self.prefix}gw", "link", "add", f"p-{host}", "type", "veth", "peer", "name", "eth0",
                "netns", self.prefix + host)  # fmt: skip
            self.ip("gw", f"link set p-{host} up")
            four, six = ADDRESS[host]
            self.ip(host, f"link set eth0 address {MAC[host]} up\naddr add {four}/24 dev eth0\n"
                          f"addr add {six}/64 dev eth0 nodad\nroute add default via 10.77.0.1\n"
                          f"route add default via fd77::1")  # fmt: skip
        self.tunnel()
        self.bridge()
        run("ip", "netns", "exec", f"{self.prefix}gw", "sysctl", "-qw",
            "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")  # fmt: skip

    def bridge(self):
        self.ip("gw", "link add br0 type bridge mcast_snooping 0\nlink set br0 up\nlink set p-phone master br0\n"
                      "link set p-laptop master br0\naddr add 10.77.0.1/24 dev br0\n"
                      "addr add fd77::1/64 dev br0 nodad")  # fmt: skip

    def tunnel(self):
        run("ip", "-n", f"{self.prefix}gw", "link", "add", "wg0a", "type", "veth", "peer", "name", "eth0",
            "netns", f"{self.prefix}net")  # fmt: skip
        self.ip("gw", "link set wg0a up\naddr add 198.51.100.2/24 dev wg0a\n"
                      "addr add 2001:db8::2/64 dev wg0a nodad")  # fmt: skip
        self.ip("net", f"link set eth0 up\naddr add {NET[0]}/24 dev eth0\n"
                       f"addr add {NET[1]}/64 dev eth0 nodad\nroute add 10.77.0.0/24 via 198.51.100.2\n"
                       "route add fd77::/64 via 2001:db8::2")  # fmt: skip

    def down(self):
        for name in self.names:
            run("ip", "netns", "del", name, check=False)

    @contextlib.contextmanager
    def echo(self):
        """UDP port 7 of ``net``, of the gateway and of the laptop sends everything back."""
        places = [("net", NET[0]), ("net", NET[1]), ("gw", "10.77.0.1"), ("gw", "fd77::1"), ("laptop", "10.77.0.12")]
        sockets = [self.within(host, lambda a=address: _bound(a)) for host, address in places]

        def serve(listener):
            while True:
                data, sender = listener.recvfrom(65536)
                if not data:
                    return
                with contextlib.suppress(OSError):
                    listener.sendto(data, sender)

        threads = [threading.Thread(target=serve, args=(s,), daemon=True) for s in sockets]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for host, address in places:
                self.within(host, lambda a=address: _send_once(a, b""))
            for thread, listener in zip(threads, sockets, strict=True):
                thread.join(10)
                listener.close()

    def talk(self, host, version=4, packets=PACKETS, address=None):
        """Send ``packets`` to ``net`` and return how many came back."""
        address = address or NET[0 if version == 4 else 1]
        return self.within(host, lambda: _exchange(address, packets))


def _bound(address):
    listener = socket.socket(_family(address), socket.SOCK_DGRAM)
    listener.bind((address, 7))
    return listener


def _family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _send_once(address, data):
    with socket.socket(_family(address), socket.SOCK_DGRAM) as sender:
        sender.sendto(data, (address, 7))


def _exchange(address, packets):
    came_back = missed = 0
    with socket.socket(_family(address), socket.SOCK_DGRAM) as sender:
        while came_back + missed < packets and missed < 3:
            sender.settimeout(5 if packets > 3 else 0.3)
            try:
                sender.sendto(bytes(PAYLOAD), (address, 7))
                sender.recvfrom(65536)
                came_back += 1
            except OSError:
                missed += 1
    return came_back


@pytest.fixture
def net():
    net = Net(f"acc{os.getpid()}-")
    try:
        net.up()
        with net.echo():
            yield net
    finally:
        net.down()


class Meter:
    """An ``Accounting`` in the gateway, and a log of what it reads."""

    def __init__(self, net, database, **options):
        self.net = net
        self.accounting = Accounting(flowtable=options.pop("flowtable", False), **options)
        self.log = TrafficLog(database)
        self.log.load()

    def install(self):
        self.net.gateway(self.accounting.install(["br0"], LAN))

    def read(self):
        counters = self.net.gateway(self.accounting.read(["default"]))
        self.log.observe(Reading(time.time(), boottime(), counters))
        return counters

    def sum(self, subject):
        return self.log.series(TrafficQuery(subject, 7200, "minute")).sum


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "statistics.sqlite")
    database.open()
    yield database
    database.close()


@pytest.fixture
def meter(net, database):
    meter = Meter(net, database)
    meter.install()
    meter.read()
    return meter


def test_every_byte_of_each_device_once_in_both_families(net, meter):
    assert net.talk("phone") == PACKETS
    assert net.talk("phone", 6) == PACKETS
    assert net.talk("laptop") == PACKETS
    meter.read()
    assert meter.sum(PHONE) == Bytes(IPV4 + IPV6, IPV4 + IPV6)
    assert meter.sum(LAPTOP) == Bytes(IPV4, IPV4)
    assert meter.sum(ALL) == Bytes(2 * IPV4 + IPV6, 2 * IPV4 + IPV6)
    exit_ = meter.sum(Subject("exit", "default"))
    assert exit_.up >= 2 * IPV4 + IPV6
    assert exit_.down >= 2 * IPV4 + IPV6


def test_what_stays_in_the_lan_or_ends_at_the_gateway_is_not_counted(net, meter):
    for address in ("10.77.0.1", "fd77::1", ADDRESS["laptop"][0]):
        assert net.talk("phone", address=address) == PACKETS
    meter.read()
    assert [meter.sum(s) for s in (PHONE, LAPTOP, ALL)] == [Bytes()] * 3


def test_what_the_firewall_stops_is_stopped_and_not_counted(net, meter):
    net.nft(FIREWALL.format(policy="drop"))
    assert net.talk("phone", packets=3) == 0
    meter.read()
    assert [meter.sum(s) for s in (PHONE, ALL)] == [Bytes()] * 2
    net.nft("delete table inet vpn_gateway")
    assert net.talk("phone", packets=3) == 3
    meter.read()
    assert meter.sum(PHONE) == Bytes(3 * 1028, 3 * 1028)


def test_replacing_the_firewall_and_installing_again_keeps_the_counts(net, meter):
    for _ in range(5):
        net.nft(FIREWALL.format(policy="accept"))
        meter.install()
        assert net.talk("phone", packets=10) == 10
    before = meter.read()
    meter.install()
    assert [c for c in meter.read() if c.subject.kind != "exit"] == [c for c in before if c.subject.kind != "exit"]
    assert meter.sum(PHONE) == Bytes(50 * 1028, 50 * 1028)


def test_flushed_tables_are_noticed_and_the_sums_go_on(net, meter):
    net.talk("phone")
    meter.read()
    net.nft("flush ruleset")
    with pytest.raises(KernelError):
        meter.read()
    meter.install()
    net.talk("phone", packets=2 * PACKETS)  # more than the old table ever held
    meter.read()
    assert meter.sum(PHONE) == Bytes(3 * IPV4, 3 * IPV4)


def test_traffic_while_netd_is_down_is_found_at_its_next_start(net, meter, database):
    net.talk("phone")
    meter.read()
    meter.log.flush()
    net.talk("phone")
    successor = Meter(net, database)
    successor.install()
    successor.read()
    assert successor.sum(PHONE) == Bytes(2 * IPV4, 2 * IPV4)


def test_a_tunnel_made_anew_counts_on(net, meter):
    net.talk("phone")
    meter.read()
    first = meter.sum(Subject("exit", "default")).up
    net.ip("gw", "link del wg0a")
    net.tunnel()
    # The echo sockets stay bound to addresses that are back.
    assert net.talk("phone") == PACKETS
    meter.read()
    second = meter.sum(Subject("exit", "default")).up
    assert second - first >= IPV4
    assert second < 3 * IPV4


def test_a_lan_interface_that_goes_and_comes_is_counted_again(net, meter):
    net.talk("phone")
    net.ip("gw", "link del br0")
    with contextlib.suppress(KernelError):  # before Linux 6.16 a chain cannot wait for its interface
        meter.install()
    net.bridge()
    meter.install()
    assert net.talk("phone") == PACKETS
    meter.read()
    assert meter.sum(PHONE) == Bytes(2 * IPV4, 2 * IPV4)


def test_more_devices_than_fit_pass_and_are_in_the_total(net, database):
    meter = Meter(net, database, max_devices=1)
    meter.install()
    meter.read()
    assert net.talk("phone") == PACKETS
    assert net.talk("laptop") == PACKETS
    meter.read()
    assert meter.sum(PHONE) == Bytes(IPV4, IPV4)
    assert meter.sum(LAPTOP) == Bytes()
    assert meter.sum(ALL) == Bytes(2 * IPV4, 2 * IPV4)


def test_with_the_counters_for_a_flowtable_each_byte_is_still_counted_once(net, database):
    meter = Meter(net, database, flowtable=True)
    meter.install()
    meter.read()
    net.talk("phone")
    counters = {c.source.rsplit("/", 1)[1]: c.value for c in meter.read() if c.subject == PHONE}
    assert counters == {"up": IPV4, "down": IPV4, "arriving": IPV4, "remaining": IPV4}
    assert meter.sum(PHONE) == Bytes(IPV4, IPV4)


def test_what_a_flowtable_takes_past_the_forward_hook_is_counted(net, database):
    """A stand-in for the flowtable, which this kernel may not have: a redirect on ingress, where a flowtable sits.

    It takes the phone's packets off the stack between the two counters, as an established flow's would be.
    """
    meter = Meter(net, database, flowtable=True)
    meter.install()
    meter.read()
    mac = run("ip", "-n", f"{net.prefix}net", "-br", "link", "show", "eth0").stdout.split()[2]
    net.nft(
        "add table netdev shortcut\n"
        'add chain netdev shortcut take { type filter hook ingress device "br0" priority 0; policy accept; }\n'
        f"add rule netdev shortcut take ip saddr {ADDRESS['phone'][0]} ip daddr {NET[0]} ether daddr set {mac}"
        ' fwd to "wg0a"\n'
    )
    assert net.talk("phone") == PACKETS
    counters = {c.source.rsplit("/", 1)[1]: c.value for c in meter.read() if c.subject == PHONE}
    assert counters["arriving"] == IPV4
    assert "up" not in counters
    assert meter.sum(PHONE) == Bytes(IPV4, IPV4)


def test_a_change_of_version_begins_the_tables_anew(net, meter):
    net.nft(f"delete table inet {TABLE}\nadd table inet {TABLE}\n"
            f"add set inet {TABLE} up_devices {{ type ipv4_addr; }}")  # fmt: skip
    meter.install()
    meter.read()
    net.talk("phone")
    meter.read()
    assert meter.sum(PHONE) == Bytes(IPV4, IPV4)


def test_removing_leaves_nothing(net, meter):
    net.gateway(meter.accounting.remove())
    net.gateway(meter.accounting.remove())
    listing = run("ip", "netns", "exec", f"{net.prefix}gw", "nft", "list", "tables").stdout
    assert TABLE not in listing


def test_nothing_in_it_stops_a_packet():
    for flowtable in (False, True):
        text = render(["br0", "eth1"], LAN, flowtable=flowtable)
        assert "policy accept" in text
        assert not {"drop", "reject", "policy drop", "return", "jump", "queue"} & set(text.replace(";", " ").split())


def test_reading_a_full_table_is_cheap(net, meter):
    elements = ", ".join(f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}" for n in range(1000))
    net.nft(f"add element inet {TABLE} up_devices {{ {elements} }}\n"
            f"add element netdev {TABLE} down_devices {{ {elements} }}")  # fmt: skip

    async def timed():
        started = time.perf_counter()
        for _ in range(5):
            counters = await meter.accounting.read(["default"])
        return len(counters), (time.perf_counter() - started) / 5

    count, seconds = net.gateway(timed())
    assert count >= 2000
    print(f"{count} counters read in {seconds * 1000:.1f} ms")
    assert seconds < 1.0


def test_interfaces_are_read_of_this_namespace(net):
    assert {"lo", "br0", "wg0a"} <= set(net.within("gw", interfaces))
    assert "br0" not in interfaces()
