"""Server lists of providers: what is taken from an entry, what is refused, and why (pure).

A list comes from outside and may be broken or hostile. Each entry is judged by itself; a bad one is left out with its
reason and the others stay. What passes can be dialled: a WireGuard key, an address on the Internet, plain names.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from app import codec, keys
from app.addresses import Address, Network
from app.model import Server
from app.providers.base import SkippedEntry
from app.providers.errors import BadAnswerError

T = TypeVar("T")

MAX_RELAYS = 20_000
MAX_SKIPPED = 20_000
DEFAULT_PORT = 51820
UNKNOWN = "Unknown"

_UNICAST6 = ipaddress.IPv6Network("2000::/3")  # RFC 4291 2.4 and IANA: all that is given out

_HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CODE = re.compile(r"[A-Za-z]{2}")

# RFC 7748 section 6.1 and the usual list of small-order points with their non-canonical forms: they give every private
# key the same secret. Looked up rather than computed, because a list has thousands of keys.
_P = 2**255 - 19
_LOW_ORDER = frozenset(
    n.to_bytes(32, "little")
    for base in (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _P - 1,
        _P,
        _P + 1,
    )
    for n in (base, base + 2**255)
    if n < 2**256
)


class Relay(Struct, frozen=True, omit_defaults=True):
    """A server of a provider's list. ``ipv4``, ``ipv6`` or ``endpoint_name``: at least one is there."""

    hostname: str
    public_key: str = ""  # "" = told at connect time (PIA)
    country: str = UNKNOWN
    city: str = UNKNOWN
    country_code: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    endpoint_name: str | None = None
    port: int | None = None
    multihop_port: int | None = None
    load: float | None = None
    owned: bool | None = None
    hosted_by: str | None = None
    features: tuple[str, ...] = ()
    latitude: float | None = None
    longitude: float | None = None
    weight: int = 100
    details: dict[str, str] = field(default_factory=dict)  # what only this provider has

    @property
    def location(self) -> str:
        known = [part for part in (self.city, self.country) if part != UNKNOWN]
        return ", ".join(known) or UNKNOWN


class RelayList(Struct, frozen=True):
    """All of a list that is kept. ``general`` holds what is not of one server (resolvers, multihop, ...)."""

    relays: tuple[Relay, ...]
    port_ranges: tuple[tuple[int, int], ...] = ()
    general: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    fetched: float = 0.0  # Unix time
    skipped: tuple[SkippedEntry, ...] = ()


class BadEntryError(ValueError):
    """Why an entry cannot be used; shows nothing of it but short plain text."""


class OtherEntryError(Exception):
    """Why an entry is not offered although nothing is wrong with it."""


class Guard:
    """Says which addresses servers may have: on the Internet, or in ``allowed``; never in ``own`` networks."""

    def __init__(self, own: Iterable[Network] = (), allowed: Iterable[Network] = ()) -> None:
        self._own = tuple(own)
        self._allowed = tuple(allowed)

    def address(self, text: object, version: int, what: str) -> str:
        """``text`` in its canonical form. Raises BadEntryError."""
        try:
            address: Address = ipaddress.ip_address(str(text))
        except ValueError:
            raise BadEntryError(f"{what} is not an IP address") from None
        if address.version != version:
            raise BadEntryError(f"{what} is not an IPv{version} address")
        if any(address.version == n.version and address in n for n in self._own):
            raise BadEntryError(f"{what} is in this gateway's own LAN")
        public = address.is_global and not (address.is_multicast or address.is_reserved)
        if isinstance(address, IPv6Address):
            # Python's is_global lets translated addresses pass (RFC 6052, RFC 3056), which may stand for any IPv4 one.
            public = public and address in _UNICAST6 and address.sixtofour is None and address.teredo is None
        if not public and not any(address.version == n.version and address in n for n in self._allowed):
            raise BadEntryError(f"{what} is not on the Internet")
        return str(address)


