"""``providers.toml`` replaces the locations of the providers' APIs (for tests, labs, mirrors).

allowed_networks = ["198.51.100.0/24"]   # private networks that may contain servers
[apis.mullvad]
url = "https://api.mullvad.net"
addresses = ["203.0.113.80"]             # used instead of a DNS look-up
alternatives = ["https://api.example"]   # further URLs of the same API, for when the first cannot be reached
certificate = "api.example"              # the name in its certificates, where that is not the host of the URL
ca = "/etc/vpn-gateway/lab-ca.pem"       # in place of the system's certificate authorities
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from app import serialization
from app.addresses import Address, Network
from app.errors import InvalidFieldError


class ApiConfig(Struct, frozen=True):
    """The location of an API. ``ca``, a PEM file or PEM text, replaces the system's certificate authorities.

    ``certificate`` is the name that its certificates are for, where that is not the URL's host.
    """

    url: str
    addresses: tuple[Address, ...] = ()
    ca: str | None = None
    alternatives: tuple[str, ...] = ()
    certificate: str | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        return (self.url, *self.alternatives)


class ProvidersConfig(Struct, frozen=True, forbid_unknown_fields=True):
    apis: dict[str, ApiConfig] = field(default_factory=dict)
    allowed_networks: tuple[Network, ...] = ()


def load(path: Path) -> ProvidersConfig:
    """The content of the file, or the defaults where there is no file. Raises InvalidFieldError (``providers``)."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        found: ProvidersConfig = serialization.decode(msgspec.json.encode(data), ProvidersConfig)
    except FileNotFoundError:
        return ProvidersConfig()
    except (OSError, ValueError, TypeError) as error:
        raise InvalidFieldError(f"{path.name}: {error}", field="providers") from None
    for name, api in found.apis.items():
        if not all(map(is_https, api.urls)):
            raise InvalidFieldError(
                f"{path.name}: the URL of {name} must begin with https:// and a host", field="providers"
            )
    return found


def is_https(url: str) -> bool:
    """Whether ``url`` begins with https:// and a host name or address, with or without a port."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
