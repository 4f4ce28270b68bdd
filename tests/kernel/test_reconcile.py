"""The reconciler in a kernel of its own: plans applied, drift of every kind put back, refusals that open nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import msgspec
import pytest

from app.errors import KernelError
from app.model import LanLink, Links
from app.network.netlink_raw import NETLINK_ROUTE, NLM_F_ACK, attribute, attributes, exchange
from app.network.plan import RULE_LAST, LinkPlan, NetworkPlan, RoutePlan, RulePlan
from app.network.planner import plan as planned
from app.network.reconcile import Reconciler
from app.network.wireguard.userspace import UserspaceBackend
from tests.kernel.namespace import Recorder, inside, run, until
from tests.unit.network.scenarios import default_exit, inputs

pytestmark = pytest.mark.kernel

LAN4, LAN6 = ip_interface("192.168.77.1/24"), ip_interface("fd77::1/64")
AWAY = Links(None, (LanLink("br-lan"),), expected="wan")
EMPTY = NetworkPlan("table inet vpn_gateway { }\ndelete table inet vpn_gateway\n", (), (), (), (), ())
LAST = 2**32 - 1


def ruleset(*rules, counters=("test",)):
    lines = [f"\tcounter drop_{name} {{ }}" for name in counters]
    lines += ["\tset some { typeof ip daddr; elements = { 10.3.0.1, 10.1.0.1, 10.2.0.1 } }"]
    lines += ["\tchain forward { type filter hook forward priority 0; policy drop; }"]
    lines += ["\tchain output {", "\t\ttype filter hook output priority 0; policy accept;"]
    lines += [f"\t\t{rule}" for rule in rules] + ["\t}"]
    table = "table inet vpn_gateway"
    return f"{table} {{ }}\ndelete {table}\n{table} {{\n" + "\n".join(lines) + "\n}\n"


def stop(table, family):
    return RoutePlan(table, family, ip_network("0.0.0.0/0" if family == 4 else "::/0"), kind="unreachable", metric=LAST)


def default(name, family, table=7100):
    return RoutePlan(table, family, ip_network("0.0.0.0/0" if family == 4 else "::/0"), oif=name)


def plan(active="wg0a", links=("wg0a",), text=None, sysctls=()):
    """Everything a plan can hold, for one exit whose devices leave by ``active``."""
    rules, routes = [], []
    for family in (4, 6):
        rules += [
            RulePlan(10000, family, 7001, dst=(LAN4 if family == 4 else LAN6).network),
            RulePlan(10010, family, 254, iif="lo", fwmark=0x20),
            RulePlan(10020, family, 254, iif="lo", ip_proto=17, sport=68, dport=67),
            RulePlan(10025, family, 254, iif="lo", oif="wan0"),
            RulePlan(10200, family, 7100, fwmark=0x100),
            RulePlan(10300, family, 7001, iif="lan0"),
            RulePlan(10400, family, None, iif="lan0", action="unreachable"),
            RulePlan(10500, family, 254, suppress_prefixlength=0),
            RulePlan(RULE_LAST, family, None, action="unreachable"),
        ]
        routes += [stop(7001, family), stop(7100, family)]
        routes.append(RoutePlan(7001, family, (LAN4 if family == 4 else LAN6).network, oif="lan0"))
        if active:
            routes.append(default(active, family))
    routes.append(RoutePlan(7000, 4, ip_network("0.0.0.0/0"), oif="wan0", gateway=ip_address("10.9.0.254")))
    return NetworkPlan(
        ruleset=ruleset("ip daddr @some accept") if text is None else text,
        rules=tuple(rules),
        routes=tuple(routes),
        links=tuple(LinkPlan(name, (ip_interface("10.8.0.2/32"), ip_interface("fd08::2/128")), 1380) for name in links),
        lan_addresses=(("lan0", LAN4), ("lan0", LAN6)),
        sysctls=(
            ("net/ipv4/ip_forward", "1"),
            ("net/ipv6/conf/all/forwarding", "1"),
            ("net/ipv4/conf/lan0/rp_filter", "1"),
            *((f"net/ipv4/conf/{name}/rp_filter", "0") for name in links),
            ("net/ipv4/conf/not_there/rp_filter", "1"),
            *sysctls,
        ),
    )


def ports():
    for name in ("lan0", "wan0"):
        run(f"ip link add {name} type veth peer name {name}-far")
        run(f"ip link set {name}-far up")
    run("ip link set wan0 up")
    run("ip addr add 10.9.0.1/24 dev wan0")


def settled():
    """Whether the kernel has nothing more to tell by itself: all links have their carrier and a link-local address."""
    links = [link for link in json.loads(run("ip -j address")) if link["ifname"] != "lo"]
    carried = all(link["operstate"] in {"UP", "UNKNOWN"} for link in links)
    local = [[a for a in link["addr_info"] if a["scope"] == "link" and not a.get("tentative")] for link in links]
    return carried and all(local)


class Drifts:
    """A queue of the reports that ``on_drift`` receives."""

    def __init__(self):
        self.reports = asyncio.Queue()

    def __call__(self, news):
        self.reports.put_nowait(news)

    async def next(self, seconds=15.0):
        return await asyncio.wait_for(self.reports.get(), seconds)

    def rest(self):
        """Those that have come and that nobody has taken."""
        return [self.reports.get_nowait() for _ in range(self.reports.qsize())]


@contextlib.asynccontextmanager
async def watched(first):
    drifts = Drifts()
    reconciler = Reconciler(UserspaceBackend(), on_drift=drifts)
    await reconciler.apply(first)
    task = asyncio.create_task(reconciler.run())
    try:
        await asyncio.sleep(0)
        yield reconciler, drifts
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def reconciler():
    return Reconciler(UserspaceBackend(), on_drift=lambda _: None)


# --- applying --------------------------------------------------------------------------------------------------------


@inside
async def test_a_plan_becomes_kernel_state_seen_by_standard_tools():
    ports()
    one = reconciler()
    await one.apply(plan())
    assert await one.verify() == ()
    assert one.attestation.ok
    rules = run("ip rule").splitlines()
    assert "10010:\tfrom all fwmark 0x20 iif lo lookup main" in rules
    assert "10020:\tfrom all iif lo ipproto udp sport 68 dport 67 lookup main" in rules
    assert "10400:\tfrom all iif lan0 unreachable" in rules
    assert "10500:\tfrom all lookup main suppress_prefixlength 0" in rules
    assert "10000:\tfrom all to fd77::/64 lookup 7001" in run("ip -6 rule").splitlines()
    assert run("ip route show table 7100").split("\n")[0].split() == "default dev wg0a proto 86 scope link".split()
    assert "unreachable default proto 86 metric 4294967295" in run("ip route show table 7100")
    assert "default dev wg0a proto 86 metric 1024" in run("ip -6 route show table 7100")
    assert "default via 10.9.0.254 dev wan0 proto 86 onlink" in run("ip route show table 7000")
    tunnel = run("ip addr show wg0a")
    assert "mtu 1380" in tunnel
    assert "inet 10.8.0.2/32" in tunnel
    assert "noprefixroute" in tunnel
    assert "nodad" in tunnel
    assert "10.8.0.2" not in run("ip route show table main")
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == "1\n"
    assert "drop_test" in run("nft list ruleset")


@inside
async def test_a_returning_wan_accepts_its_default_route_at_once():
    """Its DHCP client sets the route as soon as it has an address, and where the kernel refuses it, not again."""
    run("ip link add br-lan type bridge")
    one = reconciler()
    await one.apply(planned(msgspec.structs.replace(inputs(default_exit()), links=AWAY)))
    assert one.attestation.ok
    run("ip link add wan type veth peer name wan-far")
    run("ip link set wan-far up")
    run("ip link set wan up")
    run("ip addr add 192.0.2.7/24 dev wan")
    run("ip route add default via 192.0.2.1 dev wan")
    assert "default via 192.0.2.1 dev wan" in run("ip route")
    # The control: of another name the kernel refuses it.
    run("ip link add other type veth peer name other-far")
    run("ip link set other-far up")
    run("ip link set other up")
    run("ip addr add 198.51.100.7/24 dev other")
    with pytest.raises(AssertionError, match="invalid gateway"):
        run("ip route add default via 198.51.100.1 dev other metric 50")


@inside
async def test_applying_a_plan_twice_sends_the_kernel_nothing():
    ports()
    one = reconciler()
    await one.apply(plan())
    await until(settled)
    recorder = Recorder()
    await one.apply(plan())
    assert await one.verify() == ()
    assert recorder.heard() == []
    await one.apply(plan(active=None))
    assert recorder.heard() != []  # the recorder does hear
    recorder.close()


@inside
async def test_an_empty_plan_removes_all_managed_state_and_only_that():
    ports()
    run("ip route add 10.44.0.0/16 dev wan0 table 99")
    run("ip rule add pref 20000 lookup 99")
    before = [run(c) for c in ("ip rule", "ip -6 rule", "ip route show table all", "ip link")]
    one = reconciler()
    await one.apply(plan(links=("wg0a", "wg3b")))
    await one.apply(EMPTY)
    assert await one.verify() == ()
    assert "wg" not in run("ip link")
    assert run("nft list ruleset") == ""
    after = [run(c) for c in ("ip rule", "ip -6 rule", "ip route show table 7000", "ip route show table 99", "ip link")]
    assert after[0] == before[0]
    assert after[1] == before[1]
    assert after[2:4] == ["", "10.44.0.0/16 dev wan0 scope link \n"]
    assert "192.168.77.1" not in run("ip addr")


@inside
async def test_restarted_netd_removes_the_previous_ones_leftovers():
    ports()
    await reconciler().apply(plan(links=("wg0a", "wg7b")))
    run("ip rule add pref 10777 lookup 99")
    run("ip route add 10.66.0.0/16 dev wan0 table 7150")
    moved = msgspec.structs.replace(plan(), lan_addresses=(("lan0", ip_interface("192.168.77.9/24")),))
    two = reconciler()
    await two.apply(moved)
    assert await two.verify() == ()
    assert "wg7b" not in run("ip link")
    assert "10777" not in run("ip rule")
    assert run("ip route show table 7150") == ""
    lan = run("ip addr show lan0")
    assert "192.168.77.9/24" in lan  # also after the address went whose secondary it was
    assert "192.168.77.1/24" not in lan
    assert "fd77::1" not in lan


@inside
async def test_a_tunnel_with_new_addresses_keeps_all_of_them():
    ports()
    one = reconciler()
    await one.apply(plan())
    new = (ip_interface("10.8.0.3/24"), ip_interface("10.8.0.4/24"), ip_interface("fe80::8/64"))
    for addresses in (new, new[1:], new):
        await one.apply(msgspec.structs.replace(plan(), links=(LinkPlan("wg0a", addresses, 1280),)))
        assert await one.verify() == ()


@inside
async def test_a_switch_leaves_no_moment_without_a_route():
    ports()
    one = reconciler()
    both = ("wg0a", "wg0b")
    await one.apply(plan(links=both))
    indices = {socket.if_nametoindex(name) for name in both}
    seen, done, failures = [], threading.Event(), []

    def look():
        body = struct.pack("=BBBBBBBBI", socket.AF_INET, 32, 0, 0, 0, 0, 0, 0, 0)
        body += attribute(1, socket.inet_aton("203.0.113.1")) + attribute(16, struct.pack("=I", 0x100))
        while not done.is_set():
            try:
                (answer,) = exchange(NETLINK_ROUTE, 26, NLM_F_ACK, body)
                seen.append(struct.unpack("=I", attributes(answer[12:])[4])[0])
            except OSError as error:
                failures.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(20):
        await one.apply(plan(active="wg0b", links=both))
        await one.apply(plan(active="wg0a", links=both))
    done.set()
    thread.join()
    assert failures == []
    assert set(seen) == indices
    assert len(seen) > 200


@inside
async def test_foreign_rules_and_routes_are_removed_one_by_one():
    """Those of a plan that look like them stay, also at the same priority."""
    ports()
    one = reconciler()
    await one.apply(plan())
    for command in (
        "ip rule add pref 0 from 10.0.0.0/8 lookup 99",
        "ip rule add pref 50 lookup 99",
        "ip rule add not fwmark 0x100 pref 10200 lookup main",
        "ip rule add pref 10010 fwmark 0x20/0xff iif lo lookup main",
        "ip rule add pref 10020 iif lo ipproto udp sport 60-70 dport 67 lookup main",
        "ip -6 rule add pref 10200 fwmark 0x100 uidrange 0-10 lookup main",
        "ip route add throw 10.5.0.0/16 table 7100",
        "ip route add blackhole 10.6.0.0/16 table 7001",
        "ip route add 10.7.0.0/16 dev wan0 mtu 1000 table 7100",
        "ip route add default dev wan0 metric 7 table 7100",
        "ip -6 route add default dev wan0 metric 7 table 7100",
        "ip -6 route append default dev wan0 table 7100",
    ):
        run(command)
    drift = await one.verify()
    assert len(drift) >= 10, drift
    await one.apply(plan())
    assert await one.verify() == ()
    assert "lookup 99" not in run("ip rule")
    assert "wan0" not in run("ip -6 route show table 7100")


# --- refusals --------------------------------------------------------------------------------------------------------


@inside
async def test_a_refused_ruleset_keeps_the_old_and_opens_no_route():
    ports()
    run("sysctl -qw net.ipv4.ip_forward=0")
    one = reconciler()
    blocked = plan(active=None)
    await one.apply(msgspec.structs.replace(blocked, sysctls=()))
    before = run("nft list ruleset")
    bad = ruleset("ip daddr 10.0.0.1 accept", "ip daddr no_such_thing ! accept")
    with pytest.raises(KernelError) as refused:
        await one.apply(plan(text=bad))
    assert "no_such_thing" in refused.value.message
    assert "line 10" in refused.value.message
    assert len(refused.value.message) < 400
    assert run("nft list ruleset") == before
    assert "dev wg0a" not in run("ip route show table 7100")
    assert "dev wg0a" not in run("ip -6 route show table 7100")
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == "0\n"
    assert not one.attestation.ok
    assert "the nftables ruleset was changed" in await one.verify()
    await one.apply(plan())
    assert one.attestation.ok


@inside
async def test_one_step_that_fails_stops_no_other():
    ports()
    one = reconciler()
    missing = RoutePlan(7100, 4, ip_network("10.99.0.0/16"), oif="nowhere0")
    broken = plan(sysctls=(("net/ipv4/conf/lan0/rp_filter", "nonsense"), ("net/ipv4/conf/lan0/send_redirects", "0")))
    broken = msgspec.structs.replace(
        broken,
        routes=(missing, *broken.routes),
        lan_addresses=(("nowhere1", LAN4), *broken.lan_addresses),
    )
    with pytest.raises(KernelError) as failed:
        await one.apply(broken)
    assert "nowhere0" in failed.value.message
    assert "nowhere1" in failed.value.message
    assert isinstance(failed.value.__cause__, ExceptionGroup)
    assert len(failed.value.__cause__.exceptions) == 3
    assert "default dev wg0a" in run("ip route show table 7100")
    assert "192.168.77.1/24" in run("ip addr show lan0")
    assert "10999:\tfrom all unreachable" in run("ip rule")
    assert Path("/proc/sys/net/ipv4/conf/lan0/send_redirects").read_text() == "0\n"


# --- drift -----------------------------------------------------------------------------------------------------------

DRIFTS = {
    "nft flush ruleset": "ruleset",
    "nft add rule inet vpn_gateway forward accept": "ruleset",
    "nft delete element inet vpn_gateway some { 10.1.0.1 }": "ruleset",
    "nft chain inet vpn_gateway forward { policy accept ; }": "ruleset",
    "ip rule flush": "rule 10000 (IPv4) is missing",
    "ip -6 rule flush": "rule 10999 (IPv6) is missing",
    "ip rule del pref 0": "rule 0 (IPv4) is missing",
    "ip rule add pref 5 lookup main": "rule 5 (IPv4) was added",
    "ip -6 rule add pref 0 lookup main": "rule 0 (IPv6) was added",
    "ip route flush table 7100": "in table 7100 is missing",
    "ip -6 route del default dev wg0a table 7100": "route ::/0 in table 7100 is missing",
    "ip route replace default via 10.9.0.254 dev wan0 table 7100": "in table 7100 was added",
    "ip link del wg0a": "interface wg0a is missing",
    "ip link set wg0a down": "interface wg0a was changed",
    "ip link set wg0a mtu 1500": "interface wg0a was changed",
    "ip addr del 10.8.0.2/32 dev wg0a": "interface wg0a was changed",
    "ip addr add 10.8.0.99/32 dev wg0a": "interface wg0a was changed",
    "ip link add wg5a type veth peer name wg6b": "interface wg5a should not exist",
    "ip addr del 192.168.77.1/24 dev lan0": "address 192.168.77.1/24 of lan0 is missing",
    "ip -6 addr flush dev lan0 scope global": "address fd77::1/64 of lan0 is missing",
    "ip link set lan0 down": "lan0",
    "sysctl -qw net.ipv4.ip_forward=0": "net/ipv4/ip_forward is not 1",
    "sysctl -qw net.ipv4.conf.lan0.rp_filter=2": "net/ipv4/conf/lan0/rp_filter is not 1",
}


@pytest.mark.parametrize("command", DRIFTS)
@inside
async def test_drift_is_repaired_and_reported(command):
    ports()
    async with watched(plan()) as (one, drifts):
        await asyncio.sleep(0.1)
        repairs = one.attestation.repairs
        drifts.rest()
        run(command)
        reports = [await drifts.next()]
        assert any(DRIFTS[command] in text for text in reports[0]), reports
        while await one.verify():
            reports.append(await drifts.next())
        assert one.attestation.ok
        # What the kernel changes in consequence may be found by a check of its own, for which verify() has waited.
        # Every repair is reported once, and nothing else is.
        reports += drifts.rest()
        assert one.attestation.repairs == repairs + len(reports), reports
        assert one.attestation.drift == reports[-1]


@pytest.mark.parametrize(
    "command",
    [
        "nft add rule inet vpn_gateway forward accept",
        "ip rule flush",
        "ip rule add pref 5 lookup main",
        "ip route add 10.7.0.0/16 dev wan0 mtu 1000 table 7100",
        "ip link set wg0a mtu 1500",
        "ip addr add 10.8.0.99/32 dev wg0a",
        "sysctl -qw net.ipv4.conf.lan0.rp_filter=2",
    ],
)
@inside
async def test_drift_repaired_by_the_next_plan_is_reported(command):
    ports()
    drifts = Drifts()
    one = Reconciler(UserspaceBackend(), on_drift=drifts)
    await one.apply(plan())
    run(command)
    await one.apply(plan(sysctls=(*plan().sysctls, ("net/ipv4/conf/lan0/send_redirects", "0"))))
    assert await one.verify() == ()
    assert one.attestation.repairs == 1
    assert await drifts.next(0.1) == one.attestation.drift
    await one.apply(plan())
    assert one.attestation.repairs == 1
    assert drifts.reports.empty()


@inside
async def test_a_foreign_table_is_reported_once_and_left_alone():
    ports()
    async with watched(plan()) as (one, drifts):
        run("nft add table ip stranger")
        assert await drifts.next() == ("foreign nftables table ip stranger",)
        run("nft add table inet vpn_gateway_accounting")  # ours
        run("nft add chain ip stranger c")
        with pytest.raises(TimeoutError):
            await drifts.next(0.5)
        assert await one.verify() == ()
        assert "stranger" in run("nft list tables")


@inside
async def test_unrepairable_drift_is_reported_once_and_retried():
    ports()
    async with watched(plan()) as (one, drifts):
        run("ip link del lan0")  # as a USB port pulled out
        news = await drifts.next()
        assert any("repair failed" in text for text in news)
        assert not one.attestation.ok
        with pytest.raises(TimeoutError):
            while True:
                assert "repair failed" in str(await drifts.next(3.0))
        run("ip link add lan0 type veth peer name lan0-far")
        while await one.verify():
            await drifts.next()
        assert one.attestation.ok


@inside
async def test_errors_do_not_end_the_drift_watch():
    """A listener and a backend that raise are logged, and drift is still repaired."""
    ports()
    reported = []

    def on_drift(news):
        reported.append(news)
        raise RuntimeError("a listener with a bug")

    class Broken(UserspaceBackend):
        async def create(self, name):
            if len(reported) < 3:
                raise ValueError("a bug of the backend")
            await super().create(name)

    one = Reconciler(Broken(), on_drift=on_drift)
    with pytest.raises(KernelError):
        await one.apply(plan())
    task = asyncio.create_task(one.run())
    deadline = time.monotonic() + 10
    while len(reported) < 3:
        run(f"ip rule add pref {5 + len(reported)} lookup main")
        count = len(reported)
        while len(reported) == count:
            assert time.monotonic() < deadline
            assert not task.done()
            await asyncio.sleep(0.02)
    while await one.verify():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    task.cancel()


# --- counters, speed -------------------------------------------------------------------------------------------------


def drop(times):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(times):
            with contextlib.suppress(PermissionError):
                sock.sendto(b"?", ("127.0.0.9", 9))


DROPPING = 'ip daddr 127.0.0.9 counter name "drop_test" drop'


@inside
async def test_drop_counters_only_ever_rise():
    ports()
    one = reconciler()
    assert await one.drops() == {"wan_port": 0}
    await one.apply(plan(text=ruleset(DROPPING)))
    assert await one.drops() == {"test": 0, "wan_port": 0}
    drop(3)
    assert await one.drops() == {"test": 3, "wan_port": 0}
    await one.apply(plan(text=ruleset("ip daddr 127.0.0.8 accept", DROPPING, counters=("test", "other"))))
    drop(4)
    assert await one.drops() == {"other": 0, "test": 7, "wan_port": 0}
    run("nft flush ruleset")
    assert (await one.drops())["test"] == 7
    await one.apply(plan(text=ruleset(DROPPING)))
    drop(1)
    assert (await one.drops())["test"] == 8
    two = reconciler()
    await two.apply(plan(text=ruleset(DROPPING)))
    assert (await two.drops())["test"] == 8


@inside
async def test_another_programs_transaction_costs_no_reload():
    ports()
    one = reconciler()
    await one.apply(plan())
    handle = [line for line in run("nft -a list tables").splitlines() if "vpn_gateway" in line]
    run("nft add table ip stranger")
    await one.apply(plan())
    assert await one.verify() == ()
    assert [line for line in run("nft -a list tables").splitlines() if "vpn_gateway" in line] == handle


# --- privileges ------------------------------------------------------------------------------------------------------

PROGRAM = """
import asyncio
from tests.kernel.test_reconcile import plan, watched, run

async def main():
    async with watched(plan()) as (one, drifts):
        run("ip rule flush")
        print(await drifts.next())
        print(await one.verify(), await one.drops())

asyncio.run(main())
"""


@inside
async def test_two_capabilities_are_enough():
    ports()
    caps = "-all,+net_admin,+net_raw"
    command = [
        "setpriv",
        "--no-new-privs",
        f"--inh-caps={caps}",
        f"--bounding-set={caps}",
        sys.executable,
        "-c",
        PROGRAM,
    ]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    reported, verified = done.stdout.splitlines()
    assert "rule 10000 (IPv4) is missing" in reported
    assert verified == "() {'test': 0, 'wan_port': 0}"
