"""The validation of settings and servers from outside, whose types are right and whose values may not be (pure).

Values that pass are safe to hand to nft, dnsmasq and the kernel. Every error is an InvalidFieldError that names the
field as in the settings (``lan.dhcp_start``) and shows no secret.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from msgspec.structs import replace

from app import keys, portname, wgconf
from app.addresses import Address
from app.errors import InvalidFieldError
from app.lan import check_lan
from app.mac_address import is_canonical
from app.model import DEFAULT_EXIT, MtuSettings, Policy, ServerChange, ServerSecrets, Settings, StoredServer, VpnPolicy
from app.store.servers import join_secrets, same_name

MAX_EXITS = 32  # as app.network.plan, a neighbour of this layer, has it
MAX_DEVICES = 1024
MAX_SERVERS = 1024  # custom and imported; a provider's zip of all servers has some 700

_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def check_settings(settings: Settings) -> None:
    """Check all settings. Raises InvalidFieldError."""
    check_network(settings)
    _need(bool(_WORD.fullmatch(settings.provider)), "provider", "a provider's name")
    for name, target in settings.desired.items():
        provider, slash, hostname = target.partition("/")
        good = name in settings.exits and slash and _WORD.fullmatch(provider) and hostname and _is_line(hostname, 255)
        _need(bool(good), "desired", "configured exits with provider/hostname")
    for name, selector in settings.asked.items():
        _need(name in settings.exits and _is_line(selector, 255), "asked", "configured exits with a selector")
    check_preferences(settings.fallback_dns, settings.exit_check_url, settings.server_changes)
    check_mtu(settings.mtu, settings.exits)


def check_network(settings: Settings) -> None:
    """Check that a network can be planned from ``settings``. Raises InvalidFieldError."""
    check_lan(settings.lan)
    wan, lan = settings.links.wan, settings.links.lan
    _need(wan is None or portname.is_valid(wan), "links.wan", portname.FORMS)
    for name in lan or ():
        _need(portname.is_valid(name), "links.lan", portname.FORMS)
    _need(lan is None or (0 < len(lan) <= 16 and len(set(lan)) == len(lan)), "links.lan", "1 to 16 different names")

    exits = settings.exits
    _need(0 < len(exits) <= MAX_EXITS and len(set(exits)) == len(exits), "exits", f"1 to {MAX_EXITS} different names")
    _need(all(_WORD.fullmatch(name) for name in exits), "exits", "names of a-z, 0-9, _ and -")
    _need(DEFAULT_EXIT in exits, "exits", f'"{DEFAULT_EXIT}" must be among them')
    _check_policy(settings.default_policy, exits, "default_policy")
    _need(len(settings.devices) <= MAX_DEVICES, "devices", f"at most {MAX_DEVICES}")
    macs = [device.mac for device in settings.devices]
    _need(all(map(is_canonical, macs)), "devices", "MAC addresses in lower case with colons")
    _need(len(set(macs)) == len(macs), "devices", "each MAC address once")
    for device in settings.devices:
        _check_policy(device.policy, exits, "devices")
        _need(device.name is None or _is_line(device.name, 64), "devices", "names of at most 64 printable characters")


def check_preferences(
    fallback_dns: Sequence[Address] = (), exit_check_url: str | None = None, server_changes: Sequence[ServerChange] = ()
) -> None:
    """Check the settings that users change, from the API or a backup. Raises InvalidFieldError."""
    _need(len(fallback_dns) <= 16, "fallback_dns", "at most 16 addresses")
    bad = [a for a in fallback_dns if a.is_multicast or a.is_unspecified or a.is_loopback]
    _need(not bad, "fallback_dns", "addresses of resolvers")
    if exit_check_url is not None:
        _check_url(exit_check_url)
    for number, change in enumerate(server_changes):
        _need(bool(change.days), f"server_changes[{number}].days", "name at least one day")
        _need(bool(change.select.strip()), f"server_changes[{number}].select", "a server, a place, fastest or random")


def check_mtu(mtu: MtuSettings, exits: Sequence[str]) -> None:
    """Check that the settings of the MTU name exits and providers. Raises InvalidFieldError."""
    for name in mtu.exits:
        _need(name in exits, "mtu.exits", f"there is no such exit; there are {', '.join(exits)}")
    for name in mtu.providers:
        _need(bool(_WORD.fullmatch(name)), "mtu.providers", "names of providers")


def _check_url(url: str) -> None:
    """Check the URL for the exit's address: https only, because its answer is trusted."""
    try:
        parts = urlsplit(url)
        good = parts.scheme == "https" and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        good = False
    _need(good and _is_line(url, 255), "exit_check_url", "an https address, or null for never")


def _check_policy(policy: Policy, exits: tuple[str, ...], field: str) -> None:
    if isinstance(policy, VpnPolicy):
        _need(policy.exit in exits, field, "a policy's exit must exist")


def check_servers(servers: tuple[StoredServer, ...], secrets: Mapping[str, ServerSecrets]) -> tuple[str, ...]:
    """Check the servers; returns the names of those without keys, which are kept. Raises InvalidFieldError."""
    _need(len(servers) <= MAX_SERVERS, "servers", f"at most {MAX_SERVERS}")
    _need(len({same_name(s.name) for s in servers}) == len(servers), "servers", "each name once")
    _need(not set(secrets) - {s.name for s in servers}, "secrets", "keys of servers that are there")
    for server in servers:
        plain = _is_line(server.name, 64) and "/" not in server.name and server.name[0].isalnum()
        _need(plain and server.name == server.name.strip(), "servers", "names of 1 to 64 printable characters, no /")
        _check_server(server, secrets.get(server.name))
    return tuple(s.name for s in servers if s.name not in secrets)


def _check_server(server: StoredServer, secrets: ServerSecrets | None) -> None:
    field = f"servers.{server.name}"
    _need(server.provider in {"custom", "imported"}, field, "provider custom or imported")
    _need(server.location is None or _is_line(server.location, 200), field, "a location of one line")
    printable = len(server.warnings) <= 100 and all(_is_line(w, 1000) for w in server.warnings)
    _need(printable, field, "warnings of one line each")
    _need(all(p.preshared_key is None for p in server.peers), field, "preshared keys are kept apart")
    if secrets is None:
        secrets = ServerSecrets(keys.generate().private_key)
    else:
        _need(server.public_key in {None, keys.public_key(secrets.private_key)}, field, "a public key that is its own")
    # The importer's own rules, by its own code: what would be refused as a .conf is refused here too. A server may be
    # stored without an address, until it is connected.
    config = join_secrets(server, secrets)
    if not config.addresses:
        config = replace(config, addresses=(ipaddress.ip_interface("192.0.2.1/32"),))
    try:
        again = wgconf.parse(wgconf.format_config(config)).config
    except wgconf.ConfigError as error:
        raise InvalidFieldError(f"{field}: {error.key or 'configuration'}: {error.reason}", field=field) from None
    _need(again == config, field, "a configuration that a .conf can express")


def _need(condition: bool, field: str, what: str) -> None:
    if not condition:
        raise InvalidFieldError(f"{field}: {what}", field=field)


def _is_line(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable()
