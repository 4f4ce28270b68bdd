"""The server list of a provider and its entries, in the form of the cache."""

from __future__ import annotations

from msgspec import Struct, field

from app.model import Server
from app.providers.base import SkippedEntry

DEFAULT_PORT = 51820
UNKNOWN = "Unknown"
API_ADDRESSES = "api_addresses"  # in a list's general values: where the provider's API is, where the list tells it


class Relay(Struct, frozen=True, omit_defaults=True, gc=False):
    """A server of a provider's list, with at least one of ``ipv4``, ``ipv6`` and ``endpoint_name``."""

    hostname: str
    public_key: str = ""  # "" = assigned when dialled (PIA)
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
    details: dict[str, str] = field(default_factory=dict)  # values specific to the provider

    @property
    def location(self) -> str:
        known = [part for part in (self.city, self.country) if part != UNKNOWN]
        return ", ".join(known) or UNKNOWN


class RelayList(Struct, frozen=True):
    """A server list. ``general`` holds values that belong to no single server (resolvers, for example)."""

    relays: tuple[Relay, ...]
    port_ranges: tuple[tuple[int, int], ...] = ()
    general: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    fetched: float = 0.0  # Unix time
    skipped: tuple[SkippedEntry, ...] = ()


def as_server(relay: Relay, provider: str, *, missing: tuple[str, ...] = ()) -> Server:
    """The public view of ``relay``."""
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
