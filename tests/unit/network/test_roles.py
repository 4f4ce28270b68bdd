"""The roles of the ports: no combination of ports, settings and memory puts a possible WAN into the LAN."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.firstboot.chosen_wan import MAX_LENGTH
from app.model import LanSettings, LinkSettings, NetworkPort
from app.network.roles import BRIDGE, expected, points_at, roles
from app.network.ruleset.bridge import bridge_ruleset
from app.portname import MODEM_DRIVERS, is_at, networkd_match, parse, usb_place

PI4_BUS = "/sys/devices/platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0"
PI5_BUS = "/sys/devices/platform/axi/1000120000.pcie/pci0002:00/0002:00:00.0/0002:01:00.0"
ONBOARD = NetworkPort("wan", driver="bcmgenet", mac="dc:a6:32:00:00:01")
ONE = NetworkPort("enx1", driver="r8152", mac="00:e0:4c:00:00:01", usb="usb-1.1@a.usb")
TWO = NetworkPort("enx2", driver="ax88179_178a", mac="00:e0:4c:00:00:02", usb="usb-1.2@a.usb")
PHONE = NetworkPort("usb0", driver="rndis_host", mac="02:00:00:00:00:03", usb="usb-1.3@a.usb")
RADIO = NetworkPort("radio0", driver="brcmfmac", radio=True)
EVERY = (ONBOARD, ONE, TWO, PHONE, RADIO)
# What has something in common with one of them: the ports of another controller, the MAC address, the kind.
OTHER_BUS = NetworkPort("enx4", driver="r8152", mac="00:e0:4c:00:00:04", usb="usb-1.2@b.usb")
SAME_MAC = NetworkPort("enx5", driver="r8152", mac="00:e0:4c:00:00:01", usb="usb-1.5@a.usb")
OTHER_PHONE = NetworkPort("usb1", driver="rndis_host", mac="02:00:00:00:00:06", usb="usb-1.6@a.usb")
ALIKE = (*EVERY, OTHER_BUS, SAME_MAC, OTHER_PHONE)
NAMES = [p.name for p in ALIKE]
POINTERS = [None, *NAMES, "eth0", "00-E0-4C-00-00-01", "usb-1.2", "usb-1.2@b.usb", "usb-1.7", "usb-modem"]


@given(
    ports=st.sets(st.sampled_from(ALIKE)),
    wan=st.sampled_from(POINTERS),
    carrier=st.sampled_from(POINTERS),
    up=st.booleans(),
    lan=st.sampled_from([None, (BRIDGE,), ("enx1",)]),
    in_bridge=st.frozensets(st.sampled_from(NAMES)),
    lan_ports=st.frozensets(st.sampled_from(NAMES)),
)
def test_wan_and_possible_wan_are_never_in_the_lan(ports, wan, carrier, up, lan, in_bridge, lan_ports):
    if carrier is not None:
        wan = "wan-ppp"
    found = roles(
        LinkSettings(wan=wan, lan=lan, carrier=carrier),
        list(ports),
        others=[BRIDGE, "wan-ppp"] if up else [BRIDGE],
        in_bridge=in_bridge,
        lan_ports=lan_ports,
    )
    there = {p.name for p in ports}
    outside = {found.carrier if carrier is not None else found.wan} - {None}
    assert found.wan is None or outside <= there
    assert (found.problem is None) == (found.wan is not None)
    assert found.wan is None or carrier is None or (found.wan == "wan-ppp" and found.carrier is not None)
    members = set(found.bridge.ports) | set(found.bridge.radios) if found.bridge else set()
    assert not outside & members
    assert carrier is None or not outside & set(found.lan)
    assert members <= there
    assert not {"usb0", "usb1"} & members  # a phone brings a router with it
    pointed_at = {p.name for p in ports if points_at(carrier or wan or "", p)}
    assert len(pointed_at) < 2 or (found.wan is None and not pointed_at & (members | set(found.lan)))
    if found.wan is None:
        assert set(found.bridge.ports if found.bridge else ()) <= lan_ports
    assert {p.name for p in found.ports if p.role == "wan"} == outside
    if found.problem:
        assert all(p.name in found.problem.message for p in ports)


def test_wan_is_unknown_without_an_onboard_port():
    found = roles(LinkSettings(), [ONE, TWO], others=[BRIDGE])
    assert (found.wan, found.bridge.ports, found.problem.reason) == (None, (), "wan_unknown")
    assert "enx1 (r8152, 00:e0:4c:00:00:01, usb-1.1@a.usb, no cable)" in found.problem.message


@pytest.mark.parametrize(
    ("text", "wan", "lan"),
    [
        ("enx1", "enx1", ("enx2", "wan")),
        ("00:E0:4C:00:00:02", "enx2", ("enx1", "wan")),
        ("usb-1.2", "enx2", ("enx1", "wan")),
        ("usb-1.2@a.usb", "enx2", ("enx1", "wan")),
        ("usb-1.2@b.usb", None, ()),
        ("usb-modem", "usb0", ("enx1", "enx2", "wan")),
        ("radio0", "radio0", ("enx1", "enx2", "wan")),
        ("eth0", None, ()),
    ],
)
def test_wan_is_selected_by_name_address_or_place(text, wan, lan):
    found = roles(LinkSettings(wan=text), EVERY, others=[BRIDGE])
    assert (found.wan, found.bridge.ports) == (wan, lan)


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("usb-1.2", ("enx2", "enx4")),
        ("00:e0:4c:00:00:01", ("enx1", "enx5")),
        ("usb-modem", ("usb0", "usb1")),
    ],
)
@pytest.mark.parametrize("carrier", [False, True])
def test_two_ports_of_one_description_are_neither_wan_nor_lan(text, candidates, carrier):
    settings = LinkSettings(wan="wan-ppp", carrier=text) if carrier else LinkSettings(wan=text)
    before = frozenset({"wan", "enx1", "enx2", "enx4", "enx5"})  # were the LAN's when the WAN was last known
    found = roles(settings, ALIKE, others=[BRIDGE], lan_ports=before)
    assert (found.wan, found.carrier) == (None, None)
    assert not set(candidates) & set(found.bridge.ports)
    assert found.problem.reason == "wan_ambiguous"
    assert f"{text} is more than one port: {' and '.join(candidates)}. " in found.problem.message
    # Whatever points at one of them alone is understood, among the same ports.
    (first, _) = (p for p in ALIKE if p.name in candidates)
    assert roles(LinkSettings(wan=first.usb), ALIKE, others=[BRIDGE]).wan == first.name


def test_lan_needs_the_carrier_and_not_the_session_on_it():
    settings = LinkSettings(wan="wan-ppp", lan=(BRIDGE,), carrier="usb-1.1")
    down = roles(settings, EVERY, others=[BRIDGE])
    assert (down.wan, down.carrier, down.bridge.ports, down.problem) == ("wan-ppp", "enx1", ("enx2", "wan"), None)
    assert roles(settings, EVERY, others=[BRIDGE, "wan-ppp"]) == down
    assert {p.name: p.role for p in down.ports}["enx1"] == "wan"
    # A session that is left over from a port that is gone, or of which nobody knows the port.
    gone = roles(settings, [ONBOARD, TWO], others=[BRIDGE, "wan-ppp"], lan_ports=frozenset({"enx2"}))
    assert (gone.wan, gone.carrier, gone.bridge.ports, gone.problem.reason) == (None, None, ("enx2",), "wan_missing")
    assert "the WAN port usb-1.1 is not there" in gone.problem.message


@pytest.mark.parametrize("lan", [("enx1",), ("usb-1.1",), ("wan-vlan",)])
def test_carrier_is_never_the_lan_whatever_the_settings(lan):
    found = roles(LinkSettings(wan="wan-vlan", lan=lan, carrier="usb-1.1"), EVERY, others=[BRIDGE, "wan-vlan"])
    assert found.lan == ()
    assert found.bridge is None


def test_one_arm_by_settings_uses_one_port_for_wan_and_lan():
    place = LinkSettings(wan="usb-1.2", lan=("usb-1.2",))
    assert (roles(place, [ONE, TWO], others=[BRIDGE]).wan, roles(place, [ONE, TWO], others=[BRIDGE]).lan) == (
        "enx2",
        ("enx2",),
    )


def test_bridge_accepts_frames_between_lan_ports_only():
    none = roles(LinkSettings(), [ONE, TWO], others=[BRIDGE]).bridge
    one = roles(LinkSettings(), [ONBOARD, ONE], others=[BRIDGE]).bridge
    two = roles(LinkSettings(), [ONBOARD, ONE, TWO], others=[BRIDGE]).bridge
    lan4 = LanSettings().address
    assert " accept\n" not in bridge_ruleset(none, lan4)
    assert " accept\n" not in bridge_ruleset(one, lan4)
    assert 'iifname { "enx1", "enx2" } oifname { "enx1", "enx2" } accept\n' in bridge_ruleset(two, lan4)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("wan.7", "Name=wan.7"),
        ("00:E0:4C:00:00:02", "PermanentMACAddress=00:e0:4c:00:00:02"),
        ("usb-1.2", "Path=*usb*-0:1.2:*"),
        ("usb-1.2@0000:01:00.0", "Property=DEVPATH=*/0000:01:00.0/*-1.2:*/net/*"),
        ("usb-modem", "Driver=" + " ".join(MODEM_DRIVERS)),
    ],
)
def test_networkd_match_selects_the_same_port(text, match):
    assert networkd_match(parse(text)) == match


@pytest.mark.parametrize(
    "text",
    [
        *("", "eth0 eth1", "a" * 16, "wan\nName=*", "*", "usb-1.2/..", "[Match]", "é"),
        *("usb-1.2@*", "usb-1@a b", "usb-1@a/b", "usb-1@" + "a" * 33),
    ],
)
def test_invalid_port_name_is_refused(text):
    with pytest.raises(ValueError, match="usb-modem"):
        parse(text)
    assert not points_at(text, ONE)


@pytest.mark.parametrize(
    ("device", "place"),
    [
        (f"{PI4_BUS}/usb2/2-1/2-1:1.0", "usb-1@0000:01:00.0"),
        (f"{PI4_BUS}/usb1/1-1/1-1.2/1-1.2:1.0", "usb-1.2@0000:01:00.0"),
        ("/sys/devices/platform/soc/3f980000.usb/usb1/1-1/1-1.1/1-1.1.3/1-1.1.3:1.0", "usb-1.1.3@3f980000.usb"),
        (f"{PI5_BUS}/1f00200000.usb/xhci-hcd.0.auto/usb2/2-1/2-1:2.0", "usb-1@1f00200000.usb"),
        (f"{PI5_BUS}/1f00300000.usb/xhci-hcd.1.auto/usb4/4-1/4-1:2.0", "usb-1@1f00300000.usb"),
        (
            "/sys/devices/platform/axi/1000120000.pcie/1f00300000.usb/xhci-hcd.1/usb3/3-2/3-2:1.0",
            "usb-2@1f00300000.usb",
        ),
        (f"/sys/devices/platform/{'a' * 40}/usb1/1-1/1-1:1.0", "usb-1"),
        ("/sys/devices/platform/scb/fd580000.ethernet", None),
        ("/sys/devices/pci0000:00/0000:00:03.0/virtio0", None),
        ("/sys/devices/pci0000:00/0000:00:03.0/usb1", None),
    ],
)
def test_usb_place_is_read_from_the_device_path(device, place):
    assert usb_place(device) == place
    if place is not None:
        assert parse(place).kind == "usb"
        assert len(place) <= MAX_LENGTH


PLACES = [
    f"{PI4_BUS}/usb1/1-1/1-1.2/1-1.2:1.0",
    f"{PI4_BUS}/usb1/1-1/1-1.2/1-1.2.1/1-1.2.1:1.0",
    f"{PI4_BUS}/usb2/2-1/2-1:1.0",
    f"{PI4_BUS}/usb2/2-2/2-2:1.0",
    "/sys/devices/platform/scb/fe980000.usb/usb3/3-1/3-1:1.0",
    f"{PI5_BUS}/1f00200000.usb/xhci-hcd.0.auto/usb2/2-1/2-1:2.0",
    f"{PI5_BUS}/1f00300000.usb/xhci-hcd.1.auto/usb4/4-1/4-1:2.0",
    f"{PI5_BUS}/1f00300000.usb/xhci-hcd.1.auto/usb4/4-1/4-1.1/4-1.1:1.0",
]


@pytest.mark.parametrize("device", PLACES)
def test_networkd_and_netd_find_the_same_port_at_a_place(device):
    """networkd compares DEVPATH with fnmatch(3)."""
    place = usb_place(device)
    _, _, pattern = networkd_match(parse(place)).removeprefix("Property=").partition("=")
    devpaths = [f"{each.removeprefix('/sys')}/net/eth{n}" for n, each in enumerate(PLACES)]
    found = [each for each in devpaths if fnmatchcase(each, pattern)]
    assert found == [f"{device.removeprefix('/sys')}/net/eth{PLACES.index(device)}"]
    assert [each for each in PLACES if is_at(usb_place(each), place)] == [device]


@pytest.mark.parametrize(
    ("wan", "there", "last", "name"),
    [
        (None, (), None, "wan"),  # as the port on the board is called
        (None, ("eth0",), "usb0", "usb0"),
        (None, ("usb0",), "usb0", None),  # it is there, and something else now
        ("eth7", (), "eth3", "eth7"),
        ("eth7", ("eth7",), None, None),
        ("usb-1.2", (), None, None),  # known once it has been there
        ("usb-1.2", (), "enx0", "enx0"),
        ("usb-modem", (), "usb0", "usb0"),
    ],
)
def test_absent_wan_has_its_expected_name(
    wan: str | None, there: tuple[str, ...], last: str | None, name: str | None
) -> None:
    assert expected(LinkSettings(wan=wan), there, last) == name
