"""What is struck out of the support file: by example, and of anything that hypothesis can think of."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import keys
from app.support.redact import Redactor
from app.support.secrets import redact


def struck(text: str, **options) -> str:
    return Redactor(**options).text(text)


@pytest.mark.parametrize(
    "text",
    [
        "192.168.77.1/24 10.64.0.1 172.31.255.255 100.64.0.1 127.0.0.53 169.254.3.4 198.18.53.1",
        "192.0.2.7 198.51.100.10:51820, 203.0.113.80 (documentation), 224.0.0.251 255.255.255.0 0.0.0.0",
        "fe80::1%eth0 fd76:706e:6777:53::1 ::1 :: 2001:db8::7 ff02::fb [fd00::2]:53",
        "0.0.0.0/0 ::/0 2000::/3 128.0.0.0/1 8.0.0.0/7",
        "at 12:34:56, 2026-11-26 10:11:12.345, pci 0000:01:00.0, usb 1-1.3:1.0, app::netd",
        "kernel 6.12.57, nftables 1.1.3-1, 300.1.2.3",
        "00:00:00:00:00:00 ff:ff:ff:ff:ff:ff",
        "brcmfmac: brcmf_c_preinit_dcmds: Firmware: BCM4345/6 wl0: Aug 29 2023 version 7.45.98.118 (28bca26 CY)",
        "usb 1-1: New USB device strings: Mfr=1, Product=2, SerialNumber=3",
        "123456789012 bytes",
    ],
)
def test_values_that_identify_nobody_stay(text: str) -> None:
    assert struck(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8.8.8.8:53 to 8.8.4.4. 8.8.8.8", "public-address-1:53 to public-address-2. public-address-1"),
        ("8.8.8.0/24 8.8.8.8/7", "public-address-1/24 public-address-2/7"),
        ("[2a03:1b20::5]:51820 2a03:1b20::5: down", "[public-address-1]:51820 public-address-1: down"),
        ("2A03:1B20:0000:0000:0000:0000:0000:0005", "public-address-1"),
        ("::ffff:8.8.8.8 8.8.8.8", "::ffff:public-address-1 public-address-1"),
        ("64:ff9b::8.8.8.8 2002:808:808::1", "public-address-1 public-address-2"),
        ("SRC=8.8.8.8 DST=192.168.77.1", "SRC=public-address-1 DST=192.168.77.1"),
        ("008.008.008.008 8.8.8.8", "public-address-1 public-address-1"),
        ("peer 9.8.8.8.8", "peer public-address-1.8"),
        ("8.8.8.8.in-addr.arpa", "reverse-name-1"),
        ("8.1.168.192.in-addr.arpa", "reverse-name-1"),
        ("host 8-8-8-8.isp.example", "host public-address-1.isp.example"),
        ("2a03:1:2:3:4:5:6:7:8", "address-like-1"),
        ("dc:a6:32:01:02:03: link up", "dc:a6:32:mac-1: link up"),
        ("DC-A6-32-01-02-03 is dc:a6:32:01:02:03", "DC-A6-32-mac-1 is dc:a6:32:mac-1"),
        ("enxdca632010203: renamed from eth1", "enxdca632-mac-1: renamed from eth1"),
        ("hwaddr dca632010203", "hwaddr dca632-mac-1"),
        ("fe80::dea6:32ff:fe01:203 ff02::1:ff01:203", "address-of-mac-1 address-of-mac-2"),
        ("DUID 00:01:00:01:2a:2b:2c:2d:dc:a6:32:01:02:03", "DUID 00:01:00:mac-1"),
        ("DHCPACK(br-lan) 192.168.77.20 dc:a6:32:01:02:03 laptop", "DHCPACK(br-lan) 192.168.77.20 dc:a6:32:mac-1 ***"),
        ("DHCPACK(br-lan) 192.168.77.20 dc:a6:32:01:02:03", "DHCPACK(br-lan) 192.168.77.20 ***"),
        ("SLAAC-CONFIRM(br-lan) fd00::7 beef", "SLAAC-CONFIRM(br-lan) fd00::7 ***"),
        ("DHCPREPLY(br-lan) fd00::7 00:01:00:01:02:03:04 tv", "DHCPREPLY(br-lan) fd00::7 00:01:00:mac-1 ***"),
        ("not giving name tv to the DHCP lease of 10.0.0.7", "not giving name *** to the DHCP lease of 10.0.0.7"),
        ("possible DNS-rebind attack detected: nas.example", "possible DNS-rebind attack detected: ***"),
        ("usb 1-1: SerialNumber: 0123456789AB", "usb 1-1: SerialNumber: ***"),
        ("""wlan0: Trying to associate with SSID 'Anna's "net"'""", "wlan0: Trying to associate with SSID ***"),
        ("(SSID='My Home' freq=2437 MHz)", "(SSID=*** freq=2437 MHz)"),
        ('using interface wlan0 with ssid "My "Home""', "using interface wlan0 with ssid ***"),
        ("\t\tssid My Home", "\t\tssid ***"),
        ("wlan0: Connected WiFi access point: My Home (02:00:00:00:00:01)", "wlan0: Connected WiFi access point: ***"),
    ],
)  # fmt: skip
def test_values_that_identify_the_owner_are_redacted(text: str, expected: str) -> None:
    assert struck(text) == expected


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('{"password": "two words", "n": 1}', "two words"),
        ("wpa_psk=abcdef0123", "abcdef0123"),
        ("psk: 'correct horse'", "horse"),
        ("private key: abc", "abc"),
        ('"access_token": "abcdef"', "abcdef"),
        ("GET https://me:hunter2@example.net/", "hunter2"),
        ("Bearer abcdefgh.ijkl", "abcdefgh"),
        ("key vgw_0123456789abcdefghijklmn was used", "0123456789abcdefghijklmn"),
    ],
)
def test_what_is_called_a_secret_goes(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert secret not in struck(text)


def test_keys_have_distinct_placeholders() -> None:
    one, two = keys.generate().public_key, keys.generate().public_key
    assert struck(f"peer {one}\npeer {two}\npeer {one}") == "peer key-1\npeer key-2\npeer key-1"


def test_names_of_devices_are_whole_words_in_any_case() -> None:
    names = {"device-name": {"laptop", "Anna's iPhone", "tv"}, "gateway-name": {"box"}}
    text = "LAPTOP laptops anna's iphone.lan DHCPACK 192.168.77.20 tv (box) activity"
    expected = "device-name-1 laptops device-name-2.lan DHCPACK 192.168.77.20 device-name-3 (gateway-name-1) activity"
    assert struck(text, names=names) == expected


# --- anything ----------------------------------------------------------------------------------------------------

KEPT = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
    "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3 ::/127 fc00::/7 fe80::/10 ff00::/8 "
    "2001:db8::/32 3fff::/20 100::/64 ::ffff:0:0/96"
)


