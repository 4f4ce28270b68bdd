"""The rules for the settings of exits (pure). Every error is an InvalidFieldError that names the field."""

from __future__ import annotations

import re

from app import overlaps
from app.addresses import Address, is_routable
from app.errors import InvalidFieldError
from app.exit_settings import exit_names
from app.model import MIN_TUNNEL_MTU, ExitSettings, Settings

MAX_MTU = 9200  # bytes

# Older versions, whose settings only a file could name exits, took underscores as well.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_RESERVED = ("vpn", "direct", "blocked")  # policies


def check_new_name(name: str, field: str = "name") -> None:
    """Check the name of an exit that is made or renamed. Raises InvalidFieldError."""
    _need(bool(_NAME.fullmatch(name)), field, "1 to 32 of a-z, 0-9 and -, the first no -")
    _need(name not in _RESERVED, field, f"{', '.join(_RESERVED)} are policies, and no names of exits")


def check_exits(settings: Settings) -> None:
    """Check the settings of all exits. Raises InvalidFieldError (``exit_settings...``)."""
    names = [one.name for one in settings.exit_settings]
    _need(len(set(names)) == len(names), "exit_settings", "each exit once")
    for one in settings.exit_settings:
        check_exit_settings(one, settings, f"exit_settings.{one.name}.")


def check_exit_settings(one: ExitSettings, settings: Settings, prefix: str = "") -> None:
    """Check the settings of one exit of ``settings``. Raises InvalidFieldError, with ``prefix`` before the field."""
    _need(one.name in exit_names(settings), f"{prefix}name", "there is no such exit")
    _need(one.label is None or _is_line(one.label, 64), f"{prefix}label", "1 to 64 printable characters")
    _check_provider(one.provider, f"{prefix}provider")
    _need(one.target is None or _is_selector(one.target), f"{prefix}target", _SELECTOR)
    for number, fallback in enumerate(one.fallbacks):
        _need(_is_selector(fallback.target), f"{prefix}fallbacks[{number}].target", _SELECTOR)
        _check_provider(fallback.provider, f"{prefix}fallbacks[{number}].provider")
    _need(len(set(one.fallbacks)) == len(one.fallbacks), f"{prefix}fallbacks", "each once")
    _check_dns(one.dns, settings, f"{prefix}dns")
    good = one.mtu is None or MIN_TUNNEL_MTU <= one.mtu <= MAX_MTU
    _need(good, f"{prefix}mtu", f"{MIN_TUNNEL_MTU} to {MAX_MTU} bytes")
    for number, change in enumerate(one.server_changes):
        _need(bool(change.days), f"{prefix}server_changes[{number}].days", "name at least one day")
        _need(_is_selector(change.select), f"{prefix}server_changes[{number}].select", _SELECTOR)
    for field in ("servers", "hosters", "countries"):
        names: tuple[str, ...] = getattr(one.never, field)
        _need(all(_is_selector(name) for name in names), f"{prefix}never.{field}", "names of one line each")


_SELECTOR = "a server, a place, fastest or random"


def _check_provider(name: str | None, field: str) -> None:
    _need(name is None or bool(_PROVIDER.fullmatch(name)), field, "a provider's name")


def _check_dns(servers: tuple[Address, ...], settings: Settings, field: str) -> None:
    _need(len(set(servers)) == len(servers), field, "each address once")
    for address in servers:
        plain = address.version == 4 or not (address.ipv4_mapped or address.scope_id)
        _need(is_routable(address) and plain, field, f"{address} is not the address of a resolver")
    for clash in overlaps.clashes(overlaps.tunnel_claims((), (), servers), overlaps.lan_claims(settings.lan.networks)):
        raise InvalidFieldError(f"{field}: {clash.message}", field=field)


def _is_selector(text: str) -> bool:
    return _is_line(text, 255) and bool(text.strip())


def _is_line(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable()


def _need(condition: bool, field: str, what: str) -> None:
    if not condition:
        raise InvalidFieldError(f"{field}: {what}", field=field)
