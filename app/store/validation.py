"""The one judge of settings and servers, whose types are right and whose values may not be (pure).

The API, ``gateway.toml``, a restore and the start ask it, and the store itself before it writes. It ends with planning
the network (:mod:`app.store.planning`). Values that pass are safe to hand to nft, dnsmasq and the kernel. Every error
is an InvalidFieldError that names the field as in the settings (``lan.dhcp_start``) and shows no secret.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from msgspec.structs import replace

from app import keys, overlaps, portname, wgconf
from app.addresses import Address, Network, is_on_internet, is_routable
from app.errors import InvalidFieldError
from app.exit_settings import exit_names
from app.hostnames import is_host_name
from app.lan import RESERVED_NAMES, check_lan
from app.mac_address import is_device
from app.model import (
    DEFAULT_EXIT,
    Device,
    MtuSettings,
    Policy,
    ScheduleEntry,
    SelfService,
    ServerChange,
    ServerSecrets,
    Settings,
    StoredServer,
    VpnPolicy,
)
from app.network.plan import MAX_EXITS
from app.schedules import check_schedule, check_zone
from app.store.exit_rules import check_exits
from app.store.planning import check_overlaps, check_plan
from app.store.servers import join_secrets, same_name

ANY_ADDRESSES = (ipaddress.ip_interface("192.0.2.1/32"), ipaddress.ip_interface("2001:db8::1/128"))
MAX_DEVICES = 1000
MAX_GROUPS = 64
MAX_DOMAINS = 100  # in a list of domains
MAX_HOST_NAMES = 20  # of the gateway, given by people
MAX_SERVERS = 1024  # custom and imported; a provider's zip of all servers has some 700

_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


_NETWORK = (
    "lan",
    "links",
    "exits",
    "default_policy",
    "new_device_policy",
    "devices",
    "groups",
    "time_zone",
)  # the settings that a plan is made of


def check_all(
    settings: Settings, servers: tuple[StoredServer, ...], secrets: Mapping[str, ServerSecrets]
) -> tuple[str, ...]:
    """Check everything that a gateway stores; returns the servers without keys, which are kept.

    Raises InvalidFieldError.
    """
    check_settings(settings)
    lacking = check_servers(servers, secrets)
    check_overlaps(settings, servers)
    check_plan(settings, servers)
    return lacking


def check_change(before: Settings, after: Settings, servers: Sequence[StoredServer]) -> None:
    """Check what ``after`` changes in the stored settings ``before``. Raises InvalidFieldError."""
    if any(getattr(before, name) != getattr(after, name) for name in _NETWORK):
        check_network(after)
        moved = before.lan.networks != after.lan.networks
        if moved:
            check_overlaps(after, servers, before)
        check_plan(after, servers if moved else ())
    goals = ("exits", "exit_settings", "desired", "first_choice", "asked")
    if any(getattr(before, name) != getattr(after, name) for name in goals):
        check_exits(after)
        _check_goals(after)


def check_settings(settings: Settings) -> None:
    """Check all settings. Raises InvalidFieldError."""
    check_network(settings)
    check_plan(settings)
    _need(bool(_WORD.fullmatch(settings.provider)), "provider", "a provider's name")
    check_exits(settings)
    _check_own_decisions(settings)
    _check_goals(settings)
    check_preferences(
        settings.fallback_dns,
        settings.exit_check_url,
        settings.server_changes,
        settings.rebind_exceptions,
        settings.host_names,
        lan=settings.lan.networks,
    )


def _check_goals(settings: Settings) -> None:
    exits = exit_names(settings)
    for field in ("desired", "first_choice"):
        for name, target in getattr(settings, field).items():
            _need(name in exits and is_target(target), field, "configured exits with provider/hostname")
    for name, selector in settings.asked.items():
        _need(name in exits and is_selector(selector), "asked", "configured exits with a selector")
    _need(settings.places.keys() <= set(exits), "places", "configured exits with the place of a server")
    check_mtu(settings.mtu, exits)


def is_target(text: str) -> bool:
    """Whether ``text`` is ``provider/hostname``."""
    provider, _, hostname = text.partition("/")
    return bool(_WORD.fullmatch(provider)) and _is_line(hostname, 255)


def is_selector(text: str) -> bool:
    """Whether ``text`` can select a server: one line of at most 255 characters."""
    return _is_line(text, 255)


def check_network(settings: Settings) -> None:
    """Check that a network can be planned from ``settings``. Raises InvalidFieldError."""
    check_lan(settings.lan)
    wan, lan, carrier = settings.links.wan, settings.links.lan, settings.links.carrier
    _need(wan is None or portname.is_valid(wan), "links.wan", portname.FORMS)
    _need(carrier is None or portname.is_valid(carrier), "links.carrier", portname.FORMS)
    for name in lan or ():
        _need(portname.is_valid(name), "links.lan", portname.FORMS)
    _need(lan is None or (0 < len(lan) <= 16 and len(set(lan)) == len(lan)), "links.lan", "1 to 16 different names")

    exits = exit_names(settings)
    several = 0 < len(settings.exits) <= MAX_EXITS and len(set(exits)) == len(exits)
    _need(several, "exits", f"1 to {MAX_EXITS} different names")
    _need(all(_WORD.fullmatch(name) for name in exits), "exits", "names of a-z, 0-9, _ and -")
    _need(DEFAULT_EXIT in exits, "exits", f'"{DEFAULT_EXIT}" must be among them')
    _check_policy(settings.default_policy, exits, "default_policy")
    _need(len(settings.devices) <= MAX_DEVICES, "devices", f"at most {MAX_DEVICES}")
    macs = [device.mac for device in settings.devices]
    _need(len(set(macs)) == len(macs), "devices", "each MAC address once")
    fixed = [device.address for device in settings.devices if device.address is not None]
    _need(len(set(fixed)) == len(fixed), "devices", "each fixed address once")
    for device in settings.devices:
        check_device(device, "devices")
        _check_policy(device.policy, exits, "devices")
        _check_schedule(device.schedule, exits, "devices")
    _check_groups(settings, exits)
    check_zone(settings.time_zone)
    _check_domains(settings.rebind_exceptions)


def _check_groups(settings: Settings, exits: tuple[str, ...]) -> None:
    names = [group.name for group in settings.groups]
    _need(len(names) <= MAX_GROUPS and len(set(names)) == len(names), "groups", f"at most {MAX_GROUPS}, each name once")
    for group in settings.groups:
        _need(is_group_name(group.name), "groups", "names of 1 to 64 printable characters, no /")
        if group.policy is not None:
            _check_policy(group.policy, exits, "groups")
        _check_schedule(group.schedule, exits, "groups")


def _check_schedule(schedule: tuple[ScheduleEntry, ...], exits: tuple[str, ...], field: str) -> None:
    try:
        check_schedule(schedule, "schedule")
    except InvalidFieldError as error:
        raise InvalidFieldError(f"{field}: {error.message}", field=field) from None
    for entry in schedule:
        _check_policy(entry.policy, exits, field)


def is_group_name(name: str | None) -> bool:
    return name is None or (_is_line(name, 64) and "/" not in name and name == name.strip())


def check_device(device: Device, field: str = "name") -> None:
    """Check a device's MAC address, name, group and fixed address. Raises InvalidFieldError with ``field``."""
    _need(is_device(device.mac), field, "MAC addresses of single devices, in lower case with colons")
    _need(is_device_name(device.name), field, "names of 1 to 64 printable characters")
    _need(is_group_name(device.group), field, "groups of 1 to 64 printable characters, no /")
    _need(device.address is None or device.address.is_private, field, "a fixed address of a private network")


