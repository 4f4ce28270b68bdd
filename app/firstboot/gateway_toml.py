"""The parser of ``gateway.toml``, which also restores the secrets that were removed from the file (pure)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from app import encoding
from app.encoding import Decoded, NotTextError
from app.errors import InvalidFieldError
from app.firstboot.checks import faults
from app.firstboot.schema import AccessPoint, Config, WifiWan

_Network = TypeVar("_Network", AccessPoint, WifiWan)


class ConfigError(InvalidFieldError):
    """The configuration is invalid; ``faults`` has a line for each reason, which names its key."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def decode(data: bytes) -> Decoded:
    """``data`` as text with Unix line ends. Raises ConfigError."""
    try:
        text, guessed = encoding.decode(data)
    except NotTextError as error:
        raise ConfigError(str(error)) from None
    return Decoded(text.replace("\r\n", "\n"), guessed)


def parse(text: str) -> Config:
    """The configuration that ``text`` describes.

    Raises ConfigError with all faults that one pass finds; they show no value that could be a secret.
    """
    try:
        config = msgspec.convert(tomllib.loads(text), Config)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}") from None
    except RecursionError:
        raise ConfigError("not TOML: nested too deep") from None
    except msgspec.ValidationError as error:
        raise ConfigError(_readable(str(error))) from None
    if found := list(faults(config)):
        raise ConfigError(*found)
    return config


def _readable(message: str) -> str:
    """A message of msgspec ("... - at `$.wifi.country`") with the key first and indices from 1 instead of 0."""
    reason, _, path = message.partition(" - at ")
    path = re.sub(r"\[(\d+)\]", lambda index: f"[{int(index[1]) + 1}]", path)
    return f"{path.strip('`').removeprefix('$.')}: {reason}" if path else reason


def with_stored_secrets(new: Config, old: Config | None) -> Config:
    """``new`` with the secrets that an earlier run has removed from the file."""
    if old is None:
        return new
    network, wifi, vpn = new.network, new.wifi, new.vpn
    pppoe, before = network.pppoe, old.network.pppoe
    if pppoe and before and pppoe.password is None and pppoe.username == before.username:
        network = msgspec.structs.replace(network, pppoe=before)
    if wifi.access_point is not None and old.wifi.access_point is not None:
        point = _with_passphrase(wifi.access_point, (old.wifi.access_point,))
        wifi = msgspec.structs.replace(wifi, access_point=point)
    if wifi.wan is not None:
        known = tuple(_with_passphrase(network, old.wifi.networks) for network in wifi.networks)
        wifi = msgspec.structs.replace(wifi, wan=known[0] if isinstance(wifi.wan, WifiWan) else known)
    if not vpn.account and vpn.provider == old.vpn.provider:
        vpn = msgspec.structs.replace(vpn, account=old.vpn.account)
    return msgspec.structs.replace(new, network=network, wifi=wifi, vpn=vpn)


def _with_passphrase(network: _Network, before: Iterable[_Network]) -> _Network:
    """``network`` with its own passphrase, or else that of the network with the same name in ``before``."""
    known = next((old.passphrase for old in before if old.ssid == network.ssid), None)
    return network if network.passphrase is not None else msgspec.structs.replace(network, passphrase=known)
