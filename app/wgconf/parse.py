"""The parser: a whole .conf -> :class:`ParsedConfig`, with the settings used and warnings for those that are not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from msgspec.structs import replace

from app.addresses import Address, Interface, Network
from app.model import Peer, TunnelConfig
from app.wgconf import amnezia, fields, hints, lexer
from app.wgconf.check import check
from app.wgconf.lexer import Entry, Section
from app.wgconf.types import ConfigError, ConfigWarning, ContradictionError, ParsedConfig

T = TypeVar("T")

MAX_PEERS = 64
MAX_HOOKS = 64

_INTERFACE = ("PrivateKey", "Address", "DNS", "MTU", "ListenPort", "FwMark", "Table", "SaveConfig")
_HOOKS = ("PreUp", "PostUp", "PreDown", "PostDown")
_PEER = ("PublicKey", "PresharedKey", "AllowedIPs", "Endpoint", "PersistentKeepalive")
_MAY_BE_EMPTY = frozenset({"Address", "DNS", "MTU", "Table"})  # wg-quick(8) reads these, and nothing as not given
_LISTS = frozenset({"Address", "DNS", "AllowedIPs", *_HOOKS})
# Written by graphical clients for themselves; wg(8) does not know them, and a gateway does not need them.
_FOREIGN = ("Name", "Description", "IncludedApplications", "ExcludedApplications")

_KNOWN = {
    "interface": {name.lower(): name for name in (*_INTERFACE, *_HOOKS, *_FOREIGN, *amnezia.SETTINGS)},
    "peer": {name.lower(): name for name in (*_PEER, *_FOREIGN[:2], *amnezia.PEER_SETTINGS)},
}

_FWMARK = re.compile(r"off|0x[0-9a-f]{1,8}|[0-9]{1,10}", re.IGNORECASE)
_TABLE = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class _Settings:
    """The settings of one section by their proper name, each value with its line."""

    def __init__(self, section: Section, warnings: list[ConfigWarning]) -> None:
        self.section = section
        self.found: dict[str, list[Entry]] = {}
        known = _KNOWN[section.name.lower()]
        for entry in section.entries:
            name = known.get(entry.key.lower())
            if name is None:
                raise ConfigError(_unknown(section, entry), line=entry.line, key=lexer.showable(entry.key))
            self.found.setdefault(name, []).append(entry)
        for name, entries in self.found.items():
            if len(entries) > 1 and name not in _LISTS:
                message = f"{name} is given more than once; the last one counts, as with wg-quick(8)"
                warnings.append(ConfigWarning("given_twice", message, entries[-1].line, name))

    def line(self, name: str) -> int:
        """The line of ``name``, or of its section where it is missing."""
        return self.found[name][-1].line if name in self.found else self.section.line

    def one(self, name: str, parse: Callable[[str], T]) -> T | None:
        """The value of a setting; one that a later one replaces must be well formed too."""
        return values[-1] if (values := self.every(name, parse)) else None

    def need(self, name: str, parse: Callable[[str], T]) -> T:
        value = self.one(name, parse)
        if value is None:
            raise ConfigError(f"[{self.section.name}] has none", line=self.section.line, key=name)
        return value

    def every(self, name: str, parse: Callable[[str], T]) -> list[T]:
        entries = self.found.get(name, ())
        return [_value(entry, name, parse) for entry in entries if entry.value or name not in _MAY_BE_EMPTY]

    def list_of(self, name: str, parse: Callable[[str], tuple[T, ...]], limit: int) -> tuple[T, ...]:
        values = tuple(dict.fromkeys(item for items in self.every(name, parse) for item in items))
        if len(values) > limit:
            raise ConfigError(f"more than {limit} of them", line=self.line(name), key=name)
        return values


def _value(entry: Entry, name: str, parse: Callable[[str], T]) -> T:
    if not entry.value:
        raise ConfigError("it is empty", line=entry.line, key=name)
    try:
        return parse(entry.value)
    except fields.BadValueError as error:
        raise ConfigError(str(error), line=entry.line, key=name) from None


def _unknown(section: Section, entry: Entry) -> str:
    for place, names in _KNOWN.items():
        if entry.key.lower() in names:
            return f"it belongs in [{place.capitalize()}], not [{section.name}]"
    return f"[{section.name}] has no such setting"


def parse(data: bytes | str, *, lan: tuple[Network, ...] = (), name: str | None = None) -> ParsedConfig:
    """Read a wg-quick(8) configuration of any known dialect; ``name`` is the file's, for hints only.

    ``lan`` are the networks of the gateway's LAN. Raises only :class:`ConfigError`, with line, key and reason; it never
    holds a key's value. docs/import.md says what is refused, dropped with a warning, or taken as it is.
    """
    document = lexer.read(data)
    warnings: list[ConfigWarning] = []
    if document.guessed:
        warnings.append(ConfigWarning("encoding", "It is not UTF-8: letters in comments may be wrong"))
    interface_section, peer_sections = _sections(document.sections)
    interface = _Settings(interface_section, warnings)
    peers = [_Settings(section, warnings) for section in peer_sections]

    hooks = tuple(_hooks(interface, warnings))
    _ignored(interface, warnings)
    for section in (interface, *peers):
        _foreign(section, warnings)
    amnezia.check([entry for section in (interface_section, *peer_sections) for entry in section.entries], warnings)
    resolvers, domains = _resolvers(interface)
    config = TunnelConfig(
        private_key=interface.need("PrivateKey", fields.private_key),
        addresses=_addresses(interface),
        peers=tuple(_peers(peers)),
        dns=resolvers,
        mtu=interface.one("MTU", fields.mtu),
        listen_port=interface.one("ListenPort", fields.listen_port),
    )
    if not peers:
        raise ConfigError("there is no such section, so no server", line=interface_section.line, key="[Peer]")
    if not any(peer.endpoint for peer in config.peers):
        raise ConfigError(
            "no peer has one, so there is nothing to connect to", line=peers[0].line("Endpoint"), key="Endpoint"
        )
    try:
        config, remarks = check(config, lan=lan, search_domains=domains)
    except ContradictionError as error:
        place = interface if error.peer is None else peers[error.peer]
        raise ConfigError(str(error), line=place.line(error.key), key=error.key) from None
    warnings += _with_position(remarks, interface)
    found = hints.find(config, [*document.comments, *(c for s in document.sections for c in s.comments)], name)
    return ParsedConfig(
        config=config,
        warnings=tuple(warnings),
        hooks=hooks,
        provider=found.provider,
        location=found.location,
        device=found.device,
    )


def _sections(sections: list[Section]) -> tuple[Section, list[Section]]:
    interfaces = [s for s in sections if s.name.lower() == "interface"]
    peers = [s for s in sections if s.name.lower() == "peer"]
    for section in sections:
        if section.name.lower() not in _KNOWN:
            name = f"[{lexer.showable(section.name) or '***'}]"
            reason = f"{name} is not a section of a WireGuard configuration; those are [Interface] and [Peer]"
            raise ConfigError(reason, line=section.line, key=name)
    if not interfaces:
        raise ConfigError("there is no such section", line=sections[0].line if sections else 1, key="[Interface]")
    if len(interfaces) > 1:
        reason = "a second one: are these two configurations in one file?"
        raise ConfigError(reason, line=interfaces[1].line, key="[Interface]")
    if len(peers) > MAX_PEERS:
        raise ConfigError(f"more than {MAX_PEERS} peers", line=peers[MAX_PEERS].line, key="[Peer]")
    return interfaces[0], peers


def _hooks(interface: _Settings, warnings: list[ConfigWarning]) -> Iterator[str]:
    entries = sorted((entry.line, name, entry) for name in _HOOKS for entry in interface.found.get(name, ()))
    if len(entries) > MAX_HOOKS:
        raise ConfigError(f"more than {MAX_HOOKS} commands", line=entries[MAX_HOOKS][0], key=entries[MAX_HOOKS][1])
    for line, name, entry in entries:
        message = f"{name} is left out; commands in a configuration are never run: {fields.shown_command(entry.raw)}"
        warnings.append(ConfigWarning("hook", message, line, name))
        yield f"{name} = {entry.raw}"


def _fwmark(value: str) -> str:
    if not _FWMARK.fullmatch(value) or (value.lower() != "off" and int(value, 0) > 0xFFFFFFFF):
        raise fields.BadValueError(f"{fields.shown(value)} is not off or a number up to 0xffffffff")
    return value


def _table(value: str) -> str:
    if not _TABLE.fullmatch(value):
        raise fields.BadValueError(f"{fields.shown(value)} is not auto, off or a routing table")
    return value


def _save_config(value: str) -> str:
    if value.lower() not in ("true", "false"):
        raise fields.BadValueError(f"{fields.shown(value)} is not true or false")
    return value


_IGNORED: dict[str, Callable[[str], str]] = {"FwMark": _fwmark, "Table": _table, "SaveConfig": _save_config}


def _ignored(interface: _Settings, warnings: list[ConfigWarning]) -> None:
    for name, parse_one in _IGNORED.items():
        if interface.one(name, parse_one) is not None:
            message = f"{name} is not used; the gateway does its own routing and keeps its own files"
            warnings.append(ConfigWarning("not_used", message, interface.line(name), name))


def _foreign(section: _Settings, warnings: list[ConfigWarning]) -> None:
    for name in _FOREIGN:
        if name in section.found:
            message = f"{name} is a note of another program and is left out"
            warnings.append(ConfigWarning("not_used", message, section.line(name), name))


def _resolvers(interface: _Settings) -> tuple[tuple[Address, ...], tuple[str, ...]]:
    pairs = interface.every("DNS", fields.resolvers)
    addresses = tuple(dict.fromkeys(a for pair in pairs for a in pair[0]))
    if len(addresses) > fields.MAX_RESOLVERS:
        raise ConfigError(f"more than {fields.MAX_RESOLVERS} of them", line=interface.line("DNS"), key="DNS")
    return addresses, tuple(dict.fromkeys(d for pair in pairs for d in pair[1]))[: fields.MAX_RESOLVERS]


def _addresses(interface: _Settings) -> tuple[Interface, ...]:
    addresses = interface.list_of("Address", fields.interfaces, fields.MAX_ADDRESSES)
    if not addresses:
        raise ConfigError("[Interface] has none; the tunnel needs one", line=interface.section.line, key="Address")
    return addresses


def _peers(sections: Iterable[_Settings]) -> Iterator[Peer]:
    total = 0
    for section in sections:
        peer = Peer(
            public_key=section.need("PublicKey", fields.public_key),
            endpoint=section.one("Endpoint", fields.endpoint),
            allowed_ips=section.list_of("AllowedIPs", fields.networks, fields.MAX_ALLOWED_IPS),
            preshared_key=section.one("PresharedKey", fields.preshared_key),
        )
        total += len(peer.allowed_ips)
        if total > fields.MAX_ALLOWED_IPS:
            reason = f"more than {fields.MAX_ALLOWED_IPS} networks in all"
            raise ConfigError(reason, line=section.line("AllowedIPs"), key="AllowedIPs")
        keepalive = section.one("PersistentKeepalive", amnezia.keepalive)
        yield replace(peer, persistent_keepalive=keepalive or 0)


def _with_position(remarks: Iterable[ConfigWarning], interface: _Settings) -> Iterator[ConfigWarning]:
    """``remarks`` with lines: one on a setting of [Interface] gets its line, one on a peer names the peer itself."""
    for remark in remarks:
        own = remark.key in interface.found if remark.key else False
        yield replace(remark, line=interface.line(remark.key or "")) if own else remark
