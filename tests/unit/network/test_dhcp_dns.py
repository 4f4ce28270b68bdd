"""dnsmasq's configurations: their text, which dnsmasq accepts, and upstream servers that must never be in it."""

from __future__ import annotations

import shutil
import subprocess
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface

import pytest
from hypothesis import given
from hypothesis import settings as configured
from hypothesis import strategies as st

from app.model import Device, LanLink, LanSettings, Links, Settings, WanLink
from app.network.dhcp_dns import Paths, lan_services, render
from app.network.plan import MAX_EXITS, RESOLVER_SLOTS

LAN = LanSettings(ula=IPv6Interface("fd12:3456:789a::1/64"))
PATHS = Paths(leases="/var/lib/vpn-gateway/dnsmasq.leases", hosts="/run/vpn-gateway/dnsmasq/hosts")

COMMON = """\
# Written by the gateway from its settings; changes here are lost.
no-resolv
no-hosts
bind-dynamic
interface=br-lan
interface=lo
domain-needed
host-record=vpn-gateway.lan,vpn-gateway,192.168.77.1,fd12:3456:789a::1
"""

LAN_TEXT = f"""\
{COMMON}port=53
domain=lan
local=/lan/
expand-hosts
dhcp-authoritative
no-ping
dhcp-leasefile=/var/lib/vpn-gateway/dnsmasq.leases
dhcp-hostsdir=/run/vpn-gateway/dnsmasq/hosts
dhcp-range=tag:regular,192.168.77.20,192.168.77.250,255.255.255.0,43200s
dhcp-range=tag:!regular,192.168.77.20,192.168.77.227,255.255.255.0,300s
dhcp-option=option:router,192.168.77.1
dhcp-option=option:dns-server,192.168.77.1
dhcp-option=option:domain-search,lan
dhcp-name-match=set:reserved,vpn-gateway
dhcp-name-match=set:reserved,vpn-gateway.*
dhcp-name-match=set:reserved,wpad
dhcp-name-match=set:reserved,wpad.*
dhcp-name-match=set:reserved,isatap
dhcp-name-match=set:reserved,isatap.*
dhcp-name-match=set:reserved,localhost
dhcp-name-match=set:reserved,localhost.*
dhcp-name-match=set:reserved,anna-s-tv
dhcp-name-match=set:reserved,anna-s-tv.*
dhcp-ignore-names=tag:reserved
enable-ra
dhcp-range=fd12:3456:789a::,ra-stateless,ra-names,64
dhcp-option=option6:dns-server,[fd12:3456:789a::1]
dhcp-option=option6:domain-search,lan
ra-param=br-lan,30,1800
"""

EXIT_TEXT = f"""\
{COMMON}# for exit 1
port=5302
strict-order
server=fd76:706e:6777:53::8
server=198.18.53.8
server=fd76:706e:6777:53::9
server=198.18.53.9
server=fd76:706e:6777:53::a
server=198.18.53.10
server=fd76:706e:6777:53::b
server=198.18.53.11
server=/lan/127.0.0.1#53
rev-server=192.168.77.0/24,127.0.0.1#53
rev-server=fd12:3456:789a::/64,127.0.0.1#53
bogus-priv
stop-dns-rebind
rebind-domain-ok=/lan/
rebind-domain-ok=/plex.direct/
cache-size=2000
max-cache-ttl=120
dns-forward-max=500
"""


def rendered(
    lan: LanSettings = LAN,
    exits: tuple[str, ...] = ("default", "work"),
    *,
    ipv6_default: bool = True,
    direct: bool = False,
) -> dict[str, str]:
    settings = Settings(
        exits=exits,
        devices=(Device("02:00:00:00:00:05", name="Anna's TV"), Device("02:00:00:00:00:06", name="wpad")),
        rebind_exceptions=("plex.direct",),
    )
    return render(settings, lan, "br-lan", ipv6_default=ipv6_default, direct=direct, paths=PATHS)


def values(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.partition("=")[0] == key]


