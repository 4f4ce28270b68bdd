"""Real packets through a gateway of namespaces: every byte of each device is counted once, and nothing is ever stopped.

The place is that of :mod:`tests.support.echo_net`.
"""

from __future__ import annotations

import contextlib
import os
import time

import pytest

from app.errors import KernelError
from app.network.accounting import TABLE, Accounting, interfaces, render
from app.protocol.statistics import ALL, Bytes, Reading, Subject, TrafficQuery
from app.store.database import Database
from app.store.traffic import TrafficLog
from app.tunnel.clock import boottime
from tests.support.echo_net import ADDRESS, LAN, MAC, NET, PACKETS, PAYLOAD, Net, run

pytestmark = pytest.mark.kernel

PHONE, LAPTOP = Subject("device", MAC["phone"]), Subject("device", MAC["laptop"])
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


def test_traffic_within_the_lan_or_to_the_gateway_is_not_counted(net, meter):
    for address in ("10.77.0.1", "fd77::1", ADDRESS["laptop"][0]):
        assert net.talk("phone", address=address) == PACKETS
    meter.read()
    assert [meter.sum(s) for s in (PHONE, LAPTOP, ALL)] == [Bytes()] * 3


def test_traffic_that_the_firewall_drops_is_not_counted(net, meter):
    net.nft(FIREWALL.format(policy="drop"))
    assert net.talk("phone", packets=3) == 0
    meter.read()
    assert [meter.sum(s) for s in (PHONE, ALL)] == [Bytes()] * 2
    net.nft("delete table inet vpn_gateway")
    assert net.talk("phone", packets=3) == 3
    meter.read()
    assert meter.sum(PHONE) == Bytes(3 * 1028, 3 * 1028)


def test_counts_survive_a_new_ruleset_and_a_second_install(net, meter):
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


def test_a_recreated_tunnel_keeps_counting(net, meter):
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


def test_flowtable_counters_count_each_byte_once(net, database):
    meter = Meter(net, database, flowtable=True)
    meter.install()
    meter.read()
    net.talk("phone")
    counters = {c.source.rsplit("/", 1)[1]: c.value for c in meter.read() if c.subject == PHONE}
    assert (counters["up"], counters["down"]) == (IPV4, IPV4)
    assert counters["arriving"] == counters["remaining"] >= IPV4  # with what the phone says to its neighbours
    assert meter.sum(PHONE) == Bytes(IPV4, IPV4)


def test_packets_that_a_flowtable_forwards_are_counted(net, database):
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
    assert counters["arriving"] - counters.get("remaining", 0) == IPV4
    assert "up" not in counters
    assert meter.sum(PHONE) == Bytes(IPV4, IPV4)


def test_a_change_of_version_recreates_the_tables(net, meter):
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
