"""JSON for the model: msgspec plus the address types. A ``Secret`` is encoded only on request."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from app.addresses import Address, Interface, Network
from app.model import Secret

T = TypeVar("T")

_PARSERS: dict[Any, Callable[[str], Any]] = {
    Address: ipaddress.ip_address,
    Network: ipaddress.ip_network,
    Interface: ipaddress.ip_interface,
    ipaddress.IPv4Address: ipaddress.IPv4Address,
    ipaddress.IPv6Address: ipaddress.IPv6Address,
    ipaddress.IPv4Interface: ipaddress.IPv4Interface,
    ipaddress.IPv6Interface: ipaddress.IPv6Interface,
    ipaddress.IPv4Network: ipaddress.IPv4Network,
    ipaddress.IPv6Network: ipaddress.IPv6Network,
    Secret: Secret,
}
_TEXT_TYPES = (Address, Network, Interface)


def _encode(value: Any) -> Any:
    if isinstance(value, _TEXT_TYPES):
        return str(value)
    raise TypeError(f"{type(value).__name__} must not be encoded here")


def _encode_secret(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else _encode(value)


def _decode(kind: type, value: Any) -> Any:
    parser = _PARSERS.get(kind)
    if parser is None or not isinstance(value, str):
        raise TypeError(f"expected text for {kind.__name__}")
    return parser(value)


def encode(value: object, *, secrets: bool = False) -> bytes:
    """``value`` as JSON. Raises TypeError where it holds a ``Secret``, unless ``secrets`` allows it."""
    return msgspec.json.encode(value, enc_hook=_encode_secret if secrets else _encode)


def decode(data: bytes | str, kind: type[T] | Any) -> Any:
    """Parse JSON into ``kind``. Raises msgspec.DecodeError (not JSON) or msgspec.ValidationError (other shape)."""
    return msgspec.json.decode(data, type=kind, dec_hook=_decode)


def convert(value: object, kind: type[T] | Any) -> Any:
    """``value``, decoded JSON, as ``kind``. Raises msgspec.ValidationError."""
    return msgspec.convert(value, kind, dec_hook=_decode)


def to_builtins(value: object) -> Any:
    """``value`` as dicts, lists and scalars; raises TypeError where it holds a ``Secret``."""
    return msgspec.to_builtins(value, enc_hook=_encode)
