"""Roles and the WAN's state, observed on real interfaces."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from ipaddress import ip_address, ip_interface

import pytest

from app.model import LinkSettings
from app.network import observe as observation
from app.network.lan_ports import LanPorts
from app.network.observe import nameservers, observe, watch_links
from app.network.one_arm import SETTLE_TIME, OneArm
from tests.kernel.namespace import inside, run

pytestmark = pytest.mark.kernel

AUTO = LinkSettings()


def port(name, *, up=True):
    run(f"ip link add {name} type veth peer name {name}-x")
    run(f"ip link add holder-{name} type bridge")  # the far end is no port to choose
    run(f"ip link set {name}-x master holder-{name}")
    if up:
        run(f"ip link set {name}-x up")
        run(f"ip link set {name} up")


@pytest.fixture
def far():
    """A namespace for the far ends of cables, by the number of a process in it."""
    with subprocess.Popen(["unshare", "--net", "sleep", "120"]) as holder:
        own = os.stat("/proc/self/ns/net").st_ino
        while os.stat(f"/proc/{holder.pid}/ns/net").st_ino == own:
            time.sleep(0.01)
        yield holder.pid
        holder.kill()


def lone_port(name, far):
    run(f"ip link add {name} type veth peer name {name}-x netns {far}")


async def seen(tmp_path, settings=AUTO, one_arm=None):
    return await observe(settings, resolv=tmp_path / "resolv", one_arm=one_arm)


async def bridge(tmp_path, settings=AUTO, lan_ports=None):
    links = await observe(settings, resolv=tmp_path / "resolv", lan_ports=lan_ports)
    assert links.bridge is not None
    return (links.wan.name if links.wan else None), links.bridge.ports, links.problem and links.problem.reason


async def names(tmp_path, settings=AUTO, one_arm=None):
    links = await seen(tmp_path, settings, one_arm)
    return (links.wan.name if links.wan else None), tuple(link.name for link in links.lan)


@inside
async def test_roles_follow_what_is_plugged_in(tmp_path):
    assert await names(tmp_path) == (None, ())
    port("eth1")
    assert await names(tmp_path) == ("eth1", ())
    port("eth0")
    assert await names(tmp_path) == ("eth0", ("eth1",))
    port("wan0")
    run("ip tuntap add wg0a mode tun")
    run("ip tuntap add tap9 mode tap")
    assert await names(tmp_path) == ("wan0", ("eth0", "eth1"))
    run("ip link add br-lan type bridge")
    run("ip link set eth0 master br-lan")
    assert await names(tmp_path) == ("wan0", ("br-lan",))
    run("ip link del wan0")
    assert await names(tmp_path) == (None, ("br-lan",))  # with a bridge nothing is guessed


@inside
async def test_no_port_joins_the_bridge_before_the_wan_is_known(tmp_path):
    run("ip link add br-lan type bridge")
    port("enx1")
    port("enx2")
    assert await bridge(tmp_path) == (None, (), "wan_unknown")
    assert await bridge(tmp_path, LinkSettings(wan="eth0")) == (None, (), "wan_missing")
    assert await bridge(tmp_path, LinkSettings(wan="enx1")) == ("enx1", ("enx2",), None)
    mac = run("cat /sys/class/net/enx2/address").strip()
    assert await bridge(tmp_path, LinkSettings(wan=mac.upper().replace(":", "-"))) == ("enx2", ("enx1",), None)
    port("wan0")
    assert await bridge(tmp_path) == ("wan0", ("enx1", "enx2"), None)
    assert await bridge(tmp_path, LinkSettings(wan="eth0")) == (None, (), "wan_missing")


@inside
async def test_port_renamed_meanwhile_is_nobodys_for_now(tmp_path, monkeypatch):
    """Its driver is read by its name: without it a phone would pass for an adapter, and join the LAN."""
    run("ip link add br-lan type bridge")
    port("wan0")
    port("eth1", up=False)
    read = observation.read_links

    def read_then_renamed():
        found = read()
        run("ip link set eth1 name phone0")
        return found

    monkeypatch.setattr(observation, "read_links", read_then_renamed)
    links = await seen(tmp_path)
    assert [one.name for one in links.ports if one.name in {"eth1", "phone0"}] == []
    assert links.bridge is not None
    assert links.bridge.ports == ()
    monkeypatch.undo()
    assert await bridge(tmp_path) == ("wan0", ("phone0",), None)


@inside
async def test_an_unplugged_wan_keeps_the_lan_and_adds_no_port(tmp_path):
    """While the WAN is unplugged, the LAN keeps its ports and no new port joins it."""
    run("ip link add br-lan type bridge")
    for name in ("enx1", "enx2"):
        port(name)
    named = LinkSettings(wan="enx1")
    lan_ports = LanPorts(tmp_path / "lan_ports")
    assert await bridge(tmp_path, named, lan_ports) == ("enx1", ("enx2",), None)
    run("ip link del enx1")
    port("enx3")  # it may be the WAN, under another name
    assert await bridge(tmp_path, named, lan_ports) == (None, ("enx2",), "wan_missing")
    assert await bridge(tmp_path, named, LanPorts(tmp_path / "lan_ports")) == (None, ("enx2",), "wan_missing")
    assert await bridge(tmp_path, named) == (None, (), "wan_missing")


@inside
async def test_links_named_in_settings_are_used_if_present(tmp_path):
    for name in ("eth0", "eth1", "eth2"):
        port(name)
    assert await names(tmp_path, LinkSettings(wan="eth2")) == ("eth2", ("eth0", "eth1"))
    assert await names(tmp_path, LinkSettings(wan="eth2", lan=("eth1", "usb7"))) == ("eth2", ("eth1",))
    assert await names(tmp_path, LinkSettings(wan="ppp0", lan=("eth1",))) == (None, ("eth1",))
    assert await names(tmp_path, LinkSettings(wan="eth0", lan=("eth0",))) == ("eth0", ("eth0",))  # one-arm


@inside
async def test_a_single_port_is_lan_too_unless_another_was_unplugged(tmp_path, far):
    """The only port of a machine is WAN and LAN; a port whose neighbour was unplugged is not."""
    now = 0.0
    record = tmp_path / "topology"

    def netd():
        return OneArm(record, clock=lambda: now)

    one_arm = netd()
    assert await names(tmp_path, one_arm=one_arm) == (None, ())
    lone_port("wan0", far)
    run("ip link add br-lan type bridge")  # as on the image: there, and empty
    assert await names(tmp_path, one_arm=one_arm) == ("wan0", ("br-lan",))  # an adapter may still be on its way
    now = SETTLE_TIME
    assert await names(tmp_path, one_arm=one_arm) == ("wan0", ("wan0",))
    one_arm = netd()
    assert await names(tmp_path, one_arm=one_arm) == ("wan0", ("wan0",))  # at once: the LAN outlives netd
    assert await names(tmp_path, LinkSettings(wan="wan0"), one_arm) == ("wan0", ("br-lan",))  # as configured
    lone_port("usb0", far)
    run("ip link set usb0 master br-lan")
    assert await names(tmp_path, one_arm=one_arm) == ("wan0", ("br-lan",))
    run("ip link del usb0")
    now += 10 * SETTLE_TIME
    assert await names(tmp_path, one_arm=one_arm) == ("wan0", ("br-lan",))
    assert await names(tmp_path, one_arm=netd()) == ("wan0", ("br-lan",))
    record.unlink()  # the machine was restarted without it
    one_arm = netd()
    now += SETTLE_TIME
    assert await names(tmp_path, one_arm=one_arm) == ("wan0", ("wan0",))


@inside
async def test_an_access_point_is_a_lan(tmp_path, far):
    lone_port("wan0", far)
    run("ip link add br-lan type bridge")
    run("ip tuntap add wlan0 mode tap")  # a radio is no wired port, but in the bridge it is a LAN
    run("ip link set wlan0 master br-lan")
    now = 0.0
    one_arm = OneArm(tmp_path / "topology", clock=lambda: now)
    now = SETTLE_TIME
    assert await names(tmp_path, one_arm=one_arm) == ("wan0", ("br-lan",))


@inside
async def test_the_wan_is_described_as_the_kernel_has_it(tmp_path):
    port("wan0", up=False)
    port("lan0")
    wan = (await seen(tmp_path)).wan
    assert (wan.up, wan.addresses, wan.gateway4, wan.gateway6) == (False, (), None, None)
    run("sysctl -qw net.ipv6.conf.wan0.accept_dad=0")
    run("ip link set wan0 up mtu 1400")
    assert not (await seen(tmp_path)).wan.up  # no carrier yet
    run("ip link set wan0-x up")
    run("ip addr add 203.0.113.5/24 dev wan0")
    run("ip addr add 169.254.9.9/16 dev wan0")
    run("ip addr add 2001:db8::5/64 dev wan0")
    run("ip route add default via 203.0.113.9 dev wan0 metric 200")
    run("ip route add default via 203.0.113.1 dev wan0 metric 100")
    run("ip addr add 198.51.100.1/24 dev lan0")
    run("ip route add default via 198.51.100.2 dev lan0")  # of another link
    run("ip route add default via 203.0.113.7 dev wan0 table 99")  # of another table
    run("ip -6 route add default via fe80::1 dev wan0 metric 5")
    (tmp_path / "resolv").write_text("search x\nnameserver 203.0.113.53\nnameserver 127.0.0.53\n")
    links = await seen(tmp_path)
    wan = links.wan
    assert (wan.name, wan.up, wan.mtu) == ("wan0", True, 1400)
    assert wan.addresses == (ip_interface("203.0.113.5/24"), ip_interface("2001:db8::5/64"))
    assert (wan.gateway4, wan.gateway6) == (ip_address("203.0.113.1"), ip_address("fe80::1"))
    assert wan.nameservers == (ip_address("203.0.113.53"),)
    assert [(link.name, link.mtu) for link in links.lan] == [("lan0", 1500)]
    run("ip -6 route append default via fe80::2 dev wan0 metric 5")  # a second router: two ways of one route
    assert (await seen(tmp_path)).wan.gateway6 in {ip_address("fe80::1"), ip_address("fe80::2")}
    run("ip link set wan0-x down")
    assert not (await seen(tmp_path)).wan.up


@inside
async def test_a_point_to_point_wan_has_the_other_end_as_router(tmp_path):
    """As pppd leaves it: no router in the default route, and the provider's end as the address's peer."""
    run("ip link add br-lan type bridge")
    port("wan")
    port("enx1")
    run("ip link set enx1 master br-lan")
    settings = LinkSettings(wan="wan-ppp", lan=("br-lan",), carrier="wan")
    links = await seen(tmp_path, settings)
    assert (links.wan.name, links.wan.up, links.wan.mtu, links.wan.port) == ("wan-ppp", False, 1492, "wan")
    assert (links.bridge.ports, links.problem) == (("enx1",), None)
    run("ip tuntap add wan-ppp mode tun")
    run("ip link set wan-ppp up mtu 1480")
    run("ip addr add 100.64.3.9 peer 100.64.0.1 dev wan-ppp")
    assert (await seen(tmp_path, settings)).wan.gateway4 is None
    run("ip route add default dev wan-ppp")
    links = await seen(tmp_path, settings)
    assert (links.wan.name, links.wan.mtu, links.wan.port) == ("wan-ppp", 1480, "wan")
    assert links.wan.addresses == (ip_interface("100.64.3.9/32"),)
    assert links.wan.gateway4 == ip_address("100.64.0.1")
    assert links.bridge.ports == ("enx1",)
    run("ip link set wan master br-lan")  # netd has to remove it
    assert (await seen(tmp_path, settings)).bridge.ports == ("enx1",)
    run("ip link del wan")
    assert (await seen(tmp_path, settings)).wan is None


@inside
async def test_changes_of_the_wan_are_announced_at_once():
    port("wan0")
    watch = watch_links()

    async def next_change():
        return await asyncio.wait_for(anext(watch), 1.5)  # far below the interval at which it looks anyway

    waiting = asyncio.create_task(next_change())
    await asyncio.sleep(0.05)
    for command in ("ip addr add 203.0.113.5/24 dev wan0", "ip route add default via 203.0.113.1", "ip link del wan0"):
        run(command)
        await waiting
        waiting = asyncio.create_task(next_change())
    with pytest.raises(TimeoutError):
        await waiting
    await watch.aclose()


async def test_name_servers_are_read_from_whatever_the_file_holds(tmp_path):
    path = tmp_path / "resolv.conf"
    assert await nameservers(path) == ()
    path.write_bytes(
        b"# nameserver 1.1.1.1\nnameserver 192.0.2.1\n  nameserver\t2001:db8::1 \nnameserver 192.0.2.1\n\xff\xfe\n"
        b"nameserver\nnameserver bad\nnameserver ::1\nnameserver fe80::1%3\nnameserver 0.0.0.0\noptions edns0\n"
    )
    assert await nameservers(path) == (ip_address("192.0.2.1"), ip_address("2001:db8::1"))