def is_device_name(name: str | None) -> bool:
    return name is None or _is_line(name, 64)


def check_self_service(service: SelfService, exits: Sequence[str]) -> None:
    """Check what devices may decide for themselves. Raises InvalidFieldError (``exits``)."""
    known = [name for name in exits if name]
    for name in service.exits or ():
        _need(name in known, "exits", f"there is no exit {name!r}; there are {', '.join(known)}")


def _check_own_decisions(settings: Settings) -> None:
    """Exits that are gone are harmless here: a choice of one counts for nothing."""
    for field in ("device_self_service", "chosen_exits"):
        found = getattr(settings, field)
        _need(len(found) <= MAX_DEVICES, field, f"at most {MAX_DEVICES}")
        _need(all(map(is_device, found)), field, "MAC addresses of single devices, in lower case with colons")


def check_preferences(
    fallback_dns: Sequence[Address] = (),
    exit_check_url: str | None = None,
    server_changes: Sequence[ServerChange] = (),
    rebind_exceptions: Sequence[str] = (),
    host_names: Sequence[str] = (),
    *,
    lan: Sequence[Network] = (),
) -> None:
    """Check the settings that users change, from the API or a backup; ``lan`` are the LAN's networks.

    Raises InvalidFieldError.
    """
    _need(len(fallback_dns) <= 16, "fallback_dns", "at most 16 addresses")
    for address in fallback_dns:
        _need(is_resolver(address), "fallback_dns", f"{address} is not the address of a resolver")
    for clash in overlaps.clashes(overlaps.tunnel_claims((), (), fallback_dns), overlaps.lan_claims(lan)):
        raise InvalidFieldError(f"fallback_dns: {clash.message}", field="fallback_dns")
    if exit_check_url is not None:
        _check_url(exit_check_url)
    for number, change in enumerate(server_changes):
        _need(bool(change.days), f"server_changes[{number}].days", "name at least one day")
        _need(bool(change.select.strip()), f"server_changes[{number}].select", "a server, a place, fastest or random")
    _check_domains(rebind_exceptions)
    _check_host_names(host_names)


def _check_domains(domains: Sequence[str]) -> None:
    _need(len(domains) <= MAX_DOMAINS, "rebind_exceptions", f"at most {MAX_DOMAINS} domains")
    _need(all(map(is_host_name, domains)), "rebind_exceptions", "domains such as plex.direct (RFC 1123)")


def _check_host_names(names: Sequence[str]) -> None:
    _need(len(names) <= MAX_HOST_NAMES, "host_names", f"at most {MAX_HOST_NAMES} names")
    for name in names:
        taken = name.lower().removesuffix(".") in RESERVED_NAMES
        _need(is_host_name(name) and not taken, "host_names", "names such as gateway.home.example (RFC 1123)")


def is_resolver(address: Address) -> bool:
    """Whether ``address`` is one host's, reachable by way of a tunnel, and written as what it is."""
    return is_routable(address) and not (address.version == 6 and (address.ipv4_mapped or address.scope_id))


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
        host = parts.hostname or ""
        good = parts.scheme == "https" and bool(host) and parts.username is None and parts.port != 0
    except ValueError:
        host, good = "", False
    _need(good and _is_line(url, 255), "exit_check_url", "an https address, or null for never")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return  # a name; what it resolves to is judged at each check
    _need(is_on_internet(address), "exit_check_url", f"{address} is not an address on the Internet")


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
        config = replace(
            config, addresses=ANY_ADDRESSES
        )  # of both families, lest a resolver be left out for want of one
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
