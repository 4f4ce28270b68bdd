"""The interpretation of the planner's input, and values that must not enter a ruleset."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network

import msgspec
import pytest

from app.errors import InvalidFieldError
from app.model import DirectPolicy, LanSettings, VpnPolicy
from app.network.nft_layout import elements
from app.network.plan import MARK_BLOCKED, MARK_DIRECT, ExitPlan, TransportPeer, exit_mark
from app.network.planner import plan
from app.network.policy import make_view
from tests.unit.network.scenarios import DEVICES, LAN, SCENARIOS, WAN, WORK, default_exit, inputs, tunnel


def test_device_gets_the_mark_of_its_policy():
    view = make_view(inputs(default_exit(), ExitPlan("work", 1), devices=DEVICES))
    assert [mark for _, mark in view.device_marks] == [MARK_DIRECT, MARK_BLOCKED, exit_mark(1), MARK_BLOCKED]
    assert view.default_mark == exit_mark(0)


def test_device_listed_twice_has_its_last_policy():
    mac = "02:AB:00:00:00:01"
    view = make_view(inputs(default_exit(), devices=((mac, DirectPolicy()), (mac.lower(), VpnPolicy()))))
    assert view.device_marks == ((mac.lower(), exit_mark(0)),)
    assert not view.direct


def test_family_without_an_address_is_not_carried():
    only_four = tunnel(addresses=("10.64.1.2/32",))
    (one,) = make_view(inputs(default_exit(active=only_four))).carrying
    assert one.routes == (ip_network("0.0.0.0/0"),)
    assert one.dns == (ip_address("10.64.0.1"),)


def test_two_halves_collapse_to_the_default_route():
    """Many configurations write 0.0.0.0/1 and 128.0.0.0/1 so as not to touch the default route."""
    (one,) = make_view(
        inputs(default_exit(active=tunnel(routes=("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"))))
    ).carrying
    assert one.has_default(4)
    assert one.has_default(6)


@pytest.mark.parametrize("resolver", ["192.168.77.1", "192.168.77.9", "11.0.0.1", "fe80::1", "fd12:3456:789a::9"])
def test_resolver_outside_the_tunnel_is_not_used(resolver):
    """In the LAN, on a link, or outside the allowed IPs: the query would not go into the tunnel."""
    split = tunnel(routes=("10.0.0.0/8", "192.168.0.0/16", "fd00::/8", "fe80::/10"), dns=(resolver, "10.64.0.1"))
    (one,) = make_view(inputs(default_exit(active=split))).carrying
    assert one.dns == (ip_address("10.64.0.1"),)


def with_peer(port: int):
    return msgspec.structs.replace(tunnel(), transport=(TransportPeer(ip_address("198.51.100.7"), port),))


BAD = {
    "links": [
        inputs(default_exit(), lan=(name,))
        for name in ('a"b', "", "sixteen-letters-x", "a b", "a\nb", "x; accept", "*")
    ],
    "devices": [
        inputs(default_exit(), devices=((mac, VpnPolicy()),))
        for mac in ("", "02:00:00:00:00", "02:00:00:00:00:0g", "02:00:00:00:00:01 : accept", "02-00-00-00-00-01\n")
    ],
    "lan.address": [
        inputs(default_exit(), settings=LanSettings(address=IPv4Interface(a)))
        for a in ("8.8.8.1/24", "192.168.77.1/31", "10.0.0.1/7", "0.0.0.0/0", "172.32.0.1/16")
    ],
    "lan.ula": [
        inputs(default_exit(), settings=LanSettings(ula=IPv6Interface(a)))
        for a in ("2001:db8::1/64", "fd76:706e:6777:53::1/64", "::/0")
    ],
    "exits": [
        inputs(default_exit(), ExitPlan("work", 0)),
        inputs(default_exit(), ExitPlan("default", 1)),
        inputs(ExitPlan("default", 32)),
        inputs(ExitPlan("default", -1)),
        inputs(default_exit(active=tunnel(), candidate=tunnel())),
    ],
    "mtu": [inputs(default_exit(active=tunnel(mtu=mtu))) for mtu in (0, 575, 65536)],
    "endpoint": [inputs(default_exit(active=with_peer(port))) for port in (0, 65536)],
    "http_ports": [inputs(default_exit(), http_ports=(0,)), inputs(default_exit(), http_ports=(80, 65536))],
    "clear_api": [inputs(default_exit(), clear_api=(TransportPeer(ip_address("192.0.2.1"), 0),))],
}


@pytest.mark.parametrize(("field", "inp"), [(field, inp) for field, many in BAD.items() for inp in many])
def test_invalid_input_raises_an_error_naming_its_field(field, inp):
    with pytest.raises(InvalidFieldError) as caught:
        plan(inp)
    assert caught.value.field == field


def test_plan_does_not_depend_on_the_order_of_inputs():
    inp = inputs(default_exit(active=tunnel()), ExitPlan("work", 1, WORK), devices=DEVICES)
    mixed = msgspec.structs.replace(inp, exits=inp.exits[::-1], devices=inp.devices[::-1])
    assert plan(inp) == plan(mixed)


def rules_of(text: str) -> list[str]:
    """The lines of the chains."""
    return [line for line in text[text.index("\tchain ") :].splitlines() if line.strip()]


def test_devices_add_map_elements_and_no_rules():
    many = tuple((f"02:00:00:00:01:{n:02x}", DEVICES[n % 4][1]) for n in range(250))
    few = plan(inputs(default_exit(active=tunnel()), ExitPlan("work", 1, WORK), devices=DEVICES))
    lots = plan(inputs(default_exit(active=tunnel()), ExitPlan("work", 1, WORK), devices=many))
    assert rules_of(few.ruleset) == rules_of(lots.ruleset)
    assert (few.rules, few.routes) == (lots.rules, lots.routes)


@pytest.mark.parametrize("name", ["connected", "policies", "one-arm"])
def test_flowtable_offloads_only_accepted_flows(name):
    inp = SCENARIOS[name]()
    plain = plan(inp).ruleset.splitlines()
    fast = plan(msgspec.structs.replace(inp, flowtable=True)).ruleset.splitlines()
    added = [line.strip() for line in fast if line not in plain]
    lan = inp.links.lan[0].name
    devices = dict.fromkeys([lan, *(["wg0a", "wg1a"] if len(inp.exits) > 1 else ["wg0a"])])
    assert added == [
        "flowtable fast {",
        "hook ingress priority filter",
        "devices = { " + ", ".join(f'"{d}"' for d in devices) + " }",
        "ct mark 4096-4351 accept",  # of an exception, which ends in the kernel
        "meta l4proto { tcp, udp } ct state established flow add @fast",
    ]
    offload = next(n for n, line in enumerate(fast) if "flow add" in line)
    assert fast[offload - 2].strip() == "chain forward_pass {"
    assert [line for line in fast if line.strip() not in added] == plain or fast.count("\t}") == plain.count("\t}") + 1


def test_planned_interfaces_have_sysctls_but_the_wans_accept_ra():
    made = dict(plan(inputs(default_exit(active=tunnel()))).sysctls)
    assert made["net/ipv4/conf/wan/rp_filter"] == made["net/ipv4/conf/wg0a/rp_filter"] == "0"
    assert made["net/ipv4/conf/br-lan/rp_filter"] == "1"
    assert made["net/ipv6/conf/br-lan/accept_ra"] == made["net/ipv6/conf/wg0a/accept_ra"] == "0"
    assert "net/ipv6/conf/wan/accept_ra" not in made


def test_lan_addresses_are_on_its_first_link():
    made = plan(inputs(default_exit(), lan=("br-lan", "usb0")))
    assert made.lan_addresses == (("br-lan", LAN.address), ("br-lan", LAN.ula))


def test_address_zone_is_left_out_of_the_ruleset():
    """A resolver from a router advertisement may be ``fe80::1%wan``: nft knows no zones."""
    wan = msgspec.structs.replace(WAN, nameservers=(ip_address("fe80::1%wan"),))
    made = plan(inputs(default_exit(), wan=wan, devices=DEVICES, lookup_servers=(ip_address("fe80::1%wan"),)))
    assert "%" not in made.ruleset
    assert "fe80::1" in elements(made.ruleset, "lookup6")


def test_tunnel_addresses_are_as_given():
    made = plan(inputs(default_exit(active=tunnel(), candidate=tunnel("b", ("10.64.1.2/32",)))))
    assert [(link.name, link.addresses[0], link.mtu) for link in made.links] == [
        ("wg0a", ip_interface("10.64.1.2/32"), 1420),
        ("wg0b", ip_interface("10.64.1.2/32"), 1420),
    ]


def test_flowtable_leaves_out_the_wan():
    """Its packets have no mark and meet no check of their source; a WAN that is not there would refuse the ruleset."""
    inp = msgspec.structs.replace(inputs(default_exit(), devices=DEVICES), flowtable=True)
    (devices,) = (line for line in plan(inp).ruleset.splitlines() if "devices = {" in line)
    assert '"wan"' not in devices
