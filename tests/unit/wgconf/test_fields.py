"""Single values, through the functions that the .conf parser and the API share."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from app.model import Endpoint
from app.wgconf import fields
from app.wgconf.fields import BadValueError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.1:51820", "192.0.2.1", 51820),
        ("[2001:DB8::0001]:1", "2001:db8::1", 1),
        ("[fe80::1%eth0]:65535", "fe80::1%eth0", 65535),
        ("VPN.Example.net.:53", "vpn.example.net", 53),
        ("xn--bcher-kva.example:51820", "xn--bcher-kva.example", 51820),
        ("router:51820", "router", 51820),
        ("home_vpn.example.net:51820", "home_vpn.example.net", 51820),
        ("100.64.0.1:51820", "100.64.0.1", 51820),
    ],
)
def test_endpoint(text: str, host: str, port: int) -> None:
    assert fields.endpoint(text) == Endpoint(host, port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "host:port"),
        ("192.0.2.1", "host:port"),
        (":51820", "host:port"),
        ("192.0.2.1:", "not a port"),
        ("192.0.2.1:0", "not a port"),
        ("192.0.2.1:65536", "not a port"),
        ("192.0.2.1:666666666", "not a port"),
        ("192.0.2.1:+5", "not a port"),
        ("192.0.2.1: 5", "not a port"),
        ("192.0.2.1:٣", "not a port"),
        ("2001:db8::7:51820", "brackets"),
        ("[192.0.2.1]:51820", "not an IPv6 address"),
        ("[2001:db8::1]51820", "[IPv6 address]:port"),
        ("[2001:db8::1%eth0]:51820", "link-local"),
        ("[fe80::1%a/b]:51820", "link-local"),
        ("[fe80::1%]:51820", "link-local"),
        ("[::ffff:192.0.2.1]:51820", "write it as IPv4"),
        ("[::1]:51820", "loopback"),
        ("[ff02::1]:51820", "multicast"),
        ("[::]:51820", "unspecified"),
        ("0.0.0.0:51820", "unspecified"),
        ("127.0.0.1:51820", "loopback"),
        ("224.0.0.1:51820", "multicast"),
        ("255.255.255.255:51820", "broadcast"),
        ("240.0.0.1:51820", "reserved"),
        ("0.1.2.3:51820", "reserved"),
        ("192.0.2.999:51820", "not an IP address"),
        ("192.0.2.01:51820", "not an IP address"),
        ("127.1:51820", "not an IP address"),
        ("2130706433:51820", "not an IP address"),
        ("0x7f000001:51820", "not an IP address"),
        ("vpn.example.0x1:51820", "not an IP address"),
        ("localhost:51820", "this machine"),
        ("a.localhost:51820", "this machine"),
        ("bücher.example:51820", "neither"),
        ("a~b.example:51820", "neither"),
        ("-a.example:51820", "neither"),
        ("a..example:51820", "neither"),
        ("$(reboot).example:51820", "neither"),
        (f"{'a' * 64}.example:51820", "neither"),
        (f"{'a.' * 130}example:51820", "neither"),
    ],
)
def test_no_endpoint(text: str, reason: str) -> None:
    with pytest.raises(BadValueError) as refused:
        fields.endpoint(text)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.2", "10.0.0.2/32"),
        ("10.0.0.2/24", "10.0.0.2/24"),
        ("2606:B300::1", "2606:b300::1/128"),
        ("fe80::1/64", "fe80::1/64"),
        ("10.0.0.0/31", "10.0.0.0/31"),
        ("10.0.0.255/32", "10.0.0.255/32"),
    ],
)
def test_interface(text: str, expected: str) -> None:
    assert fields.interface(text) == ip_interface(expected)


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.2/33",
        "10.0.0.2/",
        "10.0.0.2/-1",
        "10.0.0.2/255.255.255.0",
        "10.0.0.2/0",
        "10.0.0.255/24",
        "127.0.0.1/8",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.5",
        "241.0.0.1",
        "::",
        "::1",
        "ff02::1",
        "::ffff:10.0.0.2",
        "fe80::1%eth0/64",
        "fe80::1/64%eth0",
        "10.0.0.2 /24",
        "1",
        "example.net",
    ],
)
def test_no_interface(text: str) -> None:
    with pytest.raises(BadValueError):
        fields.interface(text)


def test_networks_lose_their_host_bits_and_duplicates() -> None:
    expected = (ip_network("10.1.2.0/24"), ip_network("::/0"), ip_network("10.9.9.9/32"))
    assert fields.networks("10.1.2.3/24, ::0/0,10.1.2.0/24 ,10.9.9.9") == expected


@pytest.mark.parametrize(
    "text", ["", ",", "10.0.0.0/8,", "0/0", "10.0.0.0/255.0.0.0", "+10.0.0.0/8", "fe80::%a/64", "x"]
)
def test_no_networks(text: str) -> None:
    with pytest.raises(BadValueError):
        fields.networks(text)


@pytest.mark.parametrize(
    "text", ["10.8.0.2/32 fd42::2", "10.8.0.2/32,, fd42::2 ,", " 10.8.0.2/32\tfd42::2/128", ", 10.8.0.2,fd42::2"]
)
def test_interfaces_are_split_as_wg_quick_does(text: str) -> None:
    assert fields.interfaces(text) == (ip_interface("10.8.0.2/32"), ip_interface("fd42::2/128"))


@pytest.mark.parametrize("text", ["1.1.1.1 1.0.0.1", "1.1.1.1, 1.0.0.1,", ",1.1.1.1,,1.0.0.1"])
def test_resolvers_are_split_as_wg_quick_does(text: str) -> None:
    assert fields.resolvers(text) == ((ip_address("1.1.1.1"), ip_address("1.0.0.1")), ())


def test_networks_between_blanks_are_refused_with_the_cure() -> None:
    with pytest.raises(BadValueError, match="separate several with commas"):
        fields.networks("0.0.0.0/0 ::/0")


def test_wg_quicks_lists_have_a_limit_too() -> None:
    with pytest.raises(BadValueError, match="more than 16 addresses"):
        fields.interfaces(" ".join(f"10.0.0.{i}" for i in range(1, 18)))


def test_a_list_has_a_limit() -> None:
    as_many = [f"10.{i // 256}.{i % 256}.0/24" for i in range(fields.MAX_ALLOWED_IPS)]
    assert len(fields.networks(",".join(as_many))) == fields.MAX_ALLOWED_IPS
    with pytest.raises(BadValueError, match="more than 1024"):
        fields.networks(",".join([*as_many, "10.200.0.0/24"]))


def test_resolvers_and_search_domains() -> None:
    assert fields.resolvers("10.0.0.1, Corp.Example, 2001:db8::53,10.0.0.1") == (
        (ip_address("10.0.0.1"), ip_address("2001:db8::53")),
        ("corp.example",),
    )
    assert fields.resolvers("~corp.example 10.0.0.1 office_lan") == (
        (ip_address("10.0.0.1"),),
        ("corp.example", "office_lan"),
    )


@pytest.mark.parametrize("text", ["1.1.1.1;reboot", "127.0.0.53", "fe80::1%eth0", "1.1.1", "~", "10.0.0.1/32", "::"])
def test_no_resolvers(text: str) -> None:
    with pytest.raises(BadValueError):
        fields.resolvers(text)


@pytest.mark.parametrize(("text", "seconds"), [("off", 0), ("OFF", 0), ("0", 0), ("25", 25), ("65535", 65535)])
def test_keepalive(text: str, seconds: int) -> None:
    assert fields.keepalive(text) == seconds


@pytest.mark.parametrize("text", ["-1", "65536", "on", "2.5", "1e3", "", "٢٥", "99999999999"])
def test_no_keepalive(text: str) -> None:
    with pytest.raises(BadValueError):
        fields.keepalive(text)


@pytest.mark.parametrize("text", ["575", "9201", "0", "-1", "1420 ", "auto"])
def test_no_mtu(text: str) -> None:
    with pytest.raises(BadValueError):
        fields.mtu(text)


def test_what_may_be_a_key_is_never_quoted() -> None:
    key = "UBaWkwU5zlBHI/OZ7ZTkOzgcDw7mZqs8d9zmQXUE10M="
    assert fields.shown(f"echo {key}; exit") == '"echo ***; exit"'
    assert key[:12] not in fields.shown(key[:30])
    with pytest.raises(BadValueError) as refused:
        fields.interface(key)
    assert key[:12] not in str(refused.value)
