"""The rules for the LAN: a valid LAN can be planned, and ``gateway.toml`` and a backup accept the same."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidFieldError
from app.firstboot.gateway_toml import ConfigError, parse
from app.lan import check_address, check_lan, dhcp_range
from app.model import LanSettings, Settings
from app.network.policy import make_view
from app.store.validation import check_settings
from tests.unit.network.scenarios import default_exit, inputs

KNOWN = [int(IPv4Address(a)) for a in ("10.0.0.0", "172.16.0.1", "192.168.77.1")]
ADDRESSES = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from(KNOWN))
INTERFACES = st.builds(lambda address, length: IPv4Interface((address, length)), ADDRESSES, st.integers(0, 32))


def accepted(judge, *arguments) -> bool:
    try:
        judge(*arguments)
    except (InvalidFieldError, ConfigError):
        return False
    return True


@given(INTERFACES)
def test_backup_gateway_toml_and_planner_agree_about_an_address(address):
    good = accepted(check_address, address)
    start, end = dhcp_range(address) if good else (address.ip, address.ip)
    lan = LanSettings(address=address, dhcp_start=start, dhcp_end=end)
    assert accepted(check_settings, Settings(lan=lan)) is good
    assert accepted(parse, f"[network]\nlan_address = '{address}'") is good
    assert accepted(make_view, inputs(default_exit(), settings=lan)) is good


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("lan.address", {"address": IPv4Interface("8.8.8.1/24")}),
        ("lan.address", {"address": IPv4Interface("192.168.77.1/31")}),
        ("lan.address", {"address": IPv4Interface("192.168.77.255/24")}),
        ("lan.dhcp_start", {"dhcp_start": IPv4Address("10.0.0.1")}),
        ("lan.dhcp_end", {"dhcp_end": IPv4Address("192.168.77.2")}),
        ("lan.hostname", {"hostname": "gateway.lan"}),
        ("lan.domain", {"domain": "lan\naddress=/#/203.0.113.1"}),
        ("lan.hostname", {"hostname": "wpad"}),
        ("lan.domain", {"domain": "com"}),
        ("lan.lease_time", {"lease_time": 1}),
        ("lan.ula", {"ula": IPv6Interface("2001:db8::1/64")}),
        ("lan.ula", {"ula": IPv6Interface("fd12::1/48")}),
        ("lan.ula", {"ula": IPv6Interface("fd76:706e:6777:53::1/64")}),
    ],
)
def test_a_fault_names_its_field(field, changes):
    check_lan(LanSettings())
    with pytest.raises(InvalidFieldError) as caught:
        check_lan(msgspec.structs.replace(LanSettings(), **changes))
    assert caught.value.field == field