def accepted(text: str) -> None:
    """Assert that dnsmasq accepts ``text``."""
    assert shutil.which("dnsmasq")
    done = subprocess.run(
        ["dnsmasq", "--test", "--conf-file=-"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stderr}\n{text}"


def test_configurations_are_as_written_down():
    texts = rendered()
    assert list(texts) == ["lan", "exit-0", "exit-1"]
    assert texts["lan"] == LAN_TEXT
    assert texts["exit-1"] == EXIT_TEXT


def test_direct_instance_exists_only_while_a_device_needs_it():
    assert "direct" not in rendered(direct=False)
    text = rendered(direct=True)["direct"]
    assert values(text, "port") == ["5300"]
    assert values(text, "server")[:2] == ["fd76:706e:6777:53::", "198.18.53.0"]
    assert "strict-order" not in text.splitlines(), "the WAN's resolvers are alike: the one that answers is asked"


def test_exit_without_ipv6_advertises_no_default_route():
    """Addresses and names by router advertisement, and a router lifetime of 0 (RFC 4861, 4.2)."""
    texts = {default: rendered(ipv6_default=default)["lan"] for default in (False, True)}
    assert values(texts[False], "ra-param") == ["br-lan,30,0"]
    assert values(texts[True], "ra-param") == ["br-lan,30,1800"]
    assert texts[False].replace("30,0", "30,1800") == texts[True]


def test_lan_without_a_prefix_advertises_nothing():
    text = rendered(LanSettings())["lan"]
    assert "enable-ra" not in text
    assert values(text, "host-record") == ["vpn-gateway.lan,vpn-gateway,192.168.77.1"]


def test_dhcp_off_configures_no_host():
    """In one-arm, where another server configures hosts, names are answered; nothing is advertised or leased."""
    text = rendered(LanSettings(dhcp_enabled=False, ula=LAN.ula))["lan"]
    assert not [line for line in text.splitlines() if line.startswith(("dhcp-", "enable-ra", "ra-"))]
    assert values(text, "port") == ["53"]


def test_each_exit_has_its_own_port_and_resolvers():
    texts = rendered(exits=tuple(f"exit{n}" for n in range(MAX_EXITS)), direct=True)
    forwarders = [text for name, text in texts.items() if name != "lan"]
    assert len(forwarders) == MAX_EXITS + 1
    assert len({values(text, "port")[0] for text in forwarders}) == len(forwarders)
    upstream = [server for text in forwarders for server in values(text, "server") if not server.startswith("/")]
    assert len(set(upstream)) == len(upstream) == 2 * RESOLVER_SLOTS * len(forwarders)


lans = st.builds(
    lambda network, ula, enabled, lease, name: LanSettings(
        address=IPv4Interface((network.network_address + 1, network.prefixlen)),
        dhcp_start=network.network_address + 2,
        dhcp_end=network.broadcast_address - 1,
        dhcp_enabled=enabled,
        lease_time=lease,
        ula=IPv6Interface((0xFD << 120 | ula << 80 | 1, 64)) if ula is not None else None,
        domain=f"{name}.home",
        hostname=name,
    ),
    st.builds(
        lambda address, length: IPv4Network((address, length), strict=False),
        st.integers(int(IPv4Address("10.0.0.0")), int(IPv4Address("10.255.255.255"))).map(IPv4Address),
        st.integers(8, 29),
    ),
    st.none() | st.integers(0, 2**40 - 1),
    st.booleans(),
    st.integers(120, 365 * 86400),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True),
)


@given(lan=lans, ipv6_default=st.booleans(), direct=st.booleans())
@configured(max_examples=30, deadline=None)
def test_valid_lan_gives_accepted_texts_without_upstream(lan, ipv6_default, direct):
    texts = rendered(lan, ipv6_default=ipv6_default, direct=direct)
    for name, text in texts.items():
        accepted(text)
        outside = [s for s in values(text, "server") if not s.startswith(f"/{lan.domain}/127.0.0.1#53")]
        if name == "lan":
            assert outside == [], "the LAN's own instance asks nobody"
            assert values(text, "rev-server") == []
        else:
            # Only the stand-ins that nftables translates; never a real resolver's address, and no DHCP.
            assert all(s.startswith(("198.18.53.", "fd76:706e:6777:53:")) for s in outside)
            assert "dhcp-" not in text
        assert set(values(text, "interface")) == {"br-lan", "lo"}
        assert {"no-resolv", "no-hosts", "bind-dynamic"} <= set(text.splitlines())


def test_dnsmasq_refuses_an_unknown_option():
    """The check in ``accepted`` can fail."""
    with pytest.raises(AssertionError, match="bad option"):
        accepted("no-such-option=1\n")


def test_dhcp_is_off_by_default_on_a_shared_link() -> None:
    """In one-arm the network has a DHCP server already: a second one would misconfigure its devices."""
    wan = WanLink("wan", up=True)
    shared, apart = Links(wan, (LanLink("wan"),)), Links(wan, (LanLink("br-lan"),))
    none = Links(None, (LanLink("br-lan"),))
    assert [lan_services(LanSettings(), links).dhcp_enabled for links in (shared, apart, none)] == [False, True, True]
    for said in (True, False):
        lan = LanSettings(dhcp_enabled=said)
        assert [lan_services(lan, links).dhcp_enabled for links in (shared, apart)] == [said, said]
