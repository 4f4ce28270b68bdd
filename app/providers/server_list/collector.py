"""The collector gathers a list entry by entry and skips bad entries with their reason (pure).

A list is untrusted and may be broken or hostile. An accepted entry can be dialled: it has a WireGuard key, an address
on the Internet and plain names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from app import serialization
from app.providers.base import SkippedEntry
from app.providers.errors import BadAnswerError
from app.providers.server_list.address_policy import BadEntryError
from app.providers.server_list.entry_fields import HOSTNAME
from app.providers.server_list.relay import Relay, RelayList

T = TypeVar("T")

MAX_RELAYS = 20_000
MAX_SKIPPED = 20_000


class NotOfferedError(Exception):
    """A valid entry is not offered, for the reason in the message."""


class Collector:
    """Gathers a list entry by entry."""

    def __init__(self) -> None:
        self.relays: dict[str, Relay] = {}  # by hostname
        self.skipped: list[SkippedEntry] = []
        self._bad = 0

    def each(
        self, entries: Iterable[msgspec.Raw], where: str, kind: type[T], make: Callable[[T], Relay | None]
    ) -> None:
        """Decode each entry as ``kind`` and ``make`` a relay of it; None = not a WireGuard server, skipped silently."""
        single = [bytes(raw) for raw in entries]
        decoded = _all_at_once(single, kind)
        for place, data in enumerate(single):
            try:
                relay = make(serialization.decode(data, kind) if decoded is None else decoded[place])
                if relay is not None:
                    self._add(relay)
            except NotOfferedError as reason:
                self.skip(_name_of(data, f"{where}[{place}]"), str(reason), bad=False)
            except BadEntryError as reason:
                self.skip(_name_of(data, f"{where}[{place}]"), str(reason))
            except msgspec.ValidationError as reason:
                self.skip(_name_of(data, f"{where}[{place}]"), str(reason))
            except (ValueError, RecursionError):
                self.skip(f"{where}[{place}]", "it cannot be read")

    def leave_out(self, entries: Iterable[msgspec.Raw], where: str, reason: str) -> None:
        """Skip all of ``entries``, which have a host name and are no WireGuard servers."""
        raw = list(entries)
        named = _all_at_once((bytes(entry) for entry in raw), _Named)
        if named is None:
            self.each(raw, where, _Named, lambda _: _not_offered(reason))
            return
        for place, entry in enumerate(named):
            plain = HOSTNAME.fullmatch(entry.hostname)
            self.skip(entry.hostname if plain else f"{where}[{place}]", reason, bad=False)

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

    def finish(self, title: str, **other: Any) -> RelayList:
        """The list. Raises BadAnswerError where so little is usable that the last valid list is better."""
        if not self.relays:
            first = next((s for s in self.skipped if s.bad), None)
            why = f"; the first entry: {first.reason}" if first else ""
            raise BadAnswerError(f"{title}: there is no usable server in the list{why}", code="bad_server_list")
        if self._bad > len(self.relays):
            first = next(s for s in self.skipped if s.bad)
            raise BadAnswerError(
                f"{title}: most of the list cannot be used ({self._bad} entries; {first.entry}: {first.reason})",
                code="bad_server_list",
            )
        return RelayList(relays=tuple(self.relays.values()), skipped=tuple(self.skipped), **other)


def _not_offered(reason: str) -> Relay | None:
    raise NotOfferedError(reason)


def _all_at_once(entries: Iterable[bytes], kind: type[T]) -> list[T] | None:
    """All entries, in a third of the time; None where one of them cannot be read: one by one tells which."""
    try:
        return serialization.decode(b"[" + b",".join(entries) + b"]", list[kind])  # type: ignore[valid-type]
    except (ValueError, RecursionError):
        return None


class _Named(msgspec.Struct, frozen=True, gc=False):
    hostname: str


class _Names(msgspec.Struct, frozen=True):
    """Where a provider's entry has its name, the best first."""

    hostname: object = None
    name: object = None
    public_name: object = None
    connectionName: object = None  # noqa: N815 - Surfshark's word
    id: object = None


def _name_of(data: bytes, otherwise: str) -> str:
    try:
        names = msgspec.json.decode(data, type=_Names)
    except (ValueError, RecursionError):
        return otherwise
    for name in (names.hostname, names.name, names.public_name, names.connectionName, names.id):
        if isinstance(name, str) and HOSTNAME.fullmatch(name):
            return name
    return otherwise