class Collector:
    """Gathers a list entry by entry."""

    def __init__(self) -> None:
        self.relays: dict[str, Relay] = {}  # by hostname
        self.skipped: list[SkippedEntry] = []
        self._bad = 0

    def each(
        self, entries: Iterable[msgspec.Raw], where: str, kind: type[T], make: Callable[[T], Relay | None]
    ) -> None:
        """Decode every entry as ``kind`` and ``make`` a relay of it; None = it is none, which needs no word."""
        for place, raw in enumerate(entries):
            data = bytes(raw)
            try:
                relay = make(codec.decode(data, kind))
                if relay is not None:
                    self._add(relay)
            except OtherEntryError as reason:
                self.skip(_name_of(data, f"{where}[{place}]"), str(reason), bad=False)
            except BadEntryError as reason:
                self.skip(_name_of(data, f"{where}[{place}]"), str(reason))
            except msgspec.ValidationError as reason:
                self.skip(_name_of(data, f"{where}[{place}]"), str(reason))
            except (ValueError, RecursionError):
                self.skip(f"{where}[{place}]", "it cannot be read")

    def skip(self, entry: str, reason: str, *, bad: bool = True) -> None:
        self._bad += bad
        if len(self.skipped) < MAX_SKIPPED:
            self.skipped.append(SkippedEntry(entry, reason, bad))

    def _add(self, relay: Relay) -> None:
        if relay.hostname in self.relays:
            raise BadEntryError("an earlier entry has the same host name")
        if len(self.relays) >= MAX_RELAYS:
            raise BadEntryError(f"there are more than {MAX_RELAYS} servers")
        self.relays[relay.hostname] = relay

    def finish(self, who: str, **other: Any) -> RelayList:
        """Raises BadAnswerError where so little is usable that the last good list is the better one."""
        if not self.relays:
            first = next((s for s in self.skipped if s.bad), None)
            why = f"; the first entry: {first.reason}" if first else ""
            raise BadAnswerError(f"{who}: there is no usable server in the list{why}", code="bad_server_list")
        if self._bad > len(self.relays):
            first = next(s for s in self.skipped if s.bad)
            raise BadAnswerError(
                f"{who}: most of the list cannot be used ({self._bad} entries; {first.entry}: {first.reason})",
                code="bad_server_list",
            )
        return RelayList(relays=tuple(self.relays.values()), skipped=tuple(self.skipped), **other)


def decode_list(data: bytes, kind: type[T], who: str) -> T:
    """The frame of a list. Raises BadAnswerError."""
    try:
        return codec.decode(data, kind)
    except msgspec.ValidationError as error:
        raise BadAnswerError(f"{who}: the server list has another shape: {error}", code="bad_server_list") from None
    except (ValueError, RecursionError):
        raise BadAnswerError(f"{who}: the server list is not JSON", code="bad_server_list") from None


def _name_of(data: bytes, otherwise: str) -> str:
    for key in ("hostname", "name", "connectionName", "id"):
        try:
            name = msgspec.json.decode(data).get(key)
        except (ValueError, AttributeError, RecursionError):
            return otherwise
        if isinstance(name, str) and _HOSTNAME.fullmatch(name):
            return name
    return otherwise


# --- One value each --------------------------------------------------------------------------------------------------


def hostname(text: str) -> str:
    """A name that can stand in a URL path and in ``provider/hostname``. Raises BadEntryError."""
    if not _HOSTNAME.fullmatch(text):
        raise BadEntryError("the host name is none")
    return text


def dns_name(text: str) -> str:
    """A host name to be resolved, in lower case. Raises BadEntryError."""
    labels = text.lower().removesuffix(".").split(".")
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise BadEntryError("the host name to dial is none")
    return ".".join(labels)


def public_key(text: str) -> str:
    """Raises BadEntryError."""
    try:
        keys.decode_key(text)
    except keys.InvalidKeyError as error:
        raise BadEntryError(f"the public key: {error}") from None
    if base64.b64decode(text) in _LOW_ORDER:
        raise BadEntryError("the public key: not a usable public key: a point of low order")
    return text


def words(text: object, what: str, *, longest: int = 64) -> str:
    """Text for people, of one line. Raises BadEntryError."""
    if not isinstance(text, str) or len(text) > longest or not text.isprintable():
        raise BadEntryError(f"the {what} is not plain text of at most {longest} characters")
    return " ".join(text.split()) or UNKNOWN


def country_code(text: str) -> str | None:
    return text.lower() if _CODE.fullmatch(text) else None


def port(number: int | None, what: str) -> int | None:
    """Raises BadEntryError."""
    if number is not None and not 0 < number < 65536:
        raise BadEntryError(f"the {what} is not a port")
    return number


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def degrees(value: float | None, most: float) -> float | None:
    return round(value, 4) if value is not None and -most <= value <= most else None


def percent(value: float | None) -> float | None:
    return round(value, 1) if value is not None and 0 <= value <= 100 else None


def as_server(relay: Relay, provider: str, *, missing: tuple[str, ...] = ()) -> Server:
    """``relay`` as people see it."""
    host = relay.ipv4 or relay.ipv6 or relay.endpoint_name or ""
    return Server(
        hostname=relay.hostname,
        provider=provider,
        country=relay.country,
        city=relay.city,
        ipv4=relay.ipv4,
        ipv6=relay.ipv6,
        endpoint=f"{f'[{host}]' if ':' in host else host}:{relay.port or DEFAULT_PORT}",
        location=relay.location,
        missing=missing,
        country_code=relay.country_code,
        load=relay.load,
        owned=relay.owned,
        hosted_by=relay.hosted_by,
        features=relay.features,
        latitude=relay.latitude,
        longitude=relay.longitude,
    )
