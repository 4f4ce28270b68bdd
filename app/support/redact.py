"""Redaction of the support file: secrets and the owner's names and addresses are removed (pure).

Secrets become ``***``. Values that a reader must distinguish get a placeholder, the same for each occurrence:
``public-address-1``, ``key-1``, ``device-name-1``; of a MAC address the vendor's half stays. Addresses that identify
nobody stay: private, shared, loopback, link-local, multicast and documentation ranges. In doubt a value is removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from app.support.secrets import KEY, redact

MIN_SECRET = 4  # characters; redacting a shorter one would damage the report's words and protects nothing
MIN_NAME = 2

_KEPT4 = tuple(
    IPv4Network(n)
    for n in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, netmasks, broadcast
    )
)
_KEPT6 = tuple(
    IPv6Network(n) for n in ("::/127", "fc00::/7", "fe80::/10", "ff00::/8", "2001:db8::/32", "3fff::/20", "100::/64")
)
_SOLICITED = IPv6Network("ff02::1:ff00:0/104")  # its last three bytes are those of an address (RFC 4291 2.7.1)
_WIDE = {4: 8, 6: 16}  # networks of at most so many bits identify nobody: 0.0.0.0/0, 2000::/3

_V4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_PLACES = re.compile(
    r"(?P<reverse>(?<![\w.])(?:[0-9A-Fa-f]{1,3}\.)+(?:in-addr|ip6)\.arpa)"
    r"|(?P<mac>(?<![0-9A-Za-z:])[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5,}(?!:?[0-9A-Fa-f])"
    r"|(?:-[0-9A-Fa-f]{2}){5}(?!-?[0-9A-Fa-f])))"
    r"|(?P<packed>(?<![0-9A-Za-z])(?:[a-z]{2}x(?P<behind>[0-9a-f]{12})"
    r"|(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{12})(?![0-9A-Za-z]))"
    rf"|(?P<six>(?<![0-9A-Za-z:])(?:[0-9A-Fa-f]{{0,4}}:){{2,}}(?:{_V4}|[0-9A-Fa-f]{{0,4}}))(?P<bits6>/\d{{1,3}}\b)?"
    rf"|(?P<four>(?<!\d){_V4}(?!\d))(?P<bits4>/\d{{1,2}}\b)?"
    r"|(?P<dashed>(?<![\d-])\d{1,3}(?:-\d{1,3}){3}(?![\d-]))"
)
# The version of a radio's firmware has four numbers as well, and readers need it.
_FIRMWARE = re.compile(r"(?i)\b(?:brcm\w*|firmware)\b.*\bversion $")
_NO_MAC = frozenset({"000000000000", "ffffffffffff"})

# hostapd and wpa_supplicant quote the name in either way, iw does not, networkd has words of its own.
_SSID = re.compile(r"(?i)((?<![a-z])e?ssid\b[\"']?\s*[:=]?\s*|\bWiFi access point:\s*)(\".*\"|'.*'|\S.*)")
# dnsmasq logs names of web sites that answer private addresses, and of devices whose leases are long gone; where a
# device has none, the last word is removed.
_LEASED = re.compile(
    r"(\b(?:DHCPACK|DHCPREPLY|DHCPINFORM|BOOTP|SLAAC-CONFIRM)\([^)]*\)(?: [0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*)+ "
    r"|\bclient provides name: |\bnot giving name "
    r"|\bpossible DNS-rebind attack detected: )\S+"
)
_SERIAL = re.compile(r"(?i)\b(serial ?number\s*:\s*)\S.*")  # of a USB device, as the kernel logs it


class Redactor:
    """The redactor: finds ``secrets`` and ``names`` (by kind) literally, everything else by its form."""

    def __init__(self, secrets: Iterable[str] = (), names: Mapping[str, Iterable[str]] | None = None) -> None:
        self._stand_ins: dict[tuple[str, object], str] = {}
        self._counts: dict[str, int] = {}
        self._secrets = _longest_first(_spellings(s for s in secrets if len(s) >= MIN_SECRET))
        self._kinds: dict[str, str] = {}
        self._spelled: set[str] = set()
        for kind, of_kind in (names or {}).items():
            known = [name for name in of_kind if len(name) >= MIN_NAME]
            self._spelled |= _spellings(known)
            for spelling in _spellings(known):
                self._kinds.setdefault(spelling.lower(), kind)

    def text(self, text: str) -> str:
        """``text`` redacted, line by line, so that the thread lets others run in between."""
        return "\n".join(self._by_look(line) for line in self.known(text).split("\n"))

    def known(self, text: str) -> str:
        """``text`` without the known secrets and names; for a text whose other values were redacted before."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        lower = text.lower()
        present = [name for name in self._spelled if name.lower() in lower]  # of a thousand devices, few
        if not present:
            return text
        names = re.compile(rf"(?i)(?<![\w-])(?:{'|'.join(map(re.escape, _longest_first(present)))})(?![\w-])")
        return names.sub(self._name, text)

    def _by_look(self, line: str) -> str:
        line = KEY.sub(lambda found: self._stand_in("key", found[0]), line)
        line = redact(line)
        for pattern in (_SSID, _LEASED, _SERIAL):
            line = pattern.sub(r"\1***", line)
        return _PLACES.sub(self._place, line)

    def _stand_in(self, kind: str, what: object) -> str:
        known = self._stand_ins.get((kind, what))
        if known is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            known = self._stand_ins[kind, what] = f"{kind}-{self._counts[kind]}"
        return known

    def _name(self, found: re.Match[str]) -> str:
        name = found[0].lower()
        return self._stand_in(self._kinds.get(name, "name"), name)

    def _place(self, found: re.Match[str]) -> str:
        whole = found[0]
        if found["reverse"]:
            return self._stand_in("reverse-name", whole.lower())
        if found["mac"]:
            return self._mac(whole)
        if found["packed"]:
            digits = found["behind"] or whole
            return f"{whole[: len(whole) - 6]}-{self._stand_in('mac', digits.lower())}"
        if found["six"]:
            return self._six(found["six"], found["bits6"] or "")
        if found["four"]:
            if _FIRMWARE.search(found.string, 0, found.start()):
                return whole
            return self._four(found["four"], found["bits4"] or "")
        return self._four(whole.replace("-", "."), "", whole)

    def _mac(self, text: str) -> str:
        digits = re.sub("[:-]", "", text).lower()
        return text if digits in _NO_MAC else f"{text[:9]}{self._stand_in('mac', digits)}"

    def _four(self, text: str, bits: str, written: str | None = None) -> str:
        numbers = [int(part) for part in text.split(".")]  # 010 is ten here, not octal
        if max(numbers) > 255:
            return (written or text) + bits
        address = IPv4Address(bytes(numbers))
        if _keeps(address) or _wide(address, bits):
            return (written or text) + bits
        return self._stand_in("public-address", address) + bits

    def _six(self, text: str, bits: str) -> str:
        before = ":" if text.startswith(":") and not text.startswith("::") else ""
        after = ":" if text.endswith(":") and not text.endswith("::") else ""
        bare = text[len(before) : len(text) - len(after)]
        try:
            address = ip_address(bare)
        except ValueError:
            # A time of day has two colons; what has many more, or two side by side, may hide an address.
            return self._stand_in("address-like", text) + bits if "::" in text or text.count(":") > 4 else text + bits
        assert isinstance(address, IPv6Address)
        if address.ipv4_mapped is not None:
            return f"{before}::ffff:{self._four(str(address.ipv4_mapped), '')}{bits}{after}"
        if _tells_a_mac(address):
            stand_in = self._stand_in("address-of-mac", address)
        elif _keeps(address) or _wide(address, bits):
            stand_in = bare
        else:
            stand_in = self._stand_in("public-address", address)
        return f"{before}{stand_in}{bits}{after}" if not (after and bits) else f"{before}{stand_in}{after}{bits}"


def _keeps(address: IPv4Address | IPv6Address) -> bool:
    kept = _KEPT4 if isinstance(address, IPv4Address) else _KEPT6
    return any(address in network for network in kept)


def _wide(address: IPv4Address | IPv6Address, bits: str) -> bool:
    if not bits or int(bits[1:]) > _WIDE[address.version]:
        return False
    return ip_network((int(address), int(bits[1:])), strict=False).network_address == address


def _tells_a_mac(address: IPv6Address) -> bool:
    """Whether ``address`` contains a MAC address (RFC 4291 appendix A), or the end of one."""
    return address.packed[11:13] == b"\xff\xfe" or address in _SOLICITED


def _spellings(words: Iterable[str]) -> set[str]:
    """``words`` as they are and as JSON spells them."""
    found: set[str] = set()
    for word in words:
        found |= {word, json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1]}
    return found


def _longest_first(words: Iterable[str]) -> list[str]:
    """``words``, the longest first, so that none is split by another that is its beginning."""
    return sorted(words, key=lambda w: (-len(w), w))