def public(address: IPv4Address | IPv6Address) -> bool:
    return not any(address in ip_network(n) for n in KEPT.split() if ip_network(n).version == address.version)


# What may stand beside an address or a secret: whatever is not itself part of a word or a number.
around = st.text(st.sampled_from(" \t,;()[]{}<>=\"'|@!?*\n") | st.characters(categories=["So"]), min_size=1)
prose = st.text(max_size=60)
four = st.ip_addresses(v=4).filter(public)
six = st.ip_addresses(v=6).filter(public)


@given(prose, around, four, around, prose)
def test_no_public_ipv4_address_is_left(before: str, left: str, address: IPv4Address, right: str, after: str) -> None:
    assert str(address) not in struck(f"{before}{left}{address}{right}{after}")


@given(prose, around, six, st.booleans(), around, prose)
def test_no_public_ipv6_address_is_left(before, left, address: IPv6Address, long: bool, right, after) -> None:
    written = address.exploded if long else str(address)
    assert written not in struck(f"{before}{left}{written}{right}{after}")


@given(four, st.sampled_from(["{}:51820", "SRC={}", "{}.", "'{}'", "{}/32", "x{}", "{}->", "a.{}", "{}.b", "_{}_"]))
def test_however_an_ipv4_address_is_written(address: IPv4Address, form: str) -> None:
    assert str(address) not in struck(form.format(address))


@given(six, st.sampled_from(["[{}]:51820", "SRC={}", "{}.", "{}: down", "{}/128", "{}%eth0", "_{}", "-{}-", ":{}"]))
def test_however_an_ipv6_address_is_written(address: IPv6Address, form: str) -> None:
    assert str(address) not in struck(form.format(address))


@given(st.binary(min_size=6, max_size=6).filter(lambda b: b not in {bytes(6), b"\xff" * 6}), st.sampled_from(":-"))
def test_no_second_half_of_a_mac_address_is_left(mac: bytes, between: str) -> None:
    written, tail = mac.hex(between), mac[3:].hex(between)
    assert not struck(f"eth0: {written} up").replace(mac[:3].hex(between), "").count(tail)
    eui64 = IPv6Address(0xFE80 << 112 | int.from_bytes(bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]))
    assert struck(f"inet6 {eui64}/64") == "inet6 address-of-mac-1/64"


STAND_INS = "***-key-name-device-public-address-mac-reverse-like-of-0123456789"
secret = st.text(min_size=8, max_size=80).filter(lambda s: s not in STAND_INS and not set(s) <= set("*-0123456789"))


@given(prose, secret, prose)
def test_no_known_secret_is_left_whatever_stands_around_it(before: str, hidden: str, after: str) -> None:
    text = f"{before}{hidden}{after}\n{json.dumps(hidden)}\n{json.dumps({hidden: [hidden]}, ensure_ascii=False)}"
    left = struck(text, secrets=[hidden])
    assert hidden not in left
    assert json.dumps(hidden)[1:-1] not in left


@given(secret, st.text("abcdefghij", min_size=4, max_size=10))
def test_end_of_a_secret_that_overlaps_another_is_redacted(hidden: str, end: str) -> None:
    """Of a secret that goes on after another the end is redacted, too."""
    assert struck(f"<{hidden}{end}> <{hidden}>", secrets=[hidden, hidden + end]) == "<***> <***>"
